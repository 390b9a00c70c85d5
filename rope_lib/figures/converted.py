"""The figures of a trained model that is tuned to another rotation; they are given what they draw."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from . import style

if TYPE_CHECKING:
    import pandas as pd

# The arms in every figure, by name.
COLORS = {
    "untouched": style.GRAY,
    "control": style.INK,
    "rope_id": style.BLUE,
    "base": style.GREEN,
    "dropped": style.RED,
}


def spectra(
    frequencies: Mapping[str, ArrayLike], labels: Mapping[str, str], length: int, heading: str
) -> Figure:
    """The frequency of each pair under each arm, in turns within `length` tokens.

    Pairs at rest have no dot; where others of their arm turn, they are shaded in its color.

    `frequencies` maps arms to arrays `(pairs,)`, radians per token.
    """
    figure, axes = style.axes(height=3.2)
    for arm, values in frequencies.items():
        turns = np.asarray(values) * length / (2 * np.pi)
        (pairs,) = np.nonzero(turns)
        if not len(pairs):
            continue
        color = COLORS[arm]
        axes.plot(pairs, turns[pairs], "o-", color=color, markersize=3.5, linewidth=1, label=labels[arm])
        for pair in np.setdiff1d(np.arange(len(turns)), pairs):
            axes.axvspan(pair - 0.5, pair + 0.5, color=color, alpha=0.1, linewidth=0)
    axes.set(yscale="log", xlabel="pair, from the fastest", ylabel=f"turns in {length:,} tokens")
    style.horizontal(axes, 1)
    axes.legend(frameon=False, fontsize=9)
    style.title(axes, heading)
    return figure


def learning(rows: "pd.DataFrame", labels: Mapping[str, str], threshold: float, heading: str) -> Figure:
    """The loss of each arm over the control's, along the tuning, with intervals.

    `rows` is `findings.converted.along`; below `threshold` an arm counts as recovered.
    """
    figure, axes = style.axes(height=3.4)
    last = rows.step.max()
    ends = rows[rows.step == last].set_index("arm")["mean"]
    top = float(rows.high.max())
    heights = dict(zip(ends.index, style.apart(ends.to_numpy(), 0.06 * top), strict=True))
    axes.axhspan(0, threshold, color=style.FAINT, linewidth=0)
    for arm, part in rows.groupby("arm", sort=False):
        color = COLORS[str(arm)]
        axes.fill_between(part.step, part.low, part.high, color=color, alpha=0.15, linewidth=0)
        axes.plot(part.step, part["mean"], "o-", color=color, markersize=4, label=labels[str(arm)])
        style.label_line(axes, last, heights[arm], labels[str(arm)], color, xytext=(8, 0), va="center")
    axes.set(xlim=(-0.03 * last, 1.4 * last), xlabel="steps of tuning", ylabel="nats over the control")
    axes.set_xticks(sorted(rows.step.unique()))
    style.title(axes, heading)
    return figure


def by_position(
    far: "pd.DataFrame",
    labels: Mapping[str, str],
    declared: int,
    size: int,
    arms: Sequence[str],
    heading: str,
) -> Figure:
    """Mean loss over the texts by position, in bins of `size`, of each of `arms` that was read."""
    figure, axes = style.axes(height=3.6)
    means = far.assign(bin=far["first"] // size * size).groupby(["arm", "bin"]).nll.mean()
    shown = [arm for arm in arms if arm in means.index.get_level_values("arm")]
    ends = [means[arm].iloc[-1] for arm in shown]
    spread = float(means.max() - means.min())
    places = style.apart(ends, 0.055 * spread)
    longest = int(means.index.get_level_values("bin").max()) + size
    for arm, height in zip(shown, places, strict=True):
        values, color = means[arm], COLORS[arm]
        line = "--" if arm == "untouched" else "-"
        axes.plot(values.index + size / 2, values, line, color=color, label=labels[arm])
        style.label_line(
            axes, longest - size / 2, float(height), labels[arm], color, xytext=(6, 0), va="center"
        )
    style.vertical(axes, declared)
    axes.set(xlim=(0, 1.38 * longest), ylabel="loss, nats")
    style.count_axis(axes.xaxis, "position, tokens")
    axes.set_xticks(range(0, longest + 1, 4_096))
    style.title(axes, heading)
    return figure
