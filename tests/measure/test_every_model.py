"""The small tables of a model on a text, against the sweep that they are made of."""

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from rope_lib.findings import clusters
from rope_lib.measure import every_model
from rope_lib.measure.every_model import QUERY_BITS, geometry_tables, reduced, rounded, windows
from rope_lib.measure.load import LanguageModel
from rope_lib.measure.sweep import measure
from rope_lib.measure.tables import LOSS_BIN, Sweep

LENGTHS = [130, 300]


@pytest.fixture(scope="module")
def model():
    """A random Gemma 3 of three layers, the second of which sees everything, the others 16 tokens."""
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=512, sliding_window=16,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        attn_implementation="sdpa", initializer_range=0.5,
    )  # fmt: skip
    return LanguageModel("tiny", Gemma3ForCausalLM(config).eval(), None, "2" * 64)


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(64, (max(LENGTHS),), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def sweep(model, tokens):
    return measure(model, tokens, LENGTHS)


@pytest.fixture(scope="module")
def small(model, sweep):
    return reduced(sweep, windows(model.network))


def test_layers_with_a_window_are_told_apart(model, small):
    assert windows(model.network) == {0: 16, 1: None, 2: 16}
    seen = small["heads"].drop_duplicates("layer").set_index("layer").window
    assert seen.to_dict() == pytest.approx({0: 16, 1: np.nan, 2: 16}, nan_ok=True)


def test_what_chapters_make_of_a_sweep_they_make_of_the_small_tables(sweep, small):
    one = Sweep(**{name: small.get(name, pd.DataFrame()) for name in sweep.tables()})
    for column in ("sink_attention", "top_score"):
        found, expected = (clusters.last_queries(each, column) for each in (one, sweep))
        pd.testing.assert_frame_equal(found, expected, rtol=1e-3, check_dtype=False)
    for length in LENGTHS:
        found, expected = (clusters.sinks(each, length) for each in (one, sweep))
        pd.testing.assert_frame_equal(found, expected, rtol=1e-3, check_dtype=False)
        for stage in ("pre", "post"):
            found, expected = (clusters.pairs(each, length, stage) for each in (one, sweep))
            pd.testing.assert_frame_equal(found, expected, rtol=1e-5, check_dtype=False)
    found, expected = (clusters.ratios(each) for each in (one, sweep))
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5, check_dtype=False)
    found, expected = (clusters.relative_norms(each) for each in (one, sweep))
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5, check_dtype=False)


def test_only_the_last_queries_of_each_length_are_kept(small):
    kept = set(small["queries"].position)
    assert kept == {*range(130 - 64, 130), *range(300 - 64, 300)}


def test_losses_are_means_over_bins(sweep, small):
    losses = small["losses"].set_index("first").nll
    assert list(losses.index) == [0, LOSS_BIN, 2 * LOSS_BIN]
    own = sweep.losses.set_index("position").nll
    assert losses[LOSS_BIN] == pytest.approx(own.loc[LOSS_BIN : 2 * LOSS_BIN - 1].mean())
    assert losses[0] == pytest.approx(own.loc[: LOSS_BIN - 1].mean())


def test_rounding_changes_a_number_by_less_than_one_in_two_thousand():
    values = pd.Series([0.0, 1e-30, -3.14159, 22_712.3, np.inf, np.nan], dtype=np.float32)
    found = rounded(values)
    finite = np.isfinite(values)
    assert (found[finite] - values[finite]).abs().le(values[finite].abs() * 2.0**-QUERY_BITS).all()
    assert found[~finite].equals(values[~finite])
    assert found.dtype == np.float32


def test_a_measurement_is_kept_with_its_costs(model, tokens, small, monkeypatch, tmp_path):
    monkeypatch.setattr("rope_lib.runs.store.user_cache_path", lambda name: tmp_path)
    found = geometry_tables(model, tokens, [300, 130])
    monkeypatch.setattr(every_model, "measure", None)  # not measured again
    again = geometry_tables(model, tokens, LENGTHS)
    for name, table in small.items():
        pd.testing.assert_frame_equal(found[name], table.reset_index(drop=True))
        pd.testing.assert_frame_equal(again[name], found[name])
    (costs,) = again["costs"].to_dict("records")
    assert costs["length"] == 300
    assert costs["seconds"] > 0
    assert not costs["peak_gib"] <= 0
