"""Wu, Du and Peng: reversals, positional sensitivity, and the band that is certainly noise."""

import tracemalloc

import mpmath
import numpy as np
import pytest

from rope_lib.theory.oscillators import frequencies, rotate
from rope_lib.theory.reversal import (
    band_share,
    fast_band,
    longest_window,
    positional_sensitivity,
    reversal_share,
    score_coefficients,
    scores,
)


def drawn(pairs=32, seed=0):
    draw = np.random.default_rng(seed)
    return draw.normal(size=pairs) + 1j * draw.normal(size=pairs)


@pytest.mark.parametrize("layout", ["half_split", "interleaved"])
def test_a_score_is_the_product_of_rotated_query_and_key(layout):
    draw = np.random.default_rng(1)
    query, key, freqs = draw.normal(size=64), draw.normal(size=64), frequencies(10_000, 64)
    z = score_coefficients(query, key, layout, scale=1 / 8)
    positions = np.arange(500)
    turned = rotate(np.tile(query, (500, 1)), positions, freqs, layout)
    assert scores(z, freqs, 500) == pytest.approx(turned @ key / 8, abs=1e-12)


def test_scores_far_out_against_high_precision():
    z, freqs = drawn(), frequencies(500_000, 64)
    found = scores(z, freqs, 300_001)
    for m in (0, 1, 65_535, 65_536, 300_000):
        with mpmath.workdps(40):
            exact = mpmath.re(
                sum(mpmath.mpc(c) * mpmath.expj(m * mpmath.mpf(f)) for c, f in zip(z, freqs, strict=True))
            )
        assert found[m] == pytest.approx(float(exact), abs=1e-9)


def test_reversals_against_a_direct_count():
    z, freqs = drawn(seed=3), frequencies(10_000, 64)
    z *= np.sign(z.real.sum())
    direct = sum((z * np.exp(1j * m * freqs)).sum().real < 0 for m in range(70_000)) / 70_000
    assert reversal_share(z, freqs, 70_000) == direct


def test_a_bank_of_one_slow_pair_never_reverses_within_a_quarter_turn():
    assert reversal_share([1.0], [1e-3], 1_570) == 0
    assert reversal_share([1.0], [1e-3], 4_712) > 0.6


def test_sensitivity_against_direct_differences():
    z, freqs = drawn(seed=4), frequencies(10_000, 64)
    direct = [
        abs((z * (np.exp(1j * (m + 1) * freqs) - np.exp(1j * m * freqs))).sum().real) / np.linalg.norm(z)
        for m in range(99)
    ]
    assert positional_sensitivity(z, freqs, 100) == pytest.approx(direct, abs=1e-12)


@pytest.mark.parametrize("base", [1e2, 1e4, 5e5])
@pytest.mark.parametrize("tolerance", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("window", [2_000, 30_000])
def test_the_band_keeps_its_certificate_for_any_coefficients(base, tolerance, window):
    freqs = frequencies(base, 64)
    band = fast_band(freqs, window, tolerance)
    rng = np.random.default_rng(7)
    phases = [drawn(seed=seed) for seed in range(5)]
    phases += [np.ones(32), 1j * np.ones(32), rng.pareto(1, 32).astype(complex)]
    for z in phases:
        part = np.where(band, z, 0)
        norm = np.linalg.norm(part)
        if norm == 0:
            continue
        score = scores(part, freqs, window)
        assert abs(score.mean()) <= tolerance * norm
        assert abs(score.var() - norm**2 / 2) <= tolerance * norm**2


def test_the_worst_coefficients_keep_within_the_band_too():
    """The extreme eigenvalues of the second moment, for whatever coefficients there may be."""
    freqs, window, tolerance = frequencies(10_000, 64), 4_000, 0.2
    inside = freqs[fast_band(freqs, window, tolerance)]
    angles = np.multiply.outer(np.arange(window), inside)
    waves = np.concatenate([np.cos(angles), -np.sin(angles)], axis=1)  # S = waves @ (Re z, Im z)
    second = waves.T @ waves / window - np.outer(waves.mean(0), waves.mean(0))
    eigenvalues = np.linalg.eigvalsh(second)
    assert 4 < inside.size < 32
    assert eigenvalues[0] >= 0.5 - tolerance
    assert eigenvalues[-1] <= 0.5 + tolerance
    assert np.linalg.norm(waves.mean(0)) <= tolerance


def test_the_band_of_plain_rope_has_the_published_form():
    freqs, ratio = frequencies(10_000, 128), 10_000 ** (-2 / 128)
    expected = 131_072 * freqs >= 2 * np.pi / ((1 - ratio) * 0.1)
    assert fast_band(freqs, 131_072, 0.1)[:-1].tolist() == expected[:-1].tolist()


def test_the_band_grows_with_the_window_and_takes_any_order():
    freqs = frequencies(10_000, 128)
    sizes = [fast_band(freqs, window, 0.2).sum() for window in (1_000, 10_000, 100_000, 1_000_000)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    shuffled = np.random.default_rng(0).permutation(64)
    expected = fast_band(freqs, 10_000, 0.2)[shuffled]
    assert fast_band(freqs[shuffled], 10_000, 0.2).tolist() == expected.tolist()


def test_the_longest_window_against_every_window():
    for seed in range(6):
        z, freqs = drawn(8, seed), frequencies(1_000, 16)
        lead = z * np.sign(z.real.sum())
        sound = [
            window
            for window in range(2, 1_500)
            if reversal_share(lead, freqs, window) <= 0.3
            and positional_sensitivity(z, freqs, window).max() >= 0.05
        ]
        found = longest_window(lead, z, freqs, reversal=0.3, sensitivity=0.05, limit=1_499)
        assert found == (sound[-1] if sound else None)


def test_a_long_window_takes_little_memory():
    z, freqs = np.ones(64), frequencies(10_000, 128)
    tracemalloc.start()
    longest_window(z, z, freqs, reversal=0.5, sensitivity=0.0, limit=1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_band_share_of_a_score():
    assert band_share([3, 4j], [False, True]) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scores([1.0], [1.0, 2.0], 4), "coefficients must have the shape of inv_freq"),
        (lambda: scores([float("nan")], [1.0], 4), "coefficients must be a finite number"),
        (lambda: reversal_share([-1.0], [1.0], 4), "margin must be above 0 at distance 0, got -1"),
        (lambda: positional_sensitivity([0.0], [1.0], 4), "coefficients must not all be zero"),
        (lambda: positional_sensitivity([1.0], [1.0], 1), "window must be"),
        (lambda: fast_band([2.0], 10, 0.1), "inv_freq must be at most π/2"),
        (lambda: fast_band([1.0], 10, 0.6), "tolerance must be at most 1/2"),
        (lambda: band_share([1.0], [True, False]), "band must have the shape"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(ValueError, match=message) as raised:
        call()
    assert "\n" not in str(raised.value)
