"""The weights of oscillators in heads, against the model's own projections; drawn scores against products."""

import numpy as np
import pytest
import torch
import transformers as t

from rope_lib.measure.load import LanguageModel
from rope_lib.measure.pair_weights import drawn_scores, pair_weights

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
}
TOKENS = torch.arange(40) % 64


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = t.LlamaForCausalLM(t.LlamaConfig(**SIZES, attn_implementation="sdpa")).eval()
    return LanguageModel("tiny", network, None, "0" * 64)


def projected(model):
    """Queries and keys of the first layer before the rotation: `(heads, length, head_dim)`."""
    found = {}
    attention = model.network.model.layers[0].self_attn
    hooks = [
        getattr(attention, name).register_forward_hook(
            lambda _m, _i, out, name=name: found.update({name: out})
        )
        for name in ("q_proj", "k_proj")
    ]
    with torch.inference_mode():
        model.network(TOKENS[None])
    for hook in hooks:
        hook.remove()
    return [
        found[name][0].view(len(TOKENS), -1, 8).transpose(0, 1).double().numpy()
        for name in ("q_proj", "k_proj")
    ]


def test_weights_are_the_mean_sizes_of_both_sides(model):
    table = pair_weights(model, TOKENS)
    query, key = projected(model)
    query, key = query[:, 1:], np.repeat(key, 2, axis=0)[:, 1:]
    sizes = [np.hypot(x[..., :4], x[..., 4:]).mean(axis=1) for x in (query, key)]
    expected = sizes[0] * sizes[1]
    expected /= expected.sum(axis=1, keepdims=True)
    found = table[table.layer == 0].pivot_table(index="head", columns="pair", values="weight").to_numpy()
    assert found == pytest.approx(expected, rel=1e-5)
    assert table.groupby(["layer", "head"]).weight.sum().tolist() == pytest.approx([1.0] * 8)


def test_drawn_scores_are_products_of_the_models_vectors(model):
    drawn = drawn_scores(model, TOKENS, 5, seed=3)
    assert drawn.shape == (2 * 4 * 5 * 2, 4)
    query, key = projected(model)
    products = np.einsum("hqd,hkd->hqk", query[:, 1:], np.repeat(key, 2, axis=0)[:, 1:]) / np.sqrt(8)
    for (layer, head, _, _), row in drawn.iterrows():
        if layer == 0:
            score = row.to_numpy().real.sum()
            assert np.abs(products[head] - score).min() < 1e-5 * max(1, abs(score))
    winners, others = (drawn.xs(name, level="key") for name in ("winner", "other"))
    lead = (winners - others).to_numpy().real.sum(axis=1)
    assert (lead > 0).all()


def test_the_same_seed_draws_the_same(model):
    one, two, other = (drawn_scores(model, TOKENS, 3, seed=seed) for seed in (0, 0, 1))
    assert one.equals(two)
    assert not one.equals(other)


@pytest.mark.parametrize("call", [pair_weights, lambda model, tokens: drawn_scores(model, tokens, 2)])
def test_too_few_tokens_are_refused(model, call):
    with pytest.raises(ValueError, match="tokens must be"):
        call(model, TOKENS[:1])
