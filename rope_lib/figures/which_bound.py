"""What depth does, after equal steps: see `findings.which_bound`, which measures it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from . import style
from .style import BLUE, FAINT, INK

if TYPE_CHECKING:
    import pandas as pd


def depth(differences: pd.DataFrame, label: str) -> Figure:
    """Accuracy of two layers minus that of one against the base: inside training, and beyond it.

    `differences` is a table of `findings.which_bound.depth_differences`. Dots are pairs of models at one
    length, bars their means.
    """
    figure, (panels,) = style.panels(1, 2, height=3.2, sharex=True, sharey=True)
    bases = np.sort(differences.base.unique())
    places = {base: place for place, base in enumerate(bases)}
    for axes, inside, text in zip(panels, (True, False), ("inside training", "beyond training"), strict=True):
        part = differences[differences.inside == inside]
        means = part.groupby("base").difference.mean().reindex(bases)
        axes.bar(range(len(bases)), means, color=FAINT, width=0.75)
        axes.plot(part.base.map(places), part.difference, "o", color=BLUE, markersize=3, alpha=0.5,
                  markeredgewidth=0)  # fmt: skip
        axes.axhline(0, color=INK, linewidth=1)
        axes.set_xticks(range(len(bases)), [_short(base) for base in bases], rotation=60)
        axes.grid(axis="x", visible=False)
        axes.set_title(text, loc="left", fontsize=10)
    panels[0].set_ylabel(label)
    figure.supxlabel("base", fontsize=10)
    return figure


def _short(base: float) -> str:
    return f"{base / 1e6:g}M" if base >= 1e6 else f"{base / 1e3:g}k" if base >= 1e3 else f"{base:g}"
