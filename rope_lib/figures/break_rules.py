"""Figures of where models break beside what rules say; each is given what it draws and computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style
from .style import BLUE, FAINT, GRAY, GREEN, INK, ORANGE, RED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

_PALE = "#B5B5B5"  # of bars; opaque, so that a figure has few colors and its file is small
_MARKS = {0: (BLUE, "o"), 1: (RED, "D"), 2: (GREEN, "s"), 3: (ORANGE, "^")}


def intervals(units: pd.DataFrame, named: pd.DataFrame, title: str) -> Figure:
    """For each model the interval in which it breaks, as a bar, and the length that each rule names.

    `units` has columns low and high in tokens, high infinite for a model that does not break, low 0 for one
    that works nowhere; `named` has up to four rules as columns, NaN where one says nothing. A bar that goes
    on beyond what was measured ends in an arrow. Raises ValueError for more than four rules.
    """
    if named.shape[1] > len(_MARKS):
        raise ValueError(f"named must have at most {len(_MARKS)} rules, got {named.shape[1]}")
    figure, axes = style.axes(height=0.22 * len(units) + 1.3)
    axes.set_xscale("log", base=2)
    values = named.to_numpy()
    ends = [*values[np.isfinite(values)], *units.low[units.low > 0], *units.high[np.isfinite(units.high)]]
    left, right = min(ends) / 1.6, max(ends) * 1.6
    axes.set_xlim(left, right)
    rows = np.arange(len(units))[::-1]
    for row, low, high in zip(rows, units.low, units.high, strict=True):
        _bar(axes, row, low, high, left)
    for (name, lengths), (color, marker) in zip(named.items(), _MARKS.values(), strict=False):
        axes.plot(lengths, rows, marker, color=color, markersize=5, label=name, clip_on=False, zorder=3)
    axes.plot([], [], color=_PALE, linewidth=5, label="breaks between")
    axes.set_yticks(rows, list(units.index), fontsize=7.5)
    axes.set_ylim(-0.7, len(units) - 0.3)
    axes.grid(False, axis="y")
    style.count_axis(axes.xaxis, "length (tokens)")
    axes.set_xticks(2.0 ** np.arange(4 * np.ceil(np.log2(left) / 4), np.log2(right), 4))
    axes.minorticks_off()
    style.legend_above(figure, axes, 3)
    style.title(axes, title)
    return figure


def _bar(axes: Axes, row: float, low: float, high: float, left: float) -> None:
    if np.isinf(high):
        arrow = {"arrowstyle": "-|>", "color": GRAY, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (2 * low, row), (low, row), arrowprops=arrow)
    else:
        axes.plot([low or left, high], [row, row], color=_PALE, linewidth=5, solid_capstyle="butt")


def gains(raced: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """How much nearer to the breaks each rule comes than its best baseline, with the interval over families.

    `raced` maps the heading of a panel to `findings.break_rules.race`: columns gain, low and high in octaves,
    and form.
    """
    figure, panels = style.panels(1, len(raced), height=3.4, sharey=True)
    rules = list(dict.fromkeys(rule for table in raced.values() for rule in table.index))[::-1]
    for axes, (heading, table) in zip(panels[0], raced.items(), strict=True):
        rows = np.array([rules.index(rule) for rule in table.index])
        axes.axvline(0, color=INK, linewidth=1.2)
        color = [BLUE if low > 0 else GRAY for low in table.low]
        axes.hlines(rows, table.low, table.high, color=color, linewidth=2)
        axes.scatter(table.gain, rows, color=color, zorder=3, s=26)
        axes.set_title(heading, fontsize=10)
        axes.set_xlabel("gain (octaves)")
        axes.grid(False, axis="y")
    panels[0, 0].set_yticks(range(len(rules)), rules)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def by_text(
    breaks: Mapping[str, Sequence[float]],
    declared: Sequence[float],
    longest: Sequence[float],
    title: str,
) -> Figure:
    """Where each model breaks on each text, in multiples of its declared length.

    `breaks` maps models to the breaks on their texts in tokens, infinite where none is seen up to the
    `longest` length measured, which is drawn as an arrow with the number of such texts; `declared` and
    `longest` have a length for each model.
    """
    figure, axes = style.axes(height=0.42 * len(breaks) + 1.3)
    axes.set_xscale("log", base=2)
    rows = np.arange(len(breaks))[::-1]
    for row, points, length, farthest in zip(rows, breaks.values(), declared, longest, strict=True):
        ratios = np.asarray(points, float) / length
        seen, end = ratios[np.isfinite(ratios)], farthest / length
        axes.plot([min(1, end), end], [row, row], color=FAINT, linewidth=6, solid_capstyle="butt", zorder=1)
        axes.plot(seen, np.full(len(seen), row), "o", color=RED, alpha=0.6, markersize=6, zorder=3)
        if len(seen) < len(ratios):
            arrow = {"arrowstyle": "-|>", "color": BLUE, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (end * 1.35, row), (end, row), arrowprops=arrow)
            said = f"{len(ratios) - len(seen)} of {len(ratios)}"
            axes.annotate(said, (end * 1.4, row), color=BLUE, va="center", fontsize=8)
    style.vertical(axes, 1)
    ends = [farthest / length for farthest, length in zip(longest, declared, strict=True)]
    axes.set_xlim(min(0.8, *ends) / 1.1, 2.2 * max(ends))
    axes.set_yticks(rows, list(breaks))
    axes.grid(False, axis="y")
    style.count_axis(axes.xaxis, "break (multiples of the declared length)")
    style.title(axes, title)
    return figure
