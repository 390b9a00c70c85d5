"""Figures of the mechanism show what they are given."""

import io

import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from rope_lib.figures import mechanism, style

FOUND = pd.DataFrame(
    {"share": [0.9, 0.1, -3.0], "low": [0.8, 0.0, -9.0], "high": [1.0, 0.2, 2.0]}, ["clipped", "sink", "cold"]
)
LABELS = {"clipped": "all clipped", "sink": "sink returned"}


def drawn(figure):
    figure.savefig(io.BytesIO())
    return figure.axes


def test_a_query_is_a_bar_for_each_state():
    attention = pd.DataFrame({"token 0": [0.55, 0.02], "others": [0.45, 0.98]}, ["inside", "beyond"])
    (axes,) = drawn(mechanism.one_query(attention, "title"))
    assert [patch.get_width() for patch in axes.patches] == pytest.approx([0.55, 0.02, 0.45, 0.98])
    assert [text.get_text() for text in axes.texts] == ["55 %", "45 %", "98 %"]
    with pytest.raises(ValueError, match="at most 4"):
        mechanism.one_query(pd.DataFrame(0.2, ["inside"], list("abcde")), "title")


def test_shares_have_a_row_for_each_intervention_and_a_color_for_each_model():
    found = {"byte RoPE": FOUND, "SmolLM2-135M": FOUND.iloc[:1], "byte RoPE, long input": FOUND}
    (axes,) = drawn(mechanism.shares(found, LABELS, "title", "restored (%)", (0.25, 0.5)))
    first, second, third = (line for line in axes.lines if line.get_marker() == "o")
    assert first.get_xdata().tolist() == [0.9, 0.1]
    assert first.get_color() == third.get_color() != second.get_color() == style.GREEN
    assert first.get_markerfacecolor() != third.get_markerfacecolor() == "white"
    assert [label.get_text() for label in axes.get_yticklabels()] == list(LABELS.values())


def test_shares_beyond_the_axis_stand_at_its_edge():
    (axes,) = drawn(mechanism.shares({"a": FOUND}, {"cold": "cold"}, "title", "x", (0.25, 0.5)))
    (points,) = (line for line in axes.lines if line.get_marker() == "o")
    low, high = axes.get_xlim()
    assert low < points.get_xdata()[0] < high


def test_doses_have_a_panel_for_each_model_and_a_line_for_each_way():
    few = pd.DataFrame({"most dispersed": [0.2, 0.9], "at random": [0.1, 0.9]}, [0.5, 1.0])
    panels = drawn(mechanism.doses({"one": few, "two": few[["at random"]]}, "title"))
    assert len(panels) == 2
    assert {line.get_label() for line in panels[0].lines} >= {"most dispersed", "at random"}
    colors = [
        to_rgba(line.get_color()) for axes in panels for line in axes.lines if line.get_label() == "at random"
    ]
    assert colors[0] == colors[1]
