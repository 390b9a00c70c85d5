"""Files that were once misread in silence: each stands for a kind of fault, beside siblings of the kind.

The key names and numbers are those of published files; what is right is said by each model's own code, or by
the rotary modules of transformers.
"""

import numpy as np
import pytest
from model_configs import BARE, SMALL, by_kind, only, without

from rope_lib.models import judge, read_model
from rope_lib.models.record import record
from rope_lib.theory.oscillators import frequencies

LLAMA3 = {
    "factor": 8.0,
    "high_freq_factor": 4.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 8192,
    "rope_type": "llama3",
}


def doubted(config):
    return set(read_model(config).keys.not_understood)


# Words for positions


MODERNBERT = {
    "model_type": "modernbert",
    "architectures": ["ModernBertForMaskedLM"],
    "hidden_size": 768,
    "num_attention_heads": 12,
    "num_hidden_layers": 22,
    "max_position_embeddings": 8192,
    "global_rope_theta": 160_000.0,
    "local_rope_theta": 10_000.0,
    "global_attn_every_n_layers": 3,
    "local_attention": 128,
    "position_embedding_type": "absolute",  # in the published file, beside the bases
}

COHERE2 = {
    "model_type": "cohere2",
    "hidden_size": 12_288,
    "num_attention_heads": 96,
    "head_dim": 128,
    "num_hidden_layers": 8,
    "sliding_window": 4096,
    "sliding_window_pattern": 4,
    "layer_switch": 4,
    "order_of_interleaved_layers": "local_attn_first",
    "rotary_pct": 1.0,
    "max_position_embeddings": 131_072,
    "rope_theta": 50_000,
    "position_embedding_type": "rope_gptj",
}


def test_a_word_for_positions_that_the_class_does_not_read():
    full, sliding = read_model(MODERNBERT).rotaries
    assert (full.base, full.layers) == (160_000.0, tuple(range(0, 22, 3)))
    assert (sliding.base, len(sliding.layers)) == (10_000.0, 14)
    assert not doubted(MODERNBERT)


def test_a_layout_of_pairs_is_no_absence_of_rotation():
    spec, rotary = only(COHERE2)
    assert (rotary.kind, rotary.layers, rotary.base) == ("sliding", (0, 1, 2, 4, 5, 6), 50_000.0)
    assert spec.unrotated_layers == (3, 7)
    assert not doubted(COHERE2)


@pytest.mark.parametrize("word", ["rope", "rope_gptj", "rope_gpt_neox", "rotary", "rotary_2d", "ROPE"])
@pytest.mark.parametrize("key", ["position_embedding_type", "position_embedding", "pos_emb_type"])
def test_every_word_with_rope_in_it_rotates(key, word):
    spec, _ = only({**BARE, key: word})
    assert not spec.keys.not_understood


@pytest.mark.parametrize("word", ["alibi", "ALIBI", "nope", "none", "learned_absolute", "relative_key"])
def test_another_word_beside_a_base_is_followed_and_the_base_reported(word):
    spec = read_model({**BARE, "position_embedding_type": word})
    assert spec.rotaries == ()
    assert set(spec.keys.not_understood) == {"rope_theta"}
    assert not doubted({**without(BARE, "rope_theta"), "position_embedding_type": word})


@pytest.mark.parametrize("word", ["absolute", "spiral", "x\x1b[31m"])
def test_a_word_that_contradicts_a_base_is_reported(word):
    spec, _ = only({**BARE, "position_embedding_type": word})
    assert set(spec.keys.not_understood) == {"position_embedding_type"}
    assert spec.keys.not_understood["position_embedding_type"].isprintable()


# No rotary, and evidence against it


