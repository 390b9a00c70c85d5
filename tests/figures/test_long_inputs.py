"""Figures of long inputs show what they were given, with the labels that they were given."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from rendered import png

from rope_lib import figures, findings
from rope_lib.figures import style
from rope_lib.findings.kept import kept

LENGTHS = [1_024, 2_048, 4_096, 8_192]


def series(start, index=LENGTHS):
    return pd.Series(np.arange(len(index), dtype=float) + start, index)


def texts(items):
    return [item.get_text() for item in items]


def test_one_type_is_a_line_and_the_other_rings():
    losses = {"one": series(2, [700, 1_400, 2_800]), "two": series(2.5, [700, 2_800])}
    means = {"stable rank": {"one": series(1), "two": series(1.25)}}
    first, second = figures.long_inputs.loss_and_geometry(losses, means, 2_048).axes
    for axes, curves in ((first, losses), (second, means["stable rank"])):
        line, rings, mark = axes.lines
        np.testing.assert_array_equal(line.get_xydata(), list(curves["one"].items()))
        np.testing.assert_array_equal(rings.get_xydata(), list(curves["two"].items()))
        assert (line.get_linestyle(), rings.get_linestyle()) == ("-", "None")
        assert rings.get_markerfacecolor() == "none"
        assert set(mark.get_xdata()) == {2_048}
        highest = max(curve.max() for curve in curves.values())
        assert axes.get_ylim()[0] == 0
        assert highest < axes.get_ylim()[1] < 1.2 * highest
    assert (first.get_ylabel(), second.get_ylabel()) == ("loss (nats)", "stable rank")
    assert texts(first.figure.legends[0].get_texts()) == ["one", "two"]


def test_the_axis_is_logarithmic_and_names_every_second_length_and_the_last():
    means = {"stable rank": {"one": series(1), "two": series(1)}}
    *_, axes = figures.long_inputs.loss_and_geometry({"one": series(2), "two": series(2)}, means, 2_048).axes
    assert axes.get_xscale() == "log"
    assert axes.get_xticks().tolist() == LENGTHS
    assert texts(axes.get_xticklabels()) == ["", "2,048", "", "8,192"]


def test_every_panel_has_its_curves_over_the_unchanged_model():
    panels = {"held": {"a": series(1), "b": series(2)}, "stretched": {"c": series(3)}}
    baseline = series(6)
    every = figures.long_inputs.losses_far_out(panels, baseline, 2_048, LENGTHS).axes
    for axes, (heading, curves) in zip(every, panels.items(), strict=True):
        assert axes.get_title(loc="left") == heading
        lines = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
        assert list(lines) == texts(axes.get_legend().get_texts()) == ["unchanged", *curves]
        for label, losses in (curves | {"unchanged": baseline}).items():
            np.testing.assert_array_equal(lines[label].get_xydata(), list(losses.items()))
        assert axes.lines[0] is lines["unchanged"]
        assert lines["unchanged"].get_color() == style.GRAY
        assert set(axes.lines[-1].get_xdata()) == {2_048}
        assert axes.get_ylim()[1] > baseline.max()
    assert [line.get_linestyle() for line in every[0].lines[1:3]] == ["-", "--"]
    assert every[0].lines[1].get_color() != every[0].lines[2].get_color()


def test_more_curves_than_colors_are_refused(refuses):
    curves = {str(number): series(number) for number in range(7)}
    refuses(
        lambda: figures.long_inputs.losses_far_out({"held": curves}, series(0), 2_048, LENGTHS),
        "names must be at most 6, one for each color, got 7",
    )


@pytest.fixture(scope="module")
def drawn():
    """Both figures from the kept result, as the chapters draw them."""
    tables, about = kept("long_input")
    lengths = about["inputs"]["options"]["lengths"]
    types = {dtype: findings.long_inputs.trial(tables, dtype) for dtype in ("float32", "bfloat16")}
    losses = {dtype: findings.long_inputs.loss_curve(trial["losses"], 512) for dtype, trial in types.items()}
    losses["bfloat16"] = losses["bfloat16"].iloc[1::2]
    of = {dtype: findings.long_inputs.means_by_length(trial) for dtype, trial in types.items()}
    means = {
        name.replace("_", " "): {dtype: frame[name] for dtype, frame in of.items()}
        for name in ("stable_rank", "mean_cosine", "sink_attention")
    }
    every = {
        name: findings.long_inputs.loss_curve(own, 2_048)
        for name, own in findings.long_inputs.of_dtype(tables, "float32")["losses"].groupby("intervention")
    }
    held = {f"a label as long as {name}": every[name] for name in ("clipped", "sink", "all_but_cluster")}
    baseline = every["unchanged"][lambda losses: losses.index < lengths[-2]]
    return {
        "loss and geometry": figures.long_inputs.loss_and_geometry(losses, means, 8_192),
        "far out": figures.long_inputs.losses_far_out(
            {"Held": held, "Other": {"YaRN": every["yarn"]}}, baseline, 8_192, lengths[2:-1]
        ),
    }


@pytest.mark.parametrize("name", ["loss and geometry", "far out"])
def test_figures_of_the_kept_result_are_small_pngs(drawn, name):
    image = png(drawn[name])
    assert image.startswith(b"\x89PNG")
    assert len(image) < 100_000


@pytest.mark.parametrize("name", ["loss and geometry", "far out"])
def test_no_label_lies_on_another_and_no_legend_on_a_curve(drawn, name):
    figure = drawn[name]
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    labels = [*figure.legends]
    for axes in figure.axes:
        labels += [axes.yaxis.label, axes.xaxis.label, axes._left_title]
        if axes.get_legend():
            box = axes.get_legend().get_window_extent(renderer)
            for line in axes.lines[:-1]:  # the last is the trained length
                assert not box.count_contains(axes.transData.transform(line.get_xydata())), line.get_label()
    labels += figure.axes[-1].get_xticklabels()  # the only ones that are drawn
    labels = [label for label in labels if not hasattr(label, "get_text") or label.get_text()]
    boxes = [label.get_window_extent(renderer) for label in labels]
    assert len(boxes) > 6
    for index, box in enumerate(boxes):
        assert not box.count_overlaps(boxes[:index]), labels[index]
