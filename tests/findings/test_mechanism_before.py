"""The earlier interventions: bands on a small table, and what the kept tables say."""

import pandas as pd
import pytest

from rope_lib.findings import mechanism_before
from rope_lib.findings.kept import kept


def test_a_spectrum_is_judged_against_its_own_band():
    rows = [
        {"intervention": name, "first": first, "nll": loss}
        for name, (inside, beyond) in {"clipped": (2, 2), "unchanged": (2, 7), "own": (4, 4.5)}.items()
        for first, loss in [(512, inside), (896, inside), (1_408, beyond), (1_536, beyond), (1_920, beyond)]
    ]
    bands = mechanism_before.own_bands({"losses": pd.DataFrame(rows)}, 1_024, 2_048)
    assert bands.loc["unchanged"].tolist() == [0, 5, 5]
    assert bands.loc["own"].tolist() == [2, 2.5, 0.5]


@pytest.fixture(scope="module")
def results():
    return kept("interventions")[0], kept("long_input")[0]


def test_curves_far_out_end_together(results):
    found = mechanism_before.far_curves(results[1])
    assert list(found) == ["unchanged", "clipped", "cluster", "sink"]
    assert len({curve.index[-1] for curve in found.values()}) == 1
    assert found["clipped"].iloc[-1] < 3 < found["unchanged"].iloc[-1]


def test_slow_pairs_at_rest_rise_little_above_their_own_band(results):
    bands = mechanism_before.own_bands(results[0], 8_192, 16_384)
    assert bands.inside["hope"] > 2
    assert bands.rise["hope"] < 0.5 < bands.rise["unchanged"]
    assert mechanism_before.facts(*results)["before-hope-rise"].startswith("+0.")
