"""The figures of the oscillator bank show the data that they were given, with their labels."""

import numpy as np
import pytest

from rope_lib import figures
from rope_lib.theory.bounds import max_context
from rope_lib.theory.oscillators import bank_similarity, frequencies


def texts(axes):
    return [text.get_text() for text in axes.texts]


def lines(axes):
    """The coordinates of every line of the figure, as arrays of shape (2, points)."""
    return [np.array(line.get_data(), dtype=float) for line in axes.lines]


def shows(axes, x, y):
    """Whether some line of the axes has just these coordinates."""
    expected = np.array([np.ravel(x), np.ravel(y)], dtype=float)
    return any(line.shape == expected.shape and np.allclose(line, expected) for line in lines(axes))


def test_phase_circles_show_each_oscillator_on_the_unit_circle():
    near, far = (np.exp(1j * np.multiply.outer(step * np.arange(5), [1.0, 0.1])) for step in (1, 100))
    figure = figures.bank.phase_circles([near, far], ["fast", "slow"], ["near", "far"])
    assert [axes.get_xlabel() for axes in figure.axes] == ["fast", "slow"] * 2
    assert [axes.get_title("left") for axes in figure.axes] == ["near", "", "far", ""]
    for axes, points in zip(figure.axes, (*near.T, *far.T), strict=True):
        (dots,) = axes.collections
        assert np.allclose(dots.get_offsets(), np.column_stack([points.real, points.imag])[1:])
        assert shows(axes, [1], [0])  # position 0, marked


@pytest.mark.parametrize(("context", "turning"), [(1, 0), (4_096, 46), (10**6, 64)])
def test_bank_periods_splits_the_pairs_at_the_context(context, turning):
    periods = 2 * np.pi / frequencies(10_000, 128)
    (axes,) = figures.bank.bank_periods(periods, context).axes
    parts = [part for part in (slice(0, turning), slice(turning, 64)) if periods[part].size]
    assert all(shows(axes, np.arange(64)[part], periods[part]) for part in parts)
    assert axes.get_yscale() == "log"
    assert f"context: {context:,} tokens" in texts(axes)
    assert f"{turning} of 64" in axes.get_title("left")


@pytest.mark.parametrize("first_negative", [1_707, None])
def test_similarity_decay_shows_both_curves_and_the_zero(first_negative):
    distance = np.geomspace(1, 50_000, 40).round()
    freqs = frequencies(10_000, 128)
    bank, slowest = bank_similarity(distance, freqs), np.cos(distance * freqs[-1])
    (axes,) = figures.bank.similarity_decay(distance, bank, slowest, first_negative).axes
    assert shows(axes, distance, bank)
    assert shows(axes, distance, slowest)
    assert shows(axes, [1_707], [0]) == (first_negative is not None)
    assert ("below 0 from 1,707" in texts(axes)) == (first_negative is not None)


def test_collision_horizon_has_its_line_at_one_turn():
    positions = np.linspace(0, 90_000, 10)
    (axes,) = figures.bank.collision_horizon(positions, np.cos(positions / 1e4), 2e4 * np.pi).axes
    assert shows(axes, positions, np.cos(positions / 1e4))
    dashed = next(line for line in axes.lines if line.get_linestyle() == "--")
    assert np.allclose(dashed.get_xdata(), 62_831.853)
    assert "2π · base = 62,832" in texts(axes)


@pytest.mark.parametrize(("similarity", "title"), [(0.4, "does not come back"), (0.98, "comes back")])
def test_bank_returns_marks_the_nearest_return_and_says_whether_it_collides(similarity, title):
    edges = np.array([100, 200, 300])
    lowest, highest = np.array([-0.5, -0.2, -0.3]), np.array([0.9, 0.2, similarity])
    figure = figures.bank.bank_returns(edges, lowest, highest, [0, 300], [1, 0.5], 0.97, (290, similarity))
    (axes,) = figure.axes
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx(-0.5)
    assert heights.max() == pytest.approx(highest.max())
    assert shows(axes, [0, 300], [1, 0.5])
    assert shows(axes, [290], [similarity])
    assert f"nearest return, m = 290: {similarity:.3f}" in texts(axes)
    assert "next position, m = 1: 0.970" in texts(axes)
    assert title in axes.get_title("left")


def test_returns_by_head_dim_shows_both_series():
    (axes,) = figures.bank.returns_by_head_dim((16, 64, 128), [0.93, 0.96, 0.97], [0.95, 0.56, 0.38]).axes
    assert shows(axes, [0, 1, 2], [0.93, 0.96, 0.97])
    assert shows(axes, [0, 1, 2], [0.95, 0.56, 0.38])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["16", "64", "128"]
    assert set(texts(axes)) == {"next position, m = 1", "nearest return"}


def test_slow_drift_marks_where_each_curve_meets_the_tolerance():
    bases = [10_000, 499_000, 500_000]
    distance = np.linspace(0, 4_096, 9)
    curves = {base: np.cos(distance / base) for base in bases}
    reaches = dict(zip(bases, max_context(bases, 0.95), strict=True))
    (axes,) = figures.bank.slow_drift(distance, curves, 0.95, reaches).axes
    assert all(shows(axes, distance, curve) for curve in curves.values())
    markers = [line.get_data() for line in axes.lines if line.get_marker() == "o"]
    assert len(markers) == 1  # only the smallest base leaves the tolerance within the context
    assert np.cos(markers[0][0][0] / 10_000) == pytest.approx(0.95)
    labels = {text.get_text(): text.xy[1] for text in axes.texts}
    assert {"tolerance ε = 0.95", "base 10,000", "base 499,000", "base 500,000"} == set(labels)
    assert labels["base 500,000"] - labels["base 499,000"] > 0.005  # labels keep clear of each other


def test_tolerance_marks_the_chosen_value_and_the_aliasing_bound():
    epsilon = np.array([0.1, 0.5, 0.95])
    (axes,) = figures.bank.tolerance(epsilon, 1 / np.arccos(epsilon), (0.95, 3.149), 1 / (2 * np.pi)).axes
    assert shows(axes, epsilon, 1 / np.arccos(epsilon))
    assert shows(axes, [0.95], [3.149])
    assert "ε = 0.95: 3.15 × L" in texts(axes)
    assert "aliasing bound: 0.159 × L" in texts(axes)


def test_stability_of_models_colors_the_bases_that_fall_short():
    figure = figures.bank.stability_of_models(["A", "B"], [2_048, 4_096], [10_000, 10_000], [6_449, 12_898])
    (axes,) = figure.axes
    assert shows(axes, [6_449, 12_898], [0, 1])
    dots = {line.get_color(): line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "o"}
    assert dots == {figures.bank.BLUE: [[10_000, 0]], figures.bank.RED: [[10_000, 1]]}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A, 2,048", "B, 4,096"]
    assert axes.get_title("left").startswith("1 of 2 ")
