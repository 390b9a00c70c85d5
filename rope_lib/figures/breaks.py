"""Figures of a real model past its training length: loss, clouds of keys and queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from . import style
from .style import ROLE_COLORS, ROLE_NAMES, STAGE_NAMES

if TYPE_CHECKING:
    import pandas as pd


def loss_by_position(losses: pd.DataFrame, trained_length: int, bin_size: int = 256) -> Figure:
    """Mean loss in bins of positions of one long input, with the trained length marked.

    `losses` has columns position and nll, of one pass of `measure.sweep.measure`.
    """
    figure, axes = style.axes(height=3.4)
    binned = losses.nll.groupby(losses.position // bin_size).mean()
    middle = (binned.index + 0.5) * bin_size
    for part, color in ((middle <= trained_length, style.BLUE), (middle >= trained_length, style.RED)):
        axes.plot(middle[part], binned[part], color=color)
    style.vertical(axes, trained_length)
    style.label_line(
        axes, trained_length, axes.get_ylim()[1], "trained length", style.GRAY, ha="right", xytext=(-4, -10)
    )
    axes.set_ylim(bottom=0)
    style.count_axis(axes.xaxis, "position (tokens)")
    axes.set_ylabel("loss (nats per token)")
    style.title(axes, "Past the trained length the loss leaves its band")
    return figure


def clouds(table: pd.DataFrame, lengths: tuple[int, int]) -> Figure:
    """Keys and queries of one head on two fixed principal axes: before and after rotation, short and long.

    `table` is `Sweep.clouds` of one key head; `lengths` are the two input lengths to show. All panels have
    the same axes; a star marks token 0, the sink.
    """
    figure, panels = style.panels(2, 2, height=5.8, sharex=True, sharey=True)
    for row, (stage, name) in zip(panels, STAGE_NAMES.items(), strict=True):
        for axes, length in zip(row, lengths, strict=True):
            for role, color in ROLE_COLORS.items():
                part = table[(table.length == length) & (table.stage == stage) & (table.role == role)]
                axes.plot(part.x, part.y, ".", color=color, markersize=3, label=ROLE_NAMES[role])
                sink = part[part.position == 0]
                axes.plot(sink.x, sink.y, "*", color=color, markersize=12, markeredgecolor="white")
            axes.plot(0, 0, "+", color=style.INK, markersize=10)
            axes.set_title(f"{style.count(length)} tokens, {name}", fontsize=10)
    for axes in panels[1]:
        axes.set_xlabel("first principal axis")
    for axes in panels[:, 0]:
        axes.set_ylabel("second principal axis")
    style.legend_above(figure, panels[0, 0], 2, fontsize=None, markerscale=4)
    return figure
