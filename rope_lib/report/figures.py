"""The figures of a report, for any model: their titles say what is drawn, not what one model shows."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rope_lib.figures import style
from rope_lib.figures.style import Grid
from rope_lib.findings.breaks import binned

from .findings import Findings

FIX_COLORS = (style.GREEN, style.PURPLE, style.ORANGE)
LONGEST_NAME = 60  # characters of a text's name


def loss(found: Findings) -> Figure:
    """Mean loss in bins of positions of the longest input, over the band of the declared length, by text."""
    figure, panels = _panels(found.every, 3.2)
    for axes, each in zip(panels, found.every, strict=True):
        bins, (lowest, highest) = each.bins, each.band
        middle = bins.index + each.bin / 2
        inside = bins.index + each.bin <= each.declared
        axes.axhspan(lowest, highest, color=style.FAINT, alpha=0.5, linewidth=0)
        axes.plot(middle, bins, color=style.RED)
        axes.plot(middle[inside], bins[inside], color=style.BLUE)
        _finish(axes, each, bins.max())
        if each.break_point is not None:
            axes.axvline(each.break_point, color=style.RED, linewidth=1, linestyle="--")
            _upright(axes, each.break_point, "break point", style.RED, "right")
        style.title(axes, "Loss by position" if not found.others else _label(each))
    return figure


def fixes(found: Findings) -> Figure:
    """Mean loss by position as in `loss`, as the model is and under each fix, by text on which it breaks."""
    figure, panels = _panels(found.broken, 3.6)
    colors = (style.RED, *FIX_COLORS)
    for axes, each in zip(panels, found.broken, strict=True):
        axes.axhspan(*each.band, color=style.FAINT, alpha=0.5, linewidth=0)
        highest = 0.0
        for (label, losses), color in zip(
            ({"as it is": each.losses} | each.fixes).items(), colors, strict=False
        ):
            bins = binned(losses, each.bin)
            axes.plot(bins.index + each.bin / 2, bins, color=color, label=label, linewidth=1.3)
            highest = max(highest, bins.max())
        _finish(axes, each, highest)
        if found.others:
            style.title(axes, _label(each))
    style.legend_above(figure, panels[0], 2, fontsize=None)
    return figure


def _panels(every: Sequence[Findings], height: float) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each text, of a given height in inches where there is one."""
    if len(every) == 1:
        figure, axes = style.axes(height=height)
        return figure, [axes]
    figure, grid = style.panels(len(every), height=min(0.8 * height, 12 / len(every)) * len(every))
    return figure, list(grid[:, 0])


def _label(found: Findings) -> str:
    """The name of a text, not too long, as Matplotlib shows it, which reads mathematics between dollars."""
    name = " ".join(found.text.split())
    return (name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…").replace("$", r"\$")


def _finish(axes: Axes, found: Findings, highest: float) -> None:
    """The axes of a figure of losses, with the declared length marked."""
    axes.set_ylim(0, 1.15 * highest)
    axes.set_xlim(0, None)
    style.count_axis(axes.xaxis, "position (tokens)")
    axes.set_ylabel("loss (nats per token)")
    _mark(axes, found)
    if found.longest > found.declared:
        _upright(axes, found.declared, "declared length", style.GRAY, "left")


def _upright(axes: Axes, x: float, text: str, color: str, side: str) -> None:
    """Name a vertical line at its top, on its left or right side."""
    shift, align = {"left": (-4, "right"), "right": (4, "left")}[side]
    style.label_line(axes, x, axes.get_ylim()[1], text, color, xytext=(shift, -10), ha=align)


def _mark(axes: Axes, found: Findings) -> None:
    """A dotted line at the declared length, where longer inputs were measured."""
    if found.longest > found.declared:
        style.vertical(axes, found.declared)


def geometry(found: Findings) -> Figure:
    """By input length: stable rank, first-singular-value ratio, overlap, sink attention; means over heads.

    Means over the texts too, in a shade from the lowest text to the highest. Layers with a window are dotted.
    """
    figure, panels = style.panels(2, 2, height=5.2, sharex=True)
    (ranks, ratio), (overlap, sink) = panels
    whole = [each.summary for each in found.every]
    windowed = [each.summary_windowed for each in found.every if each.summary_windowed is not None]
    for role, color in style.ROLE_COLORS.items():
        for stage, line in (("pre", "--"), ("post", "-")):
            label = f"{style.ROLE_NAMES[role]}, {'after' if stage == 'post' else 'before'}"
            _draw(ranks, whole, f"{role}_stable_rank_{stage}", color, line, label)
    for stage, line in (("pre", "--"), ("post", "-")):
        _draw(overlap, whole, f"silhouette_{stage}", style.INK, line)
    _draw(ratio, whole, "key_fsv_ratio", style.BLUE, "-")
    _draw(sink, whole, "sink_attention", style.INK, "-")
    if windowed:
        _draw(ranks, windowed, "key_stable_rank_post", style.BLUE, ":", "keys, after, layers with a window")
        _draw(ratio, windowed, "key_fsv_ratio", style.BLUE, ":")
        _draw(overlap, windowed, "silhouette_post", style.INK, ":")
    titles = ("Stable rank", "FSV ratio of keys", "Silhouette", "Attention to token 0")
    for axes, title in zip(panels.flat, titles, strict=True):
        style.title(axes, title)
        _mark(axes, found)
        axes.set_xscale("log", base=2)
    ratio.set_ylim(0, 1.05)
    sink.set_ylim(0, 1.2 * max(*(each.sink_attention.max() for each in whole), 0.01))
    _length_ticks(panels, found.lengths)
    style.legend_above(figure, ranks, 2, fontsize=None)
    return figure


def _draw(
    axes: Axes,
    summaries: Sequence[pd.DataFrame],
    column: str,
    color: str,
    line: str,
    label: str | None = None,
) -> None:
    """The mean of a column over texts by length, and a shade from the lowest text to the highest."""
    every = pd.concat([each.set_index("length")[column] for each in summaries], axis=1)
    mean = every.mean(axis=1)
    axes.plot(mean.index, mean, line, color=color, marker="o", markersize=3, label=label)
    if len(summaries) > 1:
        axes.fill_between(
            every.index, every.min(axis=1), every.max(axis=1), color=color, alpha=0.15, linewidth=0
        )


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
