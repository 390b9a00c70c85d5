"""Figures of the clusters of keys and queries in a real model, of its sink, and of what length does to both.

Each function is given what it draws (see `findings.clusters`) and computes only medians and quantiles. Keys
are blue, queries red, and measures between the two black.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from . import style
from .style import BLUE, CYCLE, FAINT, GRAY, INK, RED, ROLE_COLORS, STAGE_NAMES

if TYPE_CHECKING:
    import pandas as pd

Columns: TypeAlias = Mapping[str, tuple[str, str]]  # from a column to the name and color of its curve


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


def distributions(before: pd.DataFrame, after: pd.DataFrame) -> Figure:
    """How tight and how opposed the clouds of the heads are: mean cosines within and between, dot products.

    `before` and `after` are `findings.clusters.pairs` at the two stages.
    """
    figure, column = style.panels(3, height=6.2)
    panels = column[:, 0]
    edges = np.linspace(-1, 1, 41)
    for axes, table, name in zip(panels, (before, after), STAGE_NAMES.values(), strict=False):
        keys = table.drop_duplicates(["layer", "key_head"]).within_key
        for values, color in ((keys, BLUE), (table.within_query, RED), (table.cosine, INK)):
            share = np.full(len(values), 100 / len(values))
            axes.hist(values, edges, weights=share, color=color, alpha=0.25)
            axes.hist(values, edges, weights=share, color=color, histtype="step", linewidth=1.4)
        axes.set(xlim=(-1, 1), ylabel="heads (%)", xlabel=f"mean cosine, {name}")
    panels[1].sharey(panels[0])
    for text, height, color in (
        ("among keys", 0.92, BLUE),
        ("among queries", 0.79, RED),
        ("between", 0.66, INK),
    ):
        panels[0].text(0.02, height, text, color=color, transform=panels[0].transAxes, va="top")
    products = np.concatenate([before.dot_product, after.dot_product])
    low, high = np.quantile(products, [0.01, 0.99])
    edges = np.linspace(low, high, 31)
    for table, line, name in ((before, "--", "before"), (after, "-", "after rotation")):
        share = np.full(len(table), 100 / len(table))
        clipped = table.dot_product.clip(edges[0], edges[-1])
        panels[2].hist(
            clipped,
            edges,
            weights=share,
            color=INK,
            histtype="step",
            linewidth=1.4,
            linestyle=line,
            label=name,
        )
    panels[2].legend(frameon=False, loc="upper left")
    panels[2].set(xlabel="mean dot product of a query and a key", ylabel="heads (%)")
    for axes in panels:
        style.vertical(axes, 0)
    return figure


def cosines_by_layer(before: pd.DataFrame, after: pd.DataFrame) -> Figure:
    """Mean cosines among keys, among queries and between them, each a mean over a layer's heads.

    `before` and `after` are `findings.clusters.pairs` at the two stages, drawn dashed and solid.
    """
    columns = {"within_key": ("among keys", BLUE), "within_query": ("among queries", RED)}
    figure, axes = _by_layer(before, after, columns | {"cosine": ("between", INK)}, (-0.35, 1))
    style.horizontal(axes, 0)
    axes.set_ylabel("mean cosine")
    return figure


def shares_by_layer(before: pd.DataFrame, after: pd.DataFrame, share: float) -> Figure:
    """Share of the variance about the origin along the first principal component, mean over a layer's heads.

    Drawn as `cosines_by_layer`, with a line at the percentage `share`, the value reported for the paper.
    """
    columns = {"explained_key": ("keys", BLUE), "explained_query": ("queries", RED)}
    before, after = (100 * table.set_index("layer")[[*columns]] for table in (before, after))
    figure, axes = _by_layer(before, after, columns, (0, 100))
    style.horizontal(axes, share)
    axes.set_ylabel("first component (%)")
    return figure


def _by_layer(
    before: pd.DataFrame, after: pd.DataFrame, columns: Columns, limits: tuple[float, float]
) -> tuple[Figure, Axes]:
    """Means of `columns` by layer, dashed before the rotation and solid after it."""
    height = 3.2
    figure, axes = style.axes(height=height)
    ends = []
    for table, line in ((before, "--"), (after, "-")):
        means = table.groupby("layer")[[*columns]].mean()
        for column, (name, color) in columns.items():
            axes.plot(means.index, means[column], line, color=color)
            if table is after:
                ends.append((means[column].iloc[-1], name, color))
    axes.set(xlabel="layer", ylim=limits)
    _names(axes, means.index[-1], ends, line=0.2 / height)
    return figure, axes


def norms_by_position(relative: pd.DataFrame) -> Figure:
    """The norm of keys by position over the head's mean: each head, and the median of all in bold.

    `relative` is `findings.clusters.relative_norms`: heads × first positions of the bins.
    """
    figure, axes = style.axes(height=3.4)
    places = np.arange(relative.shape[1])
    axes.plot(places, relative.T, color=FAINT, linewidth=0.6)
    axes.plot(places, relative.median(), "o-", color=BLUE, markersize=4)
    style.horizontal(axes, 1)
    axes.set(ylabel="key norm ÷ head's mean", ylim=(0, None))
    _bins(axes, places, relative.columns)
    axes.set_xlabel("position of the key (first of a bin)")
    return figure


def profiles(groups: Mapping[str, pd.DataFrame]) -> Figure:
    """Mean score, cosine and attention of the last queries by distance, with token 0 shown apart.

    `groups` maps a name to rows of `Sweep.profiles`. Lines are medians over heads and bands the middle half
    of them; a star at the right edge is token 0.
    """
    figure, column = style.panels(3, height=5.0, sharex=True)
    panels = column[:, 0]
    labels = {"score": "score", "cosine": "cosine", "attention": "attention of the bin"}
    for (name, table), color in zip(groups.items(), (CYCLE[2], CYCLE[3]), strict=False):
        for axes, (measure, label) in zip(panels, labels.items(), strict=True):
            wide = table.pivot(index=["layer", "head"], columns="first", values=measure)
            low, middle, high = np.nanquantile(wide, [0.25, 0.5, 0.75], axis=0)
            places = np.arange(len(middle) - 1)
            axes.fill_between(places, low[1:], high[1:], color=color, alpha=0.2, linewidth=0)
            axes.plot(places, middle[1:], color=color, label=name)
            star = len(places) + 0.5
            axes.plot([star, star], [low[0], high[0]], color=color, linewidth=4, alpha=0.3)
            axes.plot(star, middle[0], "*", color=color, markersize=12, markeredgecolor="white")
            axes.set_ylabel(label)
    for axes in panels[:2]:
        style.horizontal(axes, 0)
    style.legend_above(figure, panels[0], 2, fontsize=None)
    _bins(panels[-1], [*places, star], [*wide.columns[1:], "token 0"])
    panels[-1].set_xlabel("tokens back (first of a bin)")
    panels[-1].set_ylim(0)
    return figure


def sink_heads(table: pd.DataFrame) -> Figure:
    """The share of queries of each pair whose largest score is token 0's, against the norm of token 0's key.

    `table` is `findings.clusters.sinks`; color is the layer.
    """
    figure, axes = style.axes(height=3.8)
    dots = axes.scatter(
        table.norm_ratio, 100 * table.first_wins, c=table.layer, s=16, cmap="viridis", linewidths=0, zorder=3
    )
    figure.colorbar(dots, ax=axes, label="layer")
    style.vertical(axes, 1)
    axes.set(
        xlim=(0, None),
        xlabel="norm of token 0's key ÷ mean of the others",
        ylabel="queries won by token 0 (%)",
    )
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


def _bins(axes: Axes, places: ArrayLike, names: Iterable[int | str]) -> None:
    """Names of bins at their places, every second one if there are many."""
    texts = [name if isinstance(name, str) else style.count(name) for name in names]
    step = 2 if len(texts) > 10 else 1
    shown = [text if index % step == 0 or not text[0].isdigit() else "" for index, text in enumerate(texts)]
    axes.set_xticks(places, labels=shown)
    axes.tick_params(axis="x", labelsize=9)


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
