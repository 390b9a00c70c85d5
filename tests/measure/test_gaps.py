"""Losses with a gap in the positions, on small random models."""

import numpy as np
import pytest
import torch
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from rope_lib.measure.gaps import gap_in_positions, losses_by_gap
from rope_lib.measure.load import LanguageModel

SIZES = {
    "vocab_size": 64, "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "head_dim": 8,
    "num_key_value_heads": 1, "max_position_embeddings": 64, "attn_implementation": "sdpa",
    "initializer_range": 0.5,
}  # fmt: skip
TOKENS = torch.randint(64, (48,), generator=torch.Generator().manual_seed(1))


def model_of(kind, config):
    torch.manual_seed(0)
    return LanguageModel("tiny", kind(config).eval(), None, "0" * 64)


@pytest.fixture(scope="module")
def llama():
    return model_of(LlamaForCausalLM, LlamaConfig(num_hidden_layers=2, **SIZES))


@pytest.fixture(scope="module")
def gemma():
    kinds = ["sliding_attention", "full_attention"]
    config = Gemma3TextConfig(num_hidden_layers=2, layer_types=kinds, sliding_window=8, **SIZES)
    return model_of(Gemma3ForCausalLM, config)


def hidden(model, **options):
    with torch.inference_mode():
        return model.network.get_decoder()(TOKENS[None], use_cache=False, **options).last_hidden_state


def test_without_a_gap_nothing_changes(llama, gemma):
    for model in (llama, gemma):
        expected = hidden(model)
        with gap_in_positions(model.network, 24, 0):
            assert torch.equal(hidden(model), expected)


def test_a_gap_is_that_in_the_positions_of_a_model_without_windows(llama):
    positions = torch.cat([torch.arange(24), torch.arange(24, 48) + 1_000])
    with gap_in_positions(llama.network, 24, 1_000):
        found = hidden(llama)
    mask = torch.ones(1, 48)  # without one transformers takes the gap for the border of two texts
    assert torch.allclose(found, hidden(llama, position_ids=positions[None], attention_mask=mask), atol=1e-5)


def test_layers_with_a_window_keep_their_positions(gemma):
    seen = {}
    layers = gemma.network.get_decoder().layers

    def keep(number):
        return lambda module, inputs, output: seen.setdefault(number, []).append(output[0])

    hooks = [layer.self_attn.register_forward_hook(keep(number)) for number, layer in enumerate(layers)]
    hidden(gemma)
    with gap_in_positions(gemma.network, 24, 1_000):
        hidden(gemma)
    for hook in hooks:
        hook.remove()
    assert torch.equal(*seen[0])  # the window
    assert not torch.allclose(*(each[:, 24:] for each in seen[1]))
    assert torch.equal(*(each[:, :24] for each in seen[1]))


def test_windows_that_turn_as_full_layers_do_are_refused():
    model = model_of(MistralForCausalLM, MistralConfig(num_hidden_layers=1, sliding_window=8, **SIZES))
    with (
        pytest.raises(ValueError, match="model must tell the rotation of its windows apart, got Mistral"),
        gap_in_positions(model.network, 24, 5),
    ):
        hidden(model)


def test_losses_are_those_of_the_last_tokens(llama):
    found = losses_by_gap(llama, TOKENS, [0, 500], last=12)
    with torch.inference_mode():
        logits = llama.network(TOKENS[None]).logits[0]
        alone = llama.network(torch.cat([TOKENS[:1], TOKENS[24:]])[None]).logits[0]

    def loss(of):
        return torch.nn.functional.cross_entropy(of[-13:-1], TOKENS[-12:]).item()

    assert found.gap.tolist()[:2] == [0, 500]
    assert np.isnan(found.gap[2])
    assert found.nll[0] == pytest.approx(loss(logits), rel=1e-5)
    assert found.nll[2] == pytest.approx(loss(alone), rel=1e-5)
    assert found.nll[1] != pytest.approx(found.nll[0], rel=1e-3)
    assert found.sink_attention.between(0, 1).all()
