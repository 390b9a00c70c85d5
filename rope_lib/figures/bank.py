"""Figures of the oscillator bank: its periods, its similarity with distance, the bounds on its slowest mode.

Each function is given what it draws and computes nothing; distances and periods are in tokens.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from . import style
from .style import BLUE, FAINT, GRAY, GREEN, INK, ORANGE, RED, SKY, count, count_axis, title

SIMILARITY = "cosine similarity to position 0"


def phase_circles(codes: Sequence[ArrayLike], labels: Sequence[str], rows: Sequence[str]) -> Figure:
    """The phases of a few oscillators at a few positions: a circle for each, the first position in red.

    `codes` holds an array for each row of circles, `(positions, circles)`, of complex numbers of modulus 1.
    `labels` names the circles, `rows` the rows. Later positions are a lighter blue.
    """
    figure, panels = style.panels(len(rows), len(labels), height=1.75 * len(rows) + 0.35)
    turn = np.exp(1j * np.linspace(0, 2 * np.pi, 181))
    for line, points_of_row, row in zip(panels, codes, rows, strict=True):
        for axes, points, label in zip(line, np.asarray(points_of_row).T, labels, strict=True):
            axes.plot(turn.real, turn.imag, color=FAINT, linewidth=1.2)
            shade = np.linspace(1, 0.35, len(points))[:, None]
            colors = np.hstack([np.tile(to_rgb(BLUE), (len(points), 1)), shade])
            axes.plot([0, points.real[-1]], [0, points.imag[-1]], color=colors[-1], linewidth=1)
            axes.plot([0, points.real[0]], [0, points.imag[0]], color=RED, linewidth=1)
            axes.scatter(points.real[1:], points.imag[1:], 18, colors[1:], linewidths=0, zorder=2)
            axes.plot(points.real[:1], points.imag[:1], "o", color=RED, markersize=6, zorder=3)
            limits = (-1.25, 1.25)
            axes.set(aspect="equal", xlim=limits, ylim=limits, xticks=[], yticks=[], xlabel=label)
            axes.spines[:].set_visible(False)
        line[0].set_title(row, loc="left", fontsize=9.5, color=GRAY, pad=2)
    heading = "Fast hands tell neighbors apart, slow hands far places"
    figure.suptitle(heading, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def bank_periods(periods: ArrayLike, context: int) -> Figure:
    """The period of every pair against its index: blue if it fits into `context` tokens, else red.

    `periods` has shape `(pairs,)`, shortest first.
    """
    lengths = np.asarray(periods)
    pairs = np.arange(lengths.size)
    turning = int(np.sum(lengths <= context))
    figure, axes = style.axes()
    axes.axhline(context, color=INK, linewidth=1, linestyle="--")
    _note(axes, f"context: {context:,} tokens", (0, context), (0, 4), INK)
    # The points rise from left to right: there is room below the first group and above the second.
    for part, color, text, offset, align in (
        (slice(0, turning), BLUE, "complete a turn", (12, -12), "left"),
        (slice(turning, None), RED, "do not", (-12, 12), "right"),
    ):
        members = pairs[part]
        if members.size:
            axes.plot(members, lengths[part], "o", color=color, markersize=4)
            middle = members[members.size // 2]
            point = (middle, lengths[middle])
            _note(axes, f"{members.size} {text}", point, offset, color, ha=align, va="center")
    axes.set(yscale="log", xlabel="pair i, fastest first")
    count_axis(axes.yaxis, "period 2π/θ, tokens")
    title(axes, f"{turning} of {lengths.size} oscillators complete a turn")
    return figure


def similarity_decay(
    distance: NDArray[np.float64],
    bank: NDArray[np.float64],
    slowest: NDArray[np.float64],
    first_negative: int | None = None,
) -> Figure:
    """Similarity against distance on a logarithmic axis: the whole bank and its slowest oscillator.

    `distance`, `bank` and `slowest` have one shape; `first_negative` is the distance at which the bank's
    similarity first falls below zero, or None if it does not.
    """
    figure, axes = style.axes()
    axes.axhline(0, color=GRAY, linewidth=0.8)
    axes.plot(distance, slowest, color=RED)
    axes.plot(distance, bank, color=BLUE, linewidth=1)
    middle = np.searchsorted(distance, np.sqrt(distance[0] * distance[-1]))
    early = np.searchsorted(distance, np.sqrt(distance[0] * distance[middle]))
    _note(axes, "slowest oscillator alone", (distance[middle], slowest[middle]), (0, 5), RED, ha="center")
    _note(axes, "whole bank", (distance[early], bank[early]), (-8, -12), BLUE, ha="right", va="top")
    if first_negative is not None:
        axes.plot([first_negative], [0], "o", color=INK, markersize=5)
        text = f"below 0 from {first_negative:,}"
        _note(axes, text, (first_negative, 0), (-8, -8), INK, ha="right", va="top")
    axes.set(xscale="log", ylim=(-1.1, 1.2), ylabel=SIMILARITY)
    count_axis(axes.xaxis, "distance m, tokens (logarithmic)")
    title(axes, "The slowest oscillator cannot tell near positions apart")
    return figure


def collision_horizon(
    distance: NDArray[np.float64], similarity: NDArray[np.float64], horizon: float
) -> Figure:
    """Paper A's Figure 1: the similarity of one oscillator, and a dashed line where it completes a turn."""
    figure, axes = style.axes()
    axes.plot(distance, similarity, color=BLUE)
    axes.axvline(horizon, color=RED, linestyle="--")
    _note(axes, f"2π · base = {horizon:,.0f}", (horizon, -1), (-6, 0), RED, ha="right")
    axes.set(xlim=(0, distance[-1]), ylim=(-1.1, 1.1), ylabel=SIMILARITY)
    count_axis(axes.xaxis, "position, tokens")
    title(axes, "One oscillator alone returns to where it began")
    return figure


