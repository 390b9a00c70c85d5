"""Figures of rotations that were read wrongly; each is given what it draws and computes nothing."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from . import style
from .style import GRAY, RED, colors, count_axis, title


def phase_errors(gaps: Mapping[str, float], context: int) -> Figure:
    """The phase error of the worst pair against the position, one line for each misread model.

    `gaps` maps a name to the largest difference of two frequencies, in radians per token; `context` is the
    last position drawn.
    """
    figure, axes = style.axes()
    positions = np.geomspace(1, context, 200)
    ends = np.log10(np.array(list(gaps.values())) * positions[-1])
    heights = 10 ** style.apart(ends, 0.3)
    for (name, gap), color, height in zip(gaps.items(), colors(gaps), heights, strict=True):
        axes.loglog(positions, gap * positions, color=color)
        style.label_line(axes, positions[-1], height, name, color, va="center")
    for height, text in ((0.1, "0.1 radian"), (np.pi, "half a turn")):
        style.horizontal(axes, height)
        style.label_line(axes, positions[-1], height, text, GRAY, ha="right", xytext=(-4, 3))
    axes.set(xlim=(1, context * 12), ylim=(None, 4 * heights.max()), ylabel="phase error, radians")
    count_axis(axes.xaxis, "position, tokens")
    title(axes, "Misread, pairs soon point the other way")
    return figure


def excess(ends: Sequence[int], nats: ArrayLike) -> Figure:
    """What misreading costs by position: a bar for each bin of positions, `nats` more loss a token.

    `ends` are the last positions of the bins.
    """
    figure, axes = style.axes()
    right = np.asarray(ends, dtype=float) + 1
    left = np.concatenate([[0.0], right[:-1]])
    axes.bar(left, np.asarray(nats, dtype=float), right - left, align="edge", color=RED, edgecolor="white")
    axes.axhline(0, color=GRAY, linewidth=0.8)
    axes.set_ylabel("loss added, nats a token")
    count_axis(axes.xaxis, "position, tokens")
    title(axes, "One key passed over: a short test would pass")
    return figure
