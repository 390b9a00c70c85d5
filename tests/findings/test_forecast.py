"""The rule on the forecast of dispersal: it can come out every way."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_tables import random_table, small_geometry

from rope_lib.findings import forecast
from rope_lib.findings.forecast import (
    HOLDS,
    IN_PART,
    REFUTED,
    by_layer,
    errors_by_text,
    measured_keys,
    of_the_rule,
    scored,
    verdict,
)


def errors(**models):
    """A table of errors: for each model the error of the forecast and of both rivals on three texts."""
    return pd.DataFrame(
        [
            {"model": model, "layers": "full", "text": text}
            | dict(zip(("forecast", "no change", "trend"), (each + change for each in found), strict=True))
            for model, found in models.items()
            for text, change in (("one", -0.001), ("two", 0.0), ("three", 0.001))
        ]
    )


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ({"one": (0.05, 0.4, 0.3), "two": (0.1, 0.3, 0.2)}, HOLDS),
        ({"one": (0.05, 0.4, 0.3), "two": (0.2, 0.3, 0.25)}, REFUTED),
        ({"one": (0.05, 0.4, 0.3), "two": (0.149, 0.3, 0.25)}, IN_PART),  # 15 % lies within its interval
        ({"one": (0.05, 0.4, 0.3), "two": (0.04, 0.02, 0.3)}, IN_PART),  # nothing changes, and that is better
        ({"one": (0.05, 0.4, 0.04)}, IN_PART),
    ],
)
def test_the_rule_can_come_out_every_way(models, expected):
    found, intervals = verdict(errors(**models))
    assert found == expected
    assert intervals.error["one", "full"] == pytest.approx(models["one"][0])


def test_layers_with_a_window_count_apart():
    one, other = errors(model=(0.05, 0.4, 0.3)), errors(model=(0.3, 0.4, 0.35)).assign(layers="window")
    assert verdict(one)[0] == HOLDS
    assert verdict(pd.concat([one, other]))[0] == REFUTED


INDEX = {"model": "one", "text": "prose", "layer": 0}


def heads_table():
    """`Sweep.heads` of one model on one text: two key heads, one query head, two lengths."""
    rows = []
    for length in (256, 4_096):
        for head in (0, 1):
            for stage, rank, value in (("pre", 1.25, 20.0), ("post", 2.0 + head, 15.0 - head)):
                rows.append(
                    INDEX
                    | {"length": length, "head": head, "role": "key", "stage": stage, "stable_rank": rank}
                    | {"first_singular_value": value, "mean_cosine": 0.5, "window": np.nan}
                )
        rows.append(rows[-1] | {"role": "query", "head": 0})
    return pd.DataFrame(rows)


def kept_keys():
    now = {"stable_rank_now": 1.6, "fsv_ratio_now": 0.9, "mean_cosine_now": 0.6, "stable_rank_half": 1.5}
    return pd.DataFrame(
        [
            INDEX
            | {"read": 256, "length": length, "head": head, "window": np.nan, "stable_rank": rank}
            | {"fsv_ratio": 0.8, "mean_cosine": 0.4}
            | now
            for length, ranks in ((256, (1.6, 1.6)), (4_096, (2.1, 2.7)))
            for head, rank in enumerate(ranks)
        ]
    )


def test_what_was_measured_is_of_keys_after_the_rotation():
    found = measured_keys(heads_table())
    assert found["head"].tolist() == [0, 1, 0, 1]
    assert found.stable_rank.tolist() == [2.0, 3.0, 2.0, 3.0]
    assert found.fsv_ratio.tolist() == pytest.approx([0.75, 0.7] * 2)
    assert set(found.rank_before) == {1.25}


def test_forecasts_stand_beside_what_was_measured():
    table = scored(kept_keys(), measured_keys(heads_table()))
    long = table[table.length == 4_096].set_index("head")
    assert long.measured.tolist() == [2.0, 3.0]
    assert long.forecast.tolist() == [2.1, 2.7]
    assert long["no change"].tolist() == [1.6, 1.6]
    assert long.trend.tolist() == pytest.approx([2.0, 2.0])  # four doublings of 0.1 each
    assert long.drift.tolist() == pytest.approx([1.25 / (1.6 * 0.81) - 1] * 2)
    assert set(long.layers) == {"full"}


def test_errors_are_medians_over_heads():
    table = scored(kept_keys(), measured_keys(heads_table()))
    (row,) = errors_by_text(of_the_rule(table)).to_dict("records")
    assert (row["model"], row["layers"], row["text"]) == ("one", "full", "prose")
    assert row["forecast"] == pytest.approx((0.05 + 0.1) / 2)
    assert row["no change"] == pytest.approx((0.2 + 1.4 / 3) / 2)
    assert row["trend"] == pytest.approx(1 / 6)
    now = errors_by_text(table[table.length == table.read])
    assert now.forecast.item() == pytest.approx((0.2 + 1.4 / 3) / 2)


def test_layers_show_what_a_query_sees():
    keys = pd.DataFrame(
        {"layer": [0, 0, 0, 0, 1, 1], "head": [0, 1, 0, 1, 0, 0], "length": [8, 8, 4, 4, 8, 4]}
    )
    keys = keys.assign(window=[4.0] * 4 + [np.nan] * 2, stable_rank=[9.0, 9.0, 2.0, 3.0, 5.0, 1.0])
    found = by_layer(keys, 8)
    assert found["keys"].tolist() == [4, 8]
    assert found.stable_rank.tolist() == [2.5, 5.0]


MODELS, TEXTS = ("byte RoPE", "byte RoPE-ID"), ("one", "two")


@pytest.fixture
def geometry():
    return small_geometry(np.random.default_rng(0), MODELS, TEXTS)["heads"]


@pytest.fixture
def forecasts():
    """Forecasts from 64 and 128 tokens, and from all of the long input: layer 1 has a window."""
    columns = [
        "stable_rank",
        "fsv_ratio",
        "mean_cosine",
        "stable_rank_now",
        "fsv_ratio_now",
        "stable_rank_half",
    ]
    where = {"model": MODELS, "text": TEXTS, "read": (64, 128, 1_024), "length": (64, 128, 512, 1_024)}
    table = random_table(np.random.default_rng(1), columns, **where, layer=(0, 1), head=(0,))
    return table[table.length >= table.read].assign(
        window=np.where(table.layer == 1, 64.0, np.nan)[table.length >= table.read]
    )


def test_the_rule_is_on_the_longest_input(forecasts, geometry):
    table = scored(forecasts, measured_keys(geometry))
    assert set(table.layers) == {"full", "window"}
    rule = forecast.of_the_rule(table)
    assert set(zip(rule.read, rule.length, strict=True)) == {(64, 1_024)}
    assert len(errors_by_text(rule)) == len(MODELS) * len(TEXTS) * 2
    read = forecast.by_tokens_read(table)
    own = rule[(rule.model == "byte RoPE") & (rule.layers == "full")]
    assert read.loc[("byte RoPE", "full"), 64] == pytest.approx(
        (own.forecast / own.measured - 1).abs().mean()
    )
    assert list(read.columns) == [64, 128, 1_024]


def test_a_model_outside_the_rule_is_scored_and_in_no_verdict(forecasts, geometry):
    (added,) = forecast.ADDED
    names = {"byte RoPE-ID": added}
    table = scored(forecasts.replace({"model": names}), measured_keys(geometry.replace({"model": names})))
    assert set(forecast.sixteenfold(table).model) == {"byte RoPE", added}
    assert set(forecast.of_the_rule(table).model) == {"byte RoPE"}
    facts = forecast._facts_of_the_added(table)
    errors = errors_by_text(forecast.sixteenfold(table)).query("model == @added and layers == 'window'")
    assert facts["added-window"] == f"{errors.forecast.mean():.1%}"
    assert facts["added-window-no-change"] == f"{errors['no change'].mean():.1%}"


def test_means_by_length_have_an_interval_between_texts(forecasts, geometry):
    table = scored(forecasts, measured_keys(geometry)).query("read == 64 and layers == 'full'")
    found = forecast.by_length(table[table.model == "byte RoPE"], "measured")
    one, two = table.query("model == 'byte RoPE' and length == 512").sort_values("text").measured
    assert found.middle[512] == pytest.approx((one + two) / 2)
    assert found.low[512] < min(one, two)
    assert max(one, two) < found.high[512]
    only = forecast.by_length(table[(table.model == "byte RoPE") & (table.text == "one")], "measured")
    assert only.loc[512].tolist() == pytest.approx([one] * 3)


def test_a_forecast_from_one_text_is_held_against_the_others(forecasts, geometry):
    measured = measured_keys(geometry)
    found = forecast.of_other_texts(forecasts, measured)
    rank = forecasts.query("read == 64 and length == 1024 and layer == 0 and model == 'byte RoPE'").set_index(
        "text"
    )
    seen = measured.query("length == 1024 and layer == 0 and model == 'byte RoPE'").set_index("text")
    errors = [abs(rank.stable_rank[a] / seen.stable_rank[b] - 1) for a, b in (("one", "two"), ("two", "one"))]
    assert found["byte RoPE", "full"] == pytest.approx(np.mean(errors))


def test_errors_of_heads_go_with_the_drift_of_their_keys(forecasts, geometry):
    rule = forecast.of_the_rule(scored(forecasts, measured_keys(geometry)))
    found = forecast.of_heads(
        rule.assign(forecast=1.0, measured=[1.0, 1.1, 1.2, 1.3] * 2, drift=[0, 1, 2, 3] * 2)
    )
    assert found.with_drift.tolist() == pytest.approx([1.0] * 4)
    assert found.large.tolist() == pytest.approx([0.5, 0.5] * 2)


def test_the_far_input_is_read_as_the_others_are(geometry):
    own = geometry.query("model == 'byte RoPE' and text == 'one' and role == 'key'")
    heads = ["length", "layer", "head"]
    before = own.query("stage == 'pre'")[[*heads, "first_singular_value", "stable_rank"]]
    after = own.query("stage == 'post'")
    keys = after.merge(before, on=heads, suffixes=("", "_pre"))
    found = forecast.measured_far(keys, "one", "prose")
    assert found.fsv_ratio.tolist() == (keys.first_singular_value / keys.first_singular_value_pre).tolist()
    # The sum of all squares is the same before and after.
    squares = found.rank_before * keys.first_singular_value_pre**2
    assert squares.tolist() == pytest.approx((keys.stable_rank * keys.first_singular_value**2).tolist())


def test_silhouettes_are_of_one_model_and_text():
    pairs = pd.DataFrame({"model": "one", "text": ["prose", "verse"], "length": 64, "layer": 0, "head": 1})
    measured = pd.DataFrame({"length": [64, 128], "layer": 0, "head": 1, "silhouette": [0.25, 0.5]})
    found = forecast.silhouettes(pairs.assign(silhouette=[0.75, 1.0]), measured, "one", "prose")
    assert found.to_dict("list") == {
        "length": [64], "layer": [0], "head": [1], "silhouette": [0.75], "silhouette_measured": [0.25],
    }  # fmt: skip


def test_the_typical_head_has_the_middle_rank():
    where = {"length": (64, 128), "layer": (0, 1, 2), "head": (0,), "stage": ("pre", "post")}
    heads = random_table(np.random.default_rng(0), ["stable_rank"], **where, role=("key", "query"))
    clouds = random_table(np.random.default_rng(0), ["x", "y"], **where, position=(0, 9))
    found = forecast.typical_head(SimpleNamespace(heads=heads, clouds=clouds), 64, 128)
    ranks = heads.query("role == 'key' and stage == 'post' and length == 128").set_index("layer").stable_rank
    assert set(found.layer) == {ranks.index[ranks == ranks.median()].item()}
    assert len(found) == 2 * 2 * 2
    assert set(found.query("length == 128 and stage == 'post'").stable_rank) == {ranks.median()}


def test_facts_are_texts_of_what_the_tables_hold(forecasts, geometry):
    table = scored(forecasts, measured_keys(geometry))
    far = table.query("model == 'byte RoPE' and text == 'one' and read == 64 and layers == 'full'")
    ends = pd.DataFrame({"length": [1_024], "silhouette": [0.25], "silhouette_measured": [0.125]})
    found = forecast.facts(forecasts, geometry, far, ends)
    assert found["forecast-verdict"] == verdict(errors_by_text(of_the_rule(table)))[0]
    assert [found[f"forecast-{name}"] for name in ("texts-least", "texts-most", "models")] == ["2", "2", "2"]
    assert (found["forecast-far-read"], found["forecast-far-length"]) == ("64", "1,024")
    assert found["forecast-far-silhouette"] == "0.25"
    assert found["forecast-own-models"] == "byte RoPE and byte RoPE-ID"
    assert "-" not in found["forecast-drift-low"]
