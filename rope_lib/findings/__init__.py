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
    dispersal,
    far_interventions,
    interventions,
    kept,
    least_base,
    limits,
    long_inputs,
    rounding,
    safe_spectra,
    sink_heads,
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
    "dispersal",
    "far_interventions",
    "interventions",
    "kept",
    "least_base",
    "limits",
    "long_inputs",
    "rounding",
    "safe_spectra",
    "sink_heads",
    "spectra",
    "stats",
    "which_bound",
    "wording",
]
