"""The figures of rounded tables show the data that they were given."""

import numpy as np
import pandas as pd

from rope_lib import figures
from rope_lib.figures.precision import LEAST_RISE


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_errors_are_bands_with_a_name_and_the_lost_phase():
    spans = pd.DataFrame(
        {
            "scheme": ["x", "x", "y"],
            "position": [128, 512, 128],
            "least": [1e-5, 2e-5, 1.0],
            "most": [2e-5, 4e-5, 2.0],
        }
    )
    (axes,) = figures.precision.error_by_position(spans, {"x": (256, 2), "y": (128, 2)}).axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [2e-5, 4e-5])
    assert axes.collections[0].get_paths()[0].vertices[:, 1].min() == 1e-5
    assert np.pi in axes.lines[2].get_ydata()
    assert {"x", "y"} < set(texts(axes))
    named = next(text for text in axes.texts if text.get_text() == "x")
    np.testing.assert_allclose(named.xy, (256, 2 * np.sqrt(2e-5 * 4e-5)))


def test_lines_that_coincide_all_show():
    table = pd.DataFrame({"base": [64.0, 64.0, 1e4, 1e4], "position": [8, 16] * 2, "slowest": [0.1, 0.5] * 2})
    panels = {"one": table, "two": table.assign(slowest=0.0)}
    first, second = figures.precision.merged_by_position(panels, {"one": "a", "two": "b"}).axes
    assert [line.get_ydata().tolist() for line in first.lines] == [[0.1, 0.5]] * 2
    widths = [line.get_linewidth() for line in first.lines]
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == 2
    assert (texts(first), texts(second)) == (["a"], ["b"])


def test_error_by_pair_draws_and_names_every_base():
    errors = {"base 1": np.array([1e-3, 1e-4]), "base 2": np.array([1e-3, 1e-6])}
    (axes,) = figures.precision.error_by_pair(errors).axes
    for line, error in zip(axes.lines, errors.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), error)
    assert texts(axes) == list(errors)


def test_rises_by_shift_are_evenly_spaced_and_none_is_lost_below_the_axis():
    rises = pd.DataFrame({"scheme": ["x"] * 3 + ["y"] * 3, "shift": [0, 10**5, 10**9] * 2})
    rises = rises.assign(rise=[-1e-6, 1e-3, 2.0, 0.1, 0.2, 3.0])
    (axes,) = figures.precision.rise_by_shift(rises).axes
    assert axes.lines[0].get_xdata().tolist() == [0, 1, 2]
    assert axes.lines[0].get_ydata().tolist() == [LEAST_RISE, 1e-3, 2.0]
    assert axes.get_yscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "100,000", "1B"]
    assert texts(axes) == ["x", "y"]
