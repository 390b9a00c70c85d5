"""How far apart two spectra turn: the phase error of one rotation in place of another.

A model trained with the frequencies θ_i and run with θ'_i turns pair i by p·θ'_i at position p, where it has
learned p·θ_i. The phase error p·|θ_i - θ'_i| grows with the position, fastest in the pair whose frequencies
lie farthest apart. Errors are in radians and not reduced modulo 2π: at π the pair points the opposite way,
and beyond it the two rotations of that pair are unrelated.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import floor, pi

import numpy as np
from numpy.typing import ArrayLike

from .arguments import Floats, held, not_negative, on_one_axis, one, whole

SMALL_ERROR = 0.1  # radians: a cosine of 0.995
HALF_TURN = pi


@dataclass(frozen=True)
class PhaseDifference:
    """How far two spectra are apart. Positions count from 0 and are None where the spectra are the same."""

    largest_relative: float  # |θ' - θ|/θ of the pair where it is largest; 1 for a pair that only one rotates
    worst: float  # radians: the largest phase error of any pair at positions 0 … context_length - 1
    first_beyond_tenth: int | None  # the first position with a phase error above 0.1, in the context or not
    first_beyond_pi: int | None  # the first position with a phase error above π, in the context or not


def phase_difference(inv_freq_a: ArrayLike, inv_freq_b: ArrayLike, context_length: int) -> PhaseDifference:
    """How far the rotation by `inv_freq_b` strays from that by `inv_freq_a` over a context.

    Both spectra have shape `(pairs,)`, in radians per token, pair by pair in the same order; a pair that does
    not rotate has 0. `context_length` is in tokens. The relative difference is that to the first spectrum; a
    pair that rotates in only one of the two counts as 1. The positions are exact for the difference of the
    two frequencies as float64 holds it. Raises ValueError for spectra of different lengths, negative
    frequencies and a context that is not a whole number of at least 1.

    Run a model trained with base 10,000 at 500,000, and one pair is half a turn off at position 25:

    >>> from rope_lib.theory.oscillators import frequencies
    >>> lost = phase_difference(frequencies(10_000, 128), frequencies(500_000, 128), 4096)
    >>> lost.first_beyond_tenth, lost.first_beyond_pi, round(lost.worst)
    (1, 25, 530)
    """
    first, second = _spectrum("inv_freq_a", inv_freq_a), _spectrum("inv_freq_b", inv_freq_b)
    if first.shape != second.shape:
        raise ValueError(f"inv_freq_b must have {first.size} pairs, as inv_freq_a has, got {second.size}")
    last = int(one(whole, "context_length", context_length, 1)) - 1
    gaps = np.abs(first - second)
    widest = float(gaps.max())
    with np.errstate(over="ignore"):
        worst = float(held("inv_freq", max(first.max(), second.max()), np.float64(last) * widest))
    return PhaseDifference(
        _largest_relative(first, gaps),
        worst,
        _first_position(widest, SMALL_ERROR),
        _first_position(widest, HALF_TURN),
    )


def _spectrum(name: str, value: ArrayLike) -> Floats:
    return on_one_axis(name, not_negative(name, value), "the pairs")


def _largest_relative(first: Floats, gaps: Floats) -> float:
    """The largest of the gaps relative to the first spectrum, of at most the largest float64."""
    rotates = first > 0
    relative = np.where(gaps > 0, 1.0, 0.0)
    with np.errstate(over="ignore"):
        relative[rotates] = gaps[rotates] / first[rotates]
    return float(np.minimum(relative.max(), np.finfo(np.float64).max))


def _first_position(gap: float, radians: float) -> int | None:
    """The first position at which a difference of `gap` radians per token has grown above `radians`."""
    return floor(Fraction(radians) / Fraction(gap)) + 1 if gap else None
