"""The loss above its healthy value, beside the geometry of the same inputs."""

import numpy as np
import pandas as pd
import pytest

from rope_lib.findings import excess
from rope_lib.findings.kept import kept


def test_healthy_losses_are_those_of_the_same_tokens_in_the_declared_length():
    same = kept("same_tokens")[0]["losses"]
    found = excess.healthy(same, 8_192, [10_240, 12_288, 16_384])
    assert list(found) == [10_240, 12_288]  # the last tokens of the third were not read so
    last = same[(same.context == 8_192) & same["first"].between(9_728, 10_239)]
    assert (len(last), found[10_240]) == (4, pytest.approx(last.nll.mean()))


def test_points_keep_the_order_of_their_spectra_and_lengths():
    tables, _ = kept("interventions")
    lengths = sorted(tables["keys"].length.unique())[1:]
    healthy = dict.fromkeys(lengths, 2.0)
    points = excess.excess_losses(tables, ["yarn", "hope", "unchanged"], healthy, {})
    assert points.intervention.tolist() == np.repeat(["yarn", "hope", "unchanged"], len(lengths)).tolist()
    assert points.length.tolist() == lengths * 3
    np.testing.assert_allclose(points.excess, points.loss - 2.0)
    assert excess.correlations(points).loc["sink_attention", "all"] < -0.5


def test_facts_are_texts_of_the_points():
    columns = {"stable_rank": [1.0, 2.0, 3.0], "silhouette": [3.0, 2.0, 1.0], "length": 10_240}
    points = pd.DataFrame(
        columns | {"excess": [1.0, 2.0, 3.0], "intervention": ["unchanged", "yarn", "hope"]}
    )
    points["sink_attention"] = [0.3, 0.1, 0.2]
    found = excess.facts(points)
    assert (found["meets-stable-rank"], found["meets-silhouette-without"]) == ("+1.00", "−1.00")
    assert (found["meets-points"], found["meets-point-spectra"], found["meets-point-lengths"]) == (
        "3",
        "3",
        "1",
    )