def bank_returns(
    distance: NDArray[np.float64],
    lowest: NDArray[np.float64],
    highest: NDArray[np.float64],
    mode_distance: NDArray[np.float64],
    mode: NDArray[np.float64],
    neighbor: float,
    nearest: tuple[int, float],
) -> Figure:
    """The similarity of the whole bank over very many distances, beside that of its slowest oscillator.

    The bank is drawn as a band: `distance` (the right edge of each bin of distances), `lowest` and `highest`
    (the least and the greatest similarity in the bin) have one shape; so do `mode_distance` and `mode`, the
    slowest oscillator. `neighbor` is the similarity of positions one apart, `nearest` the (distance,
    similarity) of the nearest return.
    """
    figure, axes = style.axes()
    end = distance[-1]
    axes.plot(mode_distance, mode, color=FAINT, linewidth=1)
    # Each bin reaches back to the previous one, and the first to 0.
    edges = [0, *distance]
    low, high = [lowest[0], *lowest], [highest[0], *highest]
    axes.fill_between(edges, low, high, step="pre", color=BLUE, linewidth=0)
    axes.axhline(neighbor, color=GREEN, linestyle="--")
    axes.plot(*nearest, "o", color=RED, markersize=6)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85}
    _note(axes, f"next position, m = 1: {neighbor:.3f}", (0, neighbor), (4, 4), GREEN, bbox=box)
    align, shift = ("right", 6) if nearest[0] > end / 2 else ("left", -6)
    text = f"nearest return, m = {nearest[0]:,}: {nearest[1]:.3f}"
    _note(axes, text, nearest, (shift, 8), RED, ha=align, bbox=box)
    _note(axes, "whole bank", (0, -1), (4, -5), BLUE, va="top")
    _note(axes, "slowest oscillator alone (gray)", (end, -1), (0, -5), GRAY, ha="right", va="top")
    axes.set(xlim=(0, end), ylim=(-1.25, 1.25), ylabel=SIMILARITY)
    count_axis(axes.xaxis, "distance m, tokens")
    returns = nearest[1] >= neighbor
    title(axes, f"The whole bank {'comes' if returns else 'does not come'} back")
    return figure


def returns_by_head_dim(
    head_dims: Sequence[int], neighbor: Sequence[float], nearest: Sequence[float]
) -> Figure:
    """The nearest return of each bank by head size, beside the similarity of adjacent positions.

    `neighbor` (similarity at distance 1) and `nearest` (at the nearest return) have the shape of `head_dims`.
    """
    place = np.arange(len(head_dims))
    figure, axes = style.axes()
    axes.plot(place, neighbor, "o-", color=GREEN)
    axes.plot(place, nearest, "o-", color=RED)
    last = place[-1]
    _note(axes, "next position, m = 1", (last, neighbor[-1]), (0, -9), GREEN, ha="right", va="top")
    _note(axes, "nearest return", (last, nearest[-1]), (0, -9), RED, ha="right", va="top")
    axes.set(ylim=(0, 1.08), ylabel=SIMILARITY, xlabel="rotated channels of a head (two to an oscillator)")
    axes.set_xticks(place, [str(dim) for dim in head_dims])
    title(axes, "More oscillators keep the bank from colliding")
    return figure


