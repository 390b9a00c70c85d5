"""The figures of dispersal show the data that they were given, with their labels."""

import numpy as np
import pytest

from rope_lib import figures

LENGTHS = np.array([256, 1024, 4096, 16_384, 65_536])


def texts(axes):
    return [text.get_text() for text in axes.texts]


def shows(axes, x, y):
    """Whether some line of the axes has just these coordinates."""
    expected = np.array([np.ravel(x), np.ravel(y)], dtype=float)
    lines = (np.array(line.get_data(), dtype=float) for line in axes.lines)
    return any(line.shape == expected.shape and np.allclose(line, expected) for line in lines)


def label(axes, name):
    return next(text for text in axes.texts if text.get_text() == name)


def test_ratios_by_length_names_each_curve_at_its_end_and_marks_its_limit():
    curves = {"slow": np.linspace(0.9, 0.5, 5), "fast": np.linspace(0.5, 0.2, 5)}
    (axes,) = figures.dispersal.ratios_by_length(LENGTHS, curves, {"slow": 0.4, "fast": 0.19}).axes
    for name, ratios in curves.items():
        assert shows(axes, LENGTHS, ratios)
        assert label(axes, name).xy == (LENGTHS[-1], ratios[-1])
    assert [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [0.4, 0.19]
    assert axes.get_xscale() == "log"


def test_names_of_curves_that_end_together_keep_apart():
    curves = {name: np.linspace(0.9, 0.2, 5) for name in ("one", "two", "three")}
    (axes,) = figures.dispersal.ratios_by_length(LENGTHS, curves, dict.fromkeys(curves, 0.2)).axes
    heights = sorted(label(axes, name).xy[1] for name in curves)
    assert heights[0] == pytest.approx(0.2)
    assert np.diff(heights).min() > 0.05


def test_bounds_by_length_shows_the_exact_curve_between_its_bounds():
    exact, lower, upper = (np.linspace(top, 0.2, 5) for top in (0.8, 0.7, 0.9))
    (axes,) = figures.dispersal.bounds_by_length(LENGTHS, exact, lower, upper).axes
    assert all(shows(axes, LENGTHS, curve) for curve in (exact, lower, upper))
    assert axes.collections[0].get_paths()[0].vertices[:, 1].max() == pytest.approx(0.9)
    assert {"exact", "not above: row sums", "not below: slow pairs, limit"} <= set(texts(axes))


def test_real_heads_shows_a_dot_for_each_head_and_the_diagonal():
    predicted, measured = np.array([0.7, 0.9]), np.array([0.72, 0.88])
    axes, bar = figures.dispersal.real_heads(predicted, measured, np.array([1.1, 2.0])).axes
    assert np.allclose(axes.collections[0].get_offsets(), np.transpose([predicted, measured]))
    (diagonal,) = axes.lines
    assert np.allclose(*diagonal.get_data())
    assert "stable rank" in bar.get_ylabel()


def test_ablation_draws_a_band_for_each_spectrum_and_the_trained_length():
    spread = np.array([[-0.1], [0], [0.1]])
    bands = {name: spread + np.linspace(top, 0.2, 5) for name, top in (("a", 0.9), ("b", 0.6))}
    (axes,) = figures.dispersal.ablation(LENGTHS, bands, 4096).axes
    assert shows(axes, LENGTHS, bands["a"][1])
    assert shows(axes, LENGTHS, bands["b"][1])
    tops = [band.get_paths()[0].vertices[:, 1].max() for band in axes.collections]
    assert tops == pytest.approx([1.0, 0.7])
    assert next(line for line in axes.lines if line.get_linestyle() == "--").get_xdata()[0] == 4096
    assert "trained" in texts(axes)


def test_shares_and_bands_are_in_percent_and_mark_the_chosen():
    turns, falls = (
        np.array([0.1, 1.0, 8.0]),
        {0.5: np.array([0.1, 0.01, 0.0]), 0.375: np.array([0.05, 0.0, 0.0])},
    )
    (axes,) = figures.dispersal.shares_and_bands(turns, falls, (2, 0.002)).axes
    assert shows(axes, turns, [10, 1, 0])
    assert shows(axes, [2], [0.2])
    assert label(axes, "50 %").xy == pytest.approx((0.1, 10))
    assert {"37.5 %", "RoPE-ID"} <= set(texts(axes))


def test_turned_pairs_put_tokens_of_one_angle_together():
    axes = figures.dispersal.turned_pairs(
        {"a": [0, 90, 180, 270], "b": [0, 0, 0, 0], "c": [0, 180, 360]}
    ).axes
    texts = [sorted(text.get_text() for text in panel.texts if text.get_text()) for panel in axes]
    assert texts == [["0", "1", "2", "3"], ["0–3"], ["0,2", "1"]]
    assert [panel.get_title() for panel in axes] == ["a", "b", "c"]
