"""The figures of a report, for any model: their titles say what is drawn, not what one model shows."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rope_lib.figures import style
from rope_lib.figures.style import Grid
from rope_lib.findings.breaks import binned

from .findings import Findings

FIX_COLORS = (style.GREEN, style.PURPLE, style.ORANGE)


def loss(found: Findings) -> Figure:
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
        _upright(axes, found.break_point, "break point", style.RED, "right")
    style.title(axes, "Loss by position")
    return figure


def fixes(found: Findings) -> Figure:
    """Mean loss by position as in `loss`, for the model as it is and under each fix."""
    figure, axes = style.axes(height=3.6)
    tried = {"as it is": found.losses} | found.fixes
    colors = (style.RED, *FIX_COLORS)
    axes.axhspan(*found.band, color=style.FAINT, alpha=0.5, linewidth=0)
    highest = 0.0
    for (label, losses), color in zip(tried.items(), colors, strict=False):
        bins = binned(losses, found.bin)
        axes.plot(bins.index + found.bin / 2, bins, color=color, label=label, linewidth=1.3)
        highest = max(highest, bins.max())
    _finish(axes, found, highest)
    style.legend_above(figure, axes, 2, fontsize=None)
    return figure


def _finish(axes: Axes, found: Findings, highest: float) -> None:
    """The axes of a figure of losses, with the declared context marked."""
    axes.set_ylim(0, 1.15 * highest)
    axes.set_xlim(0, None)
    style.count_axis(axes.xaxis, "position (tokens)")
    axes.set_ylabel("loss (nats per token)")
    _mark(axes, found)
    if found.longest > found.declared:
        _upright(axes, found.declared, "declared context", style.GRAY, "left")


def _upright(axes: Axes, x: float, text: str, color: str, side: str) -> None:
    """Name a vertical line at its top, on its left or right side."""
    shift, align = {"left": (-4, "right"), "right": (4, "left")}[side]
    style.label_line(axes, x, axes.get_ylim()[1], text, color, xytext=(shift, -10), ha=align)


def _mark(axes: Axes, found: Findings) -> None:
    """A dotted line at the declared context, where longer inputs were measured."""
    if found.longest > found.declared:
        style.vertical(axes, found.declared)


def geometry(found: Findings) -> Figure:
    """By input length: stable rank, first-singular-value ratio, overlap, sink attention; means over heads."""
    figure, panels = style.panels(2, 2, height=5.2, sharex=True)
    (ranks, ratio), (overlap, sink) = panels
    summary = found.summary
    for role, color in style.ROLE_COLORS.items():
        for stage, line in (("pre", "--"), ("post", "-")):
            label = f"{style.ROLE_NAMES[role]}, {'after' if stage == 'post' else 'before'}"
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
    style.legend_above(figure, ranks, 2, fontsize=None)
    return figure


def _length_ticks(panels: Grid, lengths: Sequence[int]) -> None:
    """Label as many lengths as there is room for, from the longest down."""
    shown: list[int] = []
    room = lengths[-1] / lengths[0]
    for length in reversed(lengths):
        if not shown or shown[-1] / length >= max(2, room**0.3):
            shown.append(length)
    for axes in panels[1]:
        axes.set_xticks(shown, labels=[style.count(length) for length in shown])
        axes.minorticks_off()
        axes.set_xlabel("input length (tokens)")
