"""Findings: from kept tables to the numbers that chapters, claims and figures state.

Each subject has one module, and the module of the same name in `figures` draws what it finds. Findings need
pandas and scipy, but neither torch nor matplotlib. A module is imported when it is first used, so that
reading a kept result does not wait for scipy.
"""

import importlib
from types import ModuleType

__all__ = [
    "angle_errors",
    "atlas",
    "attention_entropy",
    "benchmarks",
    "better",
    "break_race",
    "break_rules",
    "breaks",
    "breaks_by_text",
    "by_text",
    "byte_models",
    "cases",
    "clusters",
    "converted",
    "depth",
    "dispersal",
    "every_model",
    "excess",
    "forecast",
    "gaps",
    "interventions",
    "kept",
    "learned",
    "least_base",
    "long_inputs",
    "matched",
    "measured_breaks",
    "mechanism",
    "mechanism_before",
    "misread",
    "pair_weights",
    "precision",
    "published_breaks",
    "retrofit_costs",
    "retrofits",
    "rivals",
    "rounding",
    "rounding_before",
    "safe_spectra",
    "same_tokens",
    "sink_heads",
    "spectra",
    "stats",
    "which_bound",
    "wording",
    "zone",
]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
