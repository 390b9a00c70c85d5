"""The rule on the forecast of dispersal: it can come out every way."""

import numpy as np
import pandas as pd
import pytest

from rope_lib.findings.forecast import (
    HOLDS,
    IN_PART,
    REFUTED,
    by_layer,
    errors_at,
    measured_keys,
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
    (row,) = errors_at(table).to_dict("records")
    assert (row["model"], row["layers"], row["text"]) == ("one", "full", "prose")
    assert row["forecast"] == pytest.approx((0.05 + 0.1) / 2)
    assert row["no change"] == pytest.approx((0.2 + 1.4 / 3) / 2)
    assert row["trend"] == pytest.approx(1 / 6)
    assert errors_at(table, 1).forecast.item() == pytest.approx((0.2 + 1.4 / 3) / 2)
    assert errors_at(table, 2).empty


def test_layers_show_what_a_query_sees():
    keys = pd.DataFrame(
        {"layer": [0, 0, 0, 0, 1, 1], "head": [0, 1, 0, 1, 0, 0], "length": [8, 8, 4, 4, 8, 4]}
    )
    keys = keys.assign(window=[4.0] * 4 + [np.nan] * 2, stable_rank=[9.0, 9.0, 2.0, 3.0, 5.0, 1.0])
    found = by_layer(keys, 8)
    assert found["keys"].tolist() == [4, 8]
    assert found.stable_rank.tolist() == [2.5, 5.0]
