"""Figures of the oscillators that real heads weigh; each is given what it draws and computes nothing."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from . import style
from .style import BLUE, GRAY, INK, RED, count_axis, title


def weights_by_head(weights: ArrayLike, periods: ArrayLike, trained: int) -> Figure:
    """Every head's weights, one line each, darker for more; and their mean against the period below.

    `weights` has shape `(heads, pairs)`, rows sum to 1; `periods` `(pairs,)` in tokens, shortest first;
    `trained` is the declared length, a dashed line.
    """
    table, lengths = np.asarray(weights), np.asarray(periods)
    figure, panels = style.panels(2, height=4.6, sharex=True)
    upper, lower = panels[:, 0]
    order = np.argsort(table @ np.arange(table.shape[1]))
    edges = np.arange(table.shape[1] + 1) - 0.5
    upper.pcolormesh(edges, np.arange(len(table) + 1), table[order], cmap="Blues", vmax=0.5, rasterized=True)
    upper.set(ylabel="heads, sorted", yticks=[])
    upper.grid(False)
    title(upper, "Heads lean on pairs too slow to complete a turn")
    lower.bar(np.arange(table.shape[1]), table.mean(axis=0), color=BLUE)
    first = float(np.interp(np.log(trained), np.log(lengths), np.arange(len(lengths))))
    for axes in (upper, lower):
        axes.axvline(first, color=RED, linestyle="--", linewidth=1.2)
    lower.annotate(
        f"period = declared length, {trained:,} tokens",
        (first, lower.get_ylim()[1]),
        (-6, -4),
        textcoords="offset points",
        ha="right",
        va="top",
        color=RED,
    )
    shown = np.unique(np.linspace(0, len(lengths) - 1, 6).astype(int))
    lower.set_xticks(shown, [f"{i}\n{lengths[i]:,.0f}" for i in shown])
    lower.set(xlabel="pair, fastest first, and its period in tokens", ylabel="mean weight")
    return figure


def weight_by_turns(shares: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Figure:
    """Share of the weight by the turns of a pair within what its layer sees, a line for each kind of layer.

    `shares` maps a kind to (turns, weight): the lower ends of octaves and the share of weight in each.
    """
    figure, axes = style.axes()
    axes.axvline(1, color=INK, linestyle="--", linewidth=1)
    for (kind, (turns, weight)), color in zip(shares.items(), style.colors(shares), strict=True):
        middle = np.sqrt(2) * np.asarray(turns, dtype=float)
        axes.plot(
            middle, 100 * np.asarray(weight, dtype=float), "o-", color=color, markersize=3.5, label=kind
        )
    axes.set_xscale("log", base=2)
    axes.invert_xaxis()
    ticks = [2.0**power for power in range(12, -9, -4)]
    axes.set_xticks(ticks, [style.count(tick) if tick >= 1 else f"1/{1 / tick:.0f}" for tick in ticks])
    axes.annotate(
        "one turn", (1, 1), (-4, -4), xycoords=("data", "axes fraction"), textcoords="offset points",
        ha="right", va="top",
    )  # fmt: skip
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(-0.02, 0.9), fontsize=9)
    axes.set(
        ylim=(0, None), xlabel="turns of a pair within what its layer sees", ylabel="weight in an octave, %"
    )
    title(axes, "Heads lean on a quarter to half a turn")
    return figure


def own_bank(
    distance: ArrayLike, equal: ArrayLike, own: ArrayLike, horizon: int, back: tuple[float, float]
) -> Figure:
    """Similarity to position 0 of a bank with equal weights and of one with a head's own.

    The three arrays have one shape; `horizon` is the slowest pair's period, `back` the (distance, similarity)
    to which the head's bank comes back about the period of its heaviest pair.
    """
    figure, axes = style.axes()
    axes.axhline(0, color=GRAY, linewidth=0.8)
    axes.plot(distance, own, color=BLUE, linewidth=1.2)
    axes.plot(distance, equal, color=GRAY, linewidth=0.6)
    axes.plot(*back, "o", color=BLUE)
    axes.axvline(horizon, color=RED, linestyle="--", linewidth=1.2)
    style.label_line(axes, *back, "heaviest pair's turn", BLUE, xytext=(0, 8), ha="left")
    style.label_line(axes, 0, 1.28, "a head's own weights", BLUE, xytext=(14, 0), va="top")
    style.label_line(axes, 0, 1.13, "equal weights", GRAY, xytext=(14, 0), va="top")
    style.label_line(axes, horizon, 1.28, "horizon", RED, xytext=(-4, 0), ha="right", va="top")
    axes.set(ylabel="similarity to position 0", ylim=(-1, 1.3))
    count_axis(axes.xaxis, "distance, tokens")
    title(axes, "A head's bank swings, and comes back only in part")
    return figure


def reversals(shares: Mapping[int, Sequence[float]], trained: int) -> Figure:
    """How often a key that wins at distance 0 loses, over windows: the middle half of the drawn pairs.

    `shares` maps a window in tokens to the shares of distances at which the order is reversed.
    """
    figure, axes = style.axes()
    windows = np.array(sorted(shares))
    low, middle, high = (np.array([np.quantile(shares[w], q) for w in windows]) for q in (0.25, 0.5, 0.75))
    axes.axhline(0.5, color=INK, linewidth=1, linestyle="--")
    axes.annotate("a coin", (windows[0], 0.5), (0, 4), textcoords="offset points", color=INK)
    axes.fill_between(windows, low, high, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(windows, middle, "o-", color=BLUE)
    style.label_line(
        axes, windows[0], high.max(), "middle half of the drawn pairs of keys", BLUE, xytext=(0, 6)
    )
    axes.axvline(trained, color=RED, linestyle="--", linewidth=1.2)
    axes.annotate(f"declared: {trained:,}", (trained, 0.02), (4, 0), textcoords="offset points", color=RED)
    axes.set(xscale="log", ylim=(0, 1), ylabel="share of distances with the order reversed")
    count_axis(axes.xaxis, "window, tokens")
    title(axes, "The longer the window, the less the better key is ahead")
    return figure
