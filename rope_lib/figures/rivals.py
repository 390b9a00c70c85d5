"""Figures of the models that were trained until they could do their task, one panel for each task.

Each function is given what it draws (see `findings.rivals`) and measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from . import style
from .style import BLUE, GRAY, GREEN, INK, ORANGE, PURPLE, RED, SKY

if TYPE_CHECKING:
    import pandas as pd

# The systems that are drawn as lines, each in its color in every figure of the chapter.
COLORS = {
    "RoPE": BLUE,
    "RoPE-ID": PURPLE,
    "HighFreq": RED,
    "HalfRoPE": GREEN,
    "HoPE": SKY,
    "NoPE": INK,
    "YaRN": ORANGE,
}

# How training ended, by the names that `train.converge` has for it: the marker and what it says.
ENDS = {
    "criterion": ("o", "met the criterion"),
    "level": ("x", "loss level, not met"),
    "limit": (">", "limit of steps, not met"),
}


def carried(
    rows: pd.DataFrame, bands: pd.DataFrame, titles: Mapping[str, str], systems: Sequence[str]
) -> Figure:
    """Accuracy above chance against the stretch: means and intervals, a panel for each task of `titles`.

    `rows` has columns task, system, seed, stretch and above; `bands` low and high by (task, system, stretch),
    NaN where there are too few seeds for an interval. Raises KeyError for a system that has no color.
    """
    figure, panels = _panels(titles, height=3.1)
    for axes, (task, heading) in zip(panels, titles.items(), strict=False):
        own = rows[rows.task == task]
        ends: dict[str, float] = {}
        for name in systems:
            lines = own[own.system == name].pivot(index="seed", columns="stretch", values="above")
            if lines.empty:
                continue
            color, stretches = COLORS[name], lines.columns.to_numpy()
            axes.plot(stretches, lines.mean(), color=color, linewidth=2.2 if name == "RoPE-ID" else 1.4)
            band = bands.loc[(task, name)].reindex(stretches)
            axes.fill_between(stretches, band.low.clip(-1, 1), band.high.clip(-1, 1), color=color, alpha=0.13,
                              linewidth=0)  # fmt: skip
            ends[name] = float(lines.mean().iloc[-1])
        lowest = min(0.0, *ends.values()) - 0.08
        axes.set(xscale="log", ylim=(lowest, 1.12), xlim=(0.9, max(rows.stretch) * 4.2))
        _ends(axes, ends, lowest)
        ticks = sorted(set(rows.stretch))
        axes.set_xticks(ticks, [f"{each}" for each in ticks])
        axes.minorticks_off()
        style.horizontal(axes, 0)
        axes.set_title(heading, loc="left", fontsize=9.5, fontweight="bold")
    figure.supxlabel("input length over the trained length", fontsize=10)
    figure.supylabel("accuracy above chance", fontsize=10)
    return figure


def _ends(axes: Axes, ends: Mapping[str, float], lowest: float) -> None:
    """Names at the right ends of lines that end above `lowest`, moved apart where they would overlap."""
    gap = 0.08 * (1.12 - lowest)
    heights = style.apart([max(end, lowest + gap / 2) - 0.02 for end in ends.values()], gap)
    above = max(0.0, heights.max(initial=0.0) - 1.04)
    heights = np.maximum(heights - above, lowest)
    right = float(np.asarray(axes.lines[0].get_xdata())[-1]) if axes.lines else 1.0
    for name, height in zip(ends, heights, strict=True):
        style.label_line(axes, right, height, name, COLORS[name], xytext=(4, -2), fontsize=8)


def steps(models: pd.DataFrame, titles: Mapping[str, str], systems: Sequence[str], heading: str) -> Figure:
    """Steps of training by system, a panel for each task of `titles`: a mark for each seed.

    `models` has columns task, system, seed, learned, steps, taken and ended. A dot is the step at which the
    criterion was first met; a cross and an arrow are runs that ended without it, at the steps they took.
    """
    figure, panels = _panels(titles, height=0.2 * len(systems) + 1.0, sharex=True, sharey=True)
    places = {name: place for place, name in enumerate(reversed(systems))}
    for axes, (task, title) in zip(panels, titles.items(), strict=False):
        own = models[(models.task == task) & models.system.isin(places)].sort_values("seed")
        heights = own.system.map(places).astype(float) + _side_by_side(own)
        shown = own.ended.where(~own.learned, "criterion")
        for ended, (marker, _) in ENDS.items():
            part = own[shown == ended]
            at = part.steps if ended == "criterion" else part.taken
            axes.plot(at, heights[part.index], marker, color=_end_color(ended), markersize=4, alpha=0.8)
        axes.set(xscale="log", xlim=(45, 3_600))
        axes.set_yticks(range(len(places)), list(places))
        axes.xaxis.set_major_formatter(lambda value, _: style.count(value))
        axes.set_xticks([50, 200, 1000, 3000])
        axes.minorticks_off()
        axes.set_title(title, loc="left", fontsize=9.5)
    for axes in panels[-2:]:
        axes.set_xlabel("steps of training")
    figure.suptitle(heading, x=0.02, ha="left", fontsize=11, fontweight="bold")
    figure.legend([_mark(ended) for ended in ENDS], [text for _, text in ENDS.values()],
                  loc="outside lower center", ncols=len(ENDS), frameon=False, fontsize=9)  # fmt: skip
    return figure


def _side_by_side(models: pd.DataFrame) -> pd.Series:
    """How far the mark of each model stands from its system's place, so that seeds stay apart."""
    seeds = models.groupby("system")
    return (seeds.cumcount() - (seeds.seed.transform("size") - 1) / 2) * 0.1


