"""Banks weighed as heads weigh them."""

import numpy as np
import pandas as pd
import pytest

from rope_lib.findings.pair_weights import (
    by_head,
    by_kind,
    effective_pairs,
    every_bank,
    facts,
    facts_of_kinds,
    over_texts,
    returns,
    reversals,
    weight_by_turns,
)

FREQS = np.array([1.0, 0.01, 0.001])
PERIOD = round(2 * np.pi / 0.001)


def weights(*rows):
    heads = np.repeat(np.arange(len(rows)), 3)
    columns = {"layer": 0, "head": heads, "pair": np.tile(np.arange(3), len(rows)), "weight": np.ravel(rows)}
    return pd.DataFrame(columns)


def test_a_head_on_the_slowest_pair_returns_at_the_horizon_and_one_on_a_faster_pair_before_it():
    found = returns(weights([0, 0, 1], [0, 1, 0], [0.4, 0.3, 0.3]), FREQS, PERIOD + 100)
    slow, fast, mixed = found.itertuples()
    assert slow.at_horizon == pytest.approx(1, abs=1e-6)
    assert (slow.own_period, fast.own_period) == pytest.approx((2 * np.pi / 0.001, 2 * np.pi / 0.01))
    assert (slow.at_own_period, fast.at_own_period) == pytest.approx((1, 1), abs=1e-4)
    assert fast.nearest == pytest.approx(1, abs=1e-4)
    assert mixed.nearest < 1


def test_a_bank_that_is_never_negative_has_no_return():
    found = returns(weights([0.9, 0.1, 0]), np.array([0.0, 0.01, 0.001]), PERIOD)
    assert np.isnan(found.nearest).all()


def test_a_search_that_ends_before_the_horizon_is_refused():
    with pytest.raises(ValueError, match=f"stop must be at least {PERIOD}"):
        returns(weights([0, 0, 1]), FREQS, PERIOD - 1)


def test_the_effective_number_counts_shared_weight():
    assert effective_pairs(weights([1, 0, 0], [1 / 3] * 3)).tolist() == pytest.approx([1, 3])


def test_reversals_follow_one_margin():
    index = pd.MultiIndex.from_tuples(
        [(0, 0, 0, "winner"), (0, 0, 0, "other")], names=["layer", "head", "draw", "key"]
    )
    drawn = pd.DataFrame([[0j, 0j, 2.0 + 0j], [0j, 0j, 1.0 + 0j]], index=index)
    found = reversals(drawn, FREQS, [100, PERIOD], 0.5)
    assert found.reversed.tolist() == pytest.approx([0, 0.5], abs=1e-3)
    assert found["noise"].iloc[0] == 0


def test_the_facts_are_texts_of_the_tables():
    table = weights([0.2, 0.1, 0.7], [0.1, 0.8, 0.1])
    banks = returns(table, FREQS, PERIOD)
    turned = pd.DataFrame({"window": [8, 8], "reversed": [0.25, 0.75], "noise": [0.1, 0.3], "step": 0.1})
    found = facts(table, banks, turned, FREQS, trained=1_000)
    assert found["heads-unturned"] == "1"
    assert found["heads-unturned-weight"] == "40 %"
    assert found["heads-reversed-8"] == "50 %"
    assert found["heads-heaviest"] == "1 and 2"
    assert by_head(table).shape == (2, 3)


def two_texts():
    """One model of two layers, a full one and one with a window, a head in each, on two texts."""
    rows = {"full": [0.0, 0.0, 1.0], "window": [0.5, 0.5, 0.0]}
    layers = pd.DataFrame(
        {"model": "m", "layer": [0, 1], "kind": list(rows), "base": 700.0, "pairs": 3, "reach": [100, 20]}
    )
    parts = [
        weights(row).assign(model="m", text=text, layer=layer)
        for layer, row in enumerate(rows.values())
        for text in ("prose", "code")
    ]
    return {"weights": pd.concat(parts), "layers": layers}


def test_banks_are_told_apart_by_kind_and_text():
    banks = every_bank(two_texts())
    assert banks.groupby(["kind", "text"]).size().tolist() == [1, 1, 1, 1]
    full, window = banks[banks.kind == "full"].iloc[0], banks[banks.kind == "window"].iloc[0]
    periods = 2 * np.pi * 700 ** (np.arange(3) / 3)
    assert (full.effective, window.effective) == pytest.approx((1, 2))
    assert (full.turns, window.turns) == pytest.approx((100 / periods[2], 20 / periods[0]))
    assert (full.unturned, window.unturned) == pytest.approx((1, 0.5))
    assert full.at_horizon == pytest.approx(1, abs=1e-3)
    assert window.at_horizon < 0.9


def test_kinds_are_summed_up_over_texts():
    kinds = by_kind(every_bank(two_texts()))
    assert kinds.loc[("full", "prose"), ["heads", "half"]].tolist() == [1, 1]
    assert kinds.loc[("window", "code"), "half"] in (0, 1)
    assert over_texts(kinds)["full"]["effective"] == pytest.approx((1, 1, 1))


def test_weight_is_shared_out_by_turns_within_what_a_layer_sees():
    tables = two_texts()
    shares = weight_by_turns(tables)
    assert shares.groupby("kind").weight.sum().tolist() == pytest.approx([1, 1])
    slow = 100 / (2 * np.pi * 700 ** (2 / 3))  # turns of the pair that the full layer weighs
    heaviest = shares[shares.kind == "full"].set_index("turns").weight.idxmax()
    assert heaviest <= slow < 2 * heaviest
    found = facts_of_kinds(tables)
    assert (found["heads-models"], found["heads-texts"], found["heads-kinds"]) == ("1", "2", "2")
    assert found["heads-turns-least"] == f"{slow:.2f}"
