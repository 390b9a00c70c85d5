"""Every architecture's queries and keys, before and after the rotation, against the theory: random small
models, rotated a second time by the spectrum that `read_model` finds in their configs."""

import weakref

import numpy as np
import pytest
import torch
import transformers as t
from small_configs import ALTERNATING, LONGROPE, MLA, SIZES, YARN, neox_rope

from rope_lib.measure.intercept import captured, queries_and_keys, rotations
from rope_lib.measure.rotation import RotationCall, before_rotation, find_source
from rope_lib.models import read_model
from rope_lib.theory.oscillators import rotate

LENGTH = 24
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
HYBRID = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "shared_expert_intermediate_size": 16,
    "layer_types": ["linear_attention", "full_attention"] * 2,
}
MINISTRAL = dict(YARN, llama_4_scaling_beta=0.1)
SHARED_KEYS = {"num_kv_shared_layers": 2, "layer_types": ["sliding_attention", "full_attention"] * 2}
GEMMA3N = {"vocab_size_per_layer_input": 128, "hidden_size_per_layer_input": 16}


# name → (class of the config, its values, layout of the rotated channels, those channels).
MODELS = {
    "llama": (t.LlamaConfig, SIZES, "half_split", range(16)),
    "llama_yarn": (t.LlamaConfig, SIZES | {"rope_parameters": YARN}, "half_split", range(16)),
    "mistral": (t.MistralConfig, SIZES | {"sliding_window": 8}, "half_split", range(16)),
    "ministral3": (t.Ministral3Config, SIZES | {"rope_parameters": MINISTRAL}, "half_split", range(16)),
    "qwen3": (t.Qwen3Config, SIZES, "half_split", range(16)),
    "qwen3_next": (t.Qwen3NextConfig, SIZES | EXPERTS | HYBRID, "half_split", range(4)),
    "qwen3_5": (t.Qwen3_5TextConfig, SIZES | HYBRID, "half_split", range(4)),
    "gemma2": (t.Gemma2Config, SIZES | ALTERNATING, "half_split", range(16)),
    "gemma3": (t.Gemma3TextConfig, SIZES | ALTERNATING, "half_split", range(16)),
    "gemma3n": (t.Gemma3nTextConfig, SIZES | GEMMA3N | SHARED_KEYS, "half_split", range(16)),
    "gpt_neox": (t.GPTNeoXConfig, SIZES | {"rope_parameters": neox_rope(0.25)}, "half_split", range(4)),
    "phi": (t.PhiConfig, SIZES, "half_split", range(8)),
    "phi3": (
        t.Phi3Config,
        SIZES | {"rope_parameters": LONGROPE, "original_max_position_embeddings": 16},
        "half_split",
        range(12),
    ),
    "stablelm": (t.StableLmConfig, SIZES, "half_split", range(4)),
    "glm": (t.GlmConfig, SIZES, "interleaved", range(8)),
    "glm4": (t.Glm4Config, SIZES, "interleaved", range(8)),
    "cohere": (t.CohereConfig, SIZES, "interleaved", range(16)),
    "cohere2": (t.Cohere2Config, SIZES | ALTERNATING, "interleaved", range(16)),
    "smollm3": (t.SmolLM3Config, SIZES | {"no_rope_layers": [1, 0, 1, 0]}, "half_split", range(16)),
    "llama4": (
        t.Llama4TextConfig,
        SIZES | EXPERTS | {"no_rope_layers": [1, 1, 0, 1], "use_qk_norm": True},
        "interleaved",
        range(16),
    ),
    "deepseek_v2": (t.DeepseekV2Config, MLA, "interleaved", range(16, 24)),
    "deepseek_v3": (t.DeepseekV3Config, MLA | {"rope_parameters": YARN}, "half_split", range(16, 24)),
    "gpt_oss": (
        t.GptOssConfig,
        SIZES | EXPERTS | ALTERNATING | {"rope_parameters": YARN},
        "half_split",
        range(16),
    ),
    "falcon": (
        t.FalconConfig,
        {"vocab_size": 128, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4},
        "half_split",
        range(16),
    ),
}
UNROTATED = {"cohere2": {1, 3}, "smollm3": {1, 3}, "llama4": {2}}


def network(config, **values):
    """A random model; norms differ from one so that a layer that forgets one of them shows."""
    torch.manual_seed(0)
    made = t.AutoModelForCausalLM.from_config(config(**values)).eval()
    for name, parameter in made.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return made


def tokens(length=LENGTH):
    return torch.randint(1, 100, (2, length), generator=torch.Generator().manual_seed(1))


def run(model, length=LENGTH):
    with torch.inference_mode():
        return model(tokens(length), use_cache=False).logits


