"""Summaries of clusters and sinks, against plain computations over small tables."""

import numpy as np
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
