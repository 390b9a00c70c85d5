"""Every convention of config.json: what the reader takes from it, and where it says each value came from."""

import json

import numpy as np
import pytest

from rope_lib.models import judge, read_model
from rope_lib.models.spec import PROVENANCE
from rope_lib.theory.oscillators import frequencies

# A config of no known model type that leaves nothing open.
BARE = {
    "num_hidden_layers": 8,
    "hidden_size": 1024,
    "num_attention_heads": 8,
    "max_position_embeddings": 4096,
    "rope_theta": 10_000.0,
}


def without(config, *names):
    return {key: value for key, value in config.items() if key not in names}


def only(config):
    """The spec of a config, and its one spectrum."""
    spec = read_model(config)
    (rotary,) = spec.rotaries
    return spec, rotary


def by_kind(config):
    return {rotary.kind: rotary for rotary in read_model(config).rotaries}


# ---------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "provenance"),
    [
        ("rope_theta", "explicit"),
        ("rotary_emb_base", "alias"),
        ("rope_embedding_base", "alias"),
        ("rotary_base", "alias"),
        ("rope_base", "alias"),
        ("global_rope_theta", "alias"),
    ],
)
def test_base(name, provenance):
    spec, rotary = only({**without(BARE, "rope_theta"), name: 500_000})
    assert rotary.base == 500_000.0
    assert (spec.provenance["base"], spec.sources["base"]) == (provenance, name)


@pytest.mark.parametrize("name", ["head_dim", "kv_channels", "d_kv", "attention_head_dim"])
def test_head_size(name):
    spec, rotary = only({**BARE, name: 256})
    assert (rotary.head_dim, rotary.rotary_dim) == (256, 256)
    assert spec.provenance["head_dim"] == ("explicit" if name == "head_dim" else "alias")


def test_head_size_from_hidden_size():
    spec, rotary = only({**BARE, "head_dim": None})
    assert rotary.head_dim == 128
    assert spec.provenance["head_dim"] == "derived"
    assert spec.sources["head_dim"] == "hidden_size / num_attention_heads"


@pytest.mark.parametrize(
    ("keys", "head_dim"),
    [
        ({"hidden_size": 3072, "num_attention_heads": 16, "head_dim": 256}, 256),  # Gemma 7B
        ({"hidden_size": 5120, "num_attention_heads": 32, "head_dim": 128}, 128),  # Mistral Nemo
    ],
    ids=["gemma-7b", "mistral-nemo"],
)
def test_head_size_stated_beside_another_quotient(keys, head_dim):
    assert only({**BARE, **keys})[1].head_dim == head_dim


@pytest.mark.parametrize(
    "name", ["partial_rotary_factor", "rotary_pct", "rope_pct", "rotary_percentage", "rotary_emb_fraction"]
)
def test_partial(name):
    spec, rotary = only({**BARE, name: 0.25})
    assert (rotary.head_dim, rotary.rotary_dim) == (128, 32)
    np.testing.assert_array_equal(rotary.spectrum(4096)[0], frequencies(10_000, 32))
    assert spec.provenance["rotary_dim"] == ("explicit" if name == "partial_rotary_factor" else "alias")


@pytest.mark.parametrize("name", ["rotary_dim", "rotary_ndims"])
def test_rotary_dim(name):
    assert only({**BARE, name: 64})[1].rotary_dim == 64


