"""Figures of interventions: the loss under each of them and what each repairs.

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


def loss_against(
    panels: Mapping[str, ArrayLike], losses: ArrayLike, names: Sequence[str], title: str
) -> Figure:
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
    for axes in row[0]:
        style.title(axes, " ")  # keeps the height of the title, whose width is that of no panel
    above = {"xytext": (0, 5), "textcoords": "offset points", "fontsize": 11, "fontweight": "bold"}
    row[0, 0].annotate(title, (0, 1), xycoords="axes fraction", **above).set_in_layout(False)
    style.legend_above(figure, row[0, 0], 2)
    return figure


def _curve(axes: Axes, losses: pd.Series, bin_size: int, first: int, **options: Any) -> None:
    losses = losses[losses.index >= first]
    axes.plot(losses.index + bin_size / 2, losses, **options)
