"""Summaries of interventions, against plain loops over small tables."""

from functools import partial

import numpy as np
import pytest
from small_tables import random_table, records

from rope_lib import findings
from rope_lib.measure.tables import LOSS_BIN

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
