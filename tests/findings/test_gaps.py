"""What losses with a gap in the positions say of windows."""

import itertools

import numpy as np
import pandas as pd
import pytest

from rope_lib.findings import gaps

DECLARED = {"SmolLM2-135M": 8_192, "Gemma 3 270M": 32_768}


def losses(smollm2, gemma, spread=0.001):
    """Losses of 2 nats without a gap, and so much more with one of four declared lengths, on three texts."""
    rows = []
    for (model, rise), (number, text) in itertools.product(
        zip(DECLARED, (smollm2, gemma), strict=True), enumerate("abc")
    ):
        for gap, more in ((0, 0.0), (4 * DECLARED[model], rise), (np.nan, 0.5)):
            nll = 2 + number + more * (1 + spread * number)
            rows.append({"model": model, "text": text, "gap": gap, "nll": nll, "sink_attention": 0.3})
    return pd.DataFrame(rows)


def test_a_rise_is_over_the_loss_without_a_gap():
    found = gaps.by_gap(losses(2.0, 0.2)).xs("rise", level="quantity").droplevel("kind")
    assert found.loc[("SmolLM2-135M", 4.0), "mean"] == pytest.approx(2.002)
    assert found.loc[("Gemma 3 270M", 0.0), "mean"] == 0
    assert gaps.forgotten(losses(2.0, 0.2)).loc["Gemma 3 270M", "mean"] == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize(
    ("rises", "spread", "expected"),
    [
        ((2.0, 0.05), 0.001, "spared"),
        ((2.0, -0.05), 0.001, "spared"),
        ((2.0, 0.5), 0.001, "spared a part"),
        ((2.0, 1.9), 0.5, "not spared"),  # the texts differ by more than the models
        ((1.0, 3.0), 0.001, "not spared"),
    ],
)
def test_the_rule_can_come_out_every_way(rises, spread, expected):
    assert gaps.outcome(gaps.by_gap(losses(*rises, spread))) == expected


def test_facts_hold_the_numbers_of_both_models():
    found = gaps.facts(losses(2.0, 0.5))
    assert found["gaps-outcome"] == "spared a part"
    assert found["gaps-factor"] == "4"
    assert found["gaps-gemma-rise"] == "0.50 (0.50 to 0.50)"
    assert found["gaps-smollm2-sink"] == "0.30 (0.30 to 0.30)"
