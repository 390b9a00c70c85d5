"""Figures of models that learned until they could do their task: how long that took, and what carries on.

Each function is given what it draws (see `findings.learned`) and measures nothing. Every seed is a dot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from . import style
from .style import BLUE, GREEN, RED

if TYPE_CHECKING:
    import pandas as pd

TASK_COLORS = {"recall": BLUE, "look_back": GREEN, "copy": RED}
LENGTH_COLORS = (BLUE, RED)


def steps_by_base(
    rows: pd.DataFrame, demands: Mapping[int, Mapping[str, float]], names: Mapping[str, str], title: str
) -> Figure:
    """Steps to the criterion against the base, a panel for each task of `names`.

    `rows` are those of `findings.learned.models`; a color for each trained length, lines through the
    geometric means. A model that never met the criterion is a cross at the steps that it took. `demands`
    maps a trained length to the base that each bound demands there: dashed for the first, dotted for others.
    """
    figure, (every,) = style.panels(1, len(names), height=3.3, sharex=True, sharey=True)
    lengths = sorted(rows.trained.unique())
    for axes, (task, name) in zip(every, names.items(), strict=True):
        for length, color in zip(lengths, LENGTH_COLORS, strict=False):
            own = rows[(rows.task == task) & (rows.trained == length)]
            learned = own[own.learned]
            means = np.exp(np.log(learned.met).groupby(learned.base).mean())
            axes.plot(means.index, means, color=color, label=f"{length} tokens")
            axes.plot(learned.base, learned.met, "o", color=color, markersize=2.6, markeredgewidth=0)
            never = own[~own.learned]
            axes.plot(never.base, never.steps, "x", color=color, markersize=5)
            for line, base in zip(("--", ":"), demands[int(length)].values(), strict=False):
                axes.axvline(base, color=color, linewidth=0.9, linestyle=line)
        axes.set(xscale="log", yscale="log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_title(name, loc="left", fontsize=10)
    every[0].set_ylabel("steps to the criterion")
    figure.supxlabel("base", fontsize=10)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    every[0].legend(frameon=False, fontsize=9)
    return figure


def kept_by_base(
    rows: pd.DataFrame, length: int, stretches: Sequence[int], names: Mapping[str, str], title: str
) -> Figure:
    """Accuracy above chance against the base of models of one trained length, a panel for each stretch.

    `rows` are those of `findings.learned.above_chance`; a color for each task, lines through the means. The
    gray line marks a base of the trained length.
    """
    figure, (every,) = style.panels(1, len(stretches), height=3.3, sharex=True, sharey=True)
    here = rows[rows.trained == length]
    for axes, stretch in zip(every, stretches, strict=True):
        for task, name in names.items():
            own = here[(here.task == task) & (here.stretch == stretch)]
            means = own.groupby("base").above.mean()
            axes.plot(means.index, means, color=TASK_COLORS[task], label=name)
            axes.plot(own.base, own.above, "o", color=TASK_COLORS[task], markersize=2.6, markeredgewidth=0)
        style.vertical(axes, length, "-")
        axes.set(xscale="log", ylim=(-0.05, 1.05))
        axes.xaxis.set_minor_locator(NullLocator())
        where = "the trained length" if stretch == 1 else f"{stretch} times it"
        axes.set_title(where, loc="left", fontsize=10)
    every[0].set_ylabel("accuracy above chance")
    figure.supxlabel("base", fontsize=10)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    every[0].legend(frameon=False, fontsize=9, loc="center right")
    return figure
