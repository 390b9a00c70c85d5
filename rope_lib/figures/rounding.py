"""Figures of rounded angles: their errors, and what trained and real models lose at large positions.

Each function is given what it draws (see `findings.rounding`) and measures nothing. Each color is a base.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from . import style
from .style import FAINT, GRAY

if TYPE_CHECKING:
    import pandas as pd

# Frequencies of the pairs in radians per token, and the errors of their relative angles in radians.
Errors: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]

FLOAT16_MOST = 65_504  # the largest number of float16
_MARKERS = "os^D"


def base_colors(bases: Iterable[float]) -> dict[float, str]:
    """A color for each base, in increasing order."""
    rising = sorted(bases)
    return dict(zip(rising, style.colors(rising), strict=True))


def accuracy_by_shift(table: pd.DataFrame, chance: float) -> Figure:
    """Accuracy against the shift of all positions, a panel for each arithmetic: dots are seeds, lines means.

    `table` has columns arithmetic, base, seed, shift and accuracy; at most four arithmetics.
    """
    names = list(dict.fromkeys(table.arithmetic.sort_values()))
    hues = base_colors(table.base.unique())
    figure, panels = style.panels(2, 2, height=5.0, sharex=True, sharey=True)
    for axes, name in zip(panels.flat, names, strict=False):
        part = table[table.arithmetic == name]
        for base, color in hues.items():
            own = part[part.base == base]
            mean = own.groupby("shift").accuracy.mean()
            axes.plot(mean.index, mean, color=color, label=f"base {style.power(base)}")
            axes.plot(own["shift"], own.accuracy, "o", color=color, markersize=2.6, markeredgewidth=0)
        style.horizontal(axes, chance)
        axes.set_title(name, loc="left", fontsize=10)
        if name == "float16":
            axes.axvspan(FLOAT16_MOST, 3e9, color=FAINT, alpha=0.6, linewidth=0)
            axes.annotate("no such\npositions", (2e7, 0.3), ha="center", color=GRAY, fontsize=9)
    panels[0, 0].set_xscale("symlog", linthresh=100, linscale=0.6)
    panels[0, 0].set(xlim=(-15, 3e9), ylim=(0, 1.04))
    ticks = [0, 10**3, 10**5, 10**7, 10**9]
    panels[0, 0].set_xticks(ticks, [style.count(tick) if tick < 10**4 else style.power(tick)
                                    for tick in ticks])  # fmt: skip
    figure.supxlabel("added to every position (tokens)", fontsize=10)
    figure.supylabel("accuracy", fontsize=10)
    style.legend_above(figure, panels[0, 0], 4)
    return figure


def displaced_by_frequency(panels: Mapping[str, Mapping[float, Errors]], limit: float) -> Figure:
    """Error of the relative angle of each pair against its frequency, a panel for each of `panels`.

    `panels` maps a title to a dict from bases to (frequencies in radians per token, errors in radians).
    """
    figure, every = style.panels(1, len(panels), height=3.7, sharex=True, sharey=True)
    for (heading, curves), axes in zip(panels.items(), every[0], strict=True):
        hues = base_colors(curves)
        for place, (base, (frequency, error)) in enumerate(curves.items()):
            axes.loglog(
                frequency, error, _MARKERS[place % 4], color=hues[base], markersize=9 - 2 * place,
                markerfacecolor="none", markeredgewidth=1.4, label=f"base {style.power(base)}",
            )  # fmt: skip
        style.horizontal(axes, limit, "--")
        style.horizontal(axes, np.pi)
        axes.set_title(heading, loc="left", fontsize=10)
    every[0, 0].invert_xaxis()  # which all panels share
    figure.supxlabel("frequency of the pair (radians per token), fast to slow", fontsize=10)
    every[0, 0].set_ylabel("error of the relative angle (radians)")
    style.legend_above(figure, every[0, 0], 4)
    return figure


def kept_by_displaced(panels: Mapping[str, pd.DataFrame]) -> Figure:
    """What models keep against the share of pairs that rounding displaces, a panel for each of `panels`.

    `panels` maps a title to a table with columns base, arithmetic, displaced, kept, least, most and hollow:
    lines go from the least to the most over seeds. A color is a base, a shape an arithmetic.
    """
    hues = base_colors(set().union(*(rows.base for rows in panels.values())))
    names = sorted(set().union(*(rows.arithmetic for rows in panels.values())))
    shapes = dict(zip(names, _MARKERS, strict=False))
    figure, every = style.panels(1, len(panels), height=4.0, sharex=True, sharey=True)
    for (heading, rows), axes in zip(panels.items(), every[0], strict=True):
        for row in rows.itertuples():
            color = hues[row.base]
            axes.plot([row.displaced] * 2, [row.least, row.most], color=color, linewidth=0.8, alpha=0.5)
            axes.plot(
                row.displaced, row.kept, shapes[row.arithmetic], color=color, markersize=5.5, alpha=0.85,
                markerfacecolor="white" if row.hollow else color,
            )  # fmt: skip
        axes.set_title(heading, loc="left", fontsize=10)
    every[0, 0].set(ylabel="accuracy kept", xlim=(-0.06, 1.06), ylim=(0, 1.08))
    every[0, 0].set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "½", "", "1"])
    figure.supxlabel("share of pairs whose relative angles are displaced", fontsize=10)
    lines = [Line2D([], [], color=color, label=f"base {style.power(base)}") for base, color in hues.items()]
    kinds = [Line2D([], [], color=GRAY, marker=shapes[name], linestyle="", label=name) for name in names]
    figure.legend(handles=[*lines, *kinds], loc="outside upper left", ncols=4, frameon=False, fontsize=9)
    return figure


def accuracy_by_gap(gaps: pd.DataFrame, rounded: pd.DataFrame, trained: int) -> Figure:
    """Accuracy with exact angles at two positions against the gap between them: dots are seeds, lines means.

    `gaps` has columns base, seed, gap and accuracy. `rounded` has the same columns, for models with rounded
    angles at positions that rounding leaves that far apart, drawn as rings. `trained` is the longest distance
    in training.
    """
    hues = base_colors(gaps.base.unique())
    figure, axes = style.axes(height=3.7)
    for base, color in hues.items():
        own, other = gaps[gaps.base == base], rounded[rounded.base == base]
        mean = own.groupby("gap").accuracy.mean()
        axes.plot(mean.index, mean, color=color, label=f"base {style.power(base)}")
        axes.plot(own.gap, own.accuracy, "o", color=color, markersize=2.6, markeredgewidth=0)
        axes.plot(other.gap, other.accuracy, "o", color=color, markersize=7, markerfacecolor="none")
    style.vertical(axes, trained, "--")
    axes.set_xscale("symlog", linthresh=32, linscale=0.7, base=2)
    axes.set_xlim(-4, gaps.gap.max() * 1.2)
    axes.set_xticks(ticks := sorted(gaps.gap.unique()), [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="gap between the two positions (tokens)", ylabel="accuracy", ylim=(0, 1.04))
    style.legend_above(figure, axes, 4)
    return figure