def test_a_model_type_that_its_architecture_denies():
    grok = {
        "model_type": "git",
        "architectures": ["Grok1ForCausalLM"],
        "hidden_size": 8192,
        "num_attention_heads": 64,
        "num_hidden_layers": 64,
        "head_dim": 128,
        "max_position_embeddings": 131_072,
        "rope_theta": 208_533_496,
    }
    spec, rotary = only(grok)
    assert (spec.num_layers, rotary.base, rotary.head_dim, rotary.rotary_dim) == (64, 208_533_496.0, 128, 128)
    assert "name different models" in spec.notes[0]
    with pytest.raises(ValueError, match=r"^rope_theta is missing"):  # and no default of llama stands in
        read_model({**without(grok, "rope_theta"), "model_type": "llama"})


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "LlamaModel", "LlavaLlamaForCausalLM", None, 3])
def test_an_architecture_of_its_model_type(architecture):
    spec = read_model({"model_type": "llama", "architectures": [architecture]})
    assert (spec.rotaries[0].base, spec.provenance["base"]) == (10_000.0, "class_default")


MPT = {
    "model_type": "mpt",
    "d_model": 4096,
    "n_heads": 32,
    "n_layers": 32,
    "max_seq_len": 4096,
    "attn_config": {
        "alibi": False,
        "rope": True,
        "rope_theta": 500_000,
        "rope_impl": "hf",
        "rope_hf_config": {"type": "linear", "factor": 4.0},
        "rope_dail_config": {"type": "original", "pos_idx_in_fp32": True, "xpos_scale_base": 512},
    },
}


def test_mpt_with_a_rotary_embedding():
    spec, rotary = only(MPT)
    assert (rotary.base, len(rotary.layers)) == (500_000.0, 32)
    np.testing.assert_allclose(rotary.spectrum(4096)[0], frequencies(500_000, 128) / 4)
    assert not spec.keys.not_understood


@pytest.mark.parametrize(
    ("own", "scaling", "reported"),
    [
        ({"rope_hf_config": {"type": "no_scaling", "factor": 1.0}}, "default", set()),
        ({"rope_hf_config": {"type": "dynamic", "factor": 2.0}}, "dynamic", set()),
        ({"rope_impl": "dail"}, "default", set()),
        (
            {"rope_impl": "dail", "rope_dail_config": {"type": "xpos", "xpos_scale_base": 512}},
            "default",
            {"attn_config.rope_dail_config"},
        ),
    ],
    ids=["no_scaling", "dynamic", "dail", "xpos"],
)
def test_mpt_with_other_rotary_embeddings(own, scaling, reported):
    config = {**MPT, "attn_config": {**MPT["attn_config"], **own}}
    assert only(config)[1].scaling["type"] == scaling
    assert doubted(config) == reported


def test_mpt_without_one():
    for own in {"alibi": True}, {"alibi": False, "learned_pos_emb": True}, {"rope": False, "alibi": True}:
        spec = read_model({**MPT, "attn_config": own})
        assert (spec.rotaries, spec.keys.not_understood) == ((), {})


def test_a_class_without_rotary_whose_file_says_in_words_that_it_rotates():
    jina = {
        "model_type": "xlm-roberta",
        "position_embedding_type": "rotary",
        "rotary_emb_base": 20_000.0,
        "num_hidden_layers": 24,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "max_position_embeddings": 8194,
    }
    spec, rotary = only(jina)
    assert (rotary.base, len(rotary.layers), rotary.rotary_dim) == (20_000.0, 24, 64)
    assert not spec.keys.not_understood
    assert read_model(without(jina, "rotary_emb_base")).rotaries == ()


@pytest.mark.parametrize("model_type", ["bert", "bloom", "mpt", "git", "gpt2", "mamba"])
@pytest.mark.parametrize(
    "evidence", [{"rope_theta": 1e4}, {"rotary_dim": 64}, {"rope_scaling": {"type": "yarn", "factor": 4.0}}]
)
def test_a_class_without_rotary_whose_file_speaks_of_it(model_type, evidence):
    spec = read_model({"model_type": model_type, **evidence})
    assert spec.rotaries == ()
    assert {name.split(".")[0] for name in spec.keys.not_understood} == set(evidence)


