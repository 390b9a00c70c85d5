"""Figures of rounded angles: their errors, and what trained models keep at large positions.

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
from .style import GRAY

if TYPE_CHECKING:
    import pandas as pd

# Frequencies of the pairs in radians per token, and the errors of their relative angles in radians.
Errors: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]

_MARKERS = "os^D"


def base_colors(bases: Iterable[float]) -> dict[float, str]:
    """A color for each base, in increasing order."""
    rising = sorted(bases)
    return dict(zip(rising, style.colors(rising), strict=True))


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


def kept_by_place(points: pd.DataFrame, tasks: Mapping[str, str]) -> Figure:
    """What models keep against the place of their input, in units of 1/ε, a panel for each task.

    `points` has columns task, base, arithmetic, place, kept, least, most and hollow; lines go from the least
    to the most over seeds. A color is a base, a shape an arithmetic. `tasks` maps what is drawn to its name.
    """
    hues, names = base_colors(points.base.unique()), sorted(points.arithmetic.unique())
    shapes = dict(zip(names, _MARKERS, strict=False))
    sizes = {base: 8 - 1.6 * place for place, base in enumerate(hues)}  # so that none hides another
    figure, every = style.panels(1, len(tasks), height=4.0, sharex=True, sharey=True)
    for (task, heading), axes in zip(tasks.items(), every[0], strict=True):
        for row in points[points.task == task].itertuples():
            color = hues[row.base]
            axes.plot([row.place] * 2, [row.least, row.most], color=color, linewidth=0.8, alpha=0.5)
            axes.plot(
                row.place, row.kept, shapes[row.arithmetic], color=color, markersize=sizes[row.base],
                alpha=0.85, markerfacecolor="white" if row.hollow else color, markeredgewidth=1.2,
            )  # fmt: skip
        style.vertical(axes, 1.0)
        axes.set_title(heading, loc="left", fontsize=10)
    every[0, 0].set_xscale("log")
    every[0, 0].set(ylabel="accuracy above chance, kept", ylim=(-0.12, 1.08))
    figure.supxlabel("last position of the input × ε", fontsize=10)
    lines = [Line2D([], [], color=color, label=f"base {style.power(base)}") for base, color in hues.items()]
    kinds = [Line2D([], [], color=GRAY, marker=shapes[name], linestyle="", label=name) for name in names]
    figure.legend(handles=[*lines, *kinds], loc="outside upper left", ncols=4, frameon=False, fontsize=9)
    return figure
