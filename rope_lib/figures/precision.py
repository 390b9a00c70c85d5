"""Figures of rounded tables and of a model that rotates by them; each is given what it draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from . import style

if TYPE_CHECKING:
    import pandas as pd

LEAST_RISE = 1e-5  # nats: a rise below it is drawn at this height


def error_by_position(spans: pd.DataFrame, names: Mapping[str, tuple[float, float]]) -> Figure:
    """The worst phase error near each position: for each scheme a band over the bases.

    `spans` has columns scheme, position, least and most, in tokens and radians; `names` maps each scheme to
    the point where its name stands, as a position and a factor on the height of its band there.
    """
    figure, axes = style.axes(height=4.0)
    for (name, (where, factor)), color in zip(names.items(), style.colors(names), strict=True):
        band = spans[spans.scheme == name]
        axes.fill_between(band.position, band.least, band.most, color=color, alpha=0.4, linewidth=0)
        axes.loglog(band.position, band.most, color=color, linewidth=1.2)
        height = float(np.exp(np.interp(np.log(where), np.log(band.position), np.log(band.most))))
        axes.annotate(name, (where, height * factor), color=color, ha="center", va="center")
    style.horizontal(axes, np.pi)
    style.label_line(
        axes, spans.position.max(), np.pi, "π: the phase is lost", style.GRAY, xytext=(0, 4), ha="right"
    )
    axes.set(ylabel="worst phase error (radians)", ylim=(1e-8, 20))
    axes.set_xticks([10**power for power in range(2, 10)])
    axes.minorticks_off()
    style.count_axis(axes.xaxis, "position (tokens)")
    style.title(axes, "Errors grow with the position, not with the base")
    return figure


def merged_by_position(panels: Mapping[str, pd.DataFrame], walls: Mapping[str, str]) -> Figure:
    """Neighbors that the slowest pair merges, by position: a panel for each of `panels`, a line for a base.

    Each of `panels` has columns base, position and slowest; `walls` maps its title to a remark below it.
    Lines of several bases that coincide are drawn thinner and thinner, so that all of them show.
    """
    figure, every = style.panels(1, len(panels), height=3.4, sharex=True, sharey=True)
    for (heading, table), axes in zip(panels.items(), every[0], strict=True):
        bases = sorted(table.base.unique())
        for place, (base, color) in enumerate(zip(bases, style.colors(bases), strict=True)):
            line = table[table.base == base]
            axes.semilogx(
                line.position, line.slowest, color=color, linewidth=5.5 - 1.8 * place,
                label=f"base {style.power(base)}",
            )  # fmt: skip
        axes.set_title(heading, loc="left", fontsize=10, fontweight="bold")
        axes.annotate(
            walls[heading], (0.97, 0.5), xycoords="axes fraction", ha="right", va="center", fontsize=9
        )
        axes.set_ylim(-0.04, 1.04)
        axes.minorticks_off()
        axes.xaxis.set_major_formatter(lambda value, _: style.count(value))
    every[0, 0].set_ylabel("neighbors merged")
    figure.supxlabel("position (tokens)", fontsize=10)
    style.legend_above(figure, every[0, 0], 4)
    return figure


def error_by_pair(errors: Mapping[str, NDArray[np.float64]]) -> Figure:
    """Worst phase error of each pair of channels; `errors` maps a label to an array `(pairs,)` in radians."""
    figure, axes = style.axes()
    for (label, error), color in zip(errors.items(), style.CYCLE, strict=False):
        axes.semilogy(np.arange(error.size), error, color=color)
        style.label_line(axes, error.size - 1, error[-1], label, color, va="center")
    axes.set_xlim(0, (error.size - 1) * 1.25)  # room for the labels
    axes.set_xticks(range(0, error.size, max(1, error.size // 4)))
    axes.set_xlabel("pair of channels, fastest first")
    axes.set_ylabel("worst phase error (radians)")
    style.title(axes, "The fast channels carry the error, whatever the base")
    return figure


def rise_by_shift(rises: pd.DataFrame) -> Figure:
    """How far a model's loss rises when all positions are shifted; with exact angles it would not.

    `rises` has columns scheme, shift and rise, in nats above the exact loss. The axis of the losses is
    logarithmic, so that schemes show apart; rises below `LEAST_RISE` are drawn there.
    """
    figure, axes = style.axes(height=3.9)
    shifts, names = sorted(rises["shift"].unique()), list(dict.fromkeys(rises.scheme))
    lines = {name: rises[rises.scheme == name].sort_values("shift").rise.clip(LEAST_RISE) for name in names}
    starts = np.log10([line.iloc[0] for line in lines.values()])
    heights = 10 ** style.apart(starts, 0.42)
    for (name, line), color, marker, height in zip(
        lines.items(), style.colors(names), "osD^vP", heights, strict=False
    ):
        axes.semilogy(range(len(line)), line, marker=marker, color=color, markersize=5)
        axes.annotate(
            name, (0, height), (-10, 0), textcoords="offset points", color=color, ha="right", va="center"
        )
    axes.set_xlim(-2.3, len(shifts) - 0.8)  # room for the names
    axes.set_xticks(range(len(shifts)), labels=[style.count(shift) for shift in shifts])
    axes.set_ylim(LEAST_RISE / 2, 10)
    axes.set(xlabel="shift added to every position (tokens)", ylabel="rise of the loss (nats per token)")
    axes.minorticks_off()
    style.title(axes, "Only float64 angles ignore a shift")
    return figure
