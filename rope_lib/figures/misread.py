"""Figures of rotations that were read wrongly; each is given what it draws and computes nothing."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from . import style
from .style import BLUE, GRAY, RED, colors, count_axis, title


def phase_errors(gaps: Mapping[str, float], context: int) -> Figure:
    """The phase error of the worst pair against the position, one line for each misread model.

    `gaps` maps a name to the largest difference of two frequencies, in radians per token; `context` is the
    last position drawn.
    """
    figure, axes = style.axes()
    positions = np.geomspace(1, context, 200)
    for (name, gap), color in zip(gaps.items(), colors(gaps), strict=True):
        axes.loglog(positions, gap * positions, color=color)
        style.label_line(axes, positions[-1], gap * positions[-1], name, color, va="center")
    for height, text in ((0.1, "0.1 radian"), (np.pi, "half a turn")):
        style.horizontal(axes, height)
        style.label_line(axes, positions[-1], height, text, GRAY, ha="right", xytext=(-4, 3))
    axes.set(xlim=(1, context * 12), ylabel="phase error, radians")
    count_axis(axes.xaxis, "position, tokens")
    title(axes, "Misread, a pair points the other way within words")
    return figure


def losses(ends: Sequence[int], by_reading: Mapping[str, ArrayLike]) -> Figure:
    """The loss of a model by position, as trained and misread: one line for each reading.

    `ends` are the last positions of the bins, `by_reading` the mean losses in them, in nats.
    """
    figure, axes = style.axes()
    for (name, values), color in zip(by_reading.items(), (BLUE, RED), strict=True):
        heights = np.asarray(values, dtype=float)
        axes.plot(ends, heights, "o-", color=color, markersize=4)
        style.label_line(axes, ends[-1], heights[-1], name, color, va="center", xytext=(8, 0))
    axes.set_xlim(0, ends[-1] * 1.45)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("loss, nats a token")
    count_axis(axes.xaxis, "position, tokens")
    title(axes, "The same weights, with one key passed over")
    return figure
