"""What several scalings share: the checked numbers that they read from `parameters`, and the plain bank."""

from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ..arguments import Check, Floats, above_one, at_least_one, even, one
from ..oscillators import frequencies

Parameters: TypeAlias = Mapping[str, Any]  # the values are those of a config.json
SpectrumAndFactor: TypeAlias = tuple[Floats, float]  # inv_freq (dim/2,) and what multiplies cos and sin
Fallback = TypeVar("Fallback", float, None)

ORIGINAL_LENGTH = "original_max_position_embeddings"  # L₀: tokens of the context before scaling


def unscaled(base: float, dim: int) -> Floats:
    """The frequencies `(dim/2,)` before any scaling, for a single base."""
    return frequencies(one(above_one, "base", base), dim)


def number_of_pairs(dim: int, minimum: int) -> int:
    """dim/2, where `dim` must be even and at least `minimum`."""
    return int(one(even, "dim", dim, minimum)) // 2


def number(parameters: Parameters, key: str, check: Check) -> float:
    """The single number under `key`, checked."""
    return float(within_float64(key, np.asarray(one(check, key, parameters.get(key)))))


def optional(parameters: Parameters, key: str, check: Check, fallback: Fallback) -> float | Fallback:
    """The single number under `key`, checked; `fallback` where there is none or null."""
    return fallback if parameters.get(key) is None else number(parameters, key, check)


def factor_of(parameters: Parameters) -> float:
    """The stretch that `factor` names."""
    return number(parameters, "factor", at_least_one)


def original_length(parameters: Parameters) -> float:
    """L₀, in tokens."""
    return number(parameters, ORIGINAL_LENGTH, above_one)


def within_float64(name: str, value: Floats) -> Floats:
    """`value`, refused where powers and ratios of several like it might leave float64."""
    extreme = np.extract((value > 1e36) | ((value > 0) & (value < 1e-36)), value)
    if extreme.size:
        raise ValueError(f"{name} must be between 1e-36 and 1e36, got {extreme[0]:g}")
    return value


def without_tail(inv_freq: Floats, rotating: int) -> Floats:
    """The first `rotating` frequencies; 0 for the pairs after them."""
    return np.where(np.arange(inv_freq.size) < rotating, inv_freq, 0.0)