def slow_drift(
    distance: NDArray[np.float64],
    curves: Mapping[float, NDArray[np.float64]],
    epsilon: float,
    reaches: Mapping[float, float],
) -> Figure:
    """Similarity of the slowest oscillator over the context, for several bases, and the tolerance ε.

    `curves` maps each base to similarities of the shape of `distance`; `reaches` maps it to the distance at
    which its curve meets ε, which is marked if it lies within the axis.
    """
    figure, axes = style.axes()
    axes.axhline(epsilon, color=INK, linestyle="--", linewidth=1)
    _note(axes, f"tolerance ε = {epsilon:g}", (0, epsilon), (4, -4), INK, va="top")
    ends = {base: similarity[-1] for base, similarity in curves.items()}
    gap = 0.07 * (1 - min(similarity.min() for similarity in curves.values()))
    bases = sorted(ends, key=lambda base: ends[base])
    heights = style.apart([ends[base] for base in bases], gap)
    for base, height, color in zip(bases, heights, (RED, ORANGE, GREEN, BLUE, SKY), strict=False):
        axes.plot(distance, curves[base], color=color)
        if reaches[base] <= distance[-1]:
            axes.plot([reaches[base]], [epsilon], "o", color=color, markersize=5)
        _note(axes, f"base {count(base)}", (distance[-1], height), (5, 0), color, va="center")
    axes.set(xlim=(0, distance[-1]), ylabel=SIMILARITY)
    count_axis(axes.xaxis, "distance, tokens")
    title(axes, "A larger base slows the drift of the slowest oscillator")
    return figure


def tolerance(
    epsilon: NDArray[np.float64], factor: NDArray[np.float64], chosen: tuple[float, float], aliasing: float
) -> Figure:
    """The least base for each token of context, 1/arccos(ε), against the tolerance ε.

    `epsilon` and `factor` have one shape; `chosen` is the pair (ε, factor) in use; `aliasing` is the
    factor of the aliasing bound, 1/2π.
    """
    figure, axes = style.axes()
    axes.plot(epsilon, factor, color=BLUE)
    axes.axhline(aliasing, color=RED, linestyle="--")
    _note(axes, f"aliasing bound: {aliasing:.3f} × L", (epsilon[0], aliasing), (4, 5), RED)
    axes.plot(*chosen, "o", color=INK, markersize=6)
    _note(axes, f"ε = {chosen[0]:g}: {chosen[1]:.3g} × L", chosen, (-8, 4), INK, ha="right")
    axes.set(yscale="log", xlim=(epsilon[0], 1), xlabel="tolerance ε on the slowest oscillator's similarity")
    count_axis(axes.yaxis, "least base ÷ context L")
    title(axes, "The bound is as strict as the tolerance that one chooses")
    return figure


def stability_of_models(
    names: Sequence[str], contexts: Sequence[int], bases: ArrayLike, required: ArrayLike
) -> Figure:
    """Deployed bases (dots) beside those that a bound requires (bars), one row for each model.

    `contexts`, `bases` and `required` have the length of `names`; the first name is the topmost row.
    """
    deployed, least = np.asarray(bases, dtype=float), np.asarray(required, dtype=float)
    rows = np.arange(len(names))
    passes = deployed >= least
    figure, axes = style.axes(height=0.42 * len(names) + 1.3)
    axes.hlines(rows, np.minimum(deployed, least), np.maximum(deployed, least), color=FAINT, linewidth=3)
    axes.plot(least, rows, "|", color=INK, markersize=16, markeredgewidth=2)
    axes.plot(deployed[passes], rows[passes], "o", color=BLUE, markersize=8)
    axes.plot(deployed[~passes], rows[~passes], "o", color=RED, markersize=8)
    axes.set_yticks(rows, [f"{name}, {context:,}" for name, context in zip(names, contexts, strict=True)])
    axes.set(xscale="log", ylim=(len(names) - 0.4, -0.6))
    axes.grid(visible=False, axis="y")
    count_axis(axes.xaxis, "base: bar = required, dot = deployed (logarithmic)")
    title(axes, f"{passes.sum()} of {len(names)} bases satisfy the bound")
    return figure


def _note(
    axes: Axes, text: str, point: tuple[float, float], offset: tuple[float, float], color: str, **options: Any
) -> None:
    """Write `text` `offset` printer's points away from a point, even outside the axes."""
    style.label_line(axes, *point, text, color, xytext=offset, annotation_clip=False, **options)
