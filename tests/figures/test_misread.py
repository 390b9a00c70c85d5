"""The figures of misread rotations show the data that they were given."""

import numpy as np

from rope_lib import figures


def test_a_line_for_each_model_with_its_name():
    (axes,) = figures.misread.phase_errors({"one": 0.1, "two": 0.001}, 1_000).axes
    drawn = [line for line in axes.lines if len(line.get_xdata()) > 2]
    np.testing.assert_allclose([line.get_ydata()[-1] for line in drawn], [100, 1])
    assert {"one", "two", "0.1 radian", "half a turn"} <= {text.get_text() for text in axes.texts}


def test_the_bars_stand_on_their_positions():
    (axes,) = figures.misread.excess([9, 19], [0.5, 2.0]).axes
    assert [bar.get_height() for bar in axes.patches] == [0.5, 2.0]
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(0, 10), (10, 10)]
