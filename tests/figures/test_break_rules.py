"""What the figures of breaks draw."""

import numpy as np
import pandas as pd
import pytest

from rope_lib.figures import break_rules as figures

UNITS = pd.DataFrame(
    {"low": [1_024.0, 4_096.0, 0.0], "high": [2_048.0, np.inf, 512.0]}, index=["one", "unbroken", "nowhere"]
)


def test_a_model_that_does_not_break_has_an_arrow_and_the_others_a_bar():
    named = pd.DataFrame({"A3": [1_500.0, np.nan, 2_000.0], "declared length": 4_096.0}, index=UNITS.index)
    figure = figures.intervals(UNITS, named, "title")
    axes = figure.axes[0]
    assert [each.get_text() for each in axes.get_yticklabels()] == list(UNITS.index)
    bars = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 5 and len(line.get_xdata())]
    assert [list(bar)[1] for bar in bars] == [2_048, 512]
    assert bars[1][0] == axes.get_xlim()[0]
    assert len(axes.texts) == 1
    with pytest.raises(ValueError, match="named must have at most 4 rules, got 5"):
        figures.intervals(UNITS, pd.concat([named] * 3, axis=1).iloc[:, :5], "title")


def test_gains_above_zero_are_told_by_color():
    raced = pd.DataFrame({"gain": [0.5, 0.5], "low": [0.1, -0.1], "high": 1.0}, index=["A3", "A4"])
    axes = figures.gains({"here": raced, "there": raced[:1]}, "title").axes
    colors = axes[0].collections[-1].get_facecolors()
    assert (colors[0] != colors[1]).any()
    assert [each.get_text() for each in axes[0].get_yticklabels()] == ["A4", "A3"]


def test_texts_without_a_break_are_counted():
    breaks = {"one": [300.0, 400.0, np.inf], "other": [np.inf, np.inf, np.inf]}
    figure = figures.by_text(breaks, [256, 1_000], [1_024, 500], "title")
    axes = figure.axes[0]
    assert [each.get_text() for each in axes.texts if each.get_text()] == ["1 of 3", "3 of 3"]
    dots = [line.get_xdata() for line in axes.lines if line.get_marker() == "o"]
    assert [len(each) for each in dots] == [2, 0]
