"""Figures of the mechanism: one query's attention, what each cut restores of the loss, dose and response.

Each function is given what it draws (see `findings.mechanism`) and measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from . import style
from .every_model import model_colors
from .style import BLUE, FAINT, GRAY, INK, ORANGE

if TYPE_CHECKING:
    import pandas as pd

# Shares beyond these are drawn at the edge: a model that loses little has shares of any size.
_LEAST, _MOST = -0.5, 1.25
_SHADES = (BLUE, ORANGE, GRAY, FAINT)


def one_query(attention: pd.DataFrame, title: str) -> Figure:
    """One query's attention to up to four groups of keys in several states: a stacked bar for each state.

    `attention` is a table of states × groups, each row summing to 1. Shares of 10 % and more are written in
    the bars. Raises ValueError for more groups than there are shades.
    """
    if len(attention.columns) > len(_SHADES):
        raise ValueError(f"attention must have at most {len(_SHADES)} groups, got {len(attention.columns)}")
    figure, axes = style.axes(height=0.45 * len(attention) + 1.2)
    rows = np.arange(len(attention))[::-1]
    left = np.zeros(len(attention))
    for (group, share), color in zip(attention.items(), _SHADES, strict=False):
        axes.barh(rows, share, left=left, color=color, height=0.66, label=str(group))
        for row, start, width in zip(rows, left, share, strict=True):
            if width >= 0.1:
                text_color = INK if color in (FAINT, ORANGE) else "white"
                axes.text(
                    start + width / 2, row, f"{100 * width:.0f} %", ha="center", va="center", color=text_color
                )
        left += share.to_numpy()
    axes.set_yticks(rows, attention.index)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    style.title(axes, title)
    style.legend_above(figure, axes, 2)
    return figure


def shares(
    found: Mapping[str, pd.DataFrame],
    labels: Mapping[str, str],
    title: str,
    xlabel: str,
    marks: tuple[float, float],
) -> Figure:
    """Shares of the damage with their intervals: a row for each intervention, a color for each model.

    `found` maps cases, "model" or "model, input", to tables with columns share, low and high by intervention;
    dots are hollow where an input is named. `labels` are the interventions to draw, with their names. `marks`
    are two shares at which a dotted line stands. What lies beyond −50 or 125 % is drawn at that edge.
    """
    figure, axes = style.axes(height=0.5 * len(labels) + 1.5)
    rows = np.arange(len(labels))[::-1]
    offsets = np.linspace(0.27, -0.27, len(found)) if len(found) > 1 else [0.0]
    models = {case: case.partition(", ") for case in found}
    colors = model_colors([model for model, _, _ in models.values()])
    for (case, table), offset in zip(found.items(), offsets, strict=True):
        model, _, named_input = models[case]
        color, fill = colors[model], "white" if named_input else colors[model]
        own = table.reindex(list(labels)).clip(_LEAST, _MOST)
        axes.hlines(rows + offset, own.low, own.high, color=color, linewidth=1.6)
        axes.plot(own.share, rows + offset, "o", color=color, markerfacecolor=fill, markersize=5, label=case)
    for mark in marks:
        style.vertical(axes, mark)
    for mark in (0, 1):
        style.vertical(axes, mark, "-")
    axes.set_yticks(rows, list(labels.values()))
    axes.set_ylim(-0.6, len(labels) - 0.4)
    axes.grid(False, axis="y")
    axes.set_xlim(_LEAST - 0.03, _MOST + 0.03)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}".replace("-", "−"))
    axes.set_xlabel(xlabel)
    style.title(axes, title, x=-0.42)
    style.legend_above(figure, axes, 2)
    return figure


def doses(panels: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Share of the damage restored by clipping distances in some heads, for each way to choose them.

    `panels` maps a model to a table: index dose, the share of its key heads; columns, the ways; values, the
    mean share restored. Raises ValueError for more ways than colors.
    """
    figure, row = style.panels(1, len(panels), height=3.4, sharey=True)
    ways = list(dict.fromkeys(way for table in panels.values() for way in table))
    colors = dict(zip(ways, style.colors(ways), strict=True))
    for axes, (model, table) in zip(row[0], panels.items(), strict=True):
        style.horizontal(axes, 0, "-")
        style.horizontal(axes, 1, "-")
        for way in table:
            known = table[way].dropna()
            line = "--" if way == "at random" else "-"
            axes.plot(100 * known.index, known, marker="o", linestyle=line, color=colors[way], label=way)
        axes.set_xlabel(f"key heads clipped (%)\n{model}")
    row[0, 0].set_ylabel("damage restored (%)")
    row[0, 0].yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}".replace("-", "−"))
    style.title(row[0, 0], title)
    most = max(row[0], key=lambda axes: len(axes.get_legend_handles_labels()[0]))
    style.legend_above(figure, most, 2)
    return figure
