"""Figures of the depth chapter: what misalignment does layer by layer, predicted and measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from . import style

if TYPE_CHECKING:
    import pandas as pd


def kept_over_layers(kept: Sequence[float], layers: int) -> Figure:
    """What a stack keeps of a similarity if each layer keeps a share of it and the shares multiply.

    `kept` holds the shares, the smallest first; `layers` is the deepest stack drawn.
    """
    figure, axes = style.axes()
    numbers = np.arange(layers + 1)
    colors = style.colors(kept)
    for share, color in zip(kept, colors[1:] + colors[:1], strict=True):  # the first in orange-red
        axes.plot(numbers, share**numbers, color=color)
        style.label_line(axes, layers, share**layers, f"{share:.4g}", color, va="center", xytext=(4, 0))
    axes.annotate("each layer\nkeeps", (layers, 1), (4, 8), textcoords="offset points", va="bottom")
    axes.set(xlim=(0, layers), ylim=(0, 1.05), xlabel="layers", ylabel="similarity that is left")
    style.title(axes, "Losing 5 % a layer leaves little of a deep stack")
    return figure


def phase_by_layer(phases: pd.DataFrame, expected: float) -> Figure:
    """Phase of the slowest pair in each layer of a real model, beside the sum that compounding would give.

    `phases` has columns layer and phase (radians), from `measure.positions.accumulated_phase`; `expected`
    is p·θ of one rotation.
    """
    figure, axes = style.axes()
    layers = np.arange(1, phases.layer.max() + 1)
    axes.plot(layers, expected * layers, color=style.RED, linestyle="--")
    axes.plot(phases.layer, phases.phase, "o", color=style.BLUE, markersize=4)
    middle = layers[len(layers) // 2]
    style.label_line(
        axes, middle, expected * middle, "if rotations added up over layers", style.RED, ha="right"
    )
    style.label_line(axes, middle, expected, "measured, every key head", style.BLUE, va="bottom")
    axes.set_xlabel("layer")
    axes.set_ylabel("phase of the slowest pair (radians)")
    style.title(axes, "Every layer turns its keys once, from zero")
    return figure


def change_by_layer(changes: pd.DataFrame) -> Figure:
    """Relative change of the hidden states under a shift of all positions, layer by layer.

    `changes` has columns arithmetic, shift, layer and relative_change; each arithmetic and shift is a line.
    """
    figure, axes = style.axes()
    groups = changes.groupby("arithmetic", sort=False)
    for (arithmetic, group), color in zip(groups, style.CYCLE, strict=False):
        for _, line in group.groupby("shift"):
            axes.semilogy(line.layer, line.relative_change, color=color)
        shifts = " and ".join(style.count(shift) for shift in sorted(group["shift"].unique()))
        last = group.layer.max()
        height = group.relative_change[group.layer == last].max()
        text = f"{arithmetic},\nshift {shifts}"
        style.label_line(axes, last, height, text, color, va="center")
    axes.set_xlim(1, changes.layer.max() * 1.5)  # room for the labels
    axes.set_ylim(top=changes.relative_change.max() * 4)
    axes.set_xticks(range(5, changes.layer.max() + 1, 5))
    axes.set_xlabel("layer")
    axes.set_ylabel("relative change of the hidden state")
    style.title(axes, "With accurate angles no layer notices the shift")
    return figure


def product_law(law: pd.DataFrame, assumed: float) -> Figure:
    """What misaligned layers cost together, what their single losses multiply to, and what the bound assumes.

    `law` has columns layers, product and joint, from `findings.depth.product_law`; `assumed` is the loss of
    similarity in each layer that the bound starts from.
    """
    figure, axes = style.axes()
    axes.loglog(law.layers, 1 - (1 - assumed) ** law.layers, "--", color=style.RED)
    axes.loglog(law.layers, law["product"], color=style.BLUE)
    axes.loglog(law.layers, law.joint, "o", color=style.BLUE, markersize=6)
    middle = len(law) // 2
    at = law.layers.iloc[middle]
    style.label_line(
        axes, at, 1 - (1 - assumed) ** at, "as the bound assumes", style.RED, va="top", xytext=(6, -8)
    )
    style.label_line(
        axes, at, law["product"].iloc[middle], "measured: together (dots),\nproduct of single layers (line)",
        style.BLUE, va="top", xytext=(10, -8),
    )  # fmt: skip
    axes.set_xticks(law.layers.to_list(), labels=law.layers.astype(str))
    axes.minorticks_off()
    axes.set_xlabel("misaligned layers, the first n")
    axes.set_ylabel("loss of similarity, 1 - cosine")
    style.title(axes, "Losses multiply, from far less than assumed")
    return figure
