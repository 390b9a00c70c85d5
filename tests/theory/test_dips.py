"""The distances at which a bank's sum of cosines is negative."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rope_lib.theory.dips import dips, uncertainty
from rope_lib.theory.oscillators import frequencies

rates = st.lists(st.floats(-3.2, 3.2) | st.just(0.0), min_size=1, max_size=20)


def found(freqs, start, stop):
    """All the dips of a range in two arrays."""
    blocks = list(dips(freqs, start, stop))
    return tuple(np.concatenate([block[part] for block in blocks] or [[]]) for part in (0, 1))


@settings(max_examples=100, deadline=None)
@given(rates, st.integers(0, 10**6), st.integers(1, 20_000))
def test_no_negative_sum_is_left_out(spectrum, start, length):
    freqs = np.array(spectrum)
    distances, sums = found(freqs, start, start + length)
    everywhere = np.arange(start, start + length)
    direct = np.cos(np.multiply.outer(everywhere, freqs)).sum(axis=1)
    doubt = uncertainty(freqs, start + length)
    assert set(everywhere[direct < -doubt]) <= set(distances.astype(int))
    assert np.all(np.diff(distances) > 0)
    np.testing.assert_allclose(sums, direct[distances.astype(int) - start], rtol=0, atol=2 * doubt)


@pytest.mark.parametrize("base", [1e3, 1e5, 3e6])
def test_over_the_bank_of_a_base_as_by_direct_sums(base):
    freqs = frequencies(base, 128)
    distances, sums = found(freqs, 1, 200_001)
    direct = np.zeros(200_001)
    for frequency in freqs:
        direct += np.cos(np.arange(200_001) * frequency)
    np.testing.assert_array_equal(distances[sums < 0], np.flatnonzero(direct[1:] < 0) + 1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(1e-9, 3.0), min_size=1, max_size=12), st.integers(0, 10**9))
def test_a_sum_is_as_exact_as_stated(spectrum, start):
    freqs = np.array(spectrum)
    with mpmath.workdps(40):
        for distance, value in zip(*found(freqs, start, start + 30), strict=True):
            exact = mpmath.fsum(mpmath.cos(int(distance) * mpmath.mpf(each)) for each in spectrum)
            assert abs(value - exact) <= uncertainty(freqs, distance)


def test_most_distances_are_never_looked_at(monkeypatch):
    looked_at = []
    spied = dips.__globals__["_opened"]
    monkeypatch.setitem(
        dips.__globals__,
        "_opened",
        lambda centers, *rest: looked_at.append(centers.size) or spied(centers, *rest),
    )
    distances, _ = found(frequencies(1e12, 128), 1, 10**7)
    assert distances.size == 0
    assert sum(looked_at) < 10**7 / 4_000  # blocks, each of which stands for 4,096 distances