def test_partial_inside_rope_parameters():
    config = without(BARE, "rope_theta")
    config["rope_parameters"] = {"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25}
    spec, rotary = only(config)
    assert (rotary.base, rotary.rotary_dim) == (1e7, 32)
    assert spec.sources["base"] == "rope_parameters.rope_theta"
    assert spec.provenance["rotary_dim"] == "derived"


def test_rotary_dim_and_share_that_agree():
    assert only({**BARE, "rotary_dim": 64, "partial_rotary_factor": 0.5})[1].rotary_dim == 64


@pytest.mark.parametrize(
    "name",
    ["max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "model_max_length", "n_ctx"],
)
def test_context(name):
    spec = read_model({**without(BARE, "max_position_embeddings"), name: 8192})
    assert spec.declared_context == 8192
    assert spec.provenance["context"] == ("explicit" if name == "max_position_embeddings" else "alias")


def test_contexts_that_differ_are_reported():
    spec = read_model({**BARE, "seq_length": 2048})  # Qwen 1 states both
    assert spec.declared_context == 4096
    assert spec.notes[-1] == "seq_length says 2048; max_position_embeddings was taken."


def test_no_context():
    assert read_model(without(BARE, "max_position_embeddings")).declared_context is None


@pytest.mark.parametrize("name", ["n_layer", "n_layers", "num_layers"])
def test_number_of_layers(name):
    assert read_model({**without(BARE, "num_hidden_layers"), name: 3}).num_layers == 3


def test_whole_numbers_may_be_written_with_a_point():
    assert read_model({**BARE, "num_hidden_layers": 8.0}).num_layers == 8


# --------------------------------------------------------------------------------------- nested parts

TRAP = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "rope_theta": 100.0}


@pytest.mark.parametrize(
    "path", ["text_config", "llm_config", "language_config", "thinker_config.text_config"]
)
def test_text_part(path):
    config = {**BARE, "model_type": "of_no_class"}
    for key in reversed(path.split(".")):
        config = {key: config, "vision_config": TRAP, "model_type": "of_no_class"}
    spec, rotary = only(config)
    assert (rotary.base, rotary.head_dim, spec.num_layers) == (10_000.0, 128, 8)
    assert spec.sources["base"] == f"{path}.rope_theta"


def test_vision_part_is_no_text():
    with pytest.raises(ValueError, match=r"^num_hidden_layers is missing"):
        read_model({"vision_config": TRAP})


def test_text_part_without_type_takes_that_of_its_class():
    spec = read_model({"model_type": "llama4", "text_config": {"num_hidden_layers": 4}})
    assert spec.rotaries[0].base == 500_000.0
    assert spec.sources["base"].startswith("llama4_text in transformers")


def test_attn_config():
    config = {  # DBRX
        "model_type": "dbrx",
        "d_model": 6144,
        "n_heads": 48,
        "n_layers": 40,
        "max_seq_len": 32_768,
        "attn_config": {"clip_qkv": 8, "kv_n_heads": 8, "model_type": "", "rope_theta": 500_000},
    }
    spec, rotary = only(config)
    assert (rotary.base, rotary.head_dim, spec.num_layers, spec.declared_context) == (5e5, 128, 40, 32_768)
    assert spec.sources["base"] == "attn_config.rope_theta"
    assert spec.provenance["context"] == "alias"


# ------------------------------------------------------------------------------------- single families


def test_glm_4_1m():
    config = {
        "model_type": "chatglm",
        "num_layers": 40,
        "kv_channels": 128,
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "seq_length": 1_048_576,
        "rope_ratio": 10_000,
    }
    spec, rotary = only(config)
    assert (rotary.base, rotary.head_dim, rotary.rotary_dim) == (1e8, 128, 64)
    assert spec.provenance["base"] == "derived"
    assert spec.sources["base"] == "10,000 × rope_ratio"
    _, first = only(without(config, "rope_ratio"))
    assert first.base == 10_000.0


def test_gpt_neox():
    config = {
        "model_type": "gpt_neox",
        "num_hidden_layers": 44,
        "hidden_size": 6144,
        "num_attention_heads": 64,
    }
    spec, rotary = only({**config, "rotary_pct": 0.25, "rotary_emb_base": 10_000})
    assert (rotary.base, rotary.head_dim, rotary.rotary_dim) == (10_000.0, 96, 24)
    assert spec.provenance["base"] == "alias"


@pytest.mark.parametrize(("rotary_dim", "rotated"), [(64, 64), (None, 256)])
def test_gpt_j_rotates_all_without_a_rotary_dim(rotary_dim, rotated):
    config = {"model_type": "gptj", "n_layer": 28, "n_embd": 4096, "n_head": 16, "rotary_dim": rotary_dim}
    spec, rotary = only(config)
    assert rotary.rotary_dim == rotated
    assert (rotary.base, spec.provenance["base"]) == (10_000.0, "class_default")


def test_phi_3_keeps_its_original_length_at_the_top():
    config = {
        **BARE,
        "model_type": "phi3",
        "hidden_size": 3072,
        "num_attention_heads": 32,
        "max_position_embeddings": 131_072,
        "original_max_position_embeddings": 4096,
        "rope_scaling": {"type": "su", "short_factor": [1.1] * 48, "long_factor": [32.0] * 48},
    }
    spec, rotary = only(config)
    assert (spec.declared_context, spec.original_context) == (131_072, 4096)
    assert spec.provenance["original_context"] == "explicit"
    assert spec.sources["original_context"] == "original_max_position_embeddings"
    assert rotary.scaling["factor"] == 32.0
    inv_freq, attention_factor = rotary.spectrum(131_072)
    np.testing.assert_allclose(inv_freq, frequencies(10_000, 96) / 32)
    assert attention_factor == pytest.approx(1.190238)  # √(1 + ln 32 / ln 4096)
    np.testing.assert_allclose(rotary.spectrum(4096)[0], frequencies(10_000, 96) / 1.1)


@pytest.mark.parametrize("section", ["mrope_section", "xdrope_section"])
@pytest.mark.parametrize("name", ["type", "rope_type"])
@pytest.mark.parametrize("scaling", ["mrope", "default"])
def test_mrope_leaves_text_alone(section, name, scaling):
    _, rotary = only({**BARE, "rope_scaling": {name: scaling, section: [16, 24, 24]}})
    np.testing.assert_array_equal(rotary.spectrum(4096)[0], frequencies(10_000, 128))


def test_mrope_under_two_names():
    scaling = {"mrope_section": [16, 24, 24], "type": "mrope", "rope_type": "default"}  # as Qwen2-VL is saved
    _, rotary = only({**BARE, "rope_scaling": scaling})
    assert rotary.scaling == {"type": "mrope", "mrope_section": [16, 24, 24]}


@pytest.mark.parametrize("name", ["dynamic", "xdrope"])
def test_hunyuan_stretches_by_alpha_at_every_length(name):
    _, rotary = only({**BARE, "rope_scaling": {"type": name, "alpha": 1000.0, "factor": 1.0, "mscale": 1.0}})
    expected = frequencies(10_000 * 1000 ** (128 / 126), 128)
    for length in 100, 100_000:
        np.testing.assert_allclose(rotary.spectrum(length)[0], expected)
    assert rotary.effective_base(4096) == pytest.approx(1e7)


def test_dynamic_stretches_beyond_the_declared_context():
    spec, rotary = only({**BARE, "rope_scaling": {"type": "dynamic", "factor": 2.0}})
    np.testing.assert_array_equal(rotary.spectrum(4096)[0], frequencies(10_000, 128))
    assert rotary.effective_base(8192) == pytest.approx(30_000)  # 2·8192/4096 - 1 = 3
    assert spec.original_context is None


@pytest.mark.parametrize("name", ["linear", "ntk"])
def test_eight_times_slower(name):
    _, rotary = only({**BARE, "rope_scaling": {"type": name, "factor": 8.0}})
    assert rotary.effective_base(4096) == pytest.approx(80_000)


def test_deepseek_yarn():
    scaling = {"type": "deepseek_yarn", "factor": 40, "mscale": 0.707, "mscale_all_dim": 0.707}
    _, rotary = only({**BARE, "rope_scaling": {**scaling, "original_max_position_embeddings": 4096}})
    assert rotary.spectrum(163_840)[1] == 1.0


def test_yarn_without_original_length_starts_from_the_declared_one():
    spec, rotary = only({**BARE, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}})
    assert rotary.scaling["original_max_position_embeddings"] == 4096
    assert (spec.original_context, spec.provenance["original_context"]) == (4096, "derived")
    assert "stretches to 16,384 tokens; 4,096 are declared" in spec.notes[-1]


