"""The closed form of a rotated rank-one cloud against brute force; its limits, bounds and exceptions."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rope_lib.theory.dispersal import (
    BLOCK,
    coherence,
    coherence_bound,
    coherences,
    first_singular_value_ratio,
    limiting_ratio,
    ratio_bound,
    second_moment,
    singular_value_ratio,
    slow_pairs_bound,
    uniform_coherence,
)
from rope_lib.theory.oscillators import LAYOUTS, frequencies, rotate
from rope_lib.theory.scaling import scaled_frequencies

TRAINED = {"original_max_position_embeddings": 4096}
# Spectrum, base, and the ratio at 1,024 to 65,536 tokens and in the limit that one draw of v and u gave.
REFERENCE = {
    "RoPE 1e4": ("default", 1e4, [0.575, 0.422, 0.253, 0.166, 0.160]),
    "RoPE 5e5": ("default", 5e5, [0.760, 0.664, 0.557, 0.451, 0.160]),
    "HalfRoPE 5e5": ("half_rope", 5e5, [0.908, 0.896, 0.857, 0.803, 0.735]),
    "HighFreq": ("high_freq", 1e4, [0.333, 0.203, 0.161, 0.160, 0.160]),
    "RoPE-ID": ("rope_id", 1e4, [0.751, 0.735, 0.735, 0.735, 0.735]),
}


def spectrum(name, base=10_000, dim=128):
    return scaled_frequencies(name, base, dim, TRAINED, 4096)[0]


def cloud(v, u, inv_freq, layout="half_split"):
    return rotate(np.multiply.outer(u, v), np.arange(len(u)), inv_freq, layout)


def brute_force(v, u, inv_freq, layout="half_split"):
    rotated = np.linalg.svd(cloud(v, u, inv_freq, layout), compute_uv=False)[0]
    return rotated / (np.linalg.norm(u) * np.linalg.norm(v))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("length", [1, 7, BLOCK, BLOCK + 1, 3 * BLOCK - 5])
def test_the_moment_and_the_ratio_are_those_of_the_rotated_matrix(layout, length):
    random = np.random.default_rng(length)
    inv_freq, v, u = frequencies(10_000, 16), random.normal(size=16), random.normal(size=length)
    X = cloud(v, u, inv_freq, layout)
    moment = second_moment(v, coherence(inv_freq, u), layout)
    np.testing.assert_allclose(moment, X.T @ X / (u @ u) / (v @ v), atol=1e-13)
    ratio = first_singular_value_ratio(v, u, inv_freq, layout)
    assert ratio == pytest.approx(brute_force(v, u, inv_freq, layout), rel=1e-12)


def test_one_walk_gives_the_coherence_at_every_length():
    u = np.random.default_rng(1).normal(size=2 * BLOCK)
    inv_freq, lengths = frequencies(500, 8), [1, 100, BLOCK + 3, 2 * BLOCK]
    together = coherences(inv_freq, u, lengths)
    for length, found in zip(lengths, together, strict=True):
        np.testing.assert_allclose(found, coherence(inv_freq, u[:length]), atol=1e-13)
        np.testing.assert_allclose(found, found.conj().T, atol=1e-15)
        np.testing.assert_allclose(np.diag(found), 1, atol=1e-13)


@pytest.mark.parametrize("length", [1, 2, 1_000, 2**40])
def test_the_closed_form_of_equal_weights_against_many_digits(length):
    inv_freq = np.array([1.0, 0.25, 2.0**-20, 0.0])  # exact in binary, so that the reference sees the same
    found = uniform_coherence(inv_freq, length)
    signed = [*inv_freq, *-inv_freq]
    with mpmath.workdps(60):
        for a, first in enumerate(signed):
            for b, second in enumerate(signed):
                root = mpmath.expj(mpmath.mpf(first) - mpmath.mpf(second))
                exact = 1 if root == 1 else (1 - root**length) / (1 - root) / length
                assert abs(found[a, b] - complex(exact)) < 1e-15 * max(1, length) ** 0.5


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-6, 3.1), min_size=2, max_size=2, unique=True), st.integers(1, 10**6))
def test_the_closed_form_of_equal_weights_over_drawn_frequencies(inv_freq, length):
    found = uniform_coherence(inv_freq, length)
    with mpmath.workdps(60):
        signed = [mpmath.mpf(sign * each) for sign in (1, -1) for each in inv_freq]
        exact = [[geometric_mean_of(a - b, length) for b in signed] for a in signed]
    # The difference of two frequencies is rounded, and turns with every token.
    error = np.finfo(float).eps * (4 + 2 * length * max(inv_freq))
    assert np.max(np.abs(found - np.array(exact, dtype=complex))) <= error


def geometric_mean_of(angle, length):
    """The mean of exp(j·angle·p) over the positions p = 0 … length - 1, by the geometric sum."""
    root = mpmath.expj(angle)
    return complex(1 if angle == 0 else (1 - mpmath.expj(angle * length)) / (1 - root) / length)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.floats(0, 3.1), min_size=2, max_size=2),
    st.lists(st.floats(0.01, 1), min_size=4, max_size=4),
    st.lists(st.floats(0.1, 2), min_size=1, max_size=12),
)
def test_the_ratio_over_drawn_clouds_against_many_digits(inv_freq, v, u):
    with mpmath.workdps(40):
        rows = []
        for position, weight in enumerate(u):
            angles = [position * mpmath.mpf(each) for each in inv_freq]
            turned = [
                mpmath.mpc(*pair) * mpmath.expj(angle)
                for pair, angle in zip([v[::2], v[1::2]], angles, strict=True)
            ]
            rows.append([weight * part for z in turned for part in (z.real, z.imag)])
        largest = mpmath.svd_r(mpmath.matrix(rows), compute_uv=False)[0]
        exact = largest / (mpmath.norm(u) * mpmath.norm(v))
    assert first_singular_value_ratio(v, u, inv_freq) == pytest.approx(float(exact), rel=1e-13)


def test_many_directions_at_once_agree_with_each_alone():
    directions, found = (
        np.random.default_rng(2).normal(size=(3, 2, 8)),
        uniform_coherence([1, 0.1, 0.01, 0], 50),
    )
    together = singular_value_ratio(directions, found)
    assert together.shape == (3, 2)
    assert together[2, 1] == pytest.approx(singular_value_ratio(directions[2, 1], found))


angles = st.floats(0, 3.2)
vectors = st.lists(st.floats(0.01, 1), min_size=8, max_size=8)


@settings(deadline=None)
@given(st.lists(angles, min_size=4, max_size=4), vectors, st.integers(1, 3_000))
def test_the_ratio_lies_between_its_bounds_at_every_length(inv_freq, v, length):
    exact = singular_value_ratio(v, uniform_coherence(inv_freq, length))
    assert limiting_ratio(v, inv_freq) <= exact + 1e-9
    assert slow_pairs_bound(v, inv_freq, length) <= exact + 1e-9
    assert exact <= ratio_bound(v, coherence_bound(inv_freq, length)) + 1e-9
    assert 1 / np.sqrt(8) - 1e-9 <= exact <= 1 + 1e-9  # Lemma 1's √d is a bound at every length


@pytest.mark.parametrize("name", ["default", "half_rope", "high_freq", "rope_id"])
def test_the_ratio_reaches_its_limit(name):
    inv_freq = spectrum(name)
    v = np.random.default_rng(3).normal(size=(5, 128))
    at_the_end = singular_value_ratio(v, uniform_coherence(inv_freq, 10**9))
    np.testing.assert_allclose(at_the_end, limiting_ratio(v, inv_freq), rtol=1e-5)


def test_the_limit_of_distinct_frequencies_is_the_largest_pair_over_root_two():
    v = np.random.default_rng(4).normal(size=128)
    pairs = np.hypot(v[:64], v[64:]) / np.linalg.norm(v)
    assert limiting_ratio(v, frequencies(10_000, 128)) == pytest.approx(pairs.max() / np.sqrt(2))
    resting = np.linalg.norm(pairs[32:])
    assert limiting_ratio(v, spectrum("rope_id")) == pytest.approx(
        max(resting, pairs[:32].max() / np.sqrt(2))
    )


@pytest.mark.parametrize(
    ("v", "factor"), [(np.eye(128)[0], np.sqrt(2)), (np.ones(128), np.sqrt(128)), (np.eye(2)[0], np.sqrt(2))]
)
def test_both_ends_of_lemma_1_are_reached(v, factor):
    inv_freq = frequencies(10_000, v.size)
    assert 1 / limiting_ratio(v, inv_freq) == pytest.approx(factor)
    X = cloud(v, np.ones(100_000), frequencies(10, v.size))
    after = np.linalg.svd(X, compute_uv=False)[0] / np.linalg.norm(X)
    assert 1 / after == pytest.approx(factor, rel=0.01)


@pytest.mark.parametrize(
    ("inv_freq", "limit"),
    [
        ([1.0, 0.5], 0.8 / np.sqrt(2)),  # a frequency and its double are no resonance
        ([0.5, 0.5], 1 / np.sqrt(2)),
        ([0.5, -0.5], 1 / np.sqrt(2)),
        ([0.5, 2 * np.pi - 0.5], 1 / np.sqrt(2)),
        ([0.5, 0.5 + 2 * np.pi], 1 / np.sqrt(2)),
        ([np.pi, 0.5], 0.8),  # changes sign at each step, and sign does not matter
        ([0.0, 0.5], 0.8),
        ([0.0, 0.0], 1.0),
    ],
)
def test_resonance_changes_the_limit(inv_freq, limit):
    v = [0.8, 0.6, 0.0, 0.0]  # pairs (0.8, 0) and (0.6, 0)
    assert limiting_ratio(v, inv_freq) == pytest.approx(limit)
    assert brute_force(np.array(v), np.ones(20_000), inv_freq) == pytest.approx(limit, abs=1e-3)


def test_weights_that_beat_with_a_pair_undo_part_of_the_dispersal():
    inv_freq = np.array([1.0, 0.1])
    u = np.sqrt(1 + np.cos(2 * inv_freq[0] * np.arange(100_000)))
    ratio = first_singular_value_ratio([1.0, 0.0, 0.0, 0.0], u, inv_freq)
    assert ratio == pytest.approx(np.sqrt(3) / 2, abs=1e-4)  # above 1/√2
    assert first_singular_value_ratio([1.0, 0.0, 0.0, 0.0], [1.0] + [0.0] * 99, inv_freq) == pytest.approx(1)


def test_a_cloud_of_two_directions_in_one_pair_does_not_disperse():
    phases = np.random.default_rng(5).uniform(0, 2 * np.pi, 50_000)
    X = np.stack([np.cos(phases), np.sin(phases)], axis=1)
    rotated = rotate(X, np.arange(phases.size), [1.0], "half_split")
    before, after = (np.linalg.svd(x, compute_uv=False)[0] for x in (X, rotated))
    assert after / before == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", REFERENCE)
def test_reference_values_of_one_draw_lie_among_ours(name):
    scaling, base, expected = REFERENCE[name]
    inv_freq, random = spectrum(scaling, base), np.random.default_rng(6)
    v, u = random.normal(size=(24, 128)), np.abs(1 + 0.1 * random.normal(size=65_536))
    found = [singular_value_ratio(v, T) for T in coherences(inv_freq, u, [1024, 4096, 16_384, 65_536])]
    found.append(limiting_ratio(v, inv_freq))
    for ratios, value in zip(found, expected, strict=True):
        assert ratios.min() - 0.01 <= value <= ratios.max() + 0.01


def test_the_slow_pairs_bound_is_nearly_met_by_pairs_of_one_speed():
    v, inv_freq = [1.0, 1.0, 0.0, 0.0], [np.pi / 1_000, np.pi / 1_000]
    exact = singular_value_ratio(v, uniform_coherence(inv_freq, 500))
    assert slow_pairs_bound(v, inv_freq, 500) == pytest.approx(exact)
    assert slow_pairs_bound(v, inv_freq, 1_001) == 0


def test_bad_arguments_are_refused(refuses):
    refuses(lambda: coherence([[1.0]], [1.0]), "inv_freq must have one axis, the pairs, got shape (1, 1)")
    refuses(lambda: coherence([1.0], [0.0, 0.0]), "u must not be zero throughout its first 2 weights")
    refuses(
        lambda: coherences([1.0], [1.0, 1.0], [2, 2]),
        "lengths must increase from 1 to at most 2, got [2, 2]",
    )
    refuses(lambda: coherences([1.0], [1.0], [2]), "lengths must increase from 1 to at most 1, got [2]")
    refuses(lambda: uniform_coherence([1.0], 0), "length must be a whole number from 1 to 2^53, got 0")
    refuses(
        lambda: limiting_ratio([1.0, 0.0], [1.0, 0.1]), "v must have 4 channels, two to a frequency, got 2"
    )
    refuses(lambda: limiting_ratio([0.0, 0.0], [1.0]), "v must not be zero")