@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_turns_what_is_captured_by_the_spectrum_of_its_config(name):
    config, values, layout, channels = MODELS[name]
    model, seen = network(config, **values), {}
    expected = run(model)
    with captured(model, lambda vectors: seen.update({vectors.layer: vectors})):
        assert torch.equal(run(model), expected)

    spec = read_model(model.config.to_dict())
    spectra = {layer: rotary.spectrum(LENGTH) for rotary in spec.rotaries for layer in rotary.layers}
    assert set(seen) == set(spectra) | UNROTATED.get(name, set())
    for layer, vectors in seen.items():
        pairs = (vectors.query_pre, vectors.query_post), (vectors.key_pre, vectors.key_post)
        for pre, post in pairs:
            assert pre.shape == post.shape
            if layer in UNROTATED.get(name, ()):
                assert torch.equal(pre, post)
                continue
            inv_freq, factor = spectra[layer]
            turned = post.numpy().astype(float)
            expected = pre.numpy().astype(float)
            inside = np.s_[..., channels.start : channels.stop]
            expected[inside] = factor * rotate(expected[inside], np.arange(LENGTH), inv_freq, layout)
            scale = np.linalg.norm(turned, axis=-1).max()
            np.testing.assert_allclose(turned, expected, rtol=0, atol=1e-5 * scale)
            # Nothing turns at position 0, and no turn changes a norm; the tables may carry a factor.
            changed, size = turned[inside], np.linalg.norm(pre.numpy()[inside], axis=-1)
            np.testing.assert_allclose(
                changed[:, :, 0], factor * pre.numpy()[inside][:, :, 0], atol=1e-5 * scale
            )
            np.testing.assert_allclose(
                np.linalg.norm(changed, axis=-1), factor * size, rtol=1e-4, atol=1e-5 * scale
            )
            assert np.abs(changed[:, :, 1:] - factor * pre.numpy()[inside][:, :, 1:]).max() > 0.01 * scale


@pytest.mark.parametrize("name", MODELS)
def test_the_probe_finds_the_layout_the_channels_and_the_factor(name):
    config, values, layout, channels = MODELS[name]
    model = network(config, **values)
    spec = read_model(model.config.to_dict())
    spectra = {layer: rotary.spectrum(1) for rotary in spec.rotaries for layer in rotary.layers}
    for found in rotations(model):
        if found.layer in UNROTATED.get(name, ()):
            assert (found.layout, found.channels, found.attention_factor) == (None, range(0), 1)
        else:
            assert (found.layout, found.channels) == (layout, channels)
            assert found.attention_factor == pytest.approx(spectra[found.layer][1], rel=1e-4)


def test_the_keys_before_the_rotation_are_those_of_the_projection():
    """An independent view of `pre`, at the module before it: Llama has nothing in between."""
    model, projected, seen = network(t.LlamaConfig, **SIZES), {}, {}
    for layer, block in enumerate(model.model.layers):
        block.self_attn.k_proj.register_forward_hook(
            lambda module, inputs, output, layer=layer: projected.update({layer: output})
        )
    with captured(model, lambda vectors: seen.update({vectors.layer: vectors.key_pre})):
        run(model)
    for layer, key in seen.items():
        assert torch.equal(key, projected[layer].view(2, LENGTH, 2, 16).transpose(1, 2))


def test_nothing_outlives_its_layer():
    """A visit that keeps nothing finds the layer before gone, except for keys that later layers attend to."""
    alive = []

    def visit(vectors):
        assert not any(reference() is not None for reference in alive)
        alive[:] = map(weakref.ref, (vectors.query_pre, vectors.query_post, vectors.key_pre))

    for name in ("llama", "gpt_neox", "deepseek_v3"):
        config, values, *_ = MODELS[name]
        model = network(config, **values)
        alive.clear()
        with captured(model, visit):
            run(model)
        assert len(alive) == 3


def test_a_visit_can_change_what_a_layer_attends_with():
    model = network(t.LlamaConfig, **SIZES)
    expected = run(model)
    with captured(model, lambda vectors: (vectors.query_post, vectors.key_post)):
        assert torch.equal(run(model), expected)
    with captured(model, lambda vectors: (vectors.query_post, vectors.key_pre)):
        assert not torch.allclose(run(model), expected, atol=1e-4)