def test_transformers_5_says_default_where_nothing_is_scaled():
    config = {**without(BARE, "rope_theta"), "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}
    spec, rotary = only(config)
    assert (rotary.base, rotary.scaling) == (5e5, {"type": "default"})
    assert spec.provenance["scaling"] == "explicit"


@pytest.mark.parametrize("empty", [None, {}])
@pytest.mark.parametrize("name", ["rope_scaling", "rope_parameters"])
def test_nothing_is_scaled(name, empty):
    spec, rotary = only({**BARE, name: empty})
    assert rotary.scaling == {"type": "default"}
    assert spec.provenance["scaling"] == "derived"


def test_keys_that_a_scaling_does_not_read_are_reported():
    spec = read_model({**BARE, "rope_scaling": {"type": "linear", "factor": 2.0, "beta_fast": 32}})
    assert spec.notes[-1] == "rope_scaling: linear does not read beta_fast."


# ------------------------------------------------------------------------------------- MLA and its kin

MLA = {
    "num_hidden_layers": 61,
    "hidden_size": 7168,
    "num_attention_heads": 128,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "rope_theta": 10_000,
    "max_position_embeddings": 4096,
}


@pytest.mark.parametrize("extra", [{}, {"head_dim": 64}, {"head_dim": 192}, {"partial_rotary_factor": 0.5}])
def test_mla_rotates_its_rope_part(extra):
    spec, rotary = only({**MLA, **extra})
    assert (rotary.head_dim, rotary.rotary_dim) == (192, 64)
    assert spec.sources["head_dim"] == "qk_nope_head_dim + qk_rope_head_dim"


def test_kimi_linear_rotates_nothing():
    spec = read_model({**MLA, "model_type": "kimi_linear", "mla_use_nope": True})
    assert spec.rotaries == ()
    assert judge(spec).verdict == "no_rope"


def test_mla_use_nope_of_an_unknown_class():
    spec = read_model({**MLA, "mla_use_nope": True})
    assert spec.unrotated_layers == tuple(range(61))
    assert (spec.provenance["unrotated_layers"], spec.sources["unrotated_layers"]) == (
        "explicit",
        "mla_use_nope",
    )


def test_deepseek_v4_compresses_with_another_base():
    config = {
        "model_type": "deepseek_v4",
        "num_hidden_layers": 4,
        "num_nextn_predict_layers": 1,
        "hidden_size": 4096,
        "num_attention_heads": 64,
        "head_dim": 512,
        "qk_rope_head_dim": 64,
        "max_position_embeddings": 1_048_576,
        "sliding_window": 128,
        "rope_theta": 10_000,
        "compress_rope_theta": 160_000,
        "compress_ratios": [0, 128, 4, 128, 0],
        "rope_scaling": {"type": "yarn", "factor": 16, "original_max_position_embeddings": 65_536},
    }
    kinds = by_kind(config)
    assert {kind: rotary.layers for kind, rotary in kinds.items()} == {
        "sliding": (0,),
        "heavily_compressed": (1, 3),
        "compressed_sparse": (2,),
    }
    assert (kinds["sliding"].base, kinds["sliding"].scaling, kinds["sliding"].window) == (
        1e4,
        {"type": "default"},
        128,
    )
    sparse = kinds["compressed_sparse"]
    assert (sparse.base, sparse.head_dim, sparse.rotary_dim, sparse.window) == (160_000.0, 512, 64, None)
    assert sparse.spectrum(1_048_576)[1] == 1.0  # its code leaves YaRN's temperature out


# ---------------------------------------------------------------------------------- layers that differ

GEMMA3 = {
    "model_type": "gemma3_text",
    "num_hidden_layers": 26,
    "hidden_size": 1152,
    "num_attention_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 32_768,
    "rope_theta": 1_000_000,
    "rope_local_base_freq": 10_000,
    "sliding_window": 512,
    "sliding_window_pattern": 6,
}


def test_gemma_3_has_a_base_for_its_sliding_layers():
    spec = read_model(GEMMA3)
    full, sliding = spec.rotaries
    assert (full.kind, full.base, full.window, full.layers) == ("full", 1e6, None, (5, 11, 17, 23))
    assert (sliding.kind, sliding.base, sliding.window, len(sliding.layers)) == ("sliding", 1e4, 512, 22)
    assert spec.provenance["base"] == "explicit"
    assert spec.provenance["sliding.base"] == "explicit"
    assert spec.sources["sliding.base"] == "rope_local_base_freq"
    assert spec.sources["layers"] == "sliding_window_pattern"


def test_gemma_3_scales_its_full_layers_alone():
    kinds = by_kind({**GEMMA3, "rope_scaling": {"rope_type": "linear", "factor": 8.0}})
    assert kinds["full"].effective_base(131_072) == pytest.approx(8e6)
    assert kinds["sliding"].scaling == {"type": "default"}


def test_gemma_3_nested():
    config = without(GEMMA3, "rope_theta", "rope_local_base_freq", "sliding_window_pattern")
    config["layer_types"] = ["sliding_attention", "full_attention"] * 13
    config["rope_parameters"] = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 2e4},
    }
    spec = read_model(config)
    assert [(rotary.base, rotary.scaling["type"]) for rotary in spec.rotaries] == [
        (1e6, "linear"),
        (2e4, "default"),
    ]
    assert spec.sources["sliding.base"] == "rope_parameters.sliding_attention.rope_theta"
    assert spec.provenance["layers"] == "explicit"


