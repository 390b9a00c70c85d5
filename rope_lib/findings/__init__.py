"""What was found: from kept tables to the numbers that a chapter, a claim or a figure states.

It needs pandas and scipy, neither torch nor matplotlib. Each subject has one module; the module of the same
name in `figures` draws what it finds.
"""

from . import (
    atlas,
    better,
    breaks,
    cases,
    clusters,
    interventions,
    kept,
    long_inputs,
    rounding,
    spectra,
    stats,
    which_bound,
)

__all__ = [
    "atlas",
    "better",
    "breaks",
    "cases",
    "clusters",
    "interventions",
    "kept",
    "long_inputs",
    "rounding",
    "spectra",
    "stats",
    "which_bound",
]
