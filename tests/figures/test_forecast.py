"""The figures of the forecast show the data that they were given, with their labels."""

import numpy as np
import pandas as pd
import pytest

from rope_lib import figures

LENGTHS = [256, 1_024, 4_096]


def curve(start):
    middle = start + np.arange(3.0)
    return pd.DataFrame({"low": middle - 0.1, "middle": middle, "high": middle + 0.2}, index=LENGTHS)


def dots_of(axes):
    return {tuple(point) for line in axes.lines for point in np.transpose(line.get_data()).tolist()}


def test_each_model_has_a_panel_with_its_curves_and_its_declared_length():
    models = {
        name: {"measured": (curve(1.0), "k", "-"), "forecast": (curve(2.0), "r", "--")} for name in "abc"
    }
    figure = figures.forecast.by_model(models, {"a": 256, "b": 512, "c": 1_024}, "rank", "It spreads")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b", "c"]
    for axes, declared in zip(figure.axes, (256, 512, 1_024), strict=True):
        assert axes.lines[0].get_ydata().tolist() == [1.0, 2.0, 3.0]
        assert axes.lines[1].get_ydata().tolist() == [2.0, 3.0, 4.0]
        assert axes.lines[2].get_xdata()[0] == declared
        assert len(axes.collections) == 2
        assert axes.get_xscale() == "log"
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["measured", "forecast"]
    assert figure.get_suptitle() == "It spreads"


def test_heads_are_dots_about_the_line_of_agreement():
    table = pd.DataFrame({"forecast": [2.0, 3.0], "measured": [2.5, 3.5], "windowed": [False, True]})
    figure = figures.forecast.heads({"a": table}, 16)
    (axes,) = figure.axes
    assert {(2.0, 2.5), (3.0, 3.5)} <= dots_of(axes)
    assert np.allclose(*axes.lines[0].get_data())
    assert axes.lines[1].get_color() != axes.lines[2].get_color()


def test_clouds_of_a_row_share_their_axes_and_print_the_stable_rank():
    rows = [
        {"length": length, "stage": "post", "role": role, "position": place, "x": size * place, "y": -place}
        | {"stable_rank": length / 1_000}
        for length, size in ((256, 1.0), (4_096, 9.0))
        for role in ("key", "query")
        for place in (0, 1, 2)
    ]
    panels = [(256, "post", "short"), (4_096, "post", "long")]
    figure = figures.forecast.clouds({"a": (pd.DataFrame(rows), panels)}, "They spread")
    short, long = figure.axes
    assert short.get_xlim() == long.get_xlim()
    assert short.get_xlim()[1] > 18
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["stable rank 0.3", "stable rank 4.1"]
    assert [axes.get_title() for axes in figure.axes] == ["short", "long"]


def test_rivals_are_named_at_their_ends():
    measured = pd.Series([1.0, 2.0, 3.0], LENGTHS)
    figure = figures.forecast.far(measured, {"trend": (measured / 2, "r", "--")}, 1_024, "rank")
    (axes,) = figure.axes
    assert {(256.0, 0.5), (4_096.0, 3.0)} <= dots_of(axes)
    names = {text.get_text(): text.xy for text in axes.texts}
    assert names["measured"] == (4_096, pytest.approx(3.0))
    assert names["trend"] == (4_096, pytest.approx(1.5))