def test_gemma_4_has_larger_heads_in_full_layers():
    full, sliding = read_model({"model_type": "gemma4_text", "num_hidden_layers": 12}).rotaries
    assert (full.head_dim, full.rotary_dim, sliding.head_dim) == (512, 512, 256)
    inv_freq, _ = full.spectrum(4096)
    assert inv_freq.shape == (256,)
    np.testing.assert_array_equal(inv_freq[64:], 0)  # a quarter rotates, at the frequencies of all
    np.testing.assert_allclose(inv_freq[:64], frequencies(1e6, 512)[:64])


MODERNBERT = {
    "model_type": "modernbert",
    "num_hidden_layers": 22,
    "hidden_size": 768,
    "num_attention_heads": 12,
    "max_position_embeddings": 8192,
    "global_rope_theta": 160_000.0,
    "local_rope_theta": 10_000.0,
    "local_attention": 128,
    "global_attn_every_n_layers": 3,
}


def test_modernbert():
    spec = read_model(MODERNBERT)
    full, sliding = spec.rotaries
    assert (full.base, full.layers[:3]) == (160_000.0, (0, 3, 6))
    assert (sliding.base, sliding.window) == (10_000.0, 64)  # it counts both directions
    assert spec.provenance["sliding.window"] == "derived"
    assert spec.provenance["base"] == "alias"


