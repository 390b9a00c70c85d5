"""The bounds of Men et al. and of Liu et al."""

import os
import subprocess
import sys
import tracemalloc
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.rivals import (
    first_negative,
    liu_critical_base,
    liu_critical_dimension,
    liu_extrapolation_limit,
    longest_with_seen_angles,
    men_first_negative,
    men_minimum_base,
)
from rope_lib.theory.scaling import scaled_frequencies

# Men et al.: the first negative similarity


@pytest.mark.parametrize(
    ("base", "first"),
    [
        (1e4, 1_707),
        (4.3e3, 1_077),
        (8.4e4, 8_592),
        (5e5, 18_438),
        (1e6, 27_115),
        (3.1e5, 12_223),
        (6.4e5, 27_685),
    ],
)
def test_first_negative_check_values(base, first):
    assert men_first_negative(base, 128) == first


def test_first_negative_against_a_direct_sum():
    random = np.random.default_rng(14591)
    seen = []
    for _ in range(60):
        base, dim = 10 ** random.uniform(0.05, 5), 2 * int(random.integers(1, 17))
        thetas = base ** (-2 * np.arange(dim // 2) / dim)
        negative = np.flatnonzero(np.cos(np.outer(np.arange(1, 3001), thetas)).sum(axis=1) < 0)
        expected = int(negative[0]) + 1 if negative.size else None
        assert men_first_negative(base, dim, limit=3000) == expected
        seen.append(expected)
    assert len(set(seen)) > 20  # the cases are not all alike


def test_first_negative_beyond_the_first_block():
    first = men_first_negative(1e7, 128)
    sums = np.zeros(first + 1)
    for i in range(64):
        sums += np.cos(np.arange(first + 1) * 1e7 ** (-2 * i / 128))
    assert first > 65_536
    assert sums[first] < 0
    assert np.all(sums[:first] >= 0)


def test_limit_is_the_last_distance_looked_at():
    assert men_first_negative(10_000, 128, limit=1_707) == 1_707
    assert men_first_negative(10_000, 128, limit=1_706) is None


def test_the_only_oscillator_of_two_channels_has_period_two_pi():
    assert men_first_negative(123.0, 2) == 2  # cos 2 < 0 whatever the base


# cos 3 + cos 3θ = 0 at θ = (π - 3)/3, and base = θ^-2 for two pairs. Beside that base the sum at m = 3 is
# some 1e-14, less than the blocks can tell from zero.
@pytest.mark.parametrize("offset", [-1e-12, -2e-13, 2e-13, 1e-12])
def test_a_sum_near_zero_is_decided_exactly(offset):
    base = (3 / (np.pi - 3)) ** 2 * (1 + offset)
    with mpmath.workdps(40):
        total = mpmath.cos(3) + mpmath.cos(3 / mpmath.sqrt(mpmath.mpf(base)))
    assert 0 < abs(total) < 2e-14
    assert (men_first_negative(base, 4, limit=3) == 3) == (total < 0)


# Bases found by bisection, where the float64 sum at the distance has the wrong sign (on x86 at least).
@pytest.mark.parametrize(
    ("base", "head_dim", "distance", "first"),
    [(1028.0107802485543, 64, 197, 197), (500_200.7311503793, 128, 18_438, None)],
)
def test_rounding_does_not_decide(base, head_dim, distance, first):
    with mpmath.workdps(40):
        phases = [distance * mpmath.power(base, mpmath.mpf(-2 * i) / head_dim) for i in range(head_dim // 2)]
        total = mpmath.fsum(map(mpmath.cos, phases))
    assert (total < 0) == (first is not None)
    assert men_first_negative(base, head_dim, limit=distance) == first


def test_memory_at_ten_million_positions():
    tracemalloc.start()
    try:
        assert men_first_negative(1e12, 128, limit=10**7) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20e6
    assert peak > 1e5  # numpy's arrays are traced


SEARCHES = """
from rope_lib.theory.rivals import men_first_negative, men_minimum_base
print(men_first_negative(1e10, 128), men_first_negative(500_000, 128), men_minimum_base(2_048, 128))
"""


def test_one_thread_and_two_find_the_same():
    found = []
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, threads)}
        command = [sys.executable, "-c", SEARCHES]
        found.append(subprocess.run(command, env=environment, capture_output=True, check=True).stdout.split())
    assert found[0][:2] == found[1][:2] == [b"5995519", b"18438"]
    assert float(found[0][2]) == pytest.approx(float(found[1][2]), rel=1e-9)


# The same over any spectrum


@pytest.mark.parametrize(("base", "dim"), [(100, 16), (500, 64), (10_000, 64), (10_000, 128), (50_000, 128)])
def test_over_an_unscaled_bank_it_is_that_of_its_base(base, dim):
    expected = men_first_negative(base, dim)
    assert first_negative(frequencies(base, dim)) == expected
    assert first_negative(frequencies(base, dim), limit=expected) == expected
    assert first_negative(frequencies(base, dim), limit=expected - 1) is None


@pytest.mark.parametrize("scaling", ["linear", "yarn", "llama3", "hope"])
def test_over_a_scaled_bank_it_is_that_of_plain_sums(scaling):
    parameters = {"factor": 2, "original_max_position_embeddings": 8_192}
    parameters |= {"low_freq_factor": 1, "high_freq_factor": 4}
    inv_freq = scaled_frequencies(scaling, 100_000, 64, parameters, 16_384)[0]
    distances = np.arange(1, 40_000)
    sums = sum(np.cos(distances * frequency) for frequency in inv_freq)
    assert first_negative(inv_freq) == distances[sums < 0][0]


def test_the_sign_of_frequencies_does_not_matter():
    assert first_negative(-frequencies(10_000, 128)) == 1_707


def test_a_sum_that_only_touches_zero_is_not_negative():
    assert first_negative([0.0, np.pi], limit=200_000) is None  # 1 + cos πm is 0 at every odd m


# The sum falls with the distance and nearly vanishes at the last: by less than blocks can tell from zero.
@pytest.mark.parametrize("distance", [3, 700, 30_000])
@pytest.mark.parametrize("offset", [-1e-12, -1e-13, 1e-13, 1e-12])
def test_a_sum_near_zero_is_decided_exactly_over_a_spectrum(distance, offset):
    angles = [2 * np.pi / 3, 0.1, np.arccos(0.5 - np.cos(0.1)) * (1 + offset)]
    inv_freq = np.array(angles) / distance
    with mpmath.workdps(40):
        total = mpmath.fsum(mpmath.cos(distance * mpmath.mpf(frequency)) for frequency in inv_freq)
    assert 1e-14 < abs(total) < 1e-11
    assert first_negative(inv_freq, limit=distance) == (distance if total < 0 else None)


# Angles seen in training


def test_the_longest_with_seen_angles_is_the_last_at_which_no_pair_turns_farther_than_in_training():
    before, after = frequencies(10_000, 64), scaled_frequencies("ntk", 10_000, 64, {"factor": 3}, 3_000)[0]
    seen = [2 * np.pi if 1_000 * rate >= 2 * np.pi else 1_000 * rate for rate in before]
    tokens = np.arange(1, 4_000)
    new = [(tokens * rate > limit) & (limit < 2 * np.pi) for rate, limit in zip(after, seen, strict=True)]
    expected = tokens[np.any(new, axis=0)][0]
    found = longest_with_seen_angles(after, before, 1_000)
    assert 1_000 < expected - 1 <= found < expected < 3_000
    assert longest_with_seen_angles(before, before, 1_000) == pytest.approx(1_000)
    resting = np.where(1_000 * before < 2 * np.pi, 0, before)
    assert longest_with_seen_angles(resting, before, 1_000) == np.inf


# Men et al.: the smallest base


@pytest.mark.parametrize(("context", "head_dim"), [(1, 4), (2, 8), (300, 64), (1_000, 128), (1_500, 16)])
def test_minimum_base_passes_and_a_smaller_one_fails(context, head_dim):
    base = men_minimum_base(context, head_dim)
    assert men_first_negative(base, head_dim, limit=context) is None
    if context > 1:  # at one token every base above 1 passes: see the next test
        assert men_first_negative(base * (1 - 2e-9), head_dim, limit=context) is not None


def test_minimum_base_of_one_token_is_small():
    assert 1 < men_minimum_base(1, 4) < 1 + 1e-9  # cos 1 + cos θ > 0 for every θ ≤ 1: any base passes


def test_minimum_base_grows_with_context():
    bases = [men_minimum_base(context, 64) for context in (10, 50, 100, 101, 200, 399, 400, 800)]
    assert all(base > before * (1 - 1e-9) for before, base in pairwise(bases))
    assert bases[0] < bases[-1]


# The paper's table gives two digits; 2k (1.6e4) and 16k (3.1e5) come out smaller here, 1.16e4 and 2.32e5.
@pytest.mark.parametrize(("context", "published"), [(1_024, 4.3e3), (4_096, 2.7e4), (8_192, 8.4e4)])
def test_minimum_base_as_published(context, published):
    assert float(f"{men_minimum_base(context, 128):.1e}") == published


# Liu et al.


def test_critical_dimension_of_llama_2():
    assert liu_critical_dimension(4096, 128, 10_000) == 92
    assert isinstance(liu_critical_dimension(4096, 128, 10_000), int)


@pytest.mark.parametrize(("length", "head_dim", "base"), [(2048, 128, 1e4), (8192, 64, 5e5), (100, 32, 1e3)])
def test_critical_dimension_counts_the_oscillators_that_turned(length, head_dim, base):
    periods = 2 * np.pi * base ** (2 * np.arange(head_dim // 2) / head_dim)
    assert liu_critical_dimension(length, head_dim, base) == 2 * np.sum(periods <= length)


def test_critical_dimension_is_at_most_the_head():
    assert liu_critical_dimension(10**9, 128, 10_000) == 128


def test_critical_dimension_of_arrays():
    together = liu_critical_dimension([[2048], [4096]], 128, [1e4, 5e5, 1e6])
    assert together.shape == (2, 3)
    assert together.dtype == np.int64
    assert together[1, 0] == 92


def test_critical_base_and_limit():
    # β₀ of LLaMA-2 tuned at its own training length is its base; the paper's formula, written out, elsewhere.
    assert liu_critical_base(4096, 4096) == pytest.approx(10_000, rel=1e-12)
    exponent = np.log(16_384 / (2 * np.pi)) / np.log(4096 / (2 * np.pi))
    assert liu_critical_base(4096, 16_384) == pytest.approx(10_000**exponent, rel=1e-12)
    assert liu_critical_base(4096, 16_384, base=5e5) == pytest.approx(5e5**exponent, rel=1e-12)
    assert liu_extrapolation_limit(4096, 128, 1e4, 1e6) == pytest.approx(
        2 * np.pi * 1e6 ** (92 / 128), rel=1e-12
    )
    assert liu_extrapolation_limit(4096, 128, 1e4, [1e4, 1e6]).shape == (2,)


def log_uniform(low, high):
    return st.floats(np.log(low), np.log(high)).map(np.exp)


@settings(max_examples=100, deadline=None)
@given(
    trained=st.integers(7, 10**7),
    tuned=st.integers(7, 10**7),
    base=log_uniform(2, 1e9),
    tuned_base=log_uniform(2, 1e9),
    head_dim=st.integers(1, 256).map(lambda pairs: 2 * pairs),
)
def test_liu_et_al_against_mpmath(trained, tuned, base, tuned_base, head_dim):
    with mpmath.workdps(40):
        turns, tuned_turns = (mpmath.log(length / (2 * mpmath.pi)) for length in (trained, tuned))
        pairs = mpmath.mpf(head_dim) / 2 * turns / mpmath.log(base)
        assume(abs(pairs - mpmath.nint(pairs)) > 1e-9)  # where float64 may round to the other side
        dimension = min(2 * mpmath.ceil(pairs), head_dim)
        critical = mpmath.mpf(base) ** (tuned_turns / turns)
        limit = 2 * mpmath.pi * mpmath.mpf(tuned_base) ** (dimension / head_dim)
    assert liu_critical_dimension(trained, head_dim, base) == dimension
    if critical < 1e300:
        # A power magnifies the rounding of its exponent by its own logarithm.
        error = 1e-14 * (1 + abs(float(mpmath.log(critical))))
        assert liu_critical_base(trained, tuned, base) == pytest.approx(float(critical), rel=error)
    assert liu_extrapolation_limit(trained, head_dim, base, tuned_base) == pytest.approx(
        float(limit), rel=1e-13
    )


# Bad input

LENGTH = "must be longer than 2π tokens, got"
BAD_CALLS = {
    "base": (lambda: men_first_negative(1, 128), "base must be a finite number > 1, got 1"),
    "base nan": (lambda: men_first_negative(np.nan, 128), "base must be a finite number > 1, got nan"),
    "bases": (lambda: men_first_negative([1e4, 1e5], 128), "base must be a single number, got shape (2,)"),
    "odd head": (lambda: men_first_negative(1e4, 5), "head_dim must be an even number from 2 to 2^53, got 5"),
    "limit": (lambda: men_first_negative(1e4, 128, 0), "limit must be a whole number from 1 to 2^53, got 0"),
    "part": (
        lambda: men_first_negative(1e4, 128, 1.5),
        "limit must be a whole number from 1 to 2^53, got 1.5",
    ),
    "spectrum": (lambda: first_negative([[1.0]]), "inv_freq must have one axis, the pairs, got shape (1, 1)"),
    "spectrum nan": (
        lambda: first_negative([1.0, np.nan]),
        "inv_freq must be a finite number, got nan at index [1]",
    ),
    "two spectra": (
        lambda: longest_with_seen_angles([1.0], [1.0, 0.5], 1_000),
        "trained_inv_freq must have the shape of inv_freq (1,), got (2,)",
    ),
    "trained length": (
        lambda: longest_with_seen_angles([1.0], [1.0], 0),
        "trained must be a finite number > 0, got 0",
    ),
    "context": (lambda: men_minimum_base(0, 128), "context must be a whole number from 1 to 2^53, got 0"),
    "contexts": (lambda: men_minimum_base([1, 2], 128), "context must be a single number, got shape (2,)"),
    "small head": (lambda: men_minimum_base(9, 2), "head_dim must be an even number from 4 to 2^53, got 2"),
    "train": (lambda: liu_critical_dimension(6, 128, 1e4), f"train_length {LENGTH} 6"),
    "trained": (lambda: liu_critical_dimension([4096, 2], 128, 1e4), f"train_length {LENGTH} 2"),
    "negative": (
        lambda: liu_critical_dimension(-1, 128, 1e4),
        "train_length must be a finite number > 0, got -1",
    ),
    "head": (
        lambda: liu_critical_dimension(4096, 3, 1e4),
        "head_dim must be an even number from 2 to 2^53, got 3",
    ),
    "liu base": (lambda: liu_critical_dimension(4096, 128, 1), "base must be a finite number > 1, got 1"),
    "turn": (lambda: liu_critical_base(2 * np.pi, 99), f"train_length {LENGTH} 6.283185307179586"),
    "tune": (lambda: liu_critical_base(4096, 5), f"tune_length {LENGTH} 5"),
    "tuned": (
        lambda: liu_extrapolation_limit(4096, 128, 1e4, 1),
        "tuned_base must be a finite number > 1, got 1",
    ),
    "overflow": (
        lambda: liu_critical_base(7, 1e300),
        "tune_length must be small enough for a result below 1.8e308, got 1e+300",
    ),
    "tuned overflow": (
        lambda: liu_extrapolation_limit(1e9, 128, 1e4, 1e308),
        "tuned_base must be small enough for a result below 1.8e308, got 1e+308",
    ),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_input(case, refuses):
    refuses(*BAD_CALLS[case])
