"""Paper B's figures of heads with every model beside the others.

Each function is given what it draws (see `findings.every_model`): tables whose rows are named by model and
more, with columns mean, low and high over texts. Keys are blue, queries orange-red, measures between the two
black; models have the other colors of the palette.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from . import style
from .style import BLUE, CYCLE, GRAY, INK, RED, ROLE_COLORS, STAGE_NAMES

if TYPE_CHECKING:
    import pandas as pd

_ROLES = {"keys": BLUE, "queries": RED, "between": INK}
_LINES = {"pre": "--", "post": "-"}


# The models of Part II in the order of their colors, so that each has one color in every figure.
_NAMED = ("SmolLM2-135M", "Gemma 3 270M", "byte RoPE", "byte RoPE-ID")


def model_colors(models: Sequence[str]) -> dict[str, str]:
    """A color for each model, none of them that of keys or queries; those of Part II keep theirs.

    >>> list(model_colors(["byte RoPE", "SmolLM2-135M"]).values()) == [CYCLE[4], CYCLE[2]]
    True
    """
    order = [*_NAMED, *(name for name in models if name not in _NAMED)]
    palette = CYCLE[2:]
    return {model: palette[order.index(model) % len(palette)] for model in models}


def schematic() -> Figure:
    """Paper B's picture of a head as a diagram: made-up points, no head's.

    Keys and queries in two clusters on opposite sides of the origin, which a cross marks, and the sink's key,
    a star, near it.
    """
    figure, axes = style.axes(height=3.0)
    random = np.random.default_rng(3)
    for color, center, name in ((BLUE, (-2.2, 0.9), "keys"), (RED, (2.2, -0.8), "queries")):
        points = np.array(center) + random.normal(scale=(0.42, 0.3), size=(70, 2))
        axes.plot(*points.T, ".", color=color, markersize=5)
        axes.annotate("", center, (0, 0), arrowprops={"arrowstyle": "->", "color": color, "linewidth": 1.6})
        axes.text(center[0], center[1] + 0.95, name, color=color, ha="center", fontweight="bold")
    axes.plot(0, 0, "+", color=INK, markersize=12)
    axes.text(0.1, -0.42, "origin", color=INK)
    axes.plot(-0.35, -0.15, "*", color=BLUE, markersize=14, markeredgecolor="white")
    axes.text(-0.5, -0.55, "the sink's key:\nshort", color=BLUE, ha="right", va="center")
    axes.text(0.55, 0.75, "a wide angle:\nproducts below 0", color=GRAY, ha="left", va="center")
    axes.set(xlim=(-3.6, 3.6), ylim=(-2, 2.2), xticks=[], yticks=[])
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_aspect("equal")
    return figure


def shares(table: pd.DataFrame, quantities: Sequence[str], title: str) -> Figure:
    """Shares of the heads of each model, a row for each of `quantities`, with intervals between texts.

    `table` has rows (model, quantity), such as `findings.every_model.looks`.
    """
    models = list(table.index.unique("model"))
    figure, axes = style.axes(height=0.9 + 0.55 * len(quantities))
    offsets = np.linspace(0.27, -0.27, len(models))
    for (model, color), offset in zip(model_colors(models).items(), offsets, strict=True):
        rows = 100 * table.loc[model].reindex(quantities)
        places = np.arange(len(quantities))[::-1] + offset
        low, high = (rows[end].clip(0, 100) for end in ("low", "high"))
        axes.hlines(places, low, high, color=color, linewidth=2, alpha=0.6)
        axes.plot(rows["mean"], places, "o", color=color, markersize=5, label=model)
    axes.set_yticks(np.arange(len(quantities))[::-1], labels=list(quantities))
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(-2, 102), xlabel="heads (%)", ylim=(-0.5, len(quantities) - 0.5))
    style.title(axes, title)
    style.legend_above(figure, axes, len(models), fontsize=8, handletextpad=0.1, columnspacing=1)
    return figure


def angles_by_layer(table: pd.DataFrame, title: str) -> Figure:
    """Mean angles among keys, among queries and between them by layer: a panel for each model.

    `table` is `findings.every_model.angles`. Dashed before the rotation, solid after it; dots mark the full
    layers of a model that also has layers with a window. Bands are the intervals between texts.
    """
    figure, every = _by_model(table.index.unique("model"), title, height=5.4)
    for model, axes in every.items():
        own = table.loc[model].reset_index()
        mixed = own.kind.nunique() > 1
        for (stage, name), line in own.groupby(["stage", "quantity"]):
            line = line.sort_values("layer")
            axes.fill_between(line.layer, line.low, line.high, color=_ROLES[name], alpha=0.15, linewidth=0)
            axes.plot(line.layer, line["mean"], _LINES[stage], color=_ROLES[name])
            if mixed and stage == "post":
                full = line[line.kind == "full"]
                axes.plot(full.layer, full["mean"], "o", color=_ROLES[name], markersize=5)
        style.horizontal(axes, 90)
        axes.set(ylim=(0, 125), yticks=[0, 30, 60, 90, 120])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    first = next(iter(every.values()))
    for place, (name, color) in enumerate(_ROLES.items()):
        first.text(0.03, 0.19 - 0.085 * place, name, color=color, transform=first.transAxes)
    _outer_labels(every, "layer", "mean angle (degrees)")
    return figure


def histograms(table: pd.DataFrame, share: float, title: str) -> Figure:
    """The share of the variance along a head's first component, over the heads: a panel for each model.

    `table` is `findings.every_model.explained`. Filled before the rotation, outlined after it, with a line at
    the percentage `share`, the value reported for the paper.
    """
    figure, every = _by_model(table.model.unique(), title, height=4.8)
    edges = [*range(0, 101, 5)]
    for model, axes in every.items():
        own = table[table.model == model]
        for role, color in (("key", BLUE), ("query", RED)):
            heads = own[own.role == role]
            weights = np.full(len(heads), 100 / len(heads))
            axes.hist(100 * heads.before, edges, weights=weights, color=color, alpha=0.35)
            axes.hist(100 * heads.after, edges, weights=weights, color=color, histtype="step", linewidth=1.4)
        style.vertical(axes, share)
        axes.set_xlim(0, 100)
    first = next(iter(every.values()))
    for height, name, color in ((0.92, "keys", BLUE), (0.81, "queries", RED)):
        first.text(0.03, height, name, color=color, transform=first.transAxes, va="top")
    _outer_labels(every, "first component (%)", "heads (%)")
    return figure


def sink(norms: pd.DataFrame, excess: pd.DataFrame, title: str) -> Figure:
    """Token 0's key: its norm in every key head (top), and how far others score above it (bottom).

    `norms` is `findings.every_model.norm_ratios`: filled dots are full layers, hollow ones have a window.
    `excess` is `scores_over_sink`: lines are medians over pairs and bands the middle half of them.
    """
    models = list(norms.model.unique())
    colors = model_colors(models)
    figure, column = style.panels(2, height=5.6)
    _title(figure, title)
    top, bottom = column[:, 0]
    random = np.random.default_rng(0)
    for place, model in enumerate(models):
        own = norms[norms.model == model]
        for kind, face in (("full", colors[model]), ("window", "none")):
            dots = own[own.kind == kind].norm_ratio
            places = -place + random.uniform(-0.28, 0.28, len(dots))
            top.scatter(
                dots, places, s=14, facecolors=face, edgecolors=colors[model], linewidths=0.8, alpha=0.8
            )
        curve = excess[excess.model == model].pivot_table(
            index=["layer", "head"], columns="first", values="excess"
        )
        low, middle, high = np.nanquantile(curve, [0.25, 0.5, 0.75], axis=0)
        tokens = np.maximum(
            curve.columns.to_numpy(float), 0.5
        )  # distance 0 has a place on the logarithmic axis
        bottom.fill_between(tokens, low, high, color=colors[model], alpha=0.15, linewidth=0)
        bottom.plot(tokens, middle, color=colors[model], label=model)
    top.set_yticks(-np.arange(len(models)), labels=models)
    top.set(xlim=(0, None), xlabel="norm of token 0's key ÷ mean norm of the others")
    style.vertical(top, 1)
    style.horizontal(bottom, 0)
    bottom.set_xscale("log", base=2)
    ticks = [0.5, 4, 32, 256, 2_048, 16_384]
    bottom.set_xticks(ticks, labels=["0", *(style.count(tick) for tick in ticks[1:])])
    bottom.minorticks_off()
    bottom.set(xlabel="distance from query to key (tokens)", ylabel="score − token 0's score")
    bottom.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def by_relative_length(
    table: pd.DataFrame,
    declared: Mapping[str, int],
    labels: Mapping[str, str],
    title: str,
    *,
    along: str = "input length ÷ declared length",
) -> Figure:
    """Quantities by the length of the input over the declared one, a panel for each: see `labels`.

    `table` is `findings.every_model.attention_by_length`; `declared` maps a model to its declared length;
    `labels` a quantity to the label of its axis; `along` is the label of the axis that they share. Solid:
    full layers; dotted: layers with a window.
    """
    models = list(table.index.unique("model"))
    colors = model_colors(models)
    figure, column = style.panels(len(labels), height=1.2 + 1.75 * len(labels), sharex=True)
    style.title(column[0, 0], title)
    long = table.reset_index()
    for axes, (quantity, label) in zip(column[:, 0], labels.items(), strict=True):
        for (model, kind), line in long[long.quantity == quantity].groupby(["model", "kind"], sort=False):
            line = line.sort_values("length")
            x = line.length / declared[model]
            axes.fill_between(x, line.low, line.high, color=colors[model], alpha=0.15, linewidth=0)
            shape = "-" if kind == "full" else ":"
            name = model if kind == "full" else f"{model}, window layers"
            axes.plot(x, line["mean"], shape, color=colors[model], marker="o", markersize=3, label=name)
        style.vertical(axes, 1)
        axes.set_ylabel(label)
    bottom = column[-1, 0]
    bottom.set_xscale("log", base=2)
    bottom.xaxis.set_major_formatter(lambda value, _: f"{value:g}" if value >= 1 else f"1/{1 / value:g}")
    bottom.minorticks_off()
    bottom.set_xlabel(along)
    style.legend_above(figure, column[0, 0], 3, fontsize=8)
    return figure


def clouds_at_two_lengths(
    clouds: Mapping[str, pd.DataFrame],
    ranks: Mapping[tuple[str, int, str], float],
    lengths: Sequence[int],
    title: str,
) -> Figure:
    """Keys and queries of one head of each model at two lengths, before and after the rotation.

    `clouds` maps a model to `Sweep.clouds` of one key head; `ranks` a model, a length and a stage ("pre",
    "post") to the stable rank of its keys, which is printed. All panels share their axes. A cross
    marks the origin, a star token 0.
    """
    figure, grid = style.panels(len(clouds), 2 * len(lengths), height=4.2, sharex=True, sharey=True)
    _title(figure, title)
    shown = [(length, stage) for length in lengths for stage in STAGE_NAMES]
    for row, (model, table) in zip(grid, clouds.items(), strict=True):
        for axes, (length, stage) in zip(row, shown, strict=True):
            for role, color in ROLE_COLORS.items():
                part = table[(table.length == length) & (table.stage == stage) & (table.role == role)]
                axes.plot(part.x, part.y, ".", color=color, markersize=3)
                first = part[part.position == 0]
                axes.plot(first.x, first.y, "*", color=color, markersize=10, markeredgecolor="white")
            axes.plot(0, 0, "+", color=INK, markersize=9)
            axes.set(xticks=[], yticks=[])
            axes.set_aspect("equal")
            axes.set_xlabel(f"stable rank {ranks[model, length, stage]:.1f}", fontsize=9)
        row[0].set_ylabel(model)
    for axes, (length, stage) in zip(grid[0], shown, strict=True):
        axes.set_title(f"{style.count(length)}\n{STAGE_NAMES[stage]}", fontsize=9)
    return figure


def _by_model(models: Sequence[str], title: str, *, height: float) -> tuple[Figure, dict[str, Axes]]:
    """A panel for each model, two beside each other, with its name."""
    rows = -(-len(models) // 2)
    figure, grid = style.panels(rows, 2, height=height, sharey=True)
    _title(figure, title)
    every = dict(zip(models, grid.flat, strict=False))
    for model, axes in every.items():
        axes.set_title(model, fontsize=10)
    for unused in list(grid.flat)[len(models) :]:
        unused.set_visible(False)
    return figure, every


def _outer_labels(every: Mapping[str, Axes], below: str, left: str) -> None:
    for place, axes in enumerate(every.values()):
        if place % 2 == 0:
            axes.set_ylabel(left)
        if place >= len(every) - 2:
            axes.set_xlabel(below)


def _title(figure: Figure, text: str) -> None:
    """The title of a figure of several panels: what it shows."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=11, fontweight="bold")
