"""The figures of the conversion show the arms that they were given."""

import numpy as np
from small_conversion import curve_of, far_of

from rope_lib import figures
from rope_lib.findings.converted import LABELS, along


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].lines if not line.get_label().startswith("_")}


def test_pairs_at_rest_have_no_dot():
    own = np.array([1.0, 0.1, 0.01, 0.001])
    shown = {"control": own, "rope_id": own * [0, 1, 1, 0], "dropped": own * 0}
    figure = figures.converted.spectra(shown, LABELS, 8_192, "pairs")
    found = lines(figure)
    assert list(found["RoPE-ID"].get_xdata()) == [1, 2]
    assert LABELS["dropped"] not in found
    assert np.allclose(found["nothing changed"].get_ydata(), own * 8_192 / (2 * np.pi))


def test_a_curve_is_drawn_for_each_arm_and_named_where_it_ends():
    rows = along(curve_of(rope_id=(2.0, 1.0, 0.5), base=(0.4, 0.2, 0.0)))
    figure = figures.converted.learning(rows, LABELS, 0.1, "curves")
    assert np.allclose(lines(figure)["RoPE-ID"].get_ydata(), [2.0, 1.0, 0.5])
    names = {text.get_text(): text.xyann for text in figure.axes[0].texts}
    assert set(names) == {"nothing changed", "RoPE-ID", "base 1,000,000"}


def test_positions_are_binned_and_absent_arms_left_out():
    figure = figures.converted.by_position(
        far_of(base=0.5), LABELS, 8_192, 1_024, ["control", "base", "dropped"], "far"
    )
    found = lines(figure)
    assert set(found) == {"nothing changed", "base 1,000,000"}
    assert np.allclose(found["base 1,000,000"].get_ydata()[[0, -1]], [2.0, 2.5])
    assert np.allclose(found["base 1,000,000"].get_xdata()[:2], [512, 1_536])
