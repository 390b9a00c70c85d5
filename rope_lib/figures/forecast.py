"""Figures of the forecast of dispersal, and of dispersal in several models. Each function computes nothing.

Lengths are in tokens and on a logarithmic axis; a dotted line marks the length that a model declares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style
from .style import BLUE, GRAY, INK, ROLE_COLORS, ROLE_NAMES

if TYPE_CHECKING:
    import pandas as pd

# A curve: a table by length with columns low, middle and high, a color and a line style.
Curve: TypeAlias = "tuple[pd.DataFrame, str, str]"


def by_model(
    models: Mapping[str, Mapping[str, Curve]], declared: Mapping[str, int], label: str, title: str
) -> Figure:
    """A panel for each model, three in a row, with the same curves over length and a band about each.

    `models` maps the name of a model to its curves by name; `declared` to the length that it declares, in
    tokens. A band whose ends are those of the line is not seen.
    """
    rows = -(-len(models) // 3)
    figure, grid = style.panels(rows, 3, height=0.6 + 1.6 * rows, sharey=True)
    for axes in grid.ravel()[len(models) :]:
        axes.remove()
    for axes, (model, curves) in zip(grid.ravel(), models.items(), strict=False):
        for name, (table, color, line) in curves.items():
            axes.fill_between(table.index, table.low, table.high, color=color, alpha=0.18, linewidth=0)
            axes.plot(table.index, table.middle, line, color=color, label=name, marker="o", markersize=2.5)
        style.vertical(axes, declared[model])
        axes.set_title(model, loc="left", fontsize=9)
        _lengths(axes, list(table.index))
    for axes in grid[:, 0]:
        axes.set_ylabel(label)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    grid[0, 0].legend(fontsize=8, frameon=False, loc="upper left")
    return figure


def heads(models: Mapping[str, pd.DataFrame], times: int) -> Figure:
    """A panel for each model: the stable rank of each key head as forecast and as measured, on one line.

    `models` maps the name of a model to a table with columns forecast, measured and windowed, a boolean.
    """
    figure, grid = style.panels((len(models) + 1) // 2, 2, height=0.4 + 2.4 * ((len(models) + 1) // 2))
    for axes in grid.ravel()[len(models) :]:
        axes.remove()
    for axes, (model, table) in zip(grid.ravel(), models.items(), strict=False):
        top = 1.05 * max(table.forecast.max(), table.measured.max())
        axes.plot([1, top], [1, top], color=GRAY, linewidth=1, linestyle="--")
        for windowed, color in ((False, BLUE), (True, style.ORANGE)):
            part = table[table.windowed == windowed]
            axes.plot(part.forecast, part.measured, ".", color=color, markersize=4, alpha=0.6)
        axes.set_title(model, loc="left", fontsize=10)
        axes.set(xlim=(0.9, top), ylim=(0.9, top))
    for axes in grid[-1]:
        axes.set_xlabel("stable rank, forecast")
    for axes in grid[:, 0]:
        axes.set_ylabel("measured")
    figure.suptitle(
        f"At {times} times the length, head by head", x=0.01, ha="left", fontsize=11, fontweight="bold"
    )
    return figure


def clouds(models: Mapping[str, tuple[pd.DataFrame, Sequence[tuple[int, str, str]]]], title: str) -> Figure:
    """A row for each model: keys and queries of one head in several panels on the same axes.

    `models` maps the label of a row to (table, panels). The table has columns length, stage, role, position,
    x, y, and stable_rank, that of its keys; a panel is (length, stage, heading). A star marks token 0, a
    cross the origin; each panel prints the stable rank of the keys.
    """
    columns = len(next(iter(models.values()))[1])
    figure, grid = style.panels(len(models), columns, height=0.5 + 1.75 * len(models))
    for row, (model, (table, panels)) in zip(grid, models.items(), strict=True):
        limits = [(1.08 * table[axis].min(), 1.08 * table[axis].max()) for axis in ("x", "y")]
        for axes, (length, stage, heading) in zip(row, panels, strict=True):
            here = table[(table.length == length) & (table.stage == stage)]
            for role, color in ROLE_COLORS.items():
                part = here[here.role == role]
                axes.plot(part.x, part.y, ".", color=color, markersize=2.5, label=ROLE_NAMES[role])
                sink = part[part.position == 0]
                axes.plot(sink.x, sink.y, "*", color=color, markersize=10, markeredgecolor="white")
            axes.plot(0, 0, "+", color=INK, markersize=8)
            rank = here[here.role == "key"].stable_rank.iloc[0]
            axes.text(0.03, 0.03, f"stable rank {rank:.1f}", transform=axes.transAxes, fontsize=9, color=BLUE)
            axes.set_title(heading, fontsize=9)
            axes.set(xlim=limits[0], ylim=limits[1])
            axes.tick_params(labelsize=8)
        row[0].set_ylabel(model)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    grid[0, 0].legend(fontsize=8, frameon=False, loc="upper right", markerscale=3)
    return figure


def far(
    measured: pd.Series, forecasts: Mapping[str, tuple[pd.Series, str, str]], declared: int, label: str
) -> Figure:
    """One measure over length, measured as a line and forecasts or rivals beside it, named at their ends.

    `forecasts` maps a name to (Series by length, color, line style).
    """
    figure, axes = style.axes(height=3.4)
    axes.plot(measured.index, measured, "o-", color=BLUE, markersize=4)
    ends = {"measured": (float(measured.iloc[-1]), BLUE)}
    for name, (series, color, line) in forecasts.items():
        axes.plot(series.index, series, line, color=color)
        ends[name] = (float(series.iloc[-1]), color)
    style.vertical(axes, declared)
    heights = style.apart([height for height, _ in ends.values()], 0.06 * float(np.diff(axes.get_ylim())[0]))
    for (name, (_, color)), height in zip(ends.items(), heights, strict=True):
        style.label_line(
            axes, measured.index[-1], height, name, color, xytext=(6, 0), va="center", annotation_clip=False
        )
    axes.set_ylabel(label)
    _lengths(axes, list(measured.index))
    return figure


def _lengths(axes: Axes, lengths: Sequence[int]) -> None:
    """A logarithmic axis over `lengths`; the last is named, and every power of four below it."""
    last = lengths[-1]
    names = [
        style.count(length) if length > 0 and np.log2(last / length) % 2 == 0 else "" for length in lengths
    ]
    style.length_axis(axes, lengths, names, "input length (tokens)")