@pytest.mark.parametrize("model_type", ["bert", "bloom", "gpt2", "mamba", "whisper", "t5", "nemotron_h"])
def test_a_model_without_rotary_needs_no_context(model_type):
    spec = read_model({"model_type": model_type, "num_hidden_layers": 2})
    found = record(judge(spec))
    assert (found["verdict"], found["context"]) == ("no_rope", spec.declared_context)
    assert not spec.keys.not_understood


@pytest.mark.parametrize(("hidden", "layers", "rotates"), [(4096, 32, True), (5120, 40, False)])
def test_baichuan_has_alibi_in_its_larger_model(hidden, layers, rotates):
    config = {
        "model_type": "baichuan",
        "architectures": ["BaichuanForCausalLM"],
        "hidden_size": hidden,
        "num_attention_heads": hidden // 128,
        "num_hidden_layers": layers,
        "model_max_length": 4096,
    }
    spec = read_model(config)
    assert bool(spec.rotaries) == rotates
    assert not spec.keys.not_understood


def test_a_config_without_model_type_is_of_the_class_that_its_architecture_names():
    config = {**without(COHERE2, "model_type"), "architectures": ["Cohere2ForCausalLM"]}
    spec = read_model(config)
    assert (spec.rotaries, spec.unrotated_layers) == (read_model(COHERE2).rotaries, (3, 7))
    assert spec.notes[0] == "model_type is missing: cohere2 was taken, as architectures says."


# Scalings that stand under keys of their own


NOMIC = {
    "model_type": "nomic_bert",
    "architectures": ["NomicBertModel"],
    "n_embd": 768,
    "n_head": 12,
    "n_layer": 12,
    "n_positions": 8192,
    "max_trained_positions": 2048,
    "rotary_emb_base": 1000,
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "rotary_scaling_factor": 2,
}


def test_nomic_stretches_from_its_trained_length():
    spec, rotary = only(NOMIC)
    np.testing.assert_allclose(rotary.spectrum(8192)[0], frequencies(1000 * 7 ** (64 / 62), 64))
    assert rotary.spectrum(8192)[0][-1] == pytest.approx(1.77277e-4, rel=1e-5)
    np.testing.assert_array_equal(rotary.spectrum(2048)[0], frequencies(1000, 64))
    assert not spec.keys.not_understood


def test_nomic_without_a_scaling():
    assert only({**NOMIC, "rotary_scaling_factor": None})[1].scaling == {"type": "default"}
    assert doubted({**NOMIC, "rotary_emb_scale_base": 512}) == {"rotary_emb_scale_base"}  # xPos
    assert read_model({**NOMIC, "rotary_emb_fraction": 0.0}).rotaries == ()


QWEN = {
    "model_type": "qwen",
    "architectures": ["QWenLMHeadModel"],
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "kv_channels": 128,
    "max_position_embeddings": 32_768,
    "seq_length": 8192,
    "rotary_emb_base": 10_000,
    "rotary_pct": 1.0,
    "use_dynamic_ntk": True,
    "use_logn_attn": True,
}


def test_qwen_stretches_by_doublings():
    spec, rotary = only(QWEN)
    assert (spec.declared_context, spec.original_context) == (32_768, 8192)
    np.testing.assert_allclose(rotary.spectrum(32_768)[0], frequencies(72_195.86, 128), rtol=1e-6)
    np.testing.assert_array_equal(rotary.spectrum(8192)[0], frequencies(10_000, 128))
    assert not spec.keys.not_understood
    assert only({**QWEN, "use_dynamic_ntk": False})[1].scaling == {"type": "default"}


def test_dynamic_ntk_of_another_family_is_reported():
    assert doubted({**BARE, "use_dynamic_ntk": True}) == {"use_dynamic_ntk"}


GPT_OSS = {
    "num_hidden_layers": 24,
    "num_experts": 32,
    "experts_per_token": 4,
    "vocab_size": 201_088,
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "swiglu_limit": 7.0,
    "head_dim": 64,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "sliding_window": 128,
    "initial_context_length": 4096,
    "rope_theta": 150_000,
    "rope_scaling_factor": 32.0,
    "rope_ntk_alpha": 1,
    "rope_ntk_beta": 32,
}


