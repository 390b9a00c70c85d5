"""The criteria of a safe spectrum in numbers, against the closed form and against rotated clouds."""

import numpy as np
import pytest

from rope_lib.findings import safe_spectra
from rope_lib.theory import dispersal
from rope_lib.theory.oscillators import rotate

TRAINED = 1_024


@pytest.fixture(scope="module")
def v():
    return np.random.default_rng(0).normal(size=(6, 32))


def test_the_criteria_come_out_as_the_paper_says(v):
    table = safe_spectra.criteria(v, TRAINED)
    assert list(table.index) == list(dispersal.COMPARED)
    assert table.index[table.C1].tolist() == ["HalfRoPE", "RoPE-ID"]
    assert table.index[table.turned].tolist() == ["HighFreq", "RoPE-ID"]
    assert table.limit["HighFreq"] == pytest.approx(1 / np.sqrt(32))
    assert table.limit_of_large["HighFreq"] == pytest.approx(1 / np.sqrt(8 * 32))
    assert table.limit["RoPE-ID"] == pytest.approx(np.sqrt(1 / 2))


def test_the_share_of_the_fall_is_that_of_rotated_clouds(v):
    inv_freq = dispersal.compared_spectra(32, TRAINED)["base 10,000"]
    done = []
    for direction in v:
        cloud = np.outer(np.ones(TRAINED), direction)
        rotated = rotate(cloud, np.arange(TRAINED), inv_freq, "half_split")
        ratio = np.linalg.norm(rotated, 2) / np.linalg.norm(cloud, 2)
        limit = np.hypot(*direction.reshape(2, -1)).max() / np.sqrt(2) / np.linalg.norm(direction)
        done.append((1 - ratio) / (1 - limit))
    assert safe_spectra.criteria(v, TRAINED).done["base 10,000"] == pytest.approx(np.median(done))


def test_a_draw_is_compared_at_the_lengths_that_both_have():
    lengths = [512, 1_024, 4_096]
    bands = {name: np.array([[0.5] * 3, [0.6] * 3, [0.7] * 3]) for name in safe_spectra.ONE_DRAW}
    table = safe_spectra.one_draw_in_bands(bands, lengths)
    assert table.length.tolist() == [1_024, 4_096] * len(bands)
    inside = table[table.inside][["spectrum", "length"]].to_numpy().tolist()
    assert inside == [["base 10,000", 1_024], ["base 500,000", 4_096]]
    shorter = {name: edges[:, :1] for name, edges in bands.items()}
    assert safe_spectra.one_draw_in_bands(shorter, [512]).empty
    assert safe_spectra.one_draw_in_bands({}, lengths).inside.sum() == 0


def test_a_spectrum_that_is_never_ahead_gives_the_shortest_length():
    ahead = safe_spectra.last_ahead(np.array([[0.1], [0.2]]), np.array([[0.5], [0.5]]), [10, 20])
    assert ahead.tolist() == [10]


def test_resting_pairs_leave_nothing_to_fall_once_the_others_have_turned(v):
    settled = safe_spectra.fall_after(v, safe_spectra.band(0.5, 8, 32, TRAINED), TRAINED)
    slow = safe_spectra.fall_after(v, safe_spectra.band(1.0, 0.05, 32, TRAINED), TRAINED)
    assert abs(settled) < 0.02
    assert slow > 0.1
