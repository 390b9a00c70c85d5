"""Summaries of interventions, against plain loops over small tables, scipy's rank correlation, the textbook's
partial correlation, sums of cosines taken one by one, and clusters whose true mean is known."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from small_tables import random_table, records

from rope_lib import findings
from rope_lib.measure.trials import LOSS_BIN

NAMES = ("unchanged", "stretched", "held")  # in no alphabetical order
LENGTHS, LAYERS, KEY_HEADS, HEADS = (1_024, 1_280), 2, 2, 6
FACTORS = {"stretched": 1.25}
TRAINED = 8_192


@pytest.fixture
def tables():
    table = partial(random_table, np.random.default_rng(0))
    where = {"intervention": NAMES, "length": LENGTHS, "layer": range(LAYERS)}
    keys = ["stable_rank", "first_singular_value", "mean_cosine", "first_singular_value_pre"]
    pairs = ["cosine", "dot_product", "silhouette", "davies_bouldin"]
    pairs += ["sink_attention", "sink_score", "largest_score"]
    return {
        "losses": table(["nll"], intervention=NAMES, first=range(0, LENGTHS[-1], LOSS_BIN)),
        "keys": table(keys, **where, head=range(KEY_HEADS)),
        "pairs": table(pairs, **where, head=range(HEADS)),
    }


def test_mean_losses_take_the_bins_from_first_up_to_last(tables):
    found = findings.interventions.mean_losses(tables["losses"], 256, 640)
    assert list(found.index) == list(NAMES)
    for name in NAMES:
        rows = records(tables["losses"], intervention=name)
        assert found[name] == pytest.approx(sum(rows[bin]["nll"] for bin in (2, 3, 4)) / 3)


@pytest.mark.parametrize(("first", "last"), [(100, 256), (0, 200), (256, 256), (-128, 256), (1_152, 1_408)])
def test_losses_that_were_not_measured_are_refused(tables, refuses, first, last):
    refuses(
        lambda: findings.interventions.mean_losses(tables["losses"], first, last),
        f"first and last must be multiples of 128 that enclose measured positions, got {first} and {last}",
    )
    assert findings.interventions.mean_losses(tables["losses"], 1_152, 1_280).notna().all()


def test_summaries_are_means_over_heads_of_one_length(tables):
    before = {name: table.copy() for name, table in tables.items()}
    found = findings.interventions.summaries(tables, LENGTHS[0], FACTORS)
    assert list(found.index) == list(NAMES)
    for name in NAMES:
        keys, pairs = (records(tables[t], intervention=name, length=LENGTHS[0]) for t in ("keys", "pairs"))
        assert (len(keys), len(pairs)) == (LAYERS * KEY_HEADS, LAYERS * HEADS)
        losses = [row["nll"] for row in records(tables["losses"], intervention=name)]
        longer = {"stretched": 1.25}.get(name, 1)
        ratios = [k["first_singular_value"] / k["first_singular_value_pre"] / longer for k in keys]
        expected = {"loss": losses[4:8], "fsv_ratio": ratios, "stable_rank": [k["stable_rank"] for k in keys]}
        for measure in ("silhouette", "davies_bouldin", "cosine", "sink_attention"):
            expected[measure] = [row[measure] for row in pairs]
        assert set(found) == set(expected)
        for measure, values in expected.items():
            assert found[measure][name] == pytest.approx(sum(values) / len(values)), measure
    assert all(before[name].equals(table) for name, table in tables.items())


def test_a_length_that_was_not_measured_is_refused(tables, refuses):
    refuses(
        lambda: findings.interventions.summaries(tables, 768, FACTORS),
        "length must be one of [1024, 1280], got 768",
    )


def test_repaired_weighs_each_measure_by_its_own_damage():
    values = pd.DataFrame({"loss": [4.0, 2.5], "rank": [1.0, 4.0]}, index=["a", "b"])
    shares = findings.interventions.repaired(values, pd.Series({"rank": 3.0, "loss": 2.0}), values.loc["a"])
    assert shares.loc["a"].to_dict() == {"loss": 0, "rank": 0}
    assert shares.loc["b"].to_dict() == {"loss": 0.75, "rank": 1.5}


def test_heads_join_each_query_head_with_the_key_head_it_reads(tables):
    shuffled = {name: table.sample(frac=1, random_state=1) for name, table in tables.items()}
    found = findings.interventions.heads(shuffled, "stretched", FACTORS)
    assert len(found) == len(LENGTHS) * LAYERS * HEADS
    for row in found.to_dict("records"):
        where = {"intervention": "stretched", "length": row["length"], "layer": row["layer"]}
        (key,) = records(tables["keys"], **where, head=[0, 0, 0, 1, 1, 1][row["head"]])
        (pair,) = records(tables["pairs"], **where, head=row["head"])
        assert row["key_head"] == key["head"]
        assert row["stable_rank"] == key["stable_rank"]
        expected = key["first_singular_value"] / key["first_singular_value_pre"] / 1.25
        assert row["fsv_ratio"] == pytest.approx(expected)
        assert all(row[column] == pair[column] for column in pair if column != "intervention")


def test_an_intervention_that_was_not_tried_is_refused(tables, refuses):
    refuses(
        lambda: findings.interventions.heads(tables, "none", FACTORS),
        "intervention must be one that was tried, got 'none'",
    )


@pytest.mark.parametrize("ties", [False, True])
def test_rank_correlations_are_scipys_and_the_textbooks(ties):
    random = np.random.default_rng(2)
    given = random.normal(size=200)
    x, y = given + random.normal(size=200), np.exp(given + random.normal(size=200))
    if ties:
        x, y, given = np.round(x), np.round(y), np.round(given)
    xy, xz, yz = (spearmanr(*pair).statistic for pair in ((x, y), (x, given), (y, given)))
    assert findings.stats.spearman(x, y) == pytest.approx(xy)
    partial = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert findings.stats.partial_spearman(x, y, given) == pytest.approx(partial)
    assert xy > 0.35 > 0.2 > abs(partial)  # all that the two share is what is given


def test_a_correlation_with_what_does_not_vary_is_not_a_number():
    assert np.isnan(findings.stats.spearman([1, 2, 3], [7, 7, 7]))
    assert np.isnan(findings.stats.partial_spearman([7, 7, 7], [1, 2, 3], [2, 1, 3]))
    assert np.isnan(findings.stats.partial_spearman([1, 2, 3], [2, 1, 3], [10, 20, 30]))


def clustered(random, clusters=30, size=6):
    """Rows of mean 0 whose clusters each share one normal number, beside their own; and their clusters."""
    labels = np.repeat(np.arange(clusters), size)
    return random.normal(size=clusters)[labels] + random.normal(size=labels.size), labels


def test_intervals_hold_the_truth_as_often_as_they_say_and_those_of_single_rows_do_not():
    random, hits = np.random.default_rng(3), np.zeros(2)
    for _ in range(200):
        values, labels = clustered(random)
        for index, rows in enumerate((labels, np.arange(labels.size))):
            mean, low, high = findings.stats.clustered_interval(np.mean, [values], rows, draws=150)
            assert mean == values.mean()
            hits[index] += low <= 0 <= high
    assert 0.90 <= hits[0] / 200 <= 0.98
    assert hits[1] / 200 < 0.75


def test_the_interval_is_as_wide_as_shared_noise_makes_it():
    values, labels = clustered(np.random.default_rng(4), clusters=300)
    _, low, high = findings.stats.clustered_interval(np.mean, [values], labels)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt((1 + 1 / 6) / 300), rel=0.15)
    draws = np.random.default_rng(5).choice(values, (1_000, values.size)).mean(axis=1)
    assert high - low > 1.5 * np.diff(np.quantile(draws, [0.025, 0.975]))


def test_whole_clusters_are_drawn_and_rows_keep_together():
    seen = []

    def statistic(x, y):
        seen.append(sorted(zip(x.tolist(), y.tolist(), strict=True)))
        return x.mean()

    x, y, labels = [0, 8, 1, 2], [5, 6, 7, 8], ["a", "b", "a", "a"]
    found = findings.stats.clustered_interval(statistic, [x, y], labels, draws=100)
    a, b = [(0, 5), (1, 7), (2, 8)], [(8, 6)]
    possible = [sorted(rows) for rows in (a + a, a + b, b + b)]
    assert all(rows in possible for rows in seen[:-1])
    assert all(rows in seen for rows in possible)
    assert found == (2.75, 1.0, 8.0)


def test_an_interval_is_the_same_for_the_same_seed_and_leaves_out_draws_that_are_no_number():
    values, labels = clustered(np.random.default_rng(6))
    first, again, other = (
        findings.stats.clustered_interval(np.mean, [values], labels, draws=100, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first[1:] != other[1:]
    two = findings.stats.clustered_interval(
        findings.stats.spearman, [[1, 2, 5], [3, 4, 4]], [0, 1, 1], draws=50
    )
    assert np.isfinite(two).all()  # drawing the second cluster twice gives no correlation


def test_breaks_by_the_own_band_and_by_that_of_the_unchanged_model():
    inside, bins = [2, 3, 2.5, 2], {}  # bins of 256: 2.5 and 2.25, so the band ends at 2.5
    bins["unchanged"] = [*inside, 2, 2, 4, 4, 2.6, 2.6, *[4] * 6]
    bins["worse"] = [4, 4, 3, 3, *[3] * 12]
    bins["mended"] = [*inside, 9, 9, 2, 3, *[1] * 8]
    bins["latest"] = [*inside, 9, 9, 2, 2, *[4] * 8]  # four bins
    bins["too late"] = [*inside, 9, 9, 2, 2, 2, 2, *[4] * 6]  # three
    bins["better"] = [1, 1, 1, 1, 1, 1, *[2] * 10]
    losses = pd.DataFrame(
        [(name, 128 * i, float(nll)) for name, own in bins.items() for i, nll in enumerate(own)],
        columns=["intervention", "first", "nll"],
    )
    before = losses.copy()
    found = findings.breaks.breaks(losses, 512)
    none = np.nan
    expected = {
        "unchanged": [2.5, 768, 768],
        "worse": [4, none, 512],
        "mended": [2.5, none, none],
        "latest": [2.5, 1_024, 1_024],
        "too late": [2.5, none, none],
        "better": [1, 768, none],
    }
    assert list(found.index) == list(expected)
    assert list(found.columns) == ["band", "own", "shipped"]
    np.testing.assert_array_equal(found.to_numpy(), list(expected.values()))
    pd.testing.assert_frame_equal(losses, before)