def test_gpt_oss_as_openai_writes_it():
    spec = read_model(GPT_OSS)
    full, sliding = spec.rotaries
    assert (spec.declared_context, spec.original_context) == (131_072, 4096)
    assert (full.layers, sliding.layers, sliding.window) == (
        tuple(range(1, 24, 2)),
        tuple(range(0, 24, 2)),
        128,
    )
    for rotary in spec.rotaries:
        assert rotary.scaling == {
            "type": "yarn",
            "factor": 32.0,
            "original_max_position_embeddings": 4096,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "truncate": False,
        }
        assert rotary.spectrum(131_072)[1] == pytest.approx(1.3465736)
    assert not spec.keys.not_understood


@pytest.mark.parametrize("key", ["rope_scaling_factor", "rotary_scaling_factor", "rope_position_scale"])
def test_a_factor_under_a_key_of_its_own_is_reported_unless_it_is_one(key):
    assert doubted({**BARE, key: 4.0}) == {key}
    assert not doubted({**BARE, key: 1.0})


# Objects that hold the layers


MLC = {
    "version": "0.1.0",
    "model_type": "llama",
    "quantization": "q4f16_1",
    "model_config": {
        "hidden_size": 2048,
        "num_attention_heads": 32,
        "num_hidden_layers": 16,
        "head_dim": 64,
        "position_embedding_base": 500_000.0,
        "rope_scaling": LLAMA3,
        "context_window_size": 131_072,
    },
    "vocab_size": 128_256,
    "context_window_size": 131_072,
}
VIBEVOICE = {
    "model_type": "vibevoice",
    "decoder_config": {
        "model_type": "qwen2",
        "hidden_size": 1536,
        "num_attention_heads": 12,
        "num_hidden_layers": 28,
        "max_position_embeddings": 65_536,
        "rope_theta": 1_000_000.0,
        "rope_scaling": None,
    },
    "diffusion_head_config": {"model_type": "vibevoice_diffusion_head"},
}


def test_mlc_nests_the_model():
    spec, rotary = only(MLC)
    assert (spec.num_layers, spec.declared_context) == (16, 131_072)
    assert (rotary.base, rotary.head_dim, rotary.scaling["type"]) == (500_000.0, 64, "llama3")
    assert spec.sources["base"] == "model_config.position_embedding_base"
    assert not spec.keys.not_understood


def test_vibevoice_nests_its_decoder():
    spec, rotary = only(VIBEVOICE)
    assert (spec.num_layers, spec.declared_context, rotary.base, rotary.head_dim) == (28, 65_536, 1e6, 128)
    assert not spec.keys.not_understood


@pytest.mark.parametrize("path", ["engine", "lm", "model.decoder", "a.b.c", "generator_config.backbone"])
def test_an_object_with_layers_is_entered_whatever_its_name(path):
    config = {**BARE}
    for key in reversed(path.split(".")):
        config = {key: config, "vision_tower": {**BARE, "rope_theta": 5.0}, "audio_config": BARE}
    spec, rotary = only(config)
    assert (spec.num_layers, rotary.base, spec.sources["base"]) == (8, 10_000.0, f"{path}.rope_theta")
    assert not spec.keys.not_understood


def test_an_object_whose_name_cannot_be_printed_is_not_entered():
    spec = read_model({**BARE, "hidden\x1b[31m": BARE})
    assert spec.keys.not_understood
    assert all(name.isprintable() for name in spec.keys.not_understood)
    with pytest.raises(ValueError, match=r"^num_hidden_layers is missing"):
        read_model({"hidden\x1b[31m": BARE})


def test_of_two_objects_with_layers_the_text_is_taken_or_none():
    assert read_model({"planner": BARE, "text_model": {**BARE, "rope_theta": 5e5}}).rotaries[0].base == 5e5
    with pytest.raises(ValueError, match=r"^one object must hold the layers of the text model, got a, b"):
        read_model({"a": BARE, "b": BARE})