def test_everything_is_undone_even_after_an_error():
    model = network(t.FalconConfig, **MODELS["falcon"][1])
    names = vars(t.models.falcon.modeling_falcon)
    before = dict(names), torch.nn.functional.scaled_dot_product_attention

    def fail(vectors):
        raise KeyError("a visit's own error")

    with pytest.raises(KeyError, match="a visit's own error"), captured(model, fail):
        run(model)
    assert (dict(names), torch.nn.functional.scaled_dot_product_attention) == before
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_only_the_given_model_is_intercepted_and_contexts_nest():
    model, other = network(t.LlamaConfig, **SIZES), network(t.LlamaConfig, **SIZES)
    outer, inner = [], []
    with (
        queries_and_keys(model, lambda layer, query, key: outer.append(layer)),
        captured(other, lambda vectors: inner.append(vectors.layer)),
    ):
        run(other)
        assert (outer, inner) == ([], [0, 1, 2, 3])
        run(model)
        assert (outer, inner) == ([0, 1, 2, 3], [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("llama_yarn", torch.float64)]
    + [
        (name, dtype)
        for name in ("llama_yarn", "glm", "deepseek_v3", "llama4", "gpt_oss")
        for dtype in (torch.bfloat16, torch.float16)
    ],
)
def test_the_probe_allows_for_the_rounding_of_each_dtype(name, dtype):
    config, values, layout, channels = MODELS[name]
    found = rotations(network(config, **values).to(dtype))
    rotating = [rotation for rotation in found if rotation.layer not in UNROTATED.get(name, ())]
    assert {(rotation.layout, rotation.channels) for rotation in rotating} == {(layout, channels)}


def test_queries_and_keys_sees_what_captured_calls_post():
    model, plain, full = network(t.Qwen3Config, **SIZES), {}, {}
    with queries_and_keys(model, lambda layer, query, key: plain.update({layer: (query, key)})):
        run(model)
    with captured(model, lambda vectors: full.update({vectors.layer: vectors})):
        run(model)
    for layer, (query, key) in plain.items():
        assert torch.equal(query, full[layer].query_post)
        assert torch.equal(key, full[layer].key_post)


GPT = {"vocab_size": 128, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64}


@pytest.mark.parametrize(
    ("config", "values", "reason"),
    [
        (t.GPT2Config, GPT, "GPT2LMHeadModel adds position embeddings to its inputs"),
        (
            t.BertConfig,
            SIZES | {"is_decoder": True},
            "BertLMHeadModel adds position embeddings to its inputs",
        ),
        (
            t.BloomConfig,
            {"vocab_size": 128, "hidden_size": 64, "n_layer": 2, "n_head": 4},
            "BloomForCausalLM biases its scores by distance",
        ),
        (
            t.MptConfig,
            {"vocab_size": 128, "d_model": 64, "n_layers": 2, "n_heads": 4},
            "MptForCausalLM biases its scores by distance",
        ),
        (
            t.GPTJConfig,
            GPT | {"rotary_dim": 8},
            "GPTJForCausalLM does not attend through transformers' attention interface",
        ),
        (
            t.HunYuanDenseV1Config,
            SIZES,
            "HunYuanDenseV1ForCausalLM attends with other queries or keys than those it rotated",
        ),
        (
            t.Cohere2Config,
            SIZES | {"layer_types": ["full_attention"] * 4},
            "Cohere2ForCausalLM has no rotation",
        ),
        (
            t.MambaConfig,
            {"vocab_size": 128, "hidden_size": 64, "num_hidden_layers": 2},
            "MambaForCausalLM has no attention layer that could be found",
        ),
    ],
)
def test_a_model_that_cannot_be_captured_is_refused_with_the_reason(config, values, reason):
    model = network(config, **values)
    with (
        pytest.raises(
            ValueError, match=f"^model must rotate its queries and keys as RoPE does, but {reason}[^\n]*$"
        ),
        captured(model, lambda vectors: None),
    ):
        pass


def test_a_turn_that_is_not_position_times_frequency_is_refused(monkeypatch):
    model = network(t.LlamaConfig, **SIZES)
    rotary = model.model.rotary_emb
    forward = rotary.forward
    monkeypatch.setattr(rotary, "forward", lambda x, position_ids: forward(x, position_ids**2))
    with pytest.raises(
        ValueError, match="LlamaForCausalLM does not turn its channels by position × frequency"
    ):
        rotations(model)


def test_what_follows_the_rotation_only_beyond_the_probe_is_seen_at_the_last_token():
    x, angle = torch.randn(1, 2, 32, 4), torch.arange(32.0)[:, None].expand(32, 4)

    def apply_rotary(x, cos, sin):
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat([-second, first], dim=-1) * sin

    tables = angle.cos(), angle.sin()
    call = RotationCall(apply_rotary, (x, *tables), {}, apply_rotary(x, *tables))
    (rotated,) = call.outputs
    source = find_source(rotated, [call])
    assert before_rotation(rotated, [call], source) is not None
    warmed = rotated * torch.linspace(1, 2, 32)[:, None]
    torch.testing.assert_close(before_rotation(warmed, [call], source), x * torch.linspace(1, 2, 32)[:, None])
    for vectors, calls, known in (
        (rotated + torch.tensor([0.0, 0, 0, 1]), [call], source),  # more than a factor
        (rotated, [], source),  # it rotated in the probe, and does not now
        (rotated, [call], None),  # the other way round
    ):
        with pytest.raises(ValueError, match=r"^attends with other queries or keys than those it rotated$"):
            before_rotation(vectors, calls, known)
