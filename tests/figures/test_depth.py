"""Figures of the depth chapter, checked by the data they draw."""

import numpy as np
import pandas as pd

from rope_lib import figures


def test_shares_that_are_kept_multiply():
    (axes,) = figures.depth.kept_over_layers([0.5, 0.9], 2).axes
    np.testing.assert_allclose([line.get_ydata() for line in axes.lines], [[1, 0.5, 0.25], [1, 0.9, 0.81]])
    assert [text.get_text() for text in axes.texts[:2]] == ["0.5", "0.9"]


def test_phase_by_layer_draws_the_sum_and_what_is_measured():
    phases = pd.DataFrame({"layer": [1, 1, 2, 2, 3, 3], "phase": [0.5] * 6})
    (axes,) = figures.depth.phase_by_layer(phases, 0.5).axes
    compounding, measured = axes.lines
    np.testing.assert_allclose(compounding.get_ydata(), [0.5, 1.0, 1.5])
    np.testing.assert_allclose(measured.get_ydata(), phases.phase)


def test_change_by_layer_draws_one_line_for_each_arithmetic_and_shift():
    rows = [
        ("a", 10, 1, 1e-7),
        ("a", 10, 2, 2e-7),
        ("a", 20, 1, 3e-7),
        ("a", 20, 2, 3e-7),
        ("b", 10, 1, 1e-4),
    ]
    changes = pd.DataFrame(rows, columns=["arithmetic", "shift", "layer", "relative_change"])
    (axes,) = figures.depth.change_by_layer(changes.iloc[:4]).axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[1e-7, 2e-7], [3e-7, 3e-7]]
    assert [text.get_text() for text in axes.texts] == ["a,\nshift 10 and 20"]
    assert axes.get_yscale() == "log"


def test_the_product_law_is_drawn_with_what_was_measured_and_what_is_assumed():
    law = pd.DataFrame({"layers": [1, 2], "product": [0.01, 0.02], "joint": [0.01, 0.03]})
    (axes,) = figures.depth.product_law(law, 0.1).axes
    assumed, product, joint = (line.get_ydata() for line in axes.lines)
    np.testing.assert_allclose(assumed, [0.1, 0.19])
    np.testing.assert_allclose(product, [0.01, 0.02])
    np.testing.assert_allclose(joint, [0.01, 0.03])
