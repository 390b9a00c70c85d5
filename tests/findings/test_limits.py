"""Bounds against breaks: each limit against the theory, and errors against plain counts."""

import numpy as np
import pandas as pd
import pytest

from rope_lib import findings
from rope_lib.findings.kept import kept
from rope_lib.theory.bounds import max_context
from rope_lib.theory.oscillators import frequencies

BASE, HEAD_DIM, LAYERS, TRAINED, EPSILON = 1e5, 64, 30, 8_192, 0.95


@pytest.fixture
def limits():
    shipped = np.array(frequencies(BASE, HEAD_DIM))
    spectra = {"unchanged": shipped, "linear": shipped / 2, "hope": np.where(shipped > 1e-3, shipped, 0)}
    return findings.limits.limits(
        spectra, base=BASE, trained=TRAINED, head_dim=HEAD_DIM, layers=LAYERS, epsilon=EPSILON
    )


def test_limits_are_those_of_the_effective_base(limits):
    assert limits["A3, DC stability"]["unchanged"] == pytest.approx(float(max_context(BASE, EPSILON)))
    deep = float(max_context(BASE, EPSILON, layers=LAYERS))
    assert limits["A4, depth"]["unchanged"] == pytest.approx(deep)
    for bound in ("A2, aliasing", "A3, DC stability", "A4, depth"):
        assert limits[bound]["linear"] == pytest.approx(2 * limits[bound]["unchanged"])
    assert limits["seen angles"].tolist() == [TRAINED, 2 * TRAINED, np.inf]
    assert limits["Liu et al."].notna().tolist() == [True, False, False]


def test_errors_are_counted_among_what_works_and_what_is_broken_apart():
    first = np.arange(0, 10, 2)
    losses = pd.DataFrame({"intervention": "one", "first": first, "nll": 0.0})
    broken = pd.DataFrame({"shipped": [6.0]}, index=["one"])
    allowed = pd.DataFrame({"early": [4.0], "late": [np.inf], "silent": [np.nan]}, index=["one"])
    found = findings.limits.errors(allowed, broken, losses, trained=2)
    # Beyond 2 tokens the bins at 2 and 4 work, those at 6 and 8 are broken.
    assert found.loc["early"].to_dict() == {False: 0.5, True: 0.0, "mean": 0.25}
    assert found.loc["late"].to_dict() == {False: 0.0, True: 1.0, "mean": 0.5}
    assert list(found.index) == ["early", "late"]


def test_points_keep_the_order_of_their_spectra_and_lengths():
    tables, _ = kept("interventions")
    lengths = sorted(tables["keys"].length.unique())[1:]
    healthy = dict.fromkeys(lengths, 2.0)
    points = findings.limits.excess_losses(tables, ["yarn", "hope", "unchanged"], healthy, {})
    assert points.intervention.tolist() == np.repeat(["yarn", "hope", "unchanged"], len(lengths)).tolist()
    assert points.length.tolist() == lengths * 3
    np.testing.assert_allclose(points.excess, points.loss - 2.0)
    assert findings.limits.correlations(points).loc["sink_attention", "all"] < -0.5


def test_facts_are_texts_of_the_tables(limits):
    broken = pd.DataFrame(
        {"band": [2.5, 4.0, 9.0], "own": [10_240.0, np.nan, np.nan], "shipped": [10_240.0, 8_192, 8_192]},
        index=limits.index,
    )
    broken.loc["yarn"] = [2.6, np.nan, np.nan]
    wrong = pd.DataFrame({"mean": [0.25, 0.5, 0.125]}, index=["A4, depth", "A3, DC stability", "seen angles"])
    columns = {"stable_rank": [1.0, 2.0, 3.0], "silhouette": [3.0, 2.0, 1.0], "sink_attention": 0.1}
    points = pd.DataFrame(
        columns | {"excess": [1.0, 2.0, 3.0], "intervention": ["unchanged", "yarn", "hope"]}
    )
    points["sink_attention"] = [0.3, 0.1, 0.2]
    found = findings.limits.facts(limits, broken, wrong, points, TRAINED)
    assert (found["meets-break"], found["meets-break-ratio"]) == ("10,240", "1.25")
    assert (found["meets-band-yarn"], found["meets-band-hope"]) == ("2.60", "9.00")
    assert (found["meets-errors-depth"], found["meets-errors-seen-angles"]) == ("25%", "12%")
    assert (found["meets-stable-rank"], found["meets-silhouette-without"]) == ("+1.00", "−1.00")
    assert found["meets-spectra"] == "3"