def test_every_third_layer_counts_from_the_end_in_afmoe():
    spec = read_model({"model_type": "afmoe", "num_hidden_layers": 6, "global_attn_every_n_layers": 3})
    assert spec.unrotated_layers == (2, 5)
    with pytest.raises(ValueError, match=r"^layer_types is missing, and global_attn_every_n_layers is read"):
        read_model({**BARE, "global_attn_every_n_layers": 3, "sliding_window": 64})


def test_mimo_v2_flash():
    config = {
        "model_type": "mimo_v2_flash",
        "num_hidden_layers": 6,
        "hidden_size": 4096,
        "num_attention_heads": 64,
        "head_dim": 192,
        "partial_rotary_factor": 0.334,
        "rope_theta": 5_000_000,
        "swa_rope_theta": 10_000,
        "max_position_embeddings": 262_144,
        "sliding_window": 128,
        "sliding_window_size": 128,
        "hybrid_layer_pattern": [0, 1, 1, 1, 1, 0],
    }
    spec = read_model(config)
    full, sliding = spec.rotaries
    assert (full.base, full.layers, full.rotary_dim) == (5e6, (0, 5), 64)
    assert (sliding.base, sliding.layers, sliding.window) == (1e4, (1, 2, 3, 4), 128)
    assert spec.provenance["sliding.base"] == "alias"
    assert spec.provenance["layers"] == "alias"


def test_step_has_a_base_and_a_share_for_each_layer():
    config = {
        "model_type": "step3p5",
        "num_hidden_layers": 4,
        "num_nextn_predict_layers": 1,
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "head_dim": 128,
        "max_position_embeddings": 262_144,
        "sliding_window": 512,
        "layer_types": ["full_attention", *["sliding_attention"] * 3, "full_attention"],
        "rope_theta": [5e6, 1e4, 1e4, 1e4, 5e6],
        "partial_rotary_factors": [0.5, 1.0, 1.0, 1.0, 0.5],
        "yarn_only_types": ["full_attention"],
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 2.0,
            "original_max_position_embeddings": 131_072,
            "low_freq_factor": 1.0,
            "high_freq_factor": 32.0,
        },
    }
    kinds = by_kind(config)
    assert (kinds["full"].base, kinds["full"].rotary_dim, kinds["full"].layers) == (5e6, 64, (0,))
    assert (kinds["sliding"].base, kinds["sliding"].rotary_dim) == (1e4, 128)
    assert kinds["full"].scaling["type"] == "llama3"
    assert kinds["sliding"].scaling == {"type": "default"}


def test_two_spectra_of_one_kind():
    spec = read_model({**BARE, "rope_theta": [1e4] * 4 + [1e6] * 4})
    assert [(rotary.kind, rotary.base) for rotary in spec.rotaries] == [("full", 1e4), ("full", 1e6)]


def test_granite_has_a_base_for_each_layer():
    spec = read_model(
        {**BARE, "model_type": "granite_swa", "layer_rope_theta": [0, 1e4, 1e4, 1e4, 0, 5e5, 5e5, 5e5]}
    )
    assert spec.unrotated_layers == (0, 4)
    assert [(rotary.base, rotary.layers) for rotary in spec.rotaries] == [(1e4, (1, 2, 3)), (5e5, (5, 6, 7))]


def test_molmo_2_scales_some_layers():
    spec = read_model(
        {**BARE, "rope_scaling": {"rope_type": "linear", "factor": 4.0}, "rope_scaling_layers": [0, 1]}
    )
    assert [(rotary.layers, rotary.scaling["type"]) for rotary in spec.rotaries] == [
        ((0, 1), "linear"),
        ((2, 3, 4, 5, 6, 7), "default"),
    ]


