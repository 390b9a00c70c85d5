"""Figures of experiment 1: accuracy against the base, against each bound, and what depth does.

Each function is given what it draws (see `findings.which_bound`) and measures nothing. Every seed is a dot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike

from . import style
from .style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, RED, SKY

if TYPE_CHECKING:
    import pandas as pd

# One color and one mark for each bound on the base, in every figure.
BOUND_COLORS = {
    "aliasing (A2)": GREEN,
    "stability (A3)": ORANGE,
    "depth (A4)": PURPLE,
    "Men et al.": SKY,
}
_DEPTHS = (BLUE, RED)


def by_base(
    rows: pd.DataFrame,
    panels: Sequence[Sequence[tuple[int, int]]],
    demands: Mapping[int, Mapping[str, float]],
    chance: float,
    measure: str,
    label: str,
) -> Figure:
    """Accuracy against the base, a panel for each (trained, length) of `panels`, a list of rows.

    `rows` are trials; solid lines are means over seeds, a color for each number of layers. `demands` maps a
    length to the base that each bound of `BOUND_COLORS` demands there, marked in color at the foot.
    """
    figure, every = style.panels(
        len(panels), len(panels[0]), height=1.7 * len(panels) + 0.9, sharex=True, sharey=True
    )
    depths = sorted(rows.layers.unique())
    for places, line in zip(panels, every, strict=True):
        for (trained, length), axes in zip(places, line, strict=True):
            part = rows[(rows.trained == trained) & (rows.length == length)]
            for layers, color in zip(depths, _DEPTHS, strict=True):
                own = part[part.layers == layers]
                means = own.groupby("base")[measure].mean()
                axes.plot(means.index, means, color=color, label=style.layers(layers))
                axes.plot(own.base, own[measure], "o", color=color, markersize=2.4, markeredgewidth=0)
            for name, base in demands[length].items():
                axes.plot(base, 0.0, "^", color=BOUND_COLORS[name], markersize=7, clip_on=False, label=name)
                axes.axvline(base, color=BOUND_COLORS[name], linewidth=0.9)
            style.horizontal(axes, chance)
            axes.set(xscale="log", ylim=(0, 1.04))
            axes.xaxis.set_minor_locator(NullLocator())
            where = "inside" if length <= trained else f"{length // trained}×"
            axes.set_title(f"trained on {trained}, asked at {length:,} ({where})", loc="left", fontsize=8.5)
    figure.supxlabel("base", fontsize=10)
    figure.supylabel(label, fontsize=10)
    style.legend_above(figure, every[0, 0], 3)
    return figure


def by_distance(
    distances: pd.DataFrame,
    panels: Sequence[tuple[int, int, int]],
    half_turns: Mapping[float, float],
    chance: float,
) -> Figure:
    """Accuracy by the distance of the answer, a panel for each of `panels`: (trained, layers, length).

    `distances` is the kept table. Each color is a base of `half_turns`, which maps it to the distance at
    which the slowest pair has made half a turn, marked at the foot. Lines are means over seeds, dots are
    seeds, and the dashed line is the trained length.
    """
    figure, every = style.panels(len(panels), height=1.95 * len(panels) + 0.5)
    for (trained, layers, length), axes in zip(panels, every[:, 0], strict=True):
        part = distances[
            (distances.trained == trained) & (distances.layers == layers) & (distances.length == length)
        ]
        for (base, half_turn), color in zip(half_turns.items(), style.colors(half_turns), strict=True):
            own = part[part.base == base]
            means = own.groupby("octave").accuracy.mean()
            axes.plot(
                means.index,
                means,
                color=color,
                label=f"base {style.power(base) if base >= 1e6 else style.count(base)}",
            )
            axes.plot(own.octave, own.accuracy, "o", color=color, markersize=2.2, markeredgewidth=0)
            if half_turn < length:
                axes.plot(half_turn, 0.0, "^", color=color, markersize=7, clip_on=False)
        style.vertical(axes, trained, "--")
        style.horizontal(axes, chance)
        octaves = np.sort(part.octave.unique())
        axes.set(xscale="log", ylim=(0, 1.04), ylabel="accuracy")
        axes.set_xticks(octaves, [f"{each}" for each in octaves])
        axes.minorticks_off()
        axes.set_title(
            f"trained on {trained}, {style.layers(layers)}, asked at {length:,}", loc="left", fontsize=9.5
        )
    every[-1, 0].set_xlabel("distance to the answer (tokens)")
    style.legend_above(figure, every[0, 0], 3)
    return figure


def against_margins(
    rows: pd.DataFrame,
    margins: pd.DataFrame,
    names: Sequence[str],
    threshold: float,
    measure: str,
    label: str,
) -> Figure:
    """Accuracy against the margin of each bound, a panel for each of `names`.

    A correct bound makes a step at 1. Dots are trials: blue inside the trained length, red beyond. In the
    shaded quarters the bound is wrong: it predicts failure and the model works (upper left), or it predicts
    success and the model fails (lower right).
    """
    figure, every = style.panels(len(names), height=1.35 * len(names) + 0.8, sharey=True)
    for name, axes in zip(names, every[:, 0], strict=True):
        margin = margins[name]
        for inside, color, text in ((False, RED, "beyond training"), (True, BLUE, "inside training")):
            chosen = rows.inside == inside
            axes.plot(margin[chosen], rows[chosen][measure], "o", color=color, markersize=2.6,
                      markeredgewidth=0, label=text)  # fmt: skip
        axes.set(xscale="log", ylim=(0, 1.04))
        low, high = axes.get_xlim()
        axes.axvspan(low, 1, ymin=threshold / 1.04, color=FAINT, alpha=0.55, linewidth=0)
        axes.axvspan(1, high, ymax=threshold / 1.04, color=FAINT, alpha=0.55, linewidth=0)
        axes.set_xlim(low, high)
        axes.axvline(1, color=INK, linewidth=1)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_title(name, loc="left", fontsize=9.5)
    every[-1, 0].set_xlabel("base over the one demanded (Liu et al.: their limit over the length)")
    figure.supylabel(label, fontsize=10)
    handles, labels = every[0, 0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    return figure


def least_bases(
    least: pd.DataFrame, demands: Mapping[str, ArrayLike], layers: Sequence[int], bases: Sequence[float]
) -> Figure:
    """The smallest base that works against the length, a panel for each trained length, beside the bounds.

    `least` is a table of `findings.least_base.least_bases`; `demands` maps a bound to the bases that it
    demands at the sorted lengths of the table, for the larger of `layers`. Open triangles at the edges mean
    that the smallest of the grid's `bases` already works (pointing down), or that none does (pointing up).
    """
    every_trained = sorted(least.trained.unique())
    figure, panels = style.panels(1, len(every_trained), height=3.9, sharey=True)
    lengths = np.sort(least.length.unique())
    lowest, highest = min(bases), max(bases)
    for trained, axes in zip(every_trained, panels[0], strict=True):
        for name, needed in demands.items():
            axes.plot(lengths, needed, color=BOUND_COLORS[name], linewidth=1.4, label=name)
        for depth, color, aside in zip(layers, _DEPTHS, (0.94, 1.07), strict=True):
            own = least[(least.trained == trained) & (least.layers == depth)]
            for censored, marker, height in (("", "o", None), ("low", "v", lowest), ("high", "^", highest)):
                part = own[own.censored == censored]
                heights = part.least if height is None else np.full(len(part), float(height))
                face = color if height is None else "white"
                axes.plot(part.length * aside, heights, marker, color=color, markersize=5, linestyle="none",
                          markerfacecolor=face, label=None if censored else style.layers(depth))  # fmt: skip
        style.vertical(axes, trained, "--")
        axes.set(xscale="log", yscale="log", xlabel="input length (tokens)")
        axes.set_xticks(lengths, [f"{each}" for each in lengths])
        axes.minorticks_off()
        axes.set_title(f"trained on {trained}", loc="left", fontsize=10)
    panels[0, 0].set_ylabel("smallest base that works")
    style.legend_above(figure, panels[0, 0], 3)
    return figure


def depth(differences: pd.DataFrame, label: str) -> Figure:
    """Accuracy of two layers minus that of one against the base: inside training, and beyond it.

    `differences` is a table of `findings.which_bound.depth_differences`. Dots are pairs of models at one
    length, bars their means.
    """
    figure, (panels,) = style.panels(1, 2, height=3.2, sharex=True, sharey=True)
    bases = np.sort(differences.base.unique())
    places = {base: place for place, base in enumerate(bases)}
    for axes, inside, text in zip(panels, (True, False), ("inside training", "beyond training"), strict=True):
        part = differences[differences.inside == inside]
        means = part.groupby("base").difference.mean().reindex(bases)
        axes.bar(range(len(bases)), means, color=FAINT, width=0.75)
        axes.plot(part.base.map(places), part.difference, "o", color=BLUE, markersize=3, alpha=0.5,
                  markeredgewidth=0)  # fmt: skip
        axes.axhline(0, color=INK, linewidth=1)
        axes.set_xticks(range(len(bases)), [_short(base) for base in bases], rotation=60)
        axes.grid(axis="x", visible=False)
        axes.set_title(text, loc="left", fontsize=10)
    panels[0].set_ylabel(label)
    figure.supxlabel("base", fontsize=10)
    return figure


def _short(base: float) -> str:
    return f"{base / 1e6:g}M" if base >= 1e6 else f"{base / 1e3:g}k" if base >= 1e3 else f"{base:g}"
