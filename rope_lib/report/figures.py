"""The figures of a report, for any model: none is titled by what one model shows."""

from rope_lib.figures import style
from rope_lib.findings.breaks import binned

ROLES = {"key": (style.BLUE, "keys"), "query": (style.RED, "queries")}
FIX_COLORS = (style.GREEN, style.PURPLE, style.ORANGE)


def loss(found):
    """Mean loss in bins of positions of the longest input, over the band of the declared context."""
    figure, axes = style.axes(height=3.2)
    bins, (lowest, highest) = found.bins, found.band
    middle = bins.index + found.bin / 2
    inside = bins.index + found.bin <= found.declared
    axes.axhspan(lowest, highest, color=style.FAINT, alpha=0.5, linewidth=0)
    axes.plot(middle, bins, color=style.RED)
    axes.plot(middle[inside], bins[inside], color=style.BLUE)
    _finish(axes, found, bins.max())
    if found.break_point is not None:
        axes.axvline(found.break_point, color=style.RED, linewidth=1, linestyle="--")
        _upright(axes, found.break_point, "break point", style.RED, right=True)
    style.title(axes, "Loss by position")
    return figure


def fixes(found):
    """The same for the model as it is and under each fix."""
    figure, axes = style.axes(height=3.6)
    tried = {"as it is": found.losses} | found.fixes
    colors = (style.RED, *FIX_COLORS)
    axes.axhspan(*found.band, color=style.FAINT, alpha=0.5, linewidth=0)
    highest = 0
    for (label, losses), color in zip(tried.items(), colors, strict=False):
        bins = binned(losses, found.bin)
        axes.plot(bins.index + found.bin / 2, bins, color=color, label=label, linewidth=1.3)
        highest = max(highest, bins.max())
    _finish(axes, found, highest)
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    return figure


def _finish(axes, found, highest):
    axes.set_ylim(0, 1.15 * highest)
    axes.set_xlim(0, None)
    style.count_axis(axes.xaxis, "position (tokens)")
    axes.set_ylabel("loss (nats per token)")
    _mark(axes, found)
    if found.longest > found.declared:
        _upright(axes, found.declared, "declared context", style.GRAY, right=False)


def _upright(axes, x, text, color, *, right):
    """Name a vertical line at its top."""
    place = {"xytext": (4, -10)} if right else {"xytext": (-4, -10), "ha": "right"}
    style.label_line(axes, x, axes.get_ylim()[1], text, color, **place)


def _mark(axes, found):
    if found.longest > found.declared:
        axes.axvline(found.declared, color=style.GRAY, linewidth=1, linestyle=":")


def geometry(found):
    """By input length: stable rank, first-singular-value ratio, overlap, sink attention; means over heads."""
    figure, panels = style.axes(2, 2, height=5.2, sharex=True)
    (ranks, ratio), (overlap, sink) = panels
    summary = found.summary
    for role, (color, name) in ROLES.items():
        for stage, line in (("pre", "--"), ("post", "-")):
            label = f"{name}, {'after' if stage == 'post' else 'before'}"
            values = summary[f"{role}_stable_rank_{stage}"]
            ranks.plot(summary.length, values, line, color=color, marker="o", markersize=3, label=label)
    for stage, line in (("pre", "--"), ("post", "-")):
        values = summary[f"silhouette_{stage}"]
        overlap.plot(summary.length, values, line, color=style.INK, marker="o", markersize=3)
    ratio.plot(summary.length, summary.key_fsv_ratio, "o-", color=style.BLUE, markersize=3)
    sink.plot(summary.length, summary.sink_attention, "o-", color=style.INK, markersize=3)
    titles = ("Stable rank", "FSV ratio of keys", "Silhouette", "Attention to token 0")
    for axes, title in zip(panels.flat, titles, strict=True):
        style.title(axes, title)
        _mark(axes, found)
        axes.set_xscale("log", base=2)
    ratio.set_ylim(0, 1.05)
    sink.set_ylim(0, 1.2 * max(summary.sink_attention.max(), 0.01))
    _length_ticks(panels, found.lengths)
    figure.legend(*ranks.get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False)
    return figure


def _length_ticks(panels, lengths):
    """Lengths as labels, as many as there is room for, from the longest down."""
    shown, room = [], lengths[-1] / lengths[0]
    for length in reversed(lengths):
        if not shown or shown[-1] / length >= max(2, room**0.3):
            shown.append(length)
    for axes in panels[1]:
        axes.set_xticks(shown, labels=[style.count(length) for length in shown])
        axes.minorticks_off()
        axes.set_xlabel("input length (tokens)")
