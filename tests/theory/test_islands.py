"""The least base that never turns negative within a context, and the proof that no smaller one does."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rope_lib.theory.islands import Family, all_bad_below
from rope_lib.theory.rivals import men_first_negative, men_minimum_base


def sums(log_bases, distance, head_dim):
    """Σ_i cos(m·θ_i) at one distance for each base, one cosine at a time."""
    freqs = np.exp(-np.multiply.outer(log_bases, np.arange(0, head_dim, 2) / head_dim))
    return np.cos(distance * freqs).sum(axis=-1)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 64), st.floats(0, 25), st.integers(1, 10**5))
def test_a_sum_stays_negative_as_far_as_stated(pairs, x, distance):
    (reach,) = Family.of(2 * pairs, distance).reaches(x, np.array([float(distance)]))
    negative = sums(np.array([x]), distance, 2 * pairs)[0] < -1e-6
    assert (reach > 0) >= negative
    assume(reach > 0)
    assert np.all(sums(x + reach * np.linspace(0, 1, 50), distance, 2 * pairs) < 1e-9)


def test_the_stated_reach_is_a_good_part_of_the_real_one():
    random = np.random.default_rng(3)
    shares = []
    while len(shares) < 50:
        x, distance = random.uniform(3, 12), float(random.integers(10, 10_000))
        (reach,) = Family.of(64, 10_000).reaches(x, np.array([distance]))
        if reach:
            farther = reach * np.geomspace(1, 1e3, 2_000)
            shares.append(reach / farther[sums(x + farther, distance, 64) >= 0].min(initial=np.inf))
    assert np.median(shares) > 0.1


@pytest.mark.parametrize(("head_dim", "context"), [(8, 60), (16, 100), (32, 200)])
def test_every_smaller_base_on_a_fine_grid_fails(head_dim, context):
    least = men_minimum_base(context, head_dim)
    log_bases = np.linspace(0, np.log(least * (1 - 1e-9)), 5_000)
    lowest = np.min([sums(log_bases, distance, head_dim) for distance in range(1, context + 1)], axis=0)
    assert np.all(lowest < 0)
    at_least = [sums(np.log([least]), distance, head_dim)[0] for distance in range(1, context + 1)]
    assert -1e-9 < min(at_least) < 1e-6  # it touches zero there


def test_the_least_base_may_lie_on_an_island():
    least = men_minimum_base(512, 64)
    assert least == pytest.approx(3438.9075, rel=1e-7)
    assert men_first_negative(least, 64, limit=512) is None
    above = [men_first_negative(base, 64, limit=512) is None for base in least * np.geomspace(1, 1.6, 500)]
    assert {above[0], above[-1]} == {True}
    assert not all(above)


def test_nothing_is_shown_to_be_bad_where_one_token_is_asked_for():
    assert all_bad_below(64, 1) == 0


def test_where_float64_cannot_decide_it_says_so():
    assert men_first_negative(men_minimum_base(354, 4), 4, limit=354) is None
    with pytest.raises(
        ArithmeticError, match=r"^the least base for a context of 355 and head_dim 4 lies near"
    ):
        men_minimum_base(355, 4)
