"""Figures of interventions: the loss under each of them, what each repairs, and breaks against bounds.

Each function is given what it draws (see `findings.interventions`) and measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from . import style
from .style import BLUE, FAINT, GRAY, INK

if TYPE_CHECKING:
    import pandas as pd

# Shares of the damage beyond these get no stronger color: as much damage again, and full repair.
_WORST, _BEST = -1.0, 1.0
_DARK = 0.8  # shares beyond which text on the color is white


def losses_by_position(
    curves: Mapping[str, pd.Series], baseline: pd.Series, trained: int, *, bin_size: int, first: int = 0
) -> Figure:
    """Loss by position under several interventions, over the unchanged model in gray.

    `curves` maps labels to losses, and `baseline` are those of the unchanged model: each a Series by the
    first position of a bin of `bin_size` tokens. Positions before `first` are left out. Raises ValueError for
    more curves than there are colors.
    """
    figure, axes = style.axes(height=3.6)
    _curve(axes, baseline, bin_size, first, color=GRAY, label="unchanged", linewidth=2.4)
    # Every second line is dashed: some interventions do the same, and one would hide the other.
    for (label, losses), color, line in zip(curves.items(), style.colors(curves), cycle(("-", "--"))):
        _curve(axes, losses, bin_size, first, color=color, label=label, linestyle=line)
    style.vertical(axes, trained)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("loss (nats)")
    style.count_axis(axes.xaxis, "position (tokens)")
    style.legend_above(figure, axes, 2)
    return figure


def repair_matrix(shares: pd.DataFrame, labels: Sequence[str], headings: Sequence[str]) -> Figure:
    """Shares of the damage that are repaired: a colored percentage for each intervention and measure.

    `shares` is a DataFrame of interventions × measures (see `findings.interventions.repaired`); `labels` and
    `headings` name its rows and columns. Blue repairs and red does damage; the color saturates at 100 %, the
    numbers go on.
    """
    figure, axes = style.axes(height=0.36 * len(shares) + 1.0)
    values = shares.to_numpy()
    axes.imshow(np.clip(values, _WORST, _BEST), cmap="RdBu", vmin=-1.3, vmax=1.3, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        percent = round(100 * value)
        text = f"{percent:d}".replace("-", "−")
        color = "white" if abs(value) > _DARK else INK
        axes.text(column, row, text, ha="center", va="center", color=color)
    axes.set_xticks(range(len(headings)), headings)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def change_by_head(
    panels: Mapping[str, ArrayLike], change: ArrayLike, strong: ArrayLike, *, ylabel: str
) -> Figure:
    """Change of sink attention against other measures, a dot for each head.

    `panels` maps the label of an x axis to values, `change` holds the changes of the heads, and heads for
    which `strong` is true are drawn in color.
    """
    figure, row = style.panels(1, len(panels), height=3.2, sharey=True)
    changes, colored = np.asarray(change), np.asarray(strong, dtype=bool)
    for axes, (label, values) in zip(row[0], panels.items(), strict=True):
        measured = np.asarray(values)
        style.horizontal(axes, 0)
        axes.plot(measured[~colored], changes[~colored], ".", color=FAINT, markersize=5)
        axes.plot(measured[colored], changes[colored], ".", color=BLUE, markersize=5, alpha=0.7)
        axes.set_xlabel(label)
    row[0, 0].set_ylabel(ylabel)
    return figure


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


def _curve(axes: Axes, losses: pd.Series, bin_size: int, first: int, **options: Any) -> None:
    losses = losses[losses.index >= first]
    axes.plot(losses.index + bin_size / 2, losses, **options)
