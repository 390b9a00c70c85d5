"""Summaries of clusters and sinks, against plain computations; and figures that show what they were given."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from rope_lib import figures, findings
from rope_lib.figures import style

LENGTHS = (128, 256)
STAGES = ("pre", "post")


@dataclass(frozen=True)
class Tables:
    """What the summaries use of a sweep: two layers, one key head, two query heads."""

    heads: pd.DataFrame
    pairs: pd.DataFrame
    queries: pd.DataFrame
    norms: pd.DataFrame


def grid(random, columns, **index):
    """Random columns for every combination of the index's values."""
    rows = pd.MultiIndex.from_product(index.values(), names=index).to_frame(index=False)
    for column in columns:
        rows[column] = random.uniform(0.1, 1, len(rows))
    return rows


@pytest.fixture
def sweep():
    random = np.random.default_rng(0)
    measured = ["stable_rank", "first_singular_value", "first_norm", "mean_norm", "mean_cosine"]
    where = {"length": LENGTHS, "layer": (0, 1), "stage": STAGES}
    heads = pd.concat(
        [
            grid(random, measured, role=("key",), head=(0,), **where),
            grid(random, measured, role=("query",), head=(0, 1), **where),
        ],
        ignore_index=True,
    )
    between = ["cosine", "dot_product", "silhouette", "davies_bouldin"]
    pairs = grid(random, between, head=(0, 1), **where).assign(key_head=0)
    seen = ["sink_attention", "recent_attention", "sink_score", "largest_score"]
    queries = grid(random, seen, **{"pass": (256,)}, layer=(0, 1), head=(0, 1), position=range(256))
    queries["largest_distance"] = queries.position.where(queries.position % 2 == 0, 3)
    norms = grid(
        random, ["norm"], **{"pass": (256,)}, layer=(0, 1), role=("key",), head=(0,), first=(0, 1, 2)
    )
    norms["last"] = norms["first"].map({0: 0, 1: 1, 2: 255})
    return Tables(heads, pairs, queries, norms)


def test_pairs_join_each_query_head_with_the_key_head_it_attends_to(sweep):
    table = findings.clusters.pairs(sweep, 256, "post").set_index(["layer", "head"])
    assert len(table) == 4
    own = sweep.heads[(sweep.heads.length == 256) & (sweep.heads.stage == "post") & (sweep.heads.layer == 1)]
    key, query = own[own.role == "key"].iloc[0], own[(own.role == "query") & (own["head"] == 1)].iloc[0]
    assert table.within_key[1, 1] == key.mean_cosine
    assert table.within_query[1, 1] == query.mean_cosine
    assert table.explained_query[1, 1] == pytest.approx(1 / query.stable_rank)


def test_sinks_count_the_queries_that_token_0_wins(sweep):
    table = findings.clusters.sinks(sweep, 128).set_index(["layer", "head"])
    rows = sweep.queries[(sweep.queries.layer == 0) & (sweep.queries["head"] == 1)].set_index("position")
    last = [rows.loc[position] for position in range(64, 128)]
    wins = [row.sink_score > row.largest_score for row in last]
    recent = [not won and row.largest_distance < 16 for won, row in zip(wins, last, strict=True)]
    assert table.first_wins[0, 1] == pytest.approx(np.mean(wins))
    assert table.recent_wins[0, 1] == pytest.approx(np.mean(recent))
    assert 0 < np.mean(recent) < 1 - np.mean(wins)
    keys = sweep.heads[
        (sweep.heads.role == "key") & (sweep.heads.stage == "pre") & (sweep.heads.length == 128)
    ]
    first = keys[keys.layer == 0].iloc[0]
    assert table.norm_ratio[0, 1] == pytest.approx(first.first_norm / first.mean_norm)


def test_relative_norms_weigh_bins_by_their_tokens(sweep):
    table = findings.clusters.relative_norms(sweep)
    one, many = table[1], table[2]
    np.testing.assert_allclose((one + 254 * many) / 255, 1)


def test_ratios_are_after_over_before(sweep):
    keys = sweep.heads[(sweep.heads.role == "key") & (sweep.heads.layer == 1) & (sweep.heads.length == 256)]
    values = keys.set_index("stage").first_singular_value
    assert findings.clusters.ratios(sweep)[256][1, 0] == pytest.approx(values.post / values.pre)


def test_last_queries_average_the_end_of_each_length(sweep):
    found = findings.clusters.last_queries(sweep, "top_score")
    rows = sweep.queries[(sweep.queries.layer == 1) & (sweep.queries["head"] == 0)].set_index("position")
    expected = np.mean([max(rows.loc[p, ["sink_score", "largest_score"]]) for p in range(192, 256)])
    assert found[256][1, 0] == pytest.approx(expected)
    assert list(found.columns) == list(LENGTHS)


def test_a_length_beyond_every_pass_is_refused(sweep, refuses):
    refuses(
        lambda: findings.clusters.of_length(sweep.queries, 257),
        "length must be at most 256, the longest pass, got 257",
    )


def test_the_interval_holds_the_mean_and_narrows_with_the_heads():
    values = np.random.default_rng(1).normal(size=400)
    mean, low, high = findings.stats.bootstrap_interval(values)
    assert low < mean < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    _, few_low, few_high = findings.stats.bootstrap_interval(values[:25])
    assert few_high - few_low > 2 * (high - low)


def test_head_clouds_draws_each_chosen_head_before_and_after():
    rows = grid(np.random.default_rng(0), ["x", "y"], layer=(0, 1), head=(0, 1), stage=STAGES,
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
    table = grid(np.random.default_rng(0), columns, layer=(0, 1), head=(0, 1), first=(-1, 0, 1))
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
