"""Figures of the breaking-point chapter, checked by the data they draw."""

import pandas as pd

from rope_lib import figures
from rope_lib.figures import style


def test_loss_by_position_averages_bins_and_colors_by_the_declared_length():
    losses = pd.DataFrame({"position": range(8), "nll": range(8)})
    (axes,) = figures.breaks.loss_by_position(losses, declared=4, bin_size=2).axes
    inside, beyond, trained = axes.lines
    assert inside.get_xdata().tolist() == [1, 3]
    assert inside.get_ydata().tolist() == [0.5, 2.5]
    assert beyond.get_ydata().tolist() == [4.5, 6.5]
    assert (inside.get_color(), beyond.get_color()) == (style.BLUE, style.RED)
    assert set(trained.get_xdata()) == {4}


def test_same_tokens_draws_both_losses_and_their_difference():
    short = pd.DataFrame({"context": 64, "first": [0, 256], "full": [1.0, 2.0], "control": [1.5, 2.0]})
    long = pd.DataFrame({"context": 512, "first": [512, 768], "full": [2.0, 5.0], "control": [2.0, 3.0]})
    table = pd.concat([short, long]).assign(excess=lambda each: each.full - each.control)
    top, bottom = figures.breaks.same_tokens(table, (128, 256), 512, 4.0).axes
    inside, control, beyond = top.lines[:3]
    assert inside.get_ydata().tolist() == [1.0, 2.0]
    assert control.get_ydata().tolist() == [1.5, 2.0]
    assert beyond.get_ydata().tolist() == [2.0, 5.0]
    assert [line.get_ydata().tolist() for line in bottom.lines[:2]] == [[-0.5, 0.0], [0.0, 2.0]]
    assert any(set(line.get_xdata()) == {512} for line in bottom.lines)
