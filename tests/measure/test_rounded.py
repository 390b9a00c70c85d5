"""Losses under rounded rotations: the schemes reach the model, and a shift shows only their rounding."""

import pytest
import torch
import transformers as t

from rope_lib.measure.load import LanguageModel
from rope_lib.measure.positions import shifted_losses
from rope_lib.measure.rounded import EXACT, MODEL_SCHEMES, measured_losses, rounded_losses
from rope_lib.theory.precision import BFLOAT16_ANGLE

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "initializer_range": 0.5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
}
TOKENS = (torch.arange(48) * 7) % 64


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = t.LlamaForCausalLM(t.LlamaConfig(**SIZES, attn_implementation="sdpa")).eval()
    return LanguageModel("tiny", network, None, "0" * 64)


def mean(model, scheme, shift=0):
    return rounded_losses(model, TOKENS, scheme, shift=shift).nll.mean()


def test_the_mean_is_the_loss_that_the_shift_experiment_measures(model):
    for shift in (0, 5_000):
        expected = shifted_losses(model, TOKENS, [shift], {"shipped": None, "bfloat16": BFLOAT16_ANGLE}).loss
        assert mean(model, None, shift) == pytest.approx(expected[0], rel=1e-6)
        assert mean(model, "bfloat16 angles", shift) == pytest.approx(expected[1], rel=1e-6)


def test_rows_are_tokens_with_their_scheme(model):
    table = rounded_losses(model, TOKENS, "bfloat16 tables", shift=7)
    assert table.columns.tolist() == ["scheme", "shift", "position", "nll"]
    assert table.position.tolist() == list(range(1, 48))
    assert (set(table.scheme), set(table["shift"])) == ({"bfloat16 tables"}, {7})
    assert set(rounded_losses(model, TOKENS).scheme) == {"as shipped"}


def test_a_shift_does_nothing_to_exact_angles_and_something_to_rounded_ones(model):
    assert mean(model, EXACT, 10**6) == pytest.approx(mean(model, EXACT), abs=1e-5)
    for scheme in ("float32 product", "bfloat16 angles"):
        assert abs(mean(model, scheme, 10**8) - mean(model, scheme)) > 1e-3


def test_each_scheme_but_the_reference_rounds_something(model):
    exact = mean(model, EXACT, 10**7)
    assert all(mean(model, name, 10**7) != exact for name in MODEL_SCHEMES if name != EXACT)


def test_an_unknown_scheme_and_scaled_tables_are_refused(model, refuses):
    names = ", ".join(MODEL_SCHEMES)
    refuses(lambda: rounded_losses(model, TOKENS, "int8"), f"scheme must be one of {names}, got 'int8'")
    scaled = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0}
    network = t.LlamaForCausalLM(t.LlamaConfig(**SIZES | {"rope_parameters": scaled})).eval()
    with pytest.raises(ValueError, match="rope_type must be 'default' to replace its tables, got 'linear'"):
        rounded_losses(LanguageModel("tiny", network, None, "0" * 64), TOKENS, EXACT)


def test_what_was_measured_is_kept(model, tmp_path, monkeypatch):
    monkeypatch.setattr("rope_lib.runs.store.user_cache_path", lambda _: tmp_path)
    first = measured_losses(model, TOKENS, "bfloat16 tables")
    monkeypatch.setattr(
        "rope_lib.measure.rounded.rounded_losses", lambda *_, **__: pytest.fail("measured again")
    )
    assert measured_losses(model, TOKENS, "bfloat16 tables").equals(first)
