"""Figures of the controlled experiments: every seed is a dot, the mean over seeds a line or a bar.

Each function is given what it draws (see `findings.spectra`) and measures nothing. Three dots say more than
an interval of three seeds would, so the dots are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style
from .style import BLUE, FAINT, INK, ORANGE

if TYPE_CHECKING:
    import pandas as pd

_MARKERS = "os^Dv<>PX*"


def accuracies(
    accuracy: pd.DataFrame, groups: Sequence[Sequence[str]], trained: int, chance: float, label: str
) -> Figure:
    """Accuracy against a number of tokens, a panel for each group of systems.

    `accuracy` is a DataFrame of (system, seed) × tokens; `label` says what the tokens count. Lines are means.
    Raises ValueError for a group of more systems than there are colors.
    """
    height = 3.6 if len(groups) == 1 else 2.3 * len(groups) + 0.4
    figure, panels = style.panels(len(groups), height=height, sharex=True)
    tokens = accuracy.columns.to_numpy()
    for axes, names in zip(panels[:, 0], groups, strict=True):
        ends = {}
        for name, color in zip(names, style.colors(names), strict=True):
            seeds = accuracy.xs(name, level="system")
            axes.plot(tokens, seeds.mean(), color=color)
            for _, values in seeds.iterrows():
                axes.plot(tokens, values, "o", color=color, markersize=2.2, markeredgewidth=0)
            ends[name] = (seeds.mean().iloc[-1], color)
        style.vertical(axes, trained, "--")
        style.horizontal(axes, chance)
        right = (tokens[-1] / tokens[0]) ** 0.32  # room for the names
        axes.set(xscale="log", ylim=(0, 1.04), ylabel="accuracy", xlim=(tokens[0] * 0.9, tokens[-1] * right))
        axes.set_xticks(tokens, [f"{each}" for each in tokens])
        axes.minorticks_off()
        _labels(axes, tokens[-1], ends)
    panels[-1, 0].set_xlabel(label)
    return figure


def _labels(axes: Axes, x: float, ends: Mapping[str, tuple[float, str]]) -> None:
    """Names at the right ends of lines, moved apart where they would overlap."""
    heights = style.apart([end for end, _ in ends.values()], 0.075)
    shift = max(0.0, heights.max() - 1.0)
    for (name, (_, color)), height in zip(ends.items(), heights, strict=True):
        style.label_line(axes, x, height - shift, name, color, xytext=(7, -3))


def effects(differences: pd.DataFrame, measures: Mapping[str, str], reference: str) -> Figure:
    """Accuracy minus that of `reference`, a panel for each of `measures`: dots are seeds, bars their means.

    `differences` is a table of (system, seed) × measures, which `measures` maps to their titles. Systems are
    sorted by their mean in the last panel.
    """
    means = differences.groupby(level="system").mean().sort_values(list(measures)[-1])
    figure, panels = style.panels(1, len(measures), height=0.33 * len(means) + 1.2, sharex=True, sharey=True)
    for axes, (measure, heading) in zip(panels[0], measures.items(), strict=True):
        for place, name in enumerate(means.index):
            axes.barh(place, means.loc[name, measure], color=FAINT, height=0.7)
            values = differences.xs(name, level="system")[measure]
            axes.plot(values, [place] * len(values), "o", color=BLUE, markersize=4, alpha=0.7)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_yticks(range(len(means)), means.index)
        axes.set_title(heading, loc="left", fontsize=10)
        axes.grid(axis="y", visible=False)
    figure.supxlabel(f"accuracy minus that of {reference}", fontsize=10)
    return figure


def against_paper(accuracy: pd.Series, ruler: pd.DataFrame, label: str) -> Figure:
    """Our mean accuracy against the paper's, in percent, with a color for each size of the paper's models.

    `accuracy` is a Series by system; `ruler` a DataFrame of systems × sizes of models.
    """
    figure, axes = style.axes(height=3.4)
    for size, color in zip(ruler.columns, (BLUE, ORANGE), strict=True):
        theirs = ruler[size]
        axes.plot(theirs, accuracy[theirs.index], "o", color=color, label=size)
    for name, height in zip(ruler.index, style.apart(accuracy[ruler.index], 0.045), strict=True):
        axes.annotate(name, (ruler.loc[name].max(), height), textcoords="offset points", xytext=(7, -3))
    axes.set(xlabel="RULER at 16k, percent (paper, second-hand)", ylabel=label)
    axes.set_xlim(-2, 55)
    axes.legend(frameon=False, loc="lower right", title="paper's model")
    return figure


def temperatures(accuracy: Mapping[str, pd.DataFrame], length: int) -> Figure:
    """Accuracy at one length without temperature and with each form of it: a row for each system.

    `accuracy` maps a temperature to a DataFrame of (system, seed) × length; "none" comes first.
    """
    plain = accuracy["none"][length].groupby(level="system").mean().sort_values()
    names = [
        name
        for name in plain.index
        if all(name in a.index.get_level_values("system") for a in accuracy.values())
    ]
    figure, axes = style.axes(height=0.42 * len(names) + 1.3)
    for (label, frame), color, offset in zip(
        accuracy.items(), style.colors(accuracy), np.linspace(0.2, -0.2, len(accuracy)), strict=True
    ):
        for place, name in enumerate(names):
            values = frame.xs(name, level="system")[length]
            height = place + offset
            axes.plot(values, [height] * len(values), "o", color=color, markersize=3.5, alpha=0.6)
            axes.plot(
                values.mean(), height, "|", color=color, markersize=11, markeredgewidth=2,
                label=label if place == 0 else None,
            )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel(f"accuracy at {style.count(length)} tokens")
    axes.grid(axis="y", visible=False)
    style.legend_above(figure, axes, 3, title="temperature")
    return figure


def ablation(panels: Mapping[str, tuple[pd.DataFrame, str, float]], lengths: Sequence[int]) -> Figure:
    """Accuracy against one number of the band in each panel, at several lengths: dots are seeds, lines means.

    `panels` maps a label to (a table with that column, length and accuracy; the name of the column; the value
    of RoPE-ID, which a dashed line marks).
    """
    figure, every = style.panels(len(panels), height=2.05 * len(panels))
    for (label, (rows, column, standard)), axes in zip(panels.items(), every[:, 0], strict=True):
        values = np.sort(rows[column].unique())
        places = {value: place for place, value in enumerate(values)}
        for length, color in zip(lengths, style.colors(lengths), strict=True):
            part = rows[rows.length == length]
            means = part.groupby(column).accuracy.mean()
            axes.plot(range(len(values)), means.reindex(values), color=color)
            axes.plot(part[column].map(places), part.accuracy, "o", color=color, markersize=3,
                      markeredgewidth=0, label=f"{style.count(length)} tokens")  # fmt: skip
        style.vertical(axes, places[standard], "--")
        axes.set_xticks(range(len(values)), [f"{value:g}" for value in values])
        axes.set(xlabel=label, ylabel="accuracy")
    style.legend_above(figure, every[0, 0], len(lengths))
    return figure


def geometry_beside(
    rows: pd.DataFrame, columns: Mapping[str, str], classes: Mapping[str, str], label: str
) -> Figure:
    """What models retain against measures of geometry, a panel for each of `columns` (name → label).

    `rows` has a row for each model, with columns system and retained, which `label` names; `classes` maps a
    system to the criteria that it meets. Colors are criteria, shapes are systems.
    """
    names = sorted(set(rows.system), key=lambda name: (classes[name], name))
    kinds = list(dict.fromkeys(classes[name] for name in names))
    hues = dict(zip(kinds, style.colors(kinds), strict=True))
    figure, panels = style.panels(len(columns), height=2.6 * len(columns) + 1.0)
    for (column, measure), axes in zip(columns.items(), panels[:, 0], strict=True):
        for name, marker in zip(names, _MARKERS[: len(names)], strict=True):
            part, color = rows[rows.system == name], hues[classes[name]]
            axes.plot(part[column], part.retained, marker, color=color, markersize=6, alpha=0.75,
                      markeredgecolor="white", label=f"{name}: {classes[name]}")  # fmt: skip
        axes.set(xlabel=measure, ylabel=label)
    style.legend_above(figure, panels[0, 0], 3)
    return figure
