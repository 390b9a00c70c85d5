"""Summaries of clusters and sinks, against plain computations over small tables."""

import numpy as np
import pandas as pd
import pytest
from small_tables import LENGTHS, small_sweep

from rope_lib import findings


@pytest.fixture
def sweep():
    return small_sweep(np.random.default_rng(0))


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


def test_the_picture_is_complete_where_every_part_of_it_holds(sweep):
    before, after = (findings.clusters.pairs(sweep, 256, stage) for stage in ("pre", "post"))
    shares = findings.clusters.picture(before - 0.3, after)
    rows = (before - 0.3).to_dict("records")
    complete = [
        row["within_key"] > 0.5
        and row["within_query"] > 0.5
        and row["silhouette"] > 0.5
        and row["cosine"] < 0
        for row in rows
    ]
    assert shares.before["tight, separate and opposed"] == np.mean(complete)
    assert shares.before["opposed: between below 0"] == np.mean([row["cosine"] < 0 for row in rows])
    assert shares.after["tight: among keys above 0.5"] == (after.within_key > 0.5).mean()


def test_layers_are_grouped_with_the_last_group_as_it_comes():
    seen = pd.DataFrame(
        {"layer": [0, 1, 2], "norm_ratio": [0.1, 0.3, 0.9], "first_wins": [0.0, 0.5, 1.0], "recent_wins": 0.0}
    ).assign(sink_attention=0.2, recent_attention=0.1)
    table = findings.clusters.sinks_by_layers(seen, layers=2)
    assert table.index.tolist() == ["0 to 1", "2 to 3", "all"]
    assert table.first_wins.tolist() == [0.25, 1.0, 0.5]
    assert table.another.tolist() == [0.75, 0.0, 0.5]
    assert table.norm_ratio.tolist() == pytest.approx([0.2, 0.9, 0.3])


def test_profiles_are_split_by_who_wins(sweep):
    groups = findings.clusters.sink_profiles(sweep, 256)
    seen = findings.clusters.sinks(sweep, 256).set_index(["layer", "head"]).first_wins
    for name, wins in (("token 0 wins", True), ("other heads", False)):
        heads = set(zip(groups[name].layer, groups[name]["head"], strict=True))
        assert heads == set(seen.index[(seen > 0.5) == wins])
    assert sum(map(len, groups.values())) == len(sweep.profiles.query("length == 256"))


def test_facts_are_texts_of_what_the_tables_hold(sweep):
    found = findings.clusters.facts(sweep, 256)
    before = findings.clusters.pairs(sweep, 256, "pre")
    assert found["clusters-queries"] == "4"
    assert found["clusters-shared"] == "2"
    assert found["clusters-agree"] == "100%"
    assert found["clusters-within-key"] == f"{before.within_key.median():.2f}"
    wins = sweep.queries.query("position >= 192").eval("sink_score > largest_score")
    assert found["clusters-wins"] == f"{wins.mean():.0%}"
    far = sweep.profiles.query("length == 256 and first == 1").cosine
    assert found["clusters-far"] == "1"
    assert found["clusters-far-cosine"] == f"{far.mean():.2f}"
