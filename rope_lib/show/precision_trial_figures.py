"""Figures of experiment 2: trained models asked in several arithmetics, with all positions raised by a constant.

Each function takes what it draws (see `precision_trials`) and measures nothing. A color stands for a base.
"""

import numpy as np
from matplotlib.lines import Line2D

from . import style
from .style import FAINT, GRAY

FLOAT16_MOST = 65_504  # the largest number of float16
_MARKERS = {"bfloat16": "o", "float16": "s", "float32": "^"}


def base_colors(bases):
    """A color for each base, in rising order."""
    bases = sorted(bases)
    return dict(zip(bases, style.colors(bases), strict=True))


def accuracy_by_shift(table, chance):
    """Accuracy against the shift of all positions, a panel for each arithmetic: dots are seeds, lines means.

    `table` has columns arithmetic, base, seed, shift and accuracy; at most four arithmetics.
    """
    names = list(dict.fromkeys(table.arithmetic.sort_values()))
    hues = base_colors(table.base.unique())
    figure, panels = style.axes(2, 2, height=5.0, sharex=True, sharey=True)
    for axes, name in zip(panels.flat, names, strict=False):
        part = table[table.arithmetic == name]
        for base, color in hues.items():
            own = part[part.base == base]
            mean = own.groupby("shift").accuracy.mean()
            axes.plot(mean.index, mean, color=color, label=f"base {style.power(base)}")
            axes.plot(own["shift"], own.accuracy, "o", color=color, markersize=2.6, markeredgewidth=0)
        axes.axhline(chance, color=GRAY, linewidth=1, linestyle=":")
        axes.set_title(name, loc="left", fontsize=10)
        if name == "float16":
            axes.axvspan(FLOAT16_MOST, 3e9, color=FAINT, alpha=0.6, linewidth=0)
            axes.annotate("no such\npositions", (2e7, 0.3), ha="center", color=GRAY, fontsize=9)
    panels[0, 0].set_xscale("symlog", linthresh=100, linscale=0.6)
    panels[0, 0].set(xlim=(-15, 3e9), ylim=(0, 1.04))
    ticks = [0, 10**3, 10**5, 10**7, 10**9]
    panels[0, 0].set_xticks(ticks, [style.count(tick) if tick < 10**4 else style.power(tick) for tick in ticks])
    figure.supxlabel("added to every position (tokens)", fontsize=10)
    figure.supylabel("accuracy", fontsize=10)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False, fontsize=9)
    return figure


def displaced_by_frequency(panels, limit):
    """Error of the relative angle of each pair against its frequency, a panel for each of `panels`.

    `panels` maps a title to a dict from bases to (frequencies in radians per token, errors in radians).
    """
    figure, every = style.axes(1, len(panels), height=3.7, sharex=True, sharey=True, squeeze=False)
    for (heading, curves), axes in zip(panels.items(), every[0], strict=True):
        hues = base_colors(curves)
        for place, (base, (frequency, error)) in enumerate(curves.items()):
            axes.loglog(
                frequency, error, _ring(place), color=hues[base], markersize=9 - 2 * place,
                markerfacecolor="none", markeredgewidth=1.4, label=f"base {style.power(base)}",
            )  # fmt: skip
        axes.axhline(limit, color=GRAY, linewidth=1, linestyle="--")
        axes.axhline(np.pi, color=GRAY, linewidth=1, linestyle=":")
        axes.set_title(heading, loc="left", fontsize=10)
        axes.invert_xaxis()
    figure.supxlabel("frequency of the pair (radians per token), fast to slow", fontsize=10)
    every[0, 0].set_ylabel("error of the relative angle (radians)")
    handles, labels = every[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False, fontsize=9)
    return figure


def _ring(place):
    return "os^D"[place % 4]


def against_predictors(table, points, columns, apart):
    """What models keep against what rounding does to their angles, a panel for each of `columns`.

    `points` has a row for each setting (arithmetic, shift, base) and the columns that `columns` maps to their
    labels; `table` has the seeds of each setting, whose range is a line. A color stands for a base, a shape
    for an arithmetic; settings of which `apart` (a function of the row) is true are hollow.
    """
    hues = base_colors(points.base.unique())
    spread = table.groupby(["arithmetic", "shift", "base"]).kept.agg(["min", "max"])
    figure, panels = style.axes(1, len(columns), height=4.2, sharey=True, squeeze=False)
    for (column, label), axes in zip(columns.items(), panels[0], strict=True):
        for row in points.itertuples():
            color = hues[row.base]
            low, high = spread.loc[(row.arithmetic, row.shift, row.base)]
            at = getattr(row, column)
            axes.plot([at, at], [low, high], color=color, linewidth=0.8, alpha=0.6)
            axes.plot(
                at, row.kept, _MARKERS[row.arithmetic], color=color, markersize=6.5,
                markerfacecolor="white" if apart(row) else color, alpha=0.9,
            )  # fmt: skip
        axes.set_xlabel(label)
    panels[0, 0].set(ylabel="accuracy kept", ylim=(0, 1.06))
    figure.legend(
        handles=[
            *(Line2D([], [], color=color, label=f"base {style.power(base)}") for base, color in hues.items()),
            *(
                Line2D([], [], color=GRAY, marker=marker, linestyle="", label=name)
                for name, marker in _MARKERS.items()
            ),
        ],
        loc="outside upper left", ncols=4, frameon=False, fontsize=9,
    )  # fmt: skip
    return figure


def partly(curves, gaps, exact, trained):
    """Accuracy of one model with rounding in some pairs only, and with a gap in its positions and none.

    `curves` maps a label to a Series of accuracies by how many pairs are rounded; `gaps` is a Series by the
    gap in tokens, of which `trained` is the longest distance in training; `exact` is the accuracy without.
    """
    figure, (left, right) = style.axes(1, 2, height=3.7, sharey=True)
    for (label, curve), color in zip(curves.items(), style.colors(curves), strict=True):
        left.plot(curve.index, curve, "o-", color=color, markersize=4, label=label)
    left.set(xlabel="pairs that are rounded", ylabel="accuracy", ylim=(0, 1.04))
    left.legend(frameon=False, fontsize=9, loc="lower left")
    right.plot(gaps.index, gaps, "o-", color=style.GREEN, markersize=4)
    right.axvline(trained, color=GRAY, linewidth=1, linestyle="--")
    right.set_xscale("symlog", linthresh=32, linscale=0.4, base=2)
    ticks = [gap for gap in gaps.index if gap == 0 or gap >= 32]
    right.set_xticks(ticks, [f"{tick:,}" for tick in ticks], rotation=60)
    right.minorticks_off()
    right.set_xlabel("gap in the positions (tokens)")
    for axes in (left, right):
        axes.axhline(exact, color=GRAY, linewidth=1, linestyle=":")
    return figure
