"""Figures of interventions: the loss under each of them against its geometry.

Each function is given what it draws (see `findings.interventions`) and measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from . import style
from .style import INK


def loss_against(
    panels: Mapping[str, ArrayLike], losses: ArrayLike, names: Sequence[str], title: str
) -> Figure:
    """Excess loss of each intervention and length against measures of its geometry: is there one threshold?

    `panels` maps the label of an x axis to values; `losses`, as many, are nats above those of the same tokens
    in a context within training, and `names` are the spectra of the points. Points of one spectrum are joined
    in their order; the dotted line marks zero excess. Raises ValueError for more spectra than colors.
    """
    figure, row = style.panels(1, len(panels), height=3.9, sharey=True)
    spectra, excess = np.asarray(names), np.asarray(losses)
    first, *others = dict.fromkeys(spectra.tolist())
    for axes, (label, values) in zip(row[0], panels.items(), strict=True):
        style.horizontal(axes, 0)
        for name, color in zip((first, *others), (INK, *style.colors(others)), strict=True):
            own = spectra == name
            axes.plot(np.asarray(values)[own], excess[own], "o-", color=color, markersize=4, label=name)
        axes.set_xlabel(label)
    row[0, 0].set_ylabel("loss above healthy (nats)")
    for axes in row[0]:
        style.title(axes, " ")  # keeps the height of the title, whose width is that of no panel
    above = {"xytext": (0, 5), "textcoords": "offset points", "fontsize": 11, "fontweight": "bold"}
    row[0, 0].annotate(title, (0, 1), xycoords="axes fraction", **above).set_in_layout(False)
    style.legend_above(figure, row[0, 0], 2)
    return figure
