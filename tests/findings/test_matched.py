"""Matched and unmatched pairs: what is found in tables whose answer is known, made by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest

from rope_lib.findings import matched

TEXTS = ("one", "two", "three")
LENGTHS = (100, 200, 400)
DECLARED = 200
NAMES = ("byte RoPE", "byte RoPE-ID")


def rows(model, **columns):
    """A row for each text and head of a model, heads 0 to 4 of layer 0; the last is no match head."""
    found = [
        {"model": model, "text": text, "declared": DECLARED, "layer": 0, "head": head} | columns
        for text, head in itertools.product(TEXTS, range(5))
    ]
    return pd.DataFrame(found)


def pairs(model):
    """Matched pairs at 90° and 1 above the sink, unmatched at 120° and 4 below, at every length."""
    found = []
    for kind, pair, length in itertools.product(
        ("induction", "induction near", "previous", "argmax"), ("matched", "unmatched"), LENGTHS
    ):
        match = pair == "matched"
        shift = {"one": -0.1, "two": 0.0, "three": 0.1}
        table = rows(model, kind=kind, pair=pair, length=length, context=length, sink=0.5, above=float(match))
        table["score"] = (1.5 if match else -3.5) + table.text.map(shift)
        table["cosine_post"] = 0.0 if match else -0.5
        found.append(table)
    return pd.concat(found)


def keys(model):
    """Unmatched keys that rise by 1 a doubling, of which more keys make half; a sink that wins up to 200."""
    found = []
    for length, context in [(100, 100), (200, 100), (200, 200), (400, 100), (400, 400)]:
        grown = np.log2(context / 100)
        table = rows(model, length=length, context=context, sink_score=0.0, sink_attention=0.8)
        table["top"] = -1.5 + grown + table.text.map({"one": -0.1, "two": 0.0, "three": 0.1}) * grown
        table["top_same"], table["top_drawn"] = table.top - grown, table.top - grown / 2
        table["unmatched_attention"] = 0.1
        table["unmatched_score"] = -0.5 if context <= DECLARED else 0.5
        table["top_wins"] = 0.2 if context <= DECLARED else 0.9
        found.append(table)
    return pd.concat(found)


@pytest.fixture(scope="module")
def tables():
    heads = [rows(name) for name in NAMES]
    for table in heads:
        table["induction"] = np.where(table["head"] < 4, 0.9, 0.1)
        table["previous"] = 0.0
    return {
        "heads": pd.concat(heads, ignore_index=True),
        "pairs": pd.concat(map(pairs, NAMES), ignore_index=True),
        "keys": pd.concat(map(keys, NAMES), ignore_index=True),
        "moved": pd.concat(map(pairs, NAMES), ignore_index=True),
    }


def test_a_match_head_is_told_by_its_share_alone(tables):
    found = matched.match_heads(tables["heads"])
    assert set(found.kind) == {"induction"}
    assert sorted(set(found["head"])) == [0, 1, 2, 3]


def test_what_is_left_out_changes_no_finding(tables):
    small = matched.condensed(tables)
    # Of four kinds one is of previous pairs, by which no head matches; head 4 keeps its argmax only.
    assert len(small["pairs"]) == len(tables["pairs"]) * (4 * 4 + 2 * 5) / (8 * 5)
    assert matched.inside(small) == matched.inside(tables)
    assert matched.past_declared(small) == matched.past_declared(tables)
    assert matched.facts(small) == matched.facts(tables)


def test_inside_finds_the_order_and_the_angles_that_were_made(tables):
    found = matched.inside(tables)["byte RoPE"]
    assert found["length"] == 200
    assert found["heads"] == 4
    assert found["angle"] == pytest.approx(90)
    assert found["angle_unmatched"] == pytest.approx(120)
    assert found["orthogonal"] == found["opposed"] == found["above"] == found["below"] == 1
    assert found["margin"] == pytest.approx(1)
    assert found["margin_unmatched"] == pytest.approx(-4)
    # Student's interval of three texts that differ by 0.1: 4.303 · 0.1 / √3.
    assert found["margin_low"] == pytest.approx(1 - 0.2484, abs=1e-4)


def test_a_model_with_few_match_heads_is_not_judged(tables):
    few = tables | {"heads": tables["heads"].assign(induction=lambda t: t.induction * (t["head"] < 3))}
    assert matched.inside(few) == {}


def test_the_rise_is_that_of_the_same_queries(tables):
    found = matched.past_declared(tables)["byte RoPE"]
    assert (found["inside"], found["beyond"], found["context"], found["heads"]) == (200, 400, 100, 5)
    assert found["rise"] == pytest.approx(2)
    assert found["rise_inside"] == pytest.approx(1)
    assert found["rise_same"] == pytest.approx(0)
    assert found["rise_drawn"] == pytest.approx(1)
    assert found["rise_low"] == pytest.approx(2 - 0.4969, abs=1e-4)
    assert found["outbid"] == found["turned"] == 1
    assert found["sink_change"] == 0


def test_a_claim_about_plain_rope_is_not_judged_by_rope_id(tables):
    assert set(matched.past_declared(tables)) == set(NAMES)
    assert set(matched.beyond(tables)) == {"byte RoPE"}


def test_a_head_whose_sink_is_outbid_inside_has_no_sink(tables):
    outbid = tables["keys"].assign(top_wins=lambda t: t.top_wins.where(t["head"] > 0, 0.6))
    assert matched.past_declared(tables | {"keys": outbid})["byte RoPE"]["heads"] == 4


def test_of_a_single_text_the_interval_is_unknown(tables):
    single = {name: table[table.text == "two"] for name, table in tables.items()}
    low = matched.past_declared(single)["byte RoPE"]["rise_low"]
    assert np.isnan(low)
    assert matched.facts(single)["matched-rope-rise"] == "+2.0"


def test_margins_by_length_have_a_row_for_every_kind(tables):
    found = matched.by_length(tables)
    assert set(found["where"]) == {"natural", "near", "argmax"}
    own = found[(found.model == "byte RoPE") & (found["where"] == "near") & (found.pair == "unmatched")]
    assert own.length.tolist() == list(LENGTHS)
    assert np.allclose(own.margin, -4)
    assert np.allclose(own.angle, 120)


def test_facts_name_the_model_that_they_are_of(tables):
    said = matched.facts(tables)
    assert said["matched-rope-natural-matched-200"] == "+1.0 (+0.8 to +1.2)"
    assert said["matched-rope-id-angle_unmatched"] == "120°"
    assert said["matched-rope-top_wins-400"] == "90%"
    assert said["matched-rope-beyond"] == "400"


def test_a_model_without_a_sink_is_not_judged_by_it(tables):
    none = tables | {"keys": tables["keys"].assign(top_wins=0.7)}
    assert matched.past_declared(none) == {}
    assert matched.facts(none)["matched-rope-sinks"] == "0"


def test_bids_are_means_over_all_heads(tables):
    found = matched.bids(tables).set_index(["model", "length", "measure"])["mean"]
    assert found["byte RoPE", 400, "top_wins"] == pytest.approx(0.9)
    assert found["byte RoPE", 400, "top_drawn"] == pytest.approx(1)
    assert ("byte RoPE", 100, "top") not in found.index


def test_a_gap_is_the_difference_text_by_text(tables):
    found = matched.gaps(tables)
    assert np.allclose(found.gap, 5)
    assert np.allclose(found.low, 5)  # the texts differ in both alike
