"""What single families do in their own way."""

import numpy as np
import pytest
from model_configs import BARE, GEMMA3, by_kind, only, without

from rope_lib.models import judge, read_model
from rope_lib.models.families import FAMILIES, Family, Rotating
from rope_lib.theory.oscillators import frequencies


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


def test_every_row_says_something():
    assert Family() not in FAMILIES.values()


def test_a_new_family_is_one_row(monkeypatch):
    row = Family(base=5_000.0, base_multiplier="stretch", rotated_share=0.5, rotating=Rotating.SLIDING)
    monkeypatch.setitem(FAMILIES, "of_a_test", row)
    config = {**without(BARE, "rope_theta"), "model_type": "of_a_test", "sliding_window": 64}
    _, plain = only(config)
    assert (plain.base, plain.rotary_dim) == (5_000.0, 64)
    _, stretched = only({**config, "stretch": 4})
    assert stretched.base == 20_000.0
    with pytest.raises(ValueError, match=r"^rope_theta is missing"):
        read_model({**config, "model_type": "of_another"})


@pytest.mark.parametrize(
    ("model_type", "kind"), [("phi3", "longrope"), ("phi3_v", "longrope"), ("llama", "yarn")]
)
def test_phi_3_runs_longrope_under_the_name_of_yarn(model_type, kind):
    factors = {"short_factor": [1.0] * 64, "long_factor": [2.0] * 64, "factor": 2.0}
    _, rotary = only({**BARE, "model_type": model_type, "rope_scaling": {"type": "yarn", **factors}})
    assert rotary.scaling["type"] == kind


def test_dense_layers_of_command_a_plus_are_refused():
    config = {**BARE, "model_type": "cohere2_moe", "sliding_window": 64}
    assert read_model(config).unrotated_layers == (3, 7)
    for keys in ({"first_k_dense_replace": 1}, {"mlp_layer_types": ["dense"] + ["sparse"] * 7}):
        with pytest.raises(ValueError, match=r"^first_k_dense_replace of cohere2_moe must be 0"):
            read_model({**config, **keys})