def test_a_key_beside_the_text_that_says_something_else_is_reported():
    assert not doubted({"text_config": BARE, "rope_theta": BARE["rope_theta"]})
    assert doubted({"text_config": BARE, "rope_theta": 5e5}) == {"rope_theta"}


# Layers without attention of their own


def test_layers_that_attend_to_images():
    text = {
        "model_type": "mllama_text_model",
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "num_hidden_layers": 40,
        "cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38],
        "max_position_embeddings": 131_072,
        "rope_theta": 500_000.0,
        "rope_scaling": LLAMA3,
    }
    spec, rotary = only({"model_type": "mllama", "text_config": text})
    assert spec.unrotated_layers == (3, 8, 13, 18, 23, 28, 33, 38)
    assert (len(rotary.layers), rotary.scaling["type"]) == (32, "llama3")
    default = read_model({"model_type": "mllama", "text_config": without(text, "cross_attention_layers")})
    assert default.unrotated_layers == spec.unrotated_layers  # the class's own list


def block(**attention):
    return {"attention": {"n_heads_in_group": 8, "no_op": False, "replace_with_linear": False, **attention}}


def test_layers_whose_attention_was_taken_out():
    blocks = [block(), block(no_op=True), block(replace_with_linear=True), block(window_length=None)]
    config = {**SMALL, "model_type": "nemotron-nas", "architectures": ["DeciLMForCausalLM"]}
    spec, rotary = only({**config, "block_configs": blocks})
    assert (rotary.layers, spec.unrotated_layers) == ((0, 3), (1, 2))
    assert not spec.keys.not_understood
    assert doubted({**config, "block_configs": [*blocks[:3], block(window_length=512)]}) == {"block_configs"}


def test_blocks_of_two_attention_layers():
    config = {
        "model_type": "longcat_flash",
        "architectures": ["LongcatFlashForCausalLM"],
        "hidden_size": 6144,
        "num_attention_heads": 64,
        "num_layers": 28,
        "attention_method": "MLA",
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "max_position_embeddings": 131_072,
        "rope_theta": 10_000_000.0,
    }
    spec, rotary = only(config)
    assert (spec.num_layers, len(rotary.layers), rotary.rotary_dim) == (56, 56, 64)
    assert spec.provenance["num_layers"] == "derived"
    assert not spec.keys.not_understood
    assert read_model({**config, "num_hidden_layers": 56}) == spec
    with pytest.raises(ValueError, match=r"^num_hidden_layers and 2 × num_layers must agree, got 28 and 56"):
        read_model({**config, "num_hidden_layers": 28})


def test_the_depth_by_the_number_of_blocks():
    config = without(SMALL, "num_hidden_layers")
    assert (
        read_model({**config, "model_type": "nemotron-nas", "block_configs": [block()] * 5}).num_layers == 5
    )


# Windows


EMBEDDING_GEMMA = {
    "model_type": "gemma3_text",
    "architectures": ["Gemma3TextModel"],
    "hidden_size": 768,
    "num_attention_heads": 3,
    "head_dim": 256,
    "num_hidden_layers": 24,
    "max_position_embeddings": 2048,
    "rope_theta": 1_000_000.0,
    "rope_local_base_freq": 10_000.0,
    "sliding_window": 512,
    "use_bidirectional_attention": True,
    "_sliding_window_pattern": 6,
    "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 4,
}


def test_a_window_that_looks_both_ways():
    kinds = by_kind(EMBEDDING_GEMMA)
    assert (kinds["sliding"].window, kinds["full"].window, len(kinds["sliding"].layers)) == (257, None, 20)
    assert by_kind({**EMBEDDING_GEMMA, "use_bidirectional_attention": False})["sliding"].window == 512
    assert not doubted(EMBEDDING_GEMMA)


