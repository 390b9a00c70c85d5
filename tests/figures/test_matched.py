"""Figures of matched and unmatched pairs, checked by the data they draw."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from rope_lib import figures
from rope_lib.figures import style

NAMES = {"byte RoPE": 256, "Gemma 3 270M": 32_768}


def test_a_key_that_outbids_the_sink_is_red():
    keys = {"sink": [0.25, 0], "matched": [0.7, 3.9], "unmatched": [[-2, 3.4], [1.2, 3.8]]}
    (axes,) = figures.matched.picture({"beyond": keys}, 4.0).axes
    colors = [text.arrow_patch.get_edgecolor() for text in axes.texts if text.arrow_patch]
    expected = (style.INK, style.GRAY, style.RED, style.BLUE)
    assert [to_hex(each) for each in colors] == [c.lower() for c in expected]


def test_angles_have_a_dot_for_each_head_and_a_bar_at_their_mean():
    rows = pd.DataFrame(
        [
            (name, pair, 90.0 + 10 * head)
            for name in NAMES
            for pair in ("matched", "unmatched")
            for head in range(3)
        ],
        columns=["model", "pair", "angle"],
    )
    (axes,) = figures.matched.angles(rows, (80, 100)).axes
    dots = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert len(dots) == 4
    assert all(sorted(line.get_xdata()) == [90, 100, 110] for line in dots)
    bars = [line for line in axes.lines if line.get_linewidth() == 3]
    assert [list(line.get_xdata()) for line in bars] == [[100, 100]] * 4
    assert [text.get_text() for text in axes.get_yticklabels()] == list(NAMES)


def test_margins_have_a_line_for_each_kind_and_pair_and_mark_the_declared_length_that_they_reach():
    wheres = ("natural", "near", "far", "argmax")
    curves = pd.DataFrame(
        [
            (name, where, pair, length, 1.0 if pair == "matched" else -4.0, 0.0, 2.0)
            for name in NAMES
            for where in wheres
            for pair in ("matched", "unmatched")
            for length in (128, 256, 512)
        ],
        columns=["model", "where", "pair", "length", "margin", "low", "high"],
    )
    first, second = figures.matched.margins(curves, NAMES).axes
    dotted = [
        [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"]
        for axes in (first, second)
    ]
    assert dotted == [[256], []]
    drawn = [line for line in first.lines if len(line.get_xdata()) == 3]
    assert {(line.get_linestyle(), line.get_ydata()[0]) for line in drawn} == {("-", 1.0), ("--", -4.0)}
    assert len(drawn) == 6  # the argmax is left to the tables


@pytest.fixture
def shares():
    measures = (
        "top_wins",
        "sink_attention",
        "unmatched_attention",
        "top",
        "top_same",
        "top_drawn",
        "sink_score",
    )
    rows = [
        (name, length, measure, number / 10, np.nan, np.nan)
        for name in NAMES
        for length in (256, 512)
        for number, measure in enumerate(measures)
    ]
    return pd.DataFrame(rows, columns=["model", "length", "measure", "mean", "low", "high"])


def test_outbidding_draws_shares_in_percent_above_changes_of_scores(shares):
    figure = figures.matched.outbidding(shares, NAMES)
    above, _, below, _ = figure.axes
    assert [line.get_ydata()[0] for line in above.lines if len(line.get_xdata()) == 2][:3] == [0, 10, 20]
    assert above.get_ylim() == (0, 100)
    drawn = {line.get_label(): line.get_ydata()[0] for line in below.lines}
    expected = {"all keys": 0.3, "the same keys": 0.4, "as many keys": 0.5, "the sink": 0.6}
    assert expected.items() <= drawn.items()
