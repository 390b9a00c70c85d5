"""Figures of the dispersal of clouds by rotation. Each function is given what it draws and computes nothing.

A ratio is the first singular value after the rotation over the one before; lengths are in tokens.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from . import style
from .style import BLUE, CYCLE, FAINT, GRAY, INK, RED, count_axis, title

RATIO = "first singular value, after ÷ before"


def turned_pairs(panels: Mapping[str, ArrayLike]) -> Figure:
    """What one pair of a few tokens' vectors looks like: the tokens' numbers on a circle, a panel for each.

    `panels` maps a name to the angle of each token in turn, in degrees.
    """
    figure, row = style.panels(1, len(panels), height=2.1, sharex=True, sharey=True)
    around = np.radians(np.arange(361))
    for axes, (name, angles) in zip(row[0], panels.items(), strict=True):
        axes.plot(np.cos(around), np.sin(around), color=FAINT, linewidth=1)
        places: dict[int, list[str]] = {}
        for token, angle in enumerate(np.asarray(angles)):
            places.setdefault(round(float(angle)) % 360, []).append(str(token))
        for angle, tokens in places.items():
            x, y = np.cos(np.radians(angle)), np.sin(np.radians(angle))
            arrow = {"arrowstyle": "->", "color": BLUE, "linewidth": 1.4}
            axes.annotate("", (x, y), (0, 0), arrowprops=arrow)
            text = ",".join(tokens) if len(tokens) < 3 else f"{tokens[0]}–{tokens[-1]}"
            axes.text(1.3 * x, 1.3 * y, text, color=INK, fontsize=8, ha="center", va="center")
        axes.set_title(name, fontsize=8.5)
        axes.set(xlim=(-1.65, 1.65), ylim=(-1.65, 1.65), xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.set_aspect("equal")
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
    return figure


def ratios_by_length(
    lengths: NDArray[np.float64], curves: Mapping[str, NDArray[np.float64]], limits: Mapping[str, float]
) -> Figure:
    """The ratio against length for several spectra, each with its limit as a dotted line.

    `curves` maps a name to ratios of the shape of `lengths`; `limits` maps it to one number.
    """
    figure, axes = style.axes(height=3.8)
    for (name, ratios), color in zip(curves.items(), CYCLE, strict=False):
        axes.plot(lengths, ratios, color=color)
        axes.axhline(limits[name], color=color, linestyle=":", linewidth=1)
    _end_labels(axes, lengths[-1], {name: ratios[-1] for name, ratios in curves.items()})
    _by_length(axes, lengths)
    title(axes, "Every spectrum falls to its own limit (dotted)")
    return figure


def bounds_by_length(
    lengths: NDArray[np.float64],
    exact: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
) -> Figure:
    """The exact ratio against length between the bounds of two inequalities, all of one shape."""
    figure, axes = style.axes()
    axes.fill_between(lengths, lower, upper, color=FAINT, linewidth=0)
    axes.plot(lengths, exact, color=BLUE)
    axes.plot(lengths, upper, color=RED, linewidth=1)
    axes.plot(lengths, lower, color=GRAY, linewidth=1)
    middle = 2 * len(lengths) // 5
    for curve, text, color, offset, align in (
        (upper, "not above: row sums", RED, (6, 8), "left"),
        (lower, "not below: slow pairs, limit", GRAY, (-6, -14), "right"),
    ):
        style.label_line(axes, lengths[middle], curve[middle], text, color, xytext=offset, ha=align)
    style.label_line(
        axes, lengths[-1], exact[-1], "exact", BLUE, xytext=(5, 0), va="center", annotation_clip=False
    )
    _by_length(axes, lengths)
    title(axes, "Two inequalities enclose the fall")
    return figure


def real_heads(predicted: ArrayLike, measured: ArrayLike, stable_rank: ArrayLike) -> Figure:
    """Measured ratio of each head against the ratio of its first direction alone, colored by stable rank.

    The three have one shape; `stable_rank` is the one before the rotation.
    """
    figure, axes = style.axes(height=4.2)
    low = 0.95 * min(np.min(predicted), np.min(measured))
    axes.plot([low, 1], [low, 1], color=GRAY, linewidth=1, linestyle="--")
    dots = axes.scatter(predicted, measured, c=stable_rank, s=16, cmap="viridis_r", linewidths=0, zorder=3)
    figure.colorbar(dots, ax=axes, label="stable rank before the rotation")
    axes.set(xlabel="predicted from the first direction alone", ylabel=f"measured: {RATIO}", aspect="equal")
    title(axes, "One direction of a head tells how it disperses")
    return figure


def ablation(
    lengths: NDArray[np.float64],
    bands: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]],
    trained: int,
) -> Figure:
    """The ratio against length for several spectra: the median over draws, and a band of most of them.

    `bands` maps a name to (low, middle, high), each of the shape of `lengths`; the length `trained` is
    marked.
    """
    figure, axes = style.axes(height=4.2)
    axes.axvline(trained, color=INK, linestyle="--", linewidth=1)
    for (_, (low, middle, high)), color in zip(bands.items(), CYCLE, strict=False):
        axes.fill_between(lengths, low, high, color=color, alpha=0.15, linewidth=0)
        axes.plot(lengths, middle, color=color)
    _end_labels(axes, lengths[-1], {name: middle[-1] for name, (_, middle, _) in bands.items()})
    _by_length(axes, lengths)
    style.label_line(axes, trained, 0.02, "trained", INK, xytext=(4, 0), va="bottom")
    title(axes, "RoPE-ID stays level from before training ends")
    return figure


def shares_and_bands(
    turns: NDArray[np.float64], curves: Mapping[float, ArrayLike], chosen: tuple[float, float]
) -> Figure:
    """What is lost after the trained length, against the turns that the slowest rotating pair makes in it.

    `curves` maps the share of channels that rotate to losses in [0, 1] of the shape of `turns`; `chosen`, the
    (turns, loss) of RoPE-ID, is marked.
    """
    figure, axes = style.axes(height=3.8)
    percent = {share: 100 * np.asarray(losses) for share, losses in curves.items()}
    starts = [losses[0] for losses in percent.values()]
    heights = style.apart(starts, 0.05 * max(starts))
    for (share, losses), height, color in zip(percent.items(), heights, CYCLE, strict=False):
        axes.plot(turns, losses, color=color)
        style.label_line(
            axes, turns[0], height, f"{100 * share:.3g} %", color, xytext=(-5, 0), ha="right", va="center"
        )
    thin = {"arrowstyle": "-", "color": INK, "linewidth": 0.8}
    axes.plot(chosen[0], 100 * chosen[1], "o", color=INK, markersize=6, clip_on=False, zorder=4)
    style.label_line(axes, chosen[0], 100 * chosen[1], "RoPE-ID", INK, xytext=(6, 32), arrowprops=thin)
    axes.set(xscale="log", xlim=(turns[0] / 3, 1.1 * turns[-1]), ylim=(0, None))
    axes.set_ylabel("further fall after training, %")
    axes.set_xlabel("turns of the slowest rotating pair in training")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    title(axes, "Once the slowest pair turns, little is left to fall")
    return figure


def _by_length(axes: Axes, lengths: NDArray[np.float64]) -> None:
    axes.set(xscale="log", xlim=(lengths[0], lengths[-1]), ylim=(0, 1.02), ylabel=RATIO)
    count_axis(axes.xaxis, "length, tokens (logarithmic)")


def _end_labels(axes: Axes, x: float, ends: Mapping[str, float]) -> None:
    """Name each curve right of its end, in its color, with the names kept apart."""
    for name, height, color in zip(ends, style.apart([*ends.values()], 0.075), CYCLE, strict=False):
        style.label_line(axes, x, height, name, color, xytext=(5, 0), va="center", annotation_clip=False)
