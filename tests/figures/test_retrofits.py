"""The figures of retrofits and of larger bases show the data that they were given."""

import numpy as np

from rope_lib import figures


def test_each_scheme_is_a_line_from_fast_to_slow_with_its_name():
    turns = np.array([100.0, 10.0, 1.0, 0.1])
    curves = {"NTK": (turns, [1, 2, 4, 8]), "YaRN": (turns, [1, 1, 8, 8])}
    (axes,) = figures.retrofits.slowing(curves, {"YaRN": "another name"}).axes
    assert axes.xaxis_inverted()
    drawn = [np.asarray(line.get_ydata()).tolist() for line in axes.lines]
    assert [1, 2, 4, 8] in drawn
    assert [1, 1, 8, 8] in drawn
    assert {"NTK", "another name", "one turn"} <= {text.get_text() for text in axes.texts}


def test_the_panels_show_reversals_neighbors_and_idle_pairs():
    bases, shares = [1e4, 1e6, 1e8], {64: [0.4, 0.2, 0.1], 512: [0.5, 0.4, 0.3]}
    figure = figures.retrofits.both_sides(bases, shares, [0.5, 0.4, 0.2], [0.0, 0.1, 0.3], 1e5)
    upper, middle, lower = figure.axes
    drawn = [
        [list(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == 3] for axes in figure.axes
    ]
    assert drawn == [[shares[64], shares[512]], [[0.5, 0.4, 0.2]], [[0.0, 0.1, 0.3]]]
    assert [text.get_text() for text in upper.texts] == ["64 tokens", "512 tokens"]
    assert all(axes.lines[-1].get_xdata()[0] == 1e5 for axes in (upper, middle, lower))
