"""What length does to clouds: summaries of small tables against plain computations, and the closed form."""

import numpy as np
import pandas as pd
import pytest
from small_tables import small_geometry, small_sweep

from rope_lib import findings
from rope_lib.theory.oscillators import rotate

LENGTHS, TRAINED = (64, 128, 256), 128


@pytest.fixture
def sweep():
    return small_sweep(np.random.default_rng(0), LENGTHS)


def test_ratios_by_length_are_those_of_rotated_clouds():
    inv_freq, v = np.array([1.0, 0.01]), np.array([[0.6, 0.0, 0.0, 0.8], [1.0, 2.0, 3.0, 4.0]])
    found = findings.dispersal.ratios_by_length(v, inv_freq, [5, 50])
    for length, row in zip([5, 50], found, strict=True):
        for direction, ratio in zip(v, row, strict=True):
            cloud = np.outer(np.ones(length), direction)
            rotated = rotate(cloud, np.arange(length), inv_freq, "half_split")
            assert ratio == pytest.approx(np.linalg.norm(rotated, 2) / np.linalg.norm(cloud, 2))


def test_only_heads_with_a_sink_are_compared(sweep):
    queries = sweep.queries
    queries.loc[queries["head"] == 1, "sink_score"] = 2.0  # above every other score
    queries.loc[queries["head"] == 0, "sink_score"] = 0.0
    lost = findings.dispersal.overlap_and_sink(sweep, TRAINED)
    assert lost.index.tolist() == [(0, 1), (1, 1)]
    own = queries[(queries.layer == 1) & (queries["head"] == 1)].set_index("position").sink_attention
    assert lost["sink"][1, 1] == pytest.approx(1 - own.loc[192:].mean() / own.loc[64:127].mean())
    rows = sweep.pairs.query("layer == 1 and head == 1 and stage == 'post'").set_index("length")
    assert lost.silhouette[1, 1] == pytest.approx(rows.silhouette[128] - rows.silhouette[256])


def test_best_keys_say_how_far_back(sweep):
    found = findings.dispersal.farther_half(sweep, 256)
    back = sweep.queries.query("position >= 192").largest_distance
    assert found == np.mean([distance > 128 for distance in back])


def test_facts_are_texts_of_what_the_tables_hold(sweep):
    found = findings.dispersal.facts(sweep, TRAINED)
    assert found["dispersal-longest"] == "256"
    assert found["dispersal-sink-heads"] == f"{len(findings.dispersal.overlap_and_sink(sweep, TRAINED))}"
    scores = sweep.queries.query("64 <= position < 128")[["sink_score", "largest_score"]].max(axis=1)
    assert found["dispersal-score-trained"] == f"{scores.mean():.1f}"


def test_models_are_shown_where_they_declare_and_where_they_end():
    tables = small_geometry(np.random.default_rng(0), ("SmolLM2-135M", "byte RoPE"))
    found = findings.dispersal.declared_and_longest(tables)
    assert found.index.tolist() == [("SmolLM2-135M", 1_024), ("byte RoPE", 256), ("byte RoPE", 1_024)]
    heads = tables["heads"].query("role == 'key' and stage == 'post' and length == 256 and layer == 0")
    own = heads[heads.model == "byte RoPE"]
    assert found.stable_rank["byte RoPE", 256] == pytest.approx(own.stable_rank.mean())


def test_each_condition_of_the_theorem_is_needed():
    clouds = findings.dispersal.clouds_beyond_the_theorem(20_000, np.random.default_rng(0))
    ratios = {}
    for name, (cloud, inv_freq) in clouds.items():
        rotated = rotate(cloud, np.arange(len(cloud)), inv_freq, "half_split")
        ratios[name] = np.linalg.norm(rotated, 2) / np.linalg.norm(cloud, 2)
    assert ratios["none: distinct frequencies"] == pytest.approx(np.sqrt(1 / 2), abs=1e-3)
    assert ratios["distinct, the same cloud"] == pytest.approx(1 / 2, abs=1e-3)
    assert ratios["equal frequencies"] == pytest.approx(np.sqrt(1 / 2), abs=1e-3)
    assert ratios["weights that beat"] == pytest.approx(np.sqrt(3) / 2, abs=1e-3)
    assert min(list(ratios.values())[-2:]) > 0.98
    assert ratios["a frequency of π"] == pytest.approx(1)


def test_facts_of_heads_bound_their_errors_from_above():
    heads = pd.DataFrame(
        {
            "predicted": [0.5, 0.6, 0.9],
            "measured": [0.501, 0.621, 0.9],
            "rank_before": [1.0, 2.0, 3.0],
            "rank_after": [1.5, 4.0, 3.0],
            "floor": [0.1, 0.2, 0.5],
        }
    )
    found = findings.dispersal.facts_of_heads(heads)
    assert (found["theorem-heads"], found["theorem-rank-middle"]) == ("3", "2.0")
    assert found["theorem-first-share"] == "50%"
    assert (found["theorem-error"], found["theorem-worst"]) == ("0.01", "0.03")
    assert (found["theorem-growth-low"], found["theorem-growth-high"]) == ("1.0", "2.0")
    assert (found["theorem-floor-low"], found["theorem-floor-high"]) == ("2.0", "10.0")
