"""The figures of the oscillators of real heads show the data that they were given."""

import numpy as np
import pytest

from rope_lib import figures

PERIODS = np.array([6.0, 60.0, 600.0, 6_000.0])


def test_the_bars_are_mean_weights_and_the_line_stands_between_the_pairs_around_the_trained_length():
    weights = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]])
    upper, lower = figures.pair_weights.weights_by_head(weights, PERIODS, 600).axes
    assert [bar.get_height() for bar in lower.patches] == [0.25] * 4
    assert lower.lines[0].get_xdata()[0] == 2
    mesh = upper.collections[0].get_array()
    assert np.allclose(np.asarray(mesh)[0], weights[1])  # the head that leans on fast pairs comes first


def test_the_bank_of_a_head_is_drawn_beside_equal_weights():
    distance = np.arange(5)
    (axes,) = figures.pair_weights.own_bank(distance, -distance / 5, distance / 5, 3, (2, 0.4)).axes
    drawn = [np.array(line.get_data(), dtype=float) for line in axes.lines]
    for expected in ([distance, distance / 5], [distance, -distance / 5], [[2], [0.4]]):
        assert any(line.shape == np.shape(expected) and np.allclose(line, expected) for line in drawn)


def test_reversals_show_the_median_and_the_middle_half():
    shares = {10: [0.0, 0.1, 0.2], 100: [0.4, 0.5, 0.6]}
    (axes,) = figures.pair_weights.reversals(shares, 50).axes
    assert any(np.allclose(line.get_ydata(), [0.1, 0.5]) for line in axes.lines if len(line.get_ydata()) == 2)
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.05, 0.55)


def test_weight_by_turns_draws_a_line_for_each_kind_at_the_middle_of_octaves():
    shares = {"one": ([0.5, 1.0], [0.2, 0.8]), "other": ([0.25, 0.5], [0.5, 0.5])}
    (axes,) = figures.pair_weights.weight_by_turns(shares).axes
    _, one, other = axes.lines
    assert one.get_xdata().tolist() == pytest.approx([0.5 * 2**0.5, 2**0.5])
    assert other.get_ydata().tolist() == [50, 50]
    assert axes.get_xlim()[0] > axes.get_xlim()[1]
