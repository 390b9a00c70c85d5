"""Summaries of long inputs, against plain loops over small tables; and the kept result that they are for."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from small_tables import random_table, records

from rope_lib import findings
from rope_lib.findings.kept import kept
from rope_lib.measure.tables import LOSS_BIN
from rope_lib.measure.text import reference_text

NAMES, DTYPES, LENGTHS = ("unchanged", "held"), ("float32", "bfloat16"), (512, 1_024)
LAYERS, KEY_HEADS, HEADS = 2, 1, 3


@pytest.fixture
def tables():
    table = partial(random_table, np.random.default_rng(0))
    what = {"dtype": DTYPES, "intervention": NAMES}
    where = what | {"length": LENGTHS, "layer": range(LAYERS)}
    keys = ["stable_rank", "first_singular_value", "mean_cosine", "first_singular_value_pre"]
    pairs = ["silhouette", "sink_attention", "sink_score", "largest_score"]
    found = {
        "losses": table(["nll"], **what, first=range(0, LENGTHS[-1], LOSS_BIN)),
        "keys": table(keys, **where, head=range(KEY_HEADS)),
        "pairs": table(pairs, **where, head=range(HEADS)),
    }
    # As in the kept result, the second type was measured on the unchanged model only.
    return {
        name: rows[(rows.dtype == DTYPES[0]) | (rows.intervention == NAMES[0])]
        for name, rows in found.items()
    }


def test_a_trial_has_the_rows_of_one_type_under_one_intervention(tables):
    found = findings.long_inputs.trial(tables, "float32", "held")
    for name, table in found.items():
        expected = records(tables[name], dtype="float32", intervention="held")
        assert [row | {"dtype": "float32", "intervention": "held"} for row in records(table)] == expected
        assert len(table) > 0
    assert set(findings.long_inputs.of_dtype(tables, "bfloat16")["keys"].intervention) == {"unchanged"}


def test_what_was_not_measured_is_refused(tables, refuses):
    refuses(
        lambda: findings.long_inputs.of_dtype(tables, "float16"),
        "dtype must be one of float32, bfloat16, got 'float16'",
    )
    refuses(
        lambda: findings.long_inputs.trial(tables, "bfloat16", "held"),
        "intervention must be one of unchanged, got 'held'",
    )


def test_octaves_are_the_second_halves_of_their_lengths(tables):
    losses = findings.long_inputs.of_dtype(tables, "float32")["losses"]
    losses = losses[(losses.intervention == "unchanged") | (losses["first"] < 768)]
    found = findings.long_inputs.octave_losses(losses, [512, 1_024])
    for name in NAMES:
        nll = [row["nll"] for row in records(losses, intervention=name)]
        assert found.loc[name, 512] == pytest.approx(sum(nll[2:4]) / 2)
        if name == "unchanged":
            assert found.loc[name, 1_024] == pytest.approx(sum(nll[4:8]) / 4)
    assert np.isnan(found.loc["held", 1_024])  # half of it was measured
    assert found.index.tolist() == list(NAMES)


def test_octaves_by_number_type(tables):
    losses = tables["losses"][tables["losses"].intervention == "unchanged"]
    found = findings.long_inputs.octave_losses(losses, [1_024], by="dtype")
    for dtype in DTYPES:
        nll = [row["nll"] for row in records(losses, dtype=dtype)]
        assert found.loc[dtype, 1_024] == pytest.approx(sum(nll[4:]) / 4)


@pytest.mark.parametrize("length", [128, 600, 2_048, 0])
def test_an_octave_that_no_bins_make_up_is_refused(tables, refuses, length):
    refuses(
        lambda: findings.long_inputs.octave_losses(tables["losses"], [512, length]),
        f"lengths must be multiples of 256 up to 1024, got {length}",
    )


def test_a_loss_curve_has_equal_parts_of_each_octave_and_none_shorter_than_a_bin():
    losses = pd.DataFrame({"first": np.arange(0, 4_096 + 512, LOSS_BIN)})
    losses["nll"] = np.random.default_rng(1).uniform(1, 5, len(losses))
    curve = findings.long_inputs.loss_curve(losses.sample(frac=1, random_state=0), 256)
    edges = [(first, first + 128) for first in (256, 384)]
    edges += [(first, first + 128) for first in range(512, 1_024, 128)]
    edges += [(first, first + 256) for first in range(1_024, 2_048, 256)]
    edges += [(first, first + 512) for first in range(2_048, 4_096, 512)]
    # 4,096 to 5,120 was measured by half, and is not there.
    np.testing.assert_allclose(curve.index, [np.sqrt(begin * end) for begin, end in edges])
    expected = [losses.nll[begin // LOSS_BIN : end // LOSS_BIN].mean() for begin, end in edges]
    np.testing.assert_allclose(curve, expected)


def test_means_count_every_head_the_same(tables):
    before = {name: table.copy() for name, table in tables.items()}
    found = findings.long_inputs.means_by_length(findings.long_inputs.trial(tables, "float32", "held"))
    assert found.index.tolist() == list(LENGTHS)
    for length in LENGTHS:
        where = {"dtype": "float32", "intervention": "held", "length": length}
        keys, pairs = records(tables["keys"], **where), records(tables["pairs"], **where)
        expected = {
            "stable_rank": [row["stable_rank"] for row in keys],
            "mean_cosine": [row["mean_cosine"] for row in keys],
            "fsv_ratio": [row["first_singular_value"] / row["first_singular_value_pre"] for row in keys],
            "before": [row["first_singular_value_pre"] ** 2 / length for row in keys],
        } | {
            name: [row[name] for row in pairs]
            for name in ("silhouette", "sink_attention", "sink_score", "largest_score")
        }
        assert set(found) == set(expected)
        assert len(keys) == LAYERS * KEY_HEADS
        assert len(pairs) == LAYERS * HEADS
        for name, values in expected.items():
            assert found.loc[length, name] == pytest.approx(np.mean(values)), name
    assert all(before[name].equals(table) for name, table in tables.items())


def test_sink_attention_is_that_of_heads_with_a_sink_and_of_the_others(tables):
    places = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
    some = {(0, 1), (1, 0), (1, 2)}
    with_sink = pd.Series([place in some for place in places], pd.MultiIndex.from_tuples(places))
    pairs = findings.long_inputs.of_dtype(tables, "float32")["pairs"].sample(frac=1, random_state=0)
    found = findings.long_inputs.sink_attention(pairs, 512, with_sink.sample(frac=1, random_state=1))
    for name in NAMES:
        rows = records(pairs, intervention=name, length=512)
        for group in (False, True):
            own = [row["sink_attention"] for row in rows if ((row["layer"], row["head"]) in some) == group]
            assert len(own) == 3
            assert found.loc[name, group] == pytest.approx(np.mean(own))


def test_differences_are_over_the_rows_that_both_have(tables):
    one = findings.long_inputs.trial(tables, "float32")
    two = {name: table.sample(frac=1, random_state=0) for name, table in one.items()}
    shorter = two["keys"][two["keys"].length == 512]
    two["keys"] = shorter.assign(mean_cosine=shorter.mean_cosine - 0.25)
    two["losses"] = two["losses"].assign(nll=lambda rows: rows.nll + 0.5 * (rows["first"] == 256))
    found = findings.long_inputs.differences(one, two)
    bins = LENGTHS[-1] // LOSS_BIN
    assert found.rows.to_dict() == {
        "nll": bins, "stable_rank": 2, "mean_cosine": 2, "silhouette": 12, "sink_attention": 12,
    }  # fmt: skip
    assert found.largest.to_dict() == pytest.approx(
        {"nll": 0.5, "stable_rank": 0, "mean_cosine": 0.25, "silhouette": 0, "sink_attention": 0}
    )


def test_a_value_that_is_no_number_makes_no_agreement(tables):
    one = findings.long_inputs.trial(tables, "float32")
    broken = one["losses"].assign(nll=lambda rows: rows.nll.where(rows["first"] != 256))
    assert not findings.long_inputs.differences(one, one | {"losses": broken}).largest["nll"] < 1e9


def test_differences_of_nothing_and_of_ambiguous_rows_are_refused(tables, refuses):
    one = findings.long_inputs.trial(tables, "float32")
    elsewhere = one["keys"].assign(length=one["keys"].length + 7)
    refuses(
        lambda: findings.long_inputs.differences(one, one | {"keys": elsewhere}),
        "keys must share rows, got none that agree in length, layer, head",
    )
    both = findings.long_inputs.of_dtype(tables, "float32")  # two interventions
    with pytest.raises(pd.errors.MergeError):
        findings.long_inputs.differences(one, both)


@pytest.fixture(scope="module")
def measured():
    return kept("long_input")


def test_the_long_input_begins_as_the_text_of_the_interventions(measured):
    """Same losses to the fifth decimal on another machine: another text would differ by nats."""
    shared = ["unchanged", "hope", "clipped", "sink", "all_but_sink", "cluster", "all_but_cluster"]
    both = []
    for tables in (kept("interventions")[0], findings.long_inputs.of_dtype(measured[0], "float32")):
        both.append({name: tables[name][tables[name].intervention.isin(shared)] for name in tables})
    found = findings.long_inputs.differences(*both)
    assert found.rows["nll"] == len(shared) * 16_384 // LOSS_BIN
    assert found.largest.max() < 1e-4


def test_a_text_is_known_by_all_of_it(monkeypatch):
    text = "some text"
    known = findings.long_inputs.text_sha256(text)
    monkeypatch.setattr(findings.long_inputs, "kept", lambda name: ({}, {"text_sha256": known}))
    assert findings.long_inputs.begins_the_input(text)
    assert not findings.long_inputs.begins_the_input(text + " and more")
    monkeypatch.undo()
    assert not findings.long_inputs.begins_the_input(reference_text()[:-1])


def test_every_length_and_intervention_is_there_and_finite(measured):
    tables, about = measured
    lengths = about["inputs"]["options"]["lengths"]
    for dtype, last in (("float32", lengths[-1]), ("bfloat16", lengths[-1])):
        trial = findings.long_inputs.trial(tables, dtype)
        assert trial["losses"]["first"].tolist() == list(range(0, last, LOSS_BIN))
        assert np.isfinite(findings.long_inputs.means_by_length(trial)).all(axis=None)
        assert len(findings.long_inputs.means_by_length(trial)) == len(lengths)
    others = findings.long_inputs.of_dtype(tables, "float32")["losses"].groupby("intervention")["first"].max()
    assert len(others) == 12
    assert (others.drop("unchanged") == lengths[-2] - LOSS_BIN).all()


# What the chapter on dispersal says of inputs beyond those that the book measures itself.

TRAINED = 8_192


@pytest.fixture(scope="module")
def far():
    return kept("long_input")


def test_rounding_has_no_part_in_the_rise_of_the_loss(far):
    tables, made = far
    lengths = made["inputs"]["options"]["lengths"]
    assert lengths[-4:] == [2**n * TRAINED for n in (1, 2, 3, 4)]
    unchanged = tables["losses"].query("intervention == 'unchanged'")
    octaves = findings.long_inputs.octave_losses(unchanged, lengths, by="dtype")
    rise = octaves.loc["float32", lengths[-1]] - octaves.loc["float32", TRAINED]
    assert rise > 5
    assert (octaves.loc["bfloat16"] - octaves.loc["float32"]).abs().max() < 0.01 * rise


def test_the_dispersal_goes_on_ever_more_slowly_and_the_sink_stays_off(far):
    means = findings.long_inputs.means_by_length(findings.long_inputs.trial(far[0], "float32")).loc[TRAINED:]
    steps = means.diff().abs().iloc[1:]
    assert means.stable_rank.is_monotonic_increasing
    assert means.fsv_ratio.is_monotonic_decreasing
    assert steps.stable_rank.is_monotonic_decreasing
    assert steps.fsv_ratio.is_monotonic_decreasing
    off = 4 * TRAINED
    assert means.sink_attention.loc[off:].max() < 0.001
    assert means.sink_attention[TRAINED] > 0.2
    assert means.largest_score.idxmax() == off
    assert means.mean_cosine.idxmin() == 8 * TRAINED
    assert means.silhouette.iloc[-1] < 0.1


def test_facts_of_the_long_input_are_texts_of_its_tables(far):
    found = findings.long_inputs.facts(far[0])
    assert found["dispersal-far-off"] == "32,768"
    pairs = findings.long_inputs.trial(far[0], "float32")["pairs"].query("length == 131_072")
    assert found["dispersal-far-score-longest"] == f"{pairs.largest_score.mean():.1f}"
    assert "bfloat16" not in " ".join(found.values())
