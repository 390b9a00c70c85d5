"""Figures of a real model past its training length: its loss, and that of the same tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from . import style

if TYPE_CHECKING:
    import pandas as pd


def loss_by_position(losses: pd.DataFrame, declared: int, bin_size: int = 256) -> Figure:
    """Mean loss in bins of positions of one long input, with the declared length marked.

    `losses` has columns position and nll, of one pass of `measure.sweep.measure`.
    """
    figure, axes = style.axes(height=3.4)
    binned = losses.nll.groupby(losses.position // bin_size).mean()
    middle = (binned.index + 0.5) * bin_size
    for part, color in ((middle <= declared, style.BLUE), (middle >= declared, style.RED)):
        axes.plot(middle[part], binned[part], color=color)
    style.vertical(axes, declared)
    style.label_line(
        axes, declared, axes.get_ylim()[1], "declared length", style.GRAY, ha="right", xytext=(-4, -10)
    )
    axes.set_ylim(bottom=0)
    style.count_axis(axes.xaxis, "position (tokens)")
    axes.set_ylabel("loss (nats per token)")
    style.title(axes, "Past the declared length the loss leaves its band")
    return figure


def same_tokens(
    table: pd.DataFrame, stretch: tuple[int, int], declared: int, band: float, size: int = 256
) -> Figure:
    """The loss of one long input and of the same tokens in a shorter context; below, the difference.

    `table` has columns context, first, full, control and excess, means over bins of `size` tokens; within the
    declared length the contexts are short, beyond it as long as it. `stretch` is the part of the text that
    repeats an earlier one, `band` the highest loss within the declared length.
    """
    figure, panels = style.panels(2, height=5.0, sharex=True)
    top, bottom = panels[:, 0]
    long = table[table.context == declared]
    short = table[(table.context < declared) & (table["first"] < declared)]
    both = [short, long]
    for part, color in zip(both, (style.BLUE, style.RED), strict=True):
        middle = part["first"] + size / 2
        top.plot(middle, part.full, color=color)
        top.plot(middle, part.control, color=style.INK, linestyle="--", linewidth=1.2)
        bottom.plot(middle, part.excess, ".-", color=color)
    style.horizontal(top, band)
    style.horizontal(bottom, 0)
    for axes in (top, bottom):
        style.vertical(axes, declared)
        axes.axvspan(*stretch, color=style.SKY, alpha=0.25, linewidth=0)
    left = float(table["first"].min())
    style.label_line(top, left, band, "highest of the declared range", style.GRAY, xytext=(0, 3))
    last = long.iloc[-1]
    x = last["first"] + size / 2
    style.label_line(top, x, last.full, "one long input", style.RED, ha="right", xytext=(-62, -2))
    style.label_line(top, x, 0, "same tokens, shorter context", style.INK, ha="right", xytext=(0, 12))
    lowest = float(table.excess.min())
    style.label_line(bottom, stretch[0], lowest / 2, "copied text", style.BLUE, ha="right", xytext=(-14, 0))
    style.label_line(bottom, declared, lowest, "declared length", style.GRAY, xytext=(14, 0))
    top.set_ylabel("loss (nats per token)")
    bottom.set_ylabel("difference (nats)")
    top.set_ylim(bottom=0)
    style.count_axis(bottom.xaxis, "position (tokens)")
    style.title(top, "The text explains the dip, the length the rise")
    return figure
