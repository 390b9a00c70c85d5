"""Figures of retrofits and of larger bases; each is given what it draws and computes nothing."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from . import style
from .style import BLUE, GREEN, INK, ORANGE, PURPLE, RED

Curve: TypeAlias = tuple[ArrayLike, ArrayLike]  # turns within the trained length, and the factor of slowing

# Color and line; where the name stands: at which share of the curve, with what offset in points, aligned how.
_LOOKS = {
    "position interpolation": (RED, "-", 0.33, (0, 4), "left"),
    "NTK": (ORANGE, "-", 0.55, (-6, 6), "right"),
    "dynamic NTK": (ORANGE, "--", 0.86, (0, -13), "center"),
    "YaRN": (BLUE, "-", 0.57, (-3, 4), "right"),
    "llama3": (GREEN, "-", 0.45, (0, 4), "left"),
    "LongRoPE": (PURPLE, "-", 0.42, (-4, 6), "right"),
}


def slowing(curves: Mapping[str, Curve], names: Mapping[str, str]) -> Figure:
    """By what factor each scheme slows each pair, from the fastest on the left to the slowest.

    `curves` maps a scheme, one of those that this figure knows, to its (turns in training, slowed by);
    `names` maps schemes to what is written beside their lines in place of their own names. The dashed line
    stands at one turn.
    """
    figure, axes = style.axes(height=4.4)
    axes.axvline(1, color=INK, linestyle="--", linewidth=1.2)
    for scheme, (turns, slowed) in curves.items():
        x, y = np.asarray(turns), np.asarray(slowed)
        color, line, where, offset, side = _LOOKS[scheme]
        axes.plot(x, y, line, color=color)
        at = round(where * (len(x) - 1))
        style.label_line(axes, x[at], y[at], names.get(scheme, scheme), color, xytext=offset, ha=side)
    axes.set(xscale="log", yscale="log", ylabel="slowed by")
    axes.set_yticks([1, 2, 4, 8, 16, 32, 64], ["stays", "2", "4", "8", "16", "32", "64"])
    axes.minorticks_off()
    axes.invert_xaxis()
    style.count_axis(axes.xaxis, "turns of the pair within the trained length, before the retrofit")
    axes.annotate("one turn", (1, 1), (4, -2), textcoords="offset points", color=INK)
    style.title(axes, "All but NTK slow every unturned pair in full")
    return figure


def both_sides(
    bases: Sequence[float],
    reversed_share: Mapping[int, Sequence[float]],
    told_apart: Sequence[float],
    idle: Sequence[float],
    own_base: float,
) -> Figure:
    """What a larger base gains and what it costs, in three panels over one axis of bases.

    `reversed_share` maps each of at most two windows in tokens to the share of distances with the order of
    two keys reversed; `told_apart` is the share of neighbors that are told apart, `idle` that of the pairs
    that hardly move in training; one number for each base. `own_base` is the base of training.
    """
    figure, every = style.panels(3, height=5.8, sharex=True)
    upper, middle, lower = every[:, 0]
    colors = (BLUE, PURPLE)
    for (window, shares), color in zip(sorted(reversed_share.items()), colors, strict=False):
        upper.plot(bases, shares, "o-", color=color, markersize=4)
        style.label_line(
            upper, bases[-1], shares[-1], f"{window:,} tokens", color, xytext=(7, 0), va="center"
        )
    upper.set(ylim=(0, 0.55), ylabel="order reversed")
    style.title(upper, "A larger base keeps the order of two keys longer,")
    middle.plot(bases, told_apart, "o-", color=GREEN, markersize=4)
    middle.set(ylim=(0, 0.65), ylabel="neighbors apart")
    style.title(middle, "tells fewer neighboring positions apart,")
    lower.plot(bases, idle, "o-", color=RED, markersize=4)
    lower.set(ylim=(-0.03, 0.55), ylabel="idle pairs", xscale="log", xlabel="base")
    style.title(lower, "and leaves more pairs that hardly move in training")
    for axes in (upper, middle, lower):
        axes.axvline(own_base, color=INK, linestyle="--", linewidth=1.2)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    middle.annotate("base of training", (own_base, 0.04), (4, 0), textcoords="offset points", color=INK)
    return figure