@pytest.mark.parametrize(
    ("keys", "full"),
    [
        ({"full_attention_interval": 4}, (3, 7)),
        ({"layer_group_size": 4}, (3, 7)),
        ({"attn_type_list": [0, 1] * 4}, (1, 3, 5, 7)),
        ({"layers_block_type": ["mamba", "attention"] * 4}, (1, 3, 5, 7)),
        ({"hybrid_override_pattern": "M*-EM*-E"}, (1, 5)),
        ({"attn_layer_indices": [2, 5]}, (2, 5)),
        ({"full_attn_idxs": [2, 5]}, (2, 5)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_layers_without_attention(keys, full):
    spec, rotary = only({**BARE, **keys})
    assert rotary.layers == full
    assert spec.unrotated_layers == tuple(set(range(8)) - set(full))
    assert spec.sources["unrotated_layers"] == next(iter(keys))


@pytest.mark.parametrize(
    ("keys", "sliding"),
    [
        ({"sliding_window": 1024}, tuple(range(8))),  # Mistral 7B v0.1
        ({"sliding_window": None}, ()),
        ({"sliding_window": 1024, "use_sliding_window": False}, ()),
        ({"sliding_window": 1024, "use_sliding_window": True, "max_window_layers": 5}, (5, 6, 7)),
        ({"sliding_window": 1024, "sliding_window_pattern": 4}, (0, 1, 2, 4, 5, 6)),
        ({"sliding_window": 1024, "sliding_window_pattern": "LG"}, (0, 2, 4, 6)),
        ({"sliding_window": 1024, "layer_types": ["full_attention", "sliding_attention"] * 4}, (1, 3, 5, 7)),
        ({"sliding_window_size": 1024}, tuple(range(8))),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_layers_with_a_window(keys, sliding):
    kinds = by_kind({**BARE, **keys})
    assert (kinds["sliding"].layers if sliding else ()) == sliding
    assert all(rotary.window == (1024 if kind == "sliding" else None) for kind, rotary in kinds.items())


def test_qwen_2_has_windows_only_from_a_layer_on():
    config = {"model_type": "qwen2", "num_hidden_layers": 30, "use_sliding_window": True}
    assert by_kind(config)["sliding"].layers == (28, 29)
    assert list(by_kind({**config, "use_sliding_window": False})) == ["full"]


# ------------------------------------------------------------------------------------------------ NoPE


@pytest.mark.parametrize(
    ("keys", "unrotated"),
    [
        ({"no_rope_layers": [1, 1, 0, 1, 1, 1, 0, 1]}, (2, 6)),  # 1 says that RoPE is used
        ({"no_rope_layer_interval": 2}, (1, 3, 5, 7)),
        ({"alibi": True}, tuple(range(8))),
        ({"use_rope": False}, tuple(range(8))),
        ({"position_embedding_type": "nope"}, tuple(range(8))),
        ({"position_embedding_type": "rope"}, ()),
        ({"layer_rope_theta": [0, 1e4] * 4}, (0, 2, 4, 6)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_layers_without_rope(keys, unrotated):
    assert read_model({**BARE, **keys}).unrotated_layers == unrotated


LLAMA4 = {"model_type": "llama4_text", "num_hidden_layers": 8, "hidden_size": 5120, "num_attention_heads": 40}


@pytest.mark.parametrize("listed", [[], None])
def test_llama_4_rotates_three_of_four_layers_in_chunks(listed):
    spec, rotary = only({**LLAMA4, "no_rope_layers": listed, "attention_chunk_size": 4096})
    assert spec.unrotated_layers == (3, 7)
    assert (rotary.kind, rotary.window, rotary.base) == ("chunked", 4096, 500_000.0)
    assert spec.provenance["unrotated_layers"] == "class_default"
    assert spec.provenance["base"] == "class_default"


def test_llama_4_layers_listed():
    spec, rotary = only({**LLAMA4, "no_rope_layers": [0, 1] * 4})
    assert spec.unrotated_layers == (0, 2, 4, 6)
    assert rotary.window == 8192
    assert spec.provenance["unrotated_layers"] == "explicit"


@pytest.mark.parametrize("model_type", ["cohere2", "exaone4", "afmoe"])
def test_only_sliding_layers_rotate(model_type):
    config = {"model_type": model_type, "num_hidden_layers": 8, "hidden_size": 1024, "num_attention_heads": 8}
    spec, rotary = only({**config, "sliding_window": 4096})
    assert (rotary.kind, rotary.window, rotary.layers) == ("sliding", 4096, (0, 1, 2, 4, 5, 6))
    assert spec.unrotated_layers == (3, 7)
    assert spec.provenance["unrotated_layers"] == "class_default"


def test_exaone_4_without_a_window_rotates_everywhere():
    config = {"model_type": "exaone4", "num_hidden_layers": 4, "hidden_size": 1024, "num_attention_heads": 8}
    spec, rotary = only({**config, "sliding_window": None, "layer_types": ["full_attention"] * 4})
    assert (rotary.kind, spec.unrotated_layers) == ("full", ())


@pytest.mark.parametrize("keys", [{"rope_parameters": None}, {"rope_parameters": {"rope_theta": None}}])
def test_olmo_hybrid_without_a_base_rotates_nothing(keys):
    spec = read_model({"model_type": "olmo_hybrid", "num_hidden_layers": 4, **keys})
    assert spec.rotaries == ()


def test_null_for_a_kind_says_that_it_does_not_rotate():
    rope = {"full_attention": None, "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
    config = {**without(BARE, "rope_theta"), "rope_parameters": rope, "sliding_window": 512}
    spec, rotary = only({**config, "layer_types": ["sliding_attention", "full_attention"] * 4})
    assert rotary.layers == (0, 2, 4, 6)
    assert spec.sources["unrotated_layers"] == "rope_parameters.full_attention is null"


@pytest.mark.parametrize("model_type", ["nemotron_h", "jamba", "bert", "gpt2", "mamba"])
def test_classes_that_do_not_rotate(model_type):
    spec = read_model({"model_type": model_type, "num_hidden_layers": 4, "rope_theta": 10_000})
    assert spec.rotaries == ()
    assert spec.unrotated_layers == (0, 1, 2, 3)
    assert spec.sources["unrotated_layers"].startswith("no rotary embedding in the code of")


# ------------------------------------------------------------------------------------------ provenance


@pytest.mark.parametrize(
    ("model_type", "base"),
    [
        ("mixtral", 1e6),
        ("gpt_oss", 1.5e5),
        ("llama4_text", 5e5),
        ("smollm3", 2e6),
        ("llama", 1e4),
        ("cohere", 5e5),
    ],
)
def test_class_default_of_the_base(model_type, base):
    config = {"model_type": model_type, "num_hidden_layers": 4, "hidden_size": 1024, "num_attention_heads": 8}
    spec = read_model(config)
    assert {rotary.base for rotary in spec.rotaries} == {base}
    assert spec.provenance["base"] == "class_default"
    assert spec.sources["base"].startswith(f"{model_type} in transformers ")


def test_null_keeps_a_class_default_out():
    with pytest.raises(ValueError, match=r"^rope_theta is missing, and no default of this model is known$"):
        read_model({**BARE, "model_type": "llama", "rope_theta": None})
    with pytest.raises(ValueError, match=r"^rope_theta is missing"):
        read_model(
            {**without(BARE, "rope_theta"), "model_type": "llama", "rope_parameters": {"rope_theta": None}}
        )
    config = {"model_type": "apertus", "num_hidden_layers": 4, "hidden_size": 1024, "num_attention_heads": 8}
    assert only(config)[1].scaling["type"] == "llama3"
    assert only({**config, "rope_scaling": None})[1].scaling == {"type": "default"}
    assert read_model({**config, "max_position_embeddings": None}).declared_context is None


def test_a_class_default_never_covers_a_key():
    spec, rotary = only(
        {"model_type": "mixtral", "num_hidden_layers": 4, "rope_theta": 12_345.0, "head_dim": 64}
    )
    assert (rotary.base, rotary.head_dim) == (12_345.0, 64)
    assert spec.provenance["base"] == spec.provenance["head_dim"] == "explicit"


def test_an_unknown_class_is_read_by_its_keys_alone():
    spec = read_model({**BARE, "model_type": "of_no_class"})
    assert spec.notes == ("The model type 'of_no_class' is not known: only its config was read.",)
    assert spec.provenance["layers"] == "assumed"
    with pytest.raises(ValueError, match=r"^rope_theta is missing"):
        read_model({**without(BARE, "rope_theta"), "model_type": "of_no_class"})


def test_mistral_v01_declares_more_than_it_was_trained_on():
    config = {**BARE, "model_type": "mistral", "max_position_embeddings": 32_768, "sliding_window": 4096}
    spec, rotary = only(config)
    assert (spec.declared_context, rotary.window) == (32_768, 4096)
    assert spec.original_context is None


def test_a_spec_is_frozen_all_the_way_down():
    spec, rotary = only(BARE)
    with pytest.raises(AttributeError):
        spec.num_layers = 3
    with pytest.raises(TypeError, match="does not change"):
        rotary.scaling["type"] = "linear"
    assert hash(rotary) == hash(only(dict(BARE))[1])


def test_reading_leaves_a_config_alone():
    config = json.loads(json.dumps(GEMMA3))
    read_model(config)
    assert config == GEMMA3


# ------------------------------------------------------------------------------ fifteen public configs

# id → layers, declared and original context, and of each spectrum: kind, number of layers, base, head size,
# rotated channels, window, scaling and effective base.
PUBLIC = {
    "MiniMaxAI/MiniMax-M2.5": (62, 196_608, None, [("full", 62, 5e6, 128, 64, None, "default", 5e6)]),
    "Qwen/Qwen3-0.6B": (28, 40_960, None, [("full", 28, 1e6, 128, 128, None, "default", 1e6)]),
    "Qwen/Qwen3-8B": (36, 40_960, None, [("full", 36, 1e6, 128, 128, None, "default", 1e6)]),
    "Qwen/Qwen3-VL-32B-Thinking": (64, 262_144, None, [("full", 64, 5e6, 128, 128, None, "default", 5e6)]),
    "Qwen/Qwen3.5-27B": (64, 262_144, None, [("full", 16, 1e7, 256, 64, None, "default", 1e7)]),
    "XiaomiMiMo/MiMo-7B-Base": (
        36,
        32_768,
        None,
        [("full", 36, 640_000.0, 128, 128, None, "default", 640_000.0)],
    ),
    "deepseek-ai/DeepSeek-V3": (61, 163_840, 4096, [("full", 61, 1e4, 192, 64, None, "yarn", 4e5)]),
    "google/gemma-4-26B-A4B": (
        30,
        262_144,
        None,
        [
            ("full", 5, 1e6, 512, 512, None, "proportional", 1e6),
            ("sliding", 25, 1e4, 256, 256, 1024, "default", 1e4),
        ],
    ),
    "meta-llama/Meta-Llama-3.1-70B": (80, 131_072, 8192, [("full", 80, 5e5, 128, 128, None, "llama3", 4e6)]),
    "meta-llama/Meta-Llama-3.1-8B": (32, 131_072, 8192, [("full", 32, 5e5, 128, 128, None, "llama3", 4e6)]),
    "mistralai/Mixtral-8x7B-v0.1": (32, 32_768, None, [("full", 32, 1e6, 128, 128, None, "default", 1e6)]),
    "moonshotai/Kimi-K2.5": (61, 262_144, 4096, [("full", 61, 5e4, 192, 64, None, "yarn", 3.2e6)]),
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": (52, 262_144, None, []),
    "openai/gpt-oss-20b": (
        24,
        131_072,
        4096,
        [
            ("full", 12, 1.5e5, 64, 64, None, "yarn", 4.8e6),
            ("sliding", 12, 1.5e5, 64, 64, 128, "yarn", 4.8e6),
        ],
    ),
    "zai-org/GLM-5": (78, 202_752, None, [("full", 78, 1e6, 256, 64, None, "default", 1e6)]),
}


@pytest.fixture(scope="module")
def public(root):
    return json.loads((root / "tests" / "golden" / "configs.json").read_text(encoding="utf-8"))


def test_every_public_config_has_its_expectation(public):
    assert public.keys() - {"source"} == PUBLIC.keys()


@pytest.mark.parametrize("name", PUBLIC)
def test_public_config(public, name):
    num_layers, context, original, rotaries = PUBLIC[name]
    spec = read_model(public[name])
    assert (spec.num_layers, spec.declared_context, spec.original_context) == (num_layers, context, original)
    read = [
        (
            rotary.kind,
            len(rotary.layers),
            rotary.base,
            rotary.head_dim,
            rotary.rotary_dim,
            rotary.window,
            rotary.scaling["type"],
            pytest.approx(rotary.effective_base(context)),
        )
        for rotary in spec.rotaries
    ]
    assert read == rotaries
    rotated = [layer for rotary in spec.rotaries for layer in rotary.layers]
    assert sorted([*rotated, *spec.unrotated_layers]) == list(range(num_layers))
    assert spec.architecture == public[name]["architectures"][0]
    assert set(spec.provenance.values()) <= set(PROVENANCE)
    assert spec.provenance.keys() == spec.sources.keys()
    wanted = {"base", "head_dim", "rotary_dim", "scaling"} if rotaries else set()
    assert wanted | {"num_layers", "context", "layers"} <= spec.provenance.keys()
    for rotary in spec.rotaries:
        assert rotary.spectrum(context)[0].shape == (rotary.rotary_dim // 2,)
    assert (judge(spec).verdict == "no_rope") == (not rotaries)


def test_temperatures_of_public_configs(public):
    factors = {
        name: read_model(public[name]).rotaries[0].spectrum(131_072)[1] for name in PUBLIC if PUBLIC[name][3]
    }
    assert factors.pop("openai/gpt-oss-20b") == pytest.approx(1.3465736)  # 0.1·ln 32 + 1
    assert set(factors.values()) == {1.0}  # DeepSeek's two mscales cancel


@pytest.mark.parametrize(
    "layers",
    [{"layer_types": ["conv", "full_attention"] * 3}, {"layers_block_type": ["mamba", "attention"] * 3},
     {"hybrid_override_pattern": "M*M*M*"}],
    ids=lambda layers: next(iter(layers)),
)  # fmt: skip
def test_a_list_of_all_layers_says_how_many_there_are(layers):  # Nemotron 3 states no number
    config = {"hidden_size": 64, "num_attention_heads": 4, "rope_theta": 1e6, **layers}
    spec = read_model(config)
    assert (spec.num_layers, spec.provenance["num_layers"]) == (6, "derived")
    assert spec.rotaries[0].layers == (1, 3, 5)
    with pytest.raises(ValueError, match="each of 5 layers, got 6 entries"):
        read_model({**config, "n_layers": 5})