@pytest.mark.parametrize("none", [None, 0, -1, 0.0])
@pytest.mark.parametrize("key", ["sliding_window", "sliding_window_size"])
def test_numbers_that_say_that_there_is_no_window(key, none):
    config = {**BARE, "model_type": "mistral", key: none}
    spec, rotary = only(config)
    assert (rotary.kind, rotary.window) == (("full", None) if key == "sliding_window" else ("sliding", 4096))
    assert not spec.keys.not_understood


def test_a_pattern_of_sliding_layers_without_a_window_is_reported():
    assert doubted({**BARE, "sliding_window_pattern": 4}) == {"sliding_window_pattern"}
    assert not doubted({**BARE, "sliding_window_pattern": 4, "sliding_window": None})
    assert not doubted({**BARE, "sliding_window_pattern": 4, "sliding_window": 512})


# Statements that are made twice


@pytest.mark.parametrize(
    ("again", "differs"),
    [
        ({"sliding_window_pattern": 4}, {"sliding_window_pattern": 2}),
        ({"_sliding_window_pattern": 4}, {"_sliding_window_pattern": 8}),
        ({"layer_switch": 4}, {"layer_switch": 3}),
        ({"global_attn_idx": [3, 7]}, {"global_attn_idx": [0, 7]}),
        ({"hybrid_layer_pattern": [1, 1, 1, 0] * 2}, {"hybrid_layer_pattern": [0, 1, 1, 1] * 2}),
        ({"sliding_window_pattern": "LLLG"}, {"sliding_window_pattern": "LG"}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_a_second_statement_on_layers_agrees_or_is_reported(again, differs):
    kinds = (["sliding_attention"] * 3 + ["full_attention"]) * 2
    config = {**BARE, "sliding_window": 512, "layer_types": kinds}
    assert not doubted({**config, **again})
    assert doubted({**config, **differs}) == set(differs)
    assert read_model({**config, **differs}).rotaries == read_model(config).rotaries


def test_the_size_of_an_mla_head_said_again():
    mla = {**without(BARE, "hidden_size"), "qk_nope_head_dim": 128, "qk_rope_head_dim": 64}
    for size in 64, 128, 192:
        assert not doubted({**mla, "head_dim": size, "qk_head_dim": 192})
    assert doubted({**mla, "qk_head_dim": 100}) == {"qk_head_dim"}


def test_heads_of_sliding_layers_in_an_object_of_their_own():
    other = {"attention_type": "sliding_attention", "num_attention_heads": 96, "head_dim": 128}
    config = {**BARE, "head_dim": 128, "attention_other_setting": other}
    assert not doubted(config)
    assert doubted({**config, "head_dim": 64}) == {"attention_other_setting"}


def test_a_scaling_as_tensorrt_llm_names_it():
    config = {**without(BARE, "rope_theta"), "rotary_base": 5e5, "position_embedding_type": "rope_gpt_neox"}
    spec, rotary = only({**config, "rotary_scaling": {"type": "linear", "factor": 8.0}})
    assert (rotary.scaling, rotary.base) == ({"type": "linear", "factor": 8.0}, 5e5)
    assert not spec.keys.not_understood


# What no file tells


def test_rope_ratio_of_the_first_chatglms_cannot_be_told():
    config = {
        "model_type": "chatglm",
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "kv_channels": 128,
        "num_layers": 28,
        "seq_length": 32_768,
        "rope_ratio": 50,
    }
    assert doubted(config) == {"rope_ratio"}
    assert "no key tells the two apart" in read_model(config).notes[-1]
    assert not doubted({**config, "rope_ratio": 1})
    assert not doubted({**config, "num_layers": 40})  # GLM-4


def test_remapped_positions_are_a_note():
    chunks = {"chunk_size": 262_144, "local_size": 8192, "original_max_position_embeddings": 262_144}
    spec = read_model({**BARE, "dual_chunk_attention_config": chunks})
    assert "remaps the positions" in spec.notes[-1]
    assert not spec.keys.not_understood
    chunks["stride_of_the_future"] = 3
    assert doubted({**BARE, "dual_chunk_attention_config": chunks}) == {
        "dual_chunk_attention_config.stride_of_the_future"
    }
