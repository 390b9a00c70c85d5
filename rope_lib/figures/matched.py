"""Figures of matched and unmatched pairs: who stands above the sink, by angle, margin and length.

Each function is given what it draws (see `findings.matched`) and measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from . import style
from .style import BLUE, FAINT, GRAY, GREEN, INK, ORANGE, RED

if TYPE_CHECKING:
    import pandas as pd

PAIR_COLORS = {"matched": BLUE, "unmatched": RED}
_WHERE = {"natural": "text", "near": "copy near", "far": "copy far"}
_CHANGES = {
    "top": ("all keys", RED, "-"),
    "top_drawn": ("as many keys", ORANGE, "-"),
    "top_same": ("the same keys", GREEN, "-"),
    "sink_score": ("the sink", INK, "--"),
}


def picture(panels: Mapping[str, Mapping[str, ArrayLike]], query: float) -> Figure:
    """A query along the x axis, its keys, and the half plane in which a key outbids the sink.

    `panels` maps a title to keys by name: "unmatched" `(keys, 2)`, and one each of "sink" and "matched"
    `(2,)`. `query` is the length of the query, whose product with a key is that times the key's x.
    """
    figure, row = style.panels(1, len(panels), height=2.4, sharex=True, sharey=True)
    for axes, (heading, keys) in zip(row[0], panels.items(), strict=True):
        sink, match = np.asarray(keys["sink"]), np.asarray(keys["matched"])
        others = np.asarray(keys["unmatched"])
        axes.axvspan(sink[0], 1.2 * query, color=BLUE, alpha=0.07, linewidth=0)
        style.vertical(axes, sink[0])
        _arrow(axes, np.array([query, 0.0]), INK)
        for key in others:
            _arrow(axes, key, RED if key[0] > sink[0] else GRAY)
        _arrow(axes, match, BLUE)
        axes.plot(*sink, "o", color=ORANGE, markersize=6, zorder=4)
        style.label_line(axes, query, 0, "query", INK, xytext=(-26, -13))
        style.label_line(axes, match[0], match[1], "matched", BLUE, xytext=(4, 0))
        style.label_line(axes, sink[0], sink[1], "sink", ORANGE, xytext=(-26, -13))
        style.title(axes, heading)
        axes.set_aspect("equal")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(False)
    row[0, 0].set_xlim(-1.1 * query, 1.2 * query)
    row[0, 0].set_ylim(-0.35 * query, 1.2 * query)
    return figure


def angles(rows: pd.DataFrame, right: tuple[float, float]) -> Figure:
    """Angles of matched and unmatched pairs, a dot for each head and a bar at their mean, model by model.

    `rows` has columns `model`, `pair` and `angle` in degrees (see `findings.matched.by_head`); between the
    two angles of `right`, shaded, a pair counts as orthogonal.
    """
    models = list(dict.fromkeys(rows.model))
    figure, axes = style.axes(height=0.65 * len(models) + 1.0)
    axes.axvspan(*right, color=FAINT, alpha=0.5, linewidth=0)
    style.vertical(axes, 90, "-")
    random = np.random.default_rng(0)
    for place, name in enumerate(models):
        for pair, up in (("matched", -0.19), ("unmatched", 0.19)):
            own = rows[(rows.model == name) & (rows.pair == pair)].angle.to_numpy()
            heights = place + up + random.uniform(-0.09, 0.09, len(own))
            color = PAIR_COLORS[pair]
            axes.plot(own, heights, ".", color=color, markersize=6, alpha=0.6)
            axes.plot([own.mean()] * 2, [place + up - 0.15, place + up + 0.15], color=color, linewidth=3)
            if place == 0:
                style.label_line(axes, own.max(), place + up, pair, color, xytext=(8, -4))
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.set_xlabel("angle of query and key (degrees)")
    return figure


def margins(curves: pd.DataFrame, declared: Mapping[str, int]) -> Figure:
    """Margins over the sink by length, one panel a model: solid matched, dashed unmatched.

    `curves` is `findings.matched.by_length`, and `declared` maps the models, in the order of the panels, to
    their declared lengths, each marked by a dotted line. Thin bars are intervals between texts.
    """
    columns = 2
    rows = -(-len(declared) // columns)
    figure, grid = style.panels(rows, columns, height=1.6 * rows + 0.5)
    for number, (name, length) in enumerate(declared.items()):
        axes = grid.flat[number]
        own = curves[curves.model == name]
        style.horizontal(axes, 0, "-")
        if own.length.min() <= length <= own.length.max():
            style.vertical(axes, length)
        for (where, label), color in zip(_WHERE.items(), (INK, BLUE, GREEN), strict=True):
            for pair, line in (("matched", "o-"), ("unmatched", "o--")):
                points = own[(own["where"] == where) & (own.pair == pair)]
                kept = label if pair == "matched" else None
                _bars(axes, points, "margin", color, line, kept)
        lengths = sorted(own.length.unique())
        style.length_axis(axes, lengths, _labels(lengths), "")
        axes.tick_params(axis="x", labelsize=8)
        axes.set_title(name, loc="left", fontsize=10)
    for axes in grid[-1]:
        axes.set_xlabel("tokens")
    for axes in grid[:, 0]:
        axes.set_ylabel("score above the sink's")
    for axes in list(grid.flat)[len(declared) :]:
        axes.set_visible(False)
    style.legend_above(figure, grid[0, 0], 4)
    return figure


def outbidding(curves: pd.DataFrame, declared: Mapping[str, int]) -> Figure:
    """How often an unmatched key outbids the sink, and what raises the largest unmatched score, by length.

    One column a model, in the order of `declared`, which maps them to their declared lengths (dotted).
    `curves` is `findings.matched.bids`. Above, in percent, how many queries have an unmatched key
    above the sink, and the sink's share of attention; below, the changes of scores that more context makes.
    """
    figure, grid = style.panels(2, len(declared), height=4.9, sharey=False)
    for column, (name, length) in zip(grid.T, declared.items(), strict=True):
        own = curves[curves.model == name]
        shares = own.assign(**{each: 100 * own[each] for each in ("mean", "low", "high")})
        for measure, label, color in (
            ("top_wins", "sink outbid", RED),
            ("sink_attention", "attention to it", BLUE),
            ("unmatched_attention", "to unmatched", GRAY),
        ):
            _bars(column[0], shares[shares.measure == measure], "mean", color, "o-", label)
        column[0].set_ylim(0, 100)
        style.horizontal(column[1], 0, "-")
        for measure, (label, color, line) in _CHANGES.items():
            _bars(column[1], own[own.measure == measure], "mean", color, f"o{line}", label)
        lengths = sorted(own.length.unique())
        for axes in column:
            style.vertical(axes, length)
            style.length_axis(axes, lengths, _labels(lengths), "")
            axes.tick_params(axis="x", labelsize=8)
        column[1].sharex(column[0])
        column[1].set_xlabel("tokens")
        column[0].set_title(name, loc="left", fontsize=10)
    grid[0, 0].set_ylabel("% of queries, of attention")
    grid[1, 0].set_ylabel("change of score")
    bottom = min(axes.get_ylim()[0] for axes in grid[1])
    top = max(axes.get_ylim()[1] for axes in grid[1])
    for axes in grid[1]:
        axes.set_ylim(bottom, top)
    for row in grid:
        for axes in row[1:]:
            axes.tick_params(labelleft=False)
    _legend(grid[0, -1], (0.02, 0.62))
    _legend(grid[1, -1], "upper left")
    return figure


def _arrow(axes: Axes, tip: NDArray[np.float64], color: str) -> None:
    arrow = {"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.4}
    axes.annotate("", (tip[0], tip[1]), (0, 0), arrowprops=arrow, zorder=3)


def _bars(axes: Axes, points: pd.DataFrame, column: str, color: str, line: str, label: str | None) -> None:
    """A line through the points with upright bars from `low` to `high` where they are known."""
    own = points.sort_values("length")
    axes.plot(own.length, own[column], line, color=color, markersize=3.5, linewidth=1.3, label=label)
    known = own.dropna(subset=["low", "high"])
    axes.vlines(known.length, known.low, known.high, color=color, linewidth=0.8)


def _short(length: int) -> str:
    """A power of two or near it in two or three characters: 256, 2k, 12k."""
    return f"{length}" if length < 1_000 else f"{length / 1024:.0f}k"


def _labels(lengths: Sequence[int]) -> list[str]:
    """Labels of lengths, ascending; one with the next near it has none."""
    after = [*lengths[1:], 2 * lengths[-1]]
    return [_short(each) if later >= 2 * each else "" for each, later in zip(lengths, after, strict=True)]


def _legend(axes: Axes, place: Literal["upper left"] | tuple[float, float]) -> None:
    axes.legend(fontsize=7.5, frameon=False, loc=place, handlelength=1.4, borderaxespad=0.1)
