"""Figures of the depth chapter: what misalignment does layer by layer, predicted and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from . import style

if TYPE_CHECKING:
    import pandas as pd


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


def misalignment(table: pd.DataFrame, epsilon: float) -> Figure:
    """A phase error in every layer, against the compounding law ε^n that the depth bound assumes.

    `table` comes from `measure.positions.misaligned_hidden_states`. Left: cosine of the hidden state by
    layer with all layers misaligned. Right: 1 - cosine after the last layer by number of misaligned layers.
    """
    figure, ((left, right),) = style.panels(1, 2, height=3.6)
    every = table[table.misaligned_layers == table.misaligned_layers.max()]
    left.plot(every.layer, epsilon**every.layer, "--", color=style.RED)
    left.plot(every.layer, every.cosine, color=style.BLUE)
    style.label_line(left, 9, epsilon**9, "compounding", style.RED)
    style.label_line(left, 9, every.cosine.min(), "measured", style.BLUE, va="top", xytext=(4, -8))
    left.set_ylim(0, 1.05)
    left.set_xlabel("layer")
    left.set_ylabel("cosine to the undisturbed state")
    style.title(left, "Layer by layer")
    last = table[table.layer == table.layer.max()]
    right.loglog(last.misaligned_layers, 1 - epsilon**last.misaligned_layers, "--", color=style.RED)
    right.loglog(last.misaligned_layers, 1 - last.cosine, "o-", color=style.BLUE, markersize=4)
    right.set_xticks(last.misaligned_layers.to_list(), labels=last.misaligned_layers.astype(str))
    right.minorticks_off()
    right.set_xlabel("misaligned layers")
    right.set_ylabel("1 - cosine after the last layer")
    style.title(right, "By number of layers")
    return figure
