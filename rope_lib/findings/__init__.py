"""What was found: from kept tables to the numbers that a chapter, a claim or a figure states.

It needs pandas and scipy, neither torch nor matplotlib. Each subject has one module; the module of the same
name in `figures` draws what it finds.
"""

from . import (
    angle_errors,
    atlas,
    better,
    breaks,
    cases,
    clusters,
    interventions,
    kept,
    least_base,
    long_inputs,
    rounding,
    spectra,
    stats,
    which_bound,
    wording,
)

__all__ = [
    "angle_errors",
    "atlas",
    "better",
    "breaks",
    "cases",
    "clusters",
    "interventions",
    "kept",
    "least_base",
    "long_inputs",
    "rounding",
    "spectra",
    "stats",
    "which_bound",
    "wording",
]
