"""The figures of clusters and sinks show what they were given."""

import numpy as np
import pandas as pd
import pytest
from small_tables import random_table, small_sweep

from rope_lib import figures, findings
from rope_lib.figures import style

STAGES = ("pre", "post")


@pytest.fixture
def sweep():
    return small_sweep(np.random.default_rng(0))


def test_head_clouds_draws_each_chosen_head_before_and_after():
    rows = random_table(np.random.default_rng(0), ["x", "y"], layer=(0, 1), head=(0, 1), stage=STAGES,
                role=("key", "query"), position=(0, 5))  # fmt: skip
    panels = figures.clusters.head_clouds(rows, {"a": (0, 1), "b": (1, 0)}).axes
    assert [axes.get_title() for axes in panels[:2]] == ["a", "b"]
    own = rows[(rows.layer == 1) & (rows["head"] == 0) & (rows.stage == "post") & (rows.role == "key")]
    assert panels[3].lines[0].get_xdata().tolist() == own.x.tolist()
    assert len({axes.get_xlim() for axes in panels}) == 1


def test_distributions_count_every_pair_once(sweep):
    before, after = (findings.clusters.pairs(sweep, 256, stage) for stage in STAGES)
    top, _, bottom = figures.clusters.distributions(before, after).axes
    assert {text.get_text() for text in top.texts} == {"among keys", "among queries", "between"}
    filled = [sum(bar.get_height() for bar in group) for group in top.containers]
    assert filled == pytest.approx([100.0] * len(filled))
    assert [text.get_text() for text in bottom.get_legend().get_texts()] == ["before", "after rotation"]


def test_layers_show_means_over_heads(sweep):
    before, after = (findings.clusters.pairs(sweep, 256, stage) for stage in STAGES)
    (axes,) = figures.clusters.cosines_by_layer(before, after).axes
    np.testing.assert_allclose(axes.lines[5].get_ydata(), after.groupby("layer").cosine.mean())
    (axes,) = figures.clusters.shares_by_layer(before, after, 75).axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), 100 * before.groupby("layer").explained_key.mean())
    assert 75 in axes.lines[-1].get_ydata()


def test_norms_by_position_draws_heads_and_their_median(sweep):
    relative = findings.clusters.relative_norms(sweep)
    (axes,) = figures.clusters.norms_by_position(relative).axes
    np.testing.assert_allclose(axes.lines[1].get_ydata(), relative.iloc[1])
    np.testing.assert_allclose(axes.lines[2].get_ydata(), relative.median())


def test_profiles_keep_token_0_apart():
    columns = ["score", "cosine", "attention"]
    table = random_table(np.random.default_rng(0), columns, layer=(0, 1), head=(0, 1), first=(-1, 0, 1))
    panels = figures.clusters.profiles({"some": table, "others": table}).axes
    median = table.groupby("first").score.median()
    curve, _, star = panels[0].lines[:3]
    np.testing.assert_allclose(curve.get_ydata(), median[[0, 1]])
    np.testing.assert_allclose(star.get_ydata(), [median[-1]])
    assert panels[-1].get_xticklabels()[-1].get_text() == "token 0"


def test_sink_heads_shows_a_dot_for_each_pair(sweep):
    table = findings.clusters.sinks(sweep, 256)
    axes = figures.clusters.sink_heads(table).axes[0]
    np.testing.assert_allclose(
        axes.collections[0].get_offsets(), np.transpose([table.norm_ratio, 100 * table.first_wins])
    )


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
