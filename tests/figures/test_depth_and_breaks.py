"""Figures of the depth, precision and breaking-point chapters, checked by the data they draw."""

import numpy as np
import pandas as pd
import pytest

from rope_lib import figures
from rope_lib.figures import style
from rope_lib.figures.style import count, power
from rope_lib.figures.tables import markdown


def labels(axes):
    """Everything written on the axes: annotations and legend entries."""
    legend = axes.get_legend()
    return [text.get_text() for text in axes.texts] + (
        [t.get_text() for t in legend.get_texts()] if legend else []
    )


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
    assert labels(axes) == ["a,\nshift 10 and 20"]
    assert axes.get_yscale() == "log"


def test_misalignment_draws_the_compounding_law_beside_the_measured_cosines():
    rows = [(1, 1, 0.99, 2.0), (1, 2, 0.98, 2.0), (2, 1, 0.97, 2.1), (2, 2, 0.96, 2.1)]
    table = pd.DataFrame(rows, columns=["misaligned_layers", "layer", "cosine", "loss"])
    left, right = figures.depth.misalignment(table, 0.9).axes
    np.testing.assert_allclose(left.lines[0].get_ydata(), [0.9, 0.81])
    np.testing.assert_allclose(left.lines[1].get_ydata(), [0.97, 0.96])  # all layers misaligned
    np.testing.assert_allclose(right.lines[0].get_ydata(), [0.1, 0.19])
    np.testing.assert_allclose(right.lines[1].get_ydata(), [0.02, 0.04])  # after the last layer


def test_error_by_pair_draws_and_names_every_base():
    errors = {"base 1": np.array([1e-3, 1e-4]), "base 2": np.array([1e-3, 1e-6])}
    (axes,) = figures.rounding.error_by_pair(errors).axes
    for line, error in zip(axes.lines, errors.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), error)
    assert labels(axes) == list(errors)


def test_error_by_position_marks_the_lost_phase():
    errors = pd.DataFrame({"label": ["x", "x", "y"], "position": [128, 256, 128], "error": [1e-5, 2e-5, 1.0]})
    (axes,) = figures.rounding.error_by_position(errors).axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [1e-5, 2e-5])
    assert np.pi in axes.lines[2].get_ydata()
    assert {"x", "y"} < set(labels(axes))


def test_shared_angles_draws_shares():
    shares = pd.DataFrame({"label": ["x", "x"], "position": [16, 32], "share": [0.0, 0.5]})
    (axes,) = figures.rounding.shared_angles(shares).axes
    assert axes.lines[0].get_ydata().tolist() == [0.0, 0.5]
    assert labels(axes) == ["x"]


def test_shifted_loss_spaces_the_shifts_evenly_and_names_them():
    losses = pd.DataFrame({"arithmetic": ["x"] * 3, "shift": [0, 10**5, 10**9], "loss": [2.0, 2.1, 5.0]})
    (axes,) = figures.rounding.shifted_loss(losses).axes
    assert axes.lines[0].get_xdata().tolist() == [0, 1, 2]
    assert axes.lines[0].get_ydata().tolist() == [2.0, 2.1, 5.0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "100,000", "1B"]


def test_loss_by_position_averages_bins_and_colors_by_the_trained_length():
    losses = pd.DataFrame({"position": range(8), "nll": range(8)})
    (axes,) = figures.breaks.loss_by_position(losses, trained_length=4, bin_size=2).axes
    inside, beyond, trained = axes.lines
    assert inside.get_xdata().tolist() == [1, 3]
    assert inside.get_ydata().tolist() == [0.5, 2.5]
    assert beyond.get_ydata().tolist() == [4.5, 6.5]
    assert (inside.get_color(), beyond.get_color()) == (style.BLUE, style.RED)
    assert set(trained.get_xdata()) == {4}


def test_clouds_draws_both_roles_in_panels_that_share_their_axes():
    rows = [
        (length, role, stage, position, position + length, -position)
        for length in (10, 20)
        for role in ("key", "query")
        for stage in ("pre", "post")
        for position in range(3)
    ]
    table = pd.DataFrame(rows, columns=["length", "role", "stage", "position", "x", "y"])
    panels = figures.breaks.clouds(table, [10, 20]).axes
    assert [axes.get_title() for axes in panels] == [
        f"{length} tokens, {stage} rotation" for stage in ("before", "after") for length in (10, 20)
    ]
    assert len({axes.get_xlim() for axes in panels}) == 1
    key_dots, key_sink = panels[1].lines[:2]
    assert key_dots.get_xdata().tolist() == [20, 21, 22]
    assert key_sink.get_xdata().tolist() == [20]  # position 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (62_832, "62,832"),
        (999_999, "999,999"),
        (1e6, "1M"),
        (2.66e6, "2.66M"),
        (1e9, "1B"),
        (0.5, "0.5"),
    ],
)
def test_counts_read_as_a_reader_writes_them(value, text):
    assert count(value) == text


def test_powers_of_ten_are_written_as_such():
    assert power(1e12) == "$10^{12}$"
    assert power(5e5) == "500,000"


def test_a_table_with_a_ragged_row_is_refused():
    with pytest.raises(ValueError, match=r"rows must have 2 cells each, got 1: \['x'\]"):
        markdown([["x"]], ["a", "b"])
