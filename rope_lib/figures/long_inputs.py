"""Figures of inputs far longer than the trained length.

Each function is given what it draws (see `findings.long_inputs`) and measures nothing. Lengths and positions,
in tokens, are on a logarithmic axis; a dotted line marks the trained length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style
from .style import BLUE, GRAY, RED

if TYPE_CHECKING:
    import pandas as pd


def loss_and_geometry(
    losses: Mapping[str, pd.Series], means: Mapping[str, Mapping[str, pd.Series]], trained: int
) -> Figure:
    """Panels over length: loss by position, and means over heads at each length, in two number types.

    `losses` maps the name of each type to a Series by position; `means` maps the label of a panel to a dict
    from the same names to Series by length. The first type is drawn as a line, the second as rings.
    """
    every = {"loss (nats)": losses} | dict(means)
    figure, column = style.panels(len(every), height=5.8, sharex=True)
    for axes, (label, curves) in zip(column[:, 0], every.items(), strict=True):
        (name, line), (other, rings) = curves.items()
        axes.plot(line.index, line, color=BLUE, label=name, marker="o", markersize=3)
        axes.plot(
            rings.index, rings, "o", color=RED, label=other, markersize=7, markerfacecolor="none",
            markeredgewidth=1.2,
        )  # fmt: skip
        style.vertical(axes, trained)
        axes.set_ylabel(label)
        axes.set_ylim(0, 1.1 * max(line.max(), rings.max()))
    _lengths(axes, list(line.index), "input length, and position of the loss (tokens)")
    style.legend_above(figure, axes, 2)
    return figure


def losses_far_out(
    panels: Mapping[str, Mapping[str, pd.Series]], baseline: pd.Series, trained: int, lengths: Sequence[int]
) -> Figure:
    """Loss by position under several interventions, in panels one above the other, over the unchanged model.

    `panels` maps a heading to a dict from labels to Series by position; the Series `baseline` is drawn in
    gray in each panel; `lengths` are the ticks. Raises ValueError for more curves in a panel than colors.
    """
    height = 2.25 * len(panels) + 0.2
    highest = max(each.max() for curves in panels.values() for each in (baseline, *curves.values()))
    figure, every = style.panels(len(panels), height=height, sharex=True, sharey=True)
    for axes, (heading, curves) in zip(every[:, 0], panels.items(), strict=True):
        axes.plot(baseline.index, baseline, color=GRAY, label="unchanged", linewidth=2.4)
        # Every second line is dashed: some interventions do the same, and one would hide the other.
        for (label, losses), color, line in zip(curves.items(), style.colors(curves), cycle(("-", "--"))):
            axes.plot(losses.index, losses, color=color, label=label, linestyle=line)
        style.vertical(axes, trained)
        axes.set(ylim=(0, 1.09 * highest), ylabel="loss (nats)")
        axes.set_title(heading, loc="left", fontsize=10)
        axes.legend(loc="upper left", frameon=False, fontsize=9, handlelength=1.6)
    _lengths(axes, lengths, "position (tokens)")
    return figure


def _lengths(axes: Axes, lengths: Sequence[int], label: str) -> None:
    """A logarithmic axis over `lengths`, of which the last and every second one before it is labeled."""
    names = [style.count(length) if index % 2 == 0 else "" for index, length in enumerate(lengths[::-1])]
    style.length_axis(axes, lengths, names[::-1], label)
