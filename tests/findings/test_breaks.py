"""The numbers of the chapter on the trained length, against tables whose answers are known by hand."""

import numpy as np
import pandas as pd
import pytest

from rope_lib.findings import breaks
from rope_lib.theory.oscillators import frequencies

MODEL = {"trained": 1_024, "head_dim": 64, "base": 10_000}


@pytest.fixture
def losses():
    position = np.arange(1, 2_048)
    return pd.DataFrame({"position": position, "nll": np.where(position < 1_280, 2.0, 5.0)})


@pytest.fixture
def summary():
    return pd.DataFrame(
        {
            "length": [512, 1_024, 2_048],
            "nll_last": [2.0, 2.0, 5.0],
            "key_stable_rank_post": [1.5, 2.0, 3.0],
            "sink_attention": [0.3, 0.3, 0.05],
        }
    )


def test_the_facts_say_where_the_loss_leaves_its_band(losses, summary):
    facts = breaks.facts(losses, summary, **MODEL)
    assert (facts["break-point"], facts["break-point-ratio"]) == ("1,280", "1.25")
    assert (facts["break-inside"], facts["break-beyond"]) == ("1,024", "2,048")
    assert (facts["break-rank-short"], facts["break-rank-inside"]) == ("1.50", "2.00")
    assert facts["break-sink-drop"] == "6"


def test_the_pairs_that_turned_are_those_with_a_period_within_training(losses, summary):
    facts = breaks.facts(losses, summary, **MODEL)
    turned = np.sum(2 * np.pi / frequencies(MODEL["base"], MODEL["head_dim"]) <= MODEL["trained"])
    assert (facts["break-turned"], facts["break-unturned"]) == (f"{turned}", f"{32 - turned}")


def test_losses_without_a_break_are_refused(losses, summary):
    with pytest.raises(ValueError, match=r"losses must leave the band of the trained length, 1,024 tokens"):
        breaks.facts(losses.assign(nll=2.0), summary, **MODEL)
