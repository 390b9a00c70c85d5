"""Figures of experiment 5, the test of the spectrum that the ablations favor: each dot is a seed.

Each function is given what it draws (see `findings.better`) and measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from . import style
from .style import BLUE, FAINT, GRAY, INK, RED

if TYPE_CHECKING:
    import pandas as pd


def favored(evidence: pd.DataFrame, chosen: str, label: str) -> Figure:
    """Accuracy beyond the trained length of every spectrum of `evidence`, and where its worst seed is.

    A bar is the mean, a tick the worst seed; spectra that meet C1 and C2 are blue. `chosen` is the name of
    the one that the rule chooses; it is set in bold.
    """
    rows = evidence.iloc[::-1].reset_index(drop=True)
    figure, axes = style.axes(height=0.26 * len(rows) + 1.1)
    both = rows.c1 & rows.c2
    for met, color, name in ((both, BLUE, "meets C1 and C2"), (~both, GRAY, "misses one or both")):
        axes.barh(rows.index[met], rows.beyond[met], color=color, alpha=0.35, height=0.7, label=name)
        axes.plot(rows.worst[met], rows.index[met], "|", color=color, markersize=9, markeredgewidth=2)
    axes.set_yticks(rows.index, rows.name)
    for tick in axes.get_yticklabels():
        tick.set_fontweight("bold" if tick.get_text() == chosen else "normal")
    axes.set(xlabel=label, xlim=(0, 1.02))
    axes.grid(axis="y", visible=False)
    style.legend_above(figure, axes, 2)
    return figure


def by_stretch(
    table: pd.DataFrame, panels: Mapping[str, tuple[str, float | None]], systems: Sequence[str], label: str
) -> Figure:
    """Score against the length over that of training, a panel for each task: lines are means over seeds.

    `table` holds rows of `findings.better.scores`, one for each system, seed, task and length; `panels` maps
    a task to its heading and the score of guessing, or None if guessing has no score; a panel shows those of
    `systems` that its task has. Raises ValueError for more systems than there are colors.
    """
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    figure, every = style.panels(lines, columns, height=2.25 * lines + 0.6)
    colors = dict(zip(systems, style.colors(systems), strict=True))
    for axes, (task, (heading, chance)) in zip(every.flat, panels.items(), strict=False):
        rows = table[table.task == task]
        for name in systems:
            own = rows[rows.system == name].pivot(index="seed", columns="stretch", values="score")
            if own.empty:
                continue
            axes.plot(own.columns, own.mean(), color=colors[name], label=name)
            for _, values in own.iterrows():
                axes.plot(own.columns, values, "o", color=colors[name], markersize=2.6, markeredgewidth=0)
        if chance is not None:
            style.horizontal(axes, chance)
            axes.set_ylim(0, 1.04)
        axes.set(xscale="log")
        ticks = sorted(set(rows.stretch))
        axes.set_xticks(ticks, [f"{each}" for each in ticks])
        axes.minorticks_off()
        axes.set_title(heading, loc="left", fontsize=10)
    for axes in list(every.flat)[len(panels) :]:
        axes.set_visible(False)
    drawn: dict[str, Artist] = {}
    for axes in every.flat:
        handles, labels = axes.get_legend_handles_labels()
        drawn |= dict(zip(labels, handles, strict=True))
    names = [name for name in systems if name in drawn]
    figure.legend([drawn[name] for name in names], names, loc="outside upper left", ncols=3, frameon=False,
                  fontsize=9)  # fmt: skip
    figure.supylabel(label, fontsize=10)
    figure.supxlabel("input length over the trained length", fontsize=10)
    return figure


def gains(
    panels: Mapping[str, pd.Series],
    tasks: Mapping[str, str],
    systems: Sequence[str],
    alike: float,
    label: str,
) -> Figure:
    """Gains of `systems` by task in each panel: dots are seeds, ticks means, the band counts as alike.

    `panels` maps a heading to a Series of `findings.better.gains`; `tasks` maps a task to its label.
    """
    figure, every = style.panels(1, len(panels), height=0.55 * len(tasks) + 1.3, sharex=True, sharey=True)
    offsets = np.linspace(0.18, -0.18, len(systems)) if len(systems) > 1 else np.zeros(1)
    for axes, (heading, gained) in zip(every[0], panels.items(), strict=True):
        axes.axvspan(-alike, alike, color=FAINT, alpha=0.6, linewidth=0)
        axes.axvline(0, color=INK, linewidth=1)
        for name, color, offset in zip(systems, (BLUE, RED, *style.CYCLE[2:]), offsets, strict=False):
            for place, task in enumerate(tasks):
                values = gained.xs((task, name), level=("task", "system"))
                height = len(tasks) - 1 - place + offset
                axes.plot(values, [height] * len(values), "o", color=color, markersize=4, alpha=0.6,
                          markeredgewidth=0)  # fmt: skip
                axes.plot(values.mean(), height, "|", color=color, markersize=13, markeredgewidth=2,
                          label=name if place == 0 else None)  # fmt: skip
        axes.set_yticks(range(len(tasks)), list(tasks.values())[::-1])
        axes.set_title(heading, loc="left", fontsize=10)
        axes.grid(axis="y", visible=False)
    style.legend_above(figure, every[0, 0], len(systems))
    figure.supxlabel(label, fontsize=10)
    return figure
