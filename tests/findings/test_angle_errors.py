"""What rounding does to relative angles, against answers that are known by hand."""

import numpy as np
import pytest

from rope_lib import findings
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.precision import Arithmetic, direct_product, phase_error


def test_what_all_positions_share_displaces_nothing():
    distances, errors = findings.angle_errors.displacements(100, 8, "float64", 10**6, 16)
    assert np.abs(errors).max() < 1e-6
    assert len(distances) == len(errors) == 120

    # A rounded inverse frequency is off by p·δ at p, and between neighbors by δ: what is left is the angle's.
    positions = 10**6 + np.arange(16)
    rounded = Arithmetic("float32", "float64", "float64")
    own = phase_error(*direct_product(positions, 100, 8, rounded), positions, 100, 8)
    assert np.abs(own).max() > 1e-3
    assert np.ptp(own, axis=0).max() < 1e-6


def test_merged_positions_displace_by_the_angle_itself():
    """bfloat16 holds one number near a million: every distance becomes 0, and is short of itself."""
    distances, errors = findings.angle_errors.displacements(10_000, 8, "bfloat16", 10**6, 16)
    exact = np.multiply.outer(-distances, frequencies(10_000, 8))
    wrapped = np.remainder(exact + np.pi, 2 * np.pi) - np.pi
    assert np.allclose(errors, wrapped, atol=1e-6)


def test_each_distance_weighs_as_log_uniform_questions_do():
    distances, _ = findings.angle_errors.displacements(100, 2, "float64", 0, 9)
    weights = findings.angle_errors.weights(distances)
    assert weights.sum() == pytest.approx(1)
    by_distance = [weights[distances == distance].sum() for distance in (1, 2, 8)]
    assert by_distance[0] == pytest.approx(2 * by_distance[1]) == pytest.approx(8 * by_distance[2])


def test_slow_pairs_are_displaced_less_in_proportion():
    error = findings.angle_errors.displaced(10**8, 32, "float32", 10**9, 64)
    assert (np.diff(error[6:]) < 0).all()
    assert np.all(error[8:] < 40 * frequencies(10**8, 32)[8:])


def test_neighbors_share_an_angle_from_the_same_position_on_at_every_base():
    for base in (100, 10**8):
        assert findings.angle_errors.equal_neighbors(base, 32, "bfloat16", 0, 128) == 0
        # Between 1,024 and 2,048 bfloat16 holds every eighth position.
        assert findings.angle_errors.equal_neighbors(base, 32, "bfloat16", 1024, 129) == pytest.approx(
            7 / 8, abs=0.02
        )
        assert findings.angle_errors.equal_neighbors(base, 32, "float32", 10**6, 128) == 0
