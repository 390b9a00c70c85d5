"""Figures of the clusters of keys and queries in a real model, of its sink, and of what length does to both.

Each function is given what it draws (see `findings.clusters`) and computes only medians and quantiles. Keys
are blue, queries red, and measures between the two black.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style
from .style import BLUE, GRAY, INK, RED, ROLE_COLORS, STAGE_NAMES

if TYPE_CHECKING:
    import pandas as pd


def head_clouds(table: pd.DataFrame, chosen: Mapping[str, tuple[int, int]]) -> Figure:
    """Keys and queries of some heads, before (top) and after the rotation, all panels on the same scale.

    `table` is `Sweep.clouds` of one length; `chosen` maps a title to (layer, key head). A cross marks the
    origin, a star token 0.
    """
    figure, panels = style.panels(2, len(chosen), height=3.4, sharex=True, sharey=True)
    for column, (title, (layer, head)) in zip(panels.T, chosen.items(), strict=True):
        own = table[(table.layer == layer) & (table["head"] == head)]
        for axes, stage in zip(column, STAGE_NAMES, strict=True):
            for role, color in ROLE_COLORS.items():
                part = own[(own.stage == stage) & (own.role == role)]
                axes.plot(part.x, part.y, ".", color=color, markersize=3)
                sink = part[part.position == 0]
                axes.plot(sink.x, sink.y, "*", color=color, markersize=11, markeredgecolor="white")
            axes.plot(0, 0, "+", color=INK, markersize=9)
            axes.set_aspect("equal")
        column[0].set_title(title, fontsize=10)
    for axes, name in zip(panels[:, 0], STAGE_NAMES.values(), strict=True):
        axes.set_ylabel(name)
    return figure


def by_length(
    panels: Mapping[str, Sequence[tuple[str, pd.DataFrame, str, str]]], trained_length: int, *, height: float
) -> Figure:
    """Panels over input length: medians over heads, bands of the middle half, the trained length marked.

    `panels` maps the label of a panel's y axis to its curves: (name, heads × lengths, color, line style). A
    curve whose name is "" gets no label.
    """
    figure, column = style.panels(len(panels), height=height, sharex=True)
    for axes, (label, curves) in zip(column[:, 0], panels.items(), strict=True):
        ends = []
        for name, table, color, line in curves:
            low, middle, high = np.quantile(table, [0.25, 0.5, 0.75], axis=0)
            axes.fill_between(table.columns, low, high, color=color, alpha=0.15, linewidth=0)
            axes.plot(table.columns, middle, line, color=color, marker="o", markersize=3)
            ends.append((middle[-1], name, color))
        style.vertical(axes, trained_length)
        axes.set_ylabel(label)
        _names(axes, table.columns[-1], ends, line=0.2 * len(panels) / height)
    _lengths(axes, list(table.columns))
    return figure


def by_position(
    positions: Mapping[str, pd.Series], lasts: Mapping[str, pd.Series], trained_length: int
) -> Figure:
    """Panels over a query's position: its mean over heads, and the mean of the last queries of each length.

    `positions` maps the label of a panel to a Series by position; `lasts` to a Series by length.
    """
    figure, column = style.panels(len(positions), height=5.0, sharex=True)
    for axes, (label, values) in zip(column[:, 0], positions.items(), strict=True):
        axes.plot(values.index, values, ".", color=GRAY, alpha=0.4, markersize=4, markeredgewidth=0)
        last = lasts[label]
        for part, color in ((last.index <= trained_length, BLUE), (last.index >= trained_length, RED)):
            axes.plot(last.index[part], last[part], "o-", color=color, markersize=5)
        style.vertical(axes, trained_length)
        axes.set_ylabel(label)
        axes.set_ylim(0)
    style.count_axis(axes.xaxis, "position of the query (tokens)")
    return figure


def _lengths(axes: Axes, lengths: Sequence[int]) -> None:
    """A logarithmic axis with a tick at each length, labeled where there is room; the last always is."""
    names, named = [], 0
    for length in lengths:
        room = length >= 1.4 * named and (length == lengths[-1] or lengths[-1] >= 1.4 * length)
        names.append(style.count(length) if room else "")
        named = length if room else named
    style.length_axis(axes, lengths, names, "input length (tokens)")


def _names(axes: Axes, x: float, ends: Iterable[tuple[float, str, str]], line: float) -> None:
    """Names of curves right of their ends, at least `line` apart, a share of the height of the axes."""
    low, high = axes.get_ylim()
    named = sorted(end for end in ends if end[1])
    heights = style.apart([end for end, _, _ in named], line * (high - low))
    for (_, name, color), height in zip(named, heights, strict=True):
        style.label_line(axes, x, height, name, color, xytext=(6, 0), va="center", annotation_clip=False)
