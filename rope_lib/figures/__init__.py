"""Figures: functions from data to a matplotlib figure, one module for each subject, all in one style.

Nothing here imports another part of the library: a figure draws the data that it is given.
"""

from . import (
    atlas,
    bank,
    better,
    breaks,
    clusters,
    depth,
    dispersal,
    interventions,
    long_inputs,
    mechanism,
    misread,
    pair_weights,
    precision,
    retrofits,
    rounding,
    spectra,
    style,
    tables,
    which_bound,
    zone,
)

__all__ = [
    "atlas",
    "bank",
    "better",
    "breaks",
    "clusters",
    "depth",
    "dispersal",
    "interventions",
    "long_inputs",
    "mechanism",
    "misread",
    "pair_weights",
    "precision",
    "retrofits",
    "rounding",
    "spectra",
    "style",
    "tables",
    "which_bound",
    "zone",
]