def _end_color(ended: str) -> str:
    return BLUE if ended == "criterion" else RED


def _mark(ended: str) -> Line2D:
    return Line2D([], [], marker=ENDS[ended][0], color=_end_color(ended), linestyle="", markersize=5)


def less_rivals(
    differences: pd.DataFrame, intervals: pd.DataFrame, titles: Mapping[str, str], heading: str
) -> Figure:
    """What RoPE-ID keeps less what each rival keeps, a panel for each task of `titles`.

    `differences` is a table of (task, seed) × rivals, of which each seed is a dot; `intervals` has mean, low
    and high by (task, rival), a bar where they are numbers.
    """
    rivals = list(differences.columns)
    figure, panels = _panels(titles, height=0.2 * len(rivals) + 0.8, sharex=True, sharey=True)
    for axes, (task, title) in zip(panels, titles.items(), strict=False):
        own = differences[differences.index.get_level_values("task") == task]
        for place, name in enumerate(reversed(rivals)):
            color = COLORS.get(name, GRAY)
            found = intervals.loc[(task, name)]
            axes.plot([found.low, found.high], [place, place], color=color, linewidth=3, alpha=0.45)
            axes.plot(own[name], np.full(len(own), place), "o", color=color, markersize=3, markeredgewidth=0)
            axes.plot(found["mean"], place, "|", color=color, markersize=11, markeredgewidth=2)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_yticks(range(len(rivals)), rivals[::-1])
        axes.grid(axis="y", visible=False)
        axes.set_xlim(-1.05, 1.05)
        axes.set_title(title, loc="left", fontsize=9.5)
    figure.supxlabel("share kept by RoPE-ID less that kept by the rival", fontsize=10)
    figure.suptitle(heading, x=0.02, ha="left", fontsize=11, fontweight="bold")
    return figure


def _panels(
    titles: Mapping[str, str], *, height: float, sharex: bool = False, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Panels in two columns, `height` inches for each row of them; one that no task needs is hidden."""
    lines = -(-len(titles) // 2)
    figure, every = style.panels(lines, 2, height=height * lines + 0.6, sharex=sharex, sharey=sharey)
    flat: list[Axes] = list(every.flat)
    for axes in flat[len(titles) :]:
        axes.set_visible(False)
    return figure, flat
