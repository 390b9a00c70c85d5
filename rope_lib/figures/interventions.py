"""Figures of interventions: the loss under each of them against its geometry, and breaks against bounds.

Each function is given what it draws (see `findings.interventions`) and measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from . import style
from .style import INK

if TYPE_CHECKING:
    import pandas as pd


def loss_against(panels: Mapping[str, ArrayLike], losses: ArrayLike, names: Sequence[str]) -> Figure:
    """Excess loss of each intervention and length against measures of its geometry: is there one threshold?

    `panels` maps the label of an x axis to values; `losses`, as many, are nats above those of the same tokens
    in a context within training, and `names` are the spectra of the points. Points of one spectrum are joined
    in their order; the dotted line marks zero excess. Raises ValueError for more spectra than colors.
    """
    figure, row = style.panels(1, len(panels), height=3.9, sharey=True)
    spectra, excess = np.asarray(names), np.asarray(losses)
    first, *others = dict.fromkeys(spectra.tolist())
    for axes, (label, values) in zip(row[0], panels.items(), strict=True):
        style.horizontal(axes, 0)
        for name, color in zip((first, *others), (INK, *style.colors(others)), strict=True):
            own = spectra == name
            axes.plot(np.asarray(values)[own], excess[own], "o-", color=color, markersize=4, label=name)
        axes.set_xlabel(label)
    row[0, 0].set_ylabel("loss above healthy (nats)")
    style.legend_above(figure, row[0, 0], 2)
    return figure


def breaks_against_bounds(limits: pd.DataFrame, breaks: pd.Series, *, trained: int, longest: int) -> Figure:
    """For each spectrum the longest context by several bounds, and where the loss leaves its band.

    `limits` is a table of spectra × bounds, in tokens: NaN for a bound that says nothing, infinite for one
    that allows every length. `breaks` holds the measured break points by spectrum; NaN, where there is none
    up to `longest` tokens, is drawn as an arrow from there.
    """
    figure, axes = style.axes(height=0.5 * len(limits) + 1.5)
    axes.set_xscale("log")
    values = np.concatenate([limits.to_numpy().ravel(), breaks.to_numpy(), [trained, longest]])
    values = values[np.isfinite(values)]
    left, right = values.min() / 2, 2 * values.max()
    axes.set_xlim(left, right)
    rows = np.arange(len(limits))[::-1]
    for (name, values), color, marker in zip(
        limits.items(), style.colors(limits.columns), "osDv^P", strict=False
    ):
        shown = values.replace(np.inf, right)  # half a marker at the edge: beyond the axis
        axes.plot(shown, rows, marker, color=color, markersize=7, label=name, zorder=3, clip_on=False)
    for row, point in zip(rows, breaks.loc[limits.index], strict=True):
        if np.isnan(point):
            arrow = {"arrowstyle": "->", "color": INK, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (2 * longest, row + 0.27), (longest, row + 0.27), arrowprops=arrow)
        else:
            axes.plot([point, point], [row - 0.36, row + 0.36], color=INK, linewidth=2.4, zorder=2.5)
    axes.plot([], [], "|", color=INK, markersize=12, markeredgewidth=2.4, label="measured break")
    style.vertical(axes, trained)
    axes.set_yticks(rows, limits.index)
    axes.grid(False, axis="y")
    style.count_axis(axes.xaxis, "longest context (tokens)")
    style.legend_above(figure, axes, 3)
    return figure
