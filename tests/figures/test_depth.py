"""Figures of the depth chapter, checked by the data they draw."""

import numpy as np
import pandas as pd

from rope_lib import figures


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


def test_misalignment_draws_the_compounding_law_beside_the_measured_cosines():
    rows = [(1, 1, 0.99, 2.0), (1, 2, 0.98, 2.0), (2, 1, 0.97, 2.1), (2, 2, 0.96, 2.1)]
    table = pd.DataFrame(rows, columns=["misaligned_layers", "layer", "cosine", "loss"])
    left, right = figures.depth.misalignment(table, 0.9).axes
    np.testing.assert_allclose(left.lines[0].get_ydata(), [0.9, 0.81])
    np.testing.assert_allclose(left.lines[1].get_ydata(), [0.97, 0.96])  # all layers misaligned
    np.testing.assert_allclose(right.lines[0].get_ydata(), [0.1, 0.19])
    np.testing.assert_allclose(right.lines[1].get_ydata(), [0.02, 0.04])  # after the last layer
