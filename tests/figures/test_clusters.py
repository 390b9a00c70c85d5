"""The figures of clusters and sinks show what they were given."""

import numpy as np
import pandas as pd
from small_tables import random_table

from rope_lib import figures
from rope_lib.figures import style

STAGES = ("pre", "post")


def test_head_clouds_draws_each_chosen_head_before_and_after():
    rows = random_table(np.random.default_rng(0), ["x", "y"], layer=(0, 1), head=(0, 1), stage=STAGES,
                role=("key", "query"), position=(0, 5))  # fmt: skip
    panels = figures.clusters.head_clouds(rows, {"a": (0, 1), "b": (1, 0)}).axes
    assert [axes.get_title() for axes in panels[:2]] == ["a", "b"]
    own = rows[(rows.layer == 1) & (rows["head"] == 0) & (rows.stage == "post") & (rows.role == "key")]
    assert panels[3].lines[0].get_xdata().tolist() == own.x.tolist()
    assert len({axes.get_xlim() for axes in panels}) == 1


def test_by_length_draws_medians_names_them_and_marks_the_training_length():
    table = pd.DataFrame({512: [1.0, 2.0, 9.0], 640: [2.0, 3.0, 4.0], 1024: [3.0, 4.0, 5.0]})
    curves = [("one", table, style.BLUE, "-"), ("two", table, style.RED, "--")]
    (axes,) = figures.clusters.by_length({"what": curves}, 640, height=3).axes
    assert axes.lines[0].get_ydata().tolist() == [2, 3, 4]
    assert set(axes.lines[2].get_xdata()) == {640}
    assert axes.get_ylabel() == "what"
    one, two = (next(text for text in axes.texts if text.get_text() == name) for name in ("one", "two"))
    assert two.xy[1] > one.xy[1]  # both end at one point, and the names keep apart
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["512", "", "1,024"]


def test_by_position_splits_the_means_at_the_training_length():
    means = {"a": pd.Series([1.0, 2.0], [5, 9])}
    lasts = {"a": pd.Series([1.0, 2.0, 3.0], [4, 8, 16])}
    (axes,) = figures.clusters.by_position(means, lasts, 8).axes
    assert [line.get_ydata().tolist() for line in axes.lines[:3]] == [[1, 2], [1, 2], [2, 3]]
    assert [line.get_color() for line in axes.lines[1:3]] == [style.BLUE, style.RED]
