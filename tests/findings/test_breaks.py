"""Where a model breaks, and the numbers of its chapter, against losses whose bins are known."""

import numpy as np
import pandas as pd
import pytest
from small_tables import losses_of

from rope_lib.findings import breaks
from rope_lib.theory.oscillators import frequencies


@pytest.mark.parametrize(
    ("bins", "expected"),
    [
        ([2, 3, 2, 3, 4, 5, 4, 5], 16),  # leaves at the trained length
        ([2, 3, 2, 3, 3, 2, 4, 5], 24),  # holds for two more bins
        ([2, 3, 2, 3, 9, 2, 3, 2], None),  # an excursion
        ([2, 3, 2, 3, 9, 9, 9, 3], None),  # back in the end
        ([2, 3, 2, 3, 2, 2, 2, np.nan], 28),  # no number is no loss within the band
        ([2, 3, 2, 3], None),  # nothing beyond was measured
    ],
)
def test_the_break_point_is_where_the_loss_leaves_its_band_for_good(bins, expected):
    table = losses_of(np.array(bins, dtype=float), 4)
    assert breaks.break_point(table, 16, size=4) == expected
    assert breaks.trained_band(table, 16, size=4) == (2, 3)


def test_bins_are_full_and_a_bin_across_the_trained_length_is_not_within_it():
    table = losses_of(np.array([2.0, 2, 9, 9]), 4)
    assert breaks.binned(table[:-1], 4).index.tolist() == [0, 4, 8]
    assert breaks.trained_band(table, 10, size=4) == (2, 2)
    with pytest.raises(ValueError, match="trained must hold a bin of 4 measured tokens, got 3"):
        breaks.trained_band(table, 3, size=4)


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
    found = breaks.breaks(losses, 512)
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


# The numbers of the chapter


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
