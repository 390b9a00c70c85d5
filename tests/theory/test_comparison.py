"""The phase error between two spectra, against sums over every position and pair."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rope_lib.theory.comparison import PhaseDifference, phase_difference
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.scaling import scaled_frequencies

seeded = settings(derandomize=True, deadline=None, max_examples=60, database=None)

PLAIN = frequencies(10_000, 64)
PAIRS = [
    (PLAIN, frequencies(500_000, 64)),
    (frequencies(1e6, 64), PLAIN),
    (PLAIN, scaled_frequencies("linear", 10_000, 64, {"factor": 4}, 4096)[0]),
    (PLAIN, scaled_frequencies("proportional", 10_000, 64, {"partial_rotary_factor": 0.25}, 4096)[0]),
    (PLAIN, PLAIN * (1 + 2.0**-13)),
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_against_every_position_and_pair(first, second):
    errors = np.abs(np.multiply.outer(np.arange(4096), first - second)).max(axis=1)
    found = phase_difference(first, second, 4096)
    assert found.worst == errors.max()
    for radians, position in ((0.1, found.first_beyond_tenth), (np.pi, found.first_beyond_pi)):
        beyond = np.flatnonzero(errors > radians)
        if beyond.size:
            assert position == beyond[0]
        else:
            assert position >= 4096


@seeded
@given(st.integers(-1074, 0).map(lambda power: 2.0**power) | st.floats(1e-12, 1), st.floats(1e-12, 1))
def test_positions_are_the_first_by_exact_arithmetic(first, second):
    found = phase_difference([first], [second], 1)
    gap = Fraction(abs(first - second))
    for radians, position in ((0.1, found.first_beyond_tenth), (np.pi, found.first_beyond_pi)):
        if gap == 0:
            assert position is None
        else:
            assert (position - 1) * gap <= Fraction(radians) < position * gap


def test_the_same_spectrum():
    assert phase_difference(PLAIN, PLAIN, 2**53) == PhaseDifference(0.0, 0.0, None, None)


def test_the_last_position_of_a_context_is_one_before_its_length():
    assert phase_difference([1.0], [0.5], 1).worst == 0
    assert phase_difference([1.0], [0.5], 3).worst == 1.0


def test_an_error_of_just_the_limit_is_not_beyond_it():
    assert phase_difference([np.pi], [0.0], 2).first_beyond_pi == 2


@pytest.mark.parametrize(
    ("first", "second", "relative"),
    [
        ([1.0, 0.01], [1.0, 0.02], 1.0),
        ([0.02], [0.01], 0.5),  # relative to the first
        ([1.0, 0.0], [1.0, 0.5], 1.0),  # a pair that only the second rotates
        ([1.0, 0.5], [1.0, 0.0], 1.0),  # a pair that only the first rotates
        ([1.0, 0.0], [1.0, 0.0], 0.0),
        ([5e-324], [1.0], np.finfo(np.float64).max),
    ],
)
def test_the_relative_difference_is_that_of_a_frequency_to_the_first(first, second, relative):
    assert phase_difference(first, second, 10).largest_relative == relative


def test_positions_beyond_the_context_are_told():
    assert phase_difference([1.0], [1.0 - 2.0**-53], 10).first_beyond_pi == int(np.pi * 2**53) + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 0.1], [1.0], 10), r"inv_freq_b must have 2 pairs, as inv_freq_a has, got 1"),
        (([[1.0]], [1.0], 10), r"inv_freq_a must have one axis, the pairs, got shape \(1, 1\)"),
        (([1.0], [-1.0], 10), r"inv_freq_b must be a finite number of at least 0, got -1.0 at index \[0\]"),
        (([np.nan], [1.0], 10), r"inv_freq_a must be a finite number"),
        (([], [], 10), r"inv_freq_a must be"),
        (([1.0], [1.0], 0), r"context_length must be a whole number from 1 to 2\^53, got 0"),
        (([1.0], [1.0], 1.5), r"context_length must be a whole number"),
        (([1e300], [1.0], 2**53), r"inv_freq must be small enough"),
    ],
)
def test_what_cannot_be_compared_is_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        phase_difference(*arguments)
    assert "\n" not in str(error.value)
