"""The ways to write a rotation in a `config.json` that programs are measured on, and what is kept of each.

The tools that run the programs and the tests of `rope_lib.models.loaders` share it; it imports no program.
"""

import json
import math

# Models of several thousand experts are as slow to build as they are large.
SMALL = {
    "num_local_experts": 2,
    "num_experts": 2,
    "n_routed_experts": 2,
    "moe_num_experts": 2,
    "num_hidden_layers": 8,
    "max_position_embeddings": 8192,
}
# Configs that a class refuses without another key.
NEEDED = {
    "bamba": {"attn_layer_indices": [2, 5]},
    "deepseek_v4": {"layer_types": ["sliding_attention", "compressed_sparse_attention"] * 4},
    "dots1": {"head_dim": 128},
    "esm": {"position_embedding_type": "rotary", "vocab_size": 33, "pad_token_id": 1},
    "glm4_moe": {"head_dim": 128},
    "glm4v_moe_text": {"head_dim": 128},
    "granitemoehybrid": {
        "position_embedding_type": "rope",
        "layer_types": ["attention", "mamba"] * 4,
    },
    "zamba2": {"use_mem_rope": True},
}

THETA, OTHER_THETA, DECLARED, ORIGINAL = 123_456.0, 54_321.0, 8192, 2048
LINEAR = {"factor": 4.0}
YARN = {"factor": 4.0, "beta_fast": 24.0, "beta_slow": 2.0}
LLAMA3 = {"factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
WITHIN = {"original_max_position_embeddings": ORIGINAL}


def spellings(pairs, hidden):
    """Each way to write a rotation of `pairs` frequencies, as keys of a config; by name."""
    long = {
        "short_factor": [1.0 + i / 64 for i in range(pairs)],
        "long_factor": [2.0 + i for i in range(pairs)],
    }

    def scaling(kind, values, key="rope_type"):
        return {"rope_scaling": {key: kind, **values}}

    def parameters(kind, values):
        return {"rope_parameters": {"rope_type": kind, "rope_theta": THETA, **values}}

    return {
        "nothing": {},
        "base": {"rope_theta": THETA},
        "base null": {"rope_theta": None},
        "base in rope_parameters": parameters("default", {}),
        "base in rope_scaling": {"rope_scaling": {"rope_type": "default", "rope_theta": THETA}},
        "base at both": {"rope_theta": OTHER_THETA, **parameters("default", {})},
        "rotary_emb_base": {"rotary_emb_base": THETA},
        "rotary_base": {"rotary_base": THETA},
        "global_rope_theta": {"global_rope_theta": THETA},
        "local_rope_theta": {"local_rope_theta": THETA},
        "rope_local_base_freq": {"rope_local_base_freq": THETA},
        "bases by kind": {
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": THETA},
                "sliding_attention": {"rope_type": "default", "rope_theta": OTHER_THETA},
            }
        },
        "share": {"partial_rotary_factor": 0.5},
        "share, linear": {"partial_rotary_factor": 0.5, **scaling("linear", LINEAR)},
        "share in rope_parameters": parameters("default", {"partial_rotary_factor": 0.5}),
        "rotary_pct": {"rotary_pct": 0.5},
        "head_dim": {"head_dim": 32},
        "head_dim null": {"head_dim": None},
        "rotary_dim": {"rotary_dim": 32},
        "hidden_size": {"hidden_size": 2 * hidden} if isinstance(hidden, int) else {},
        "qk_rope_head_dim": {"qk_rope_head_dim": 32},
        "kv_channels": {"kv_channels": 32},
        "attention_head_dim": {"attention_head_dim": 32},
        "scaling null": {"rope_scaling": None},
        "scaling empty": {"rope_scaling": {}},
        "linear by type": scaling("linear", LINEAR, "type"),
        "linear": scaling("linear", LINEAR),
        "linear in rope_parameters": parameters("linear", LINEAR),
        "linear beside another base in rope_parameters": {
            **scaling("linear", LINEAR),
            **parameters("default", {}),
        },
        "yarn and a plain base by kind": {
            "rope_parameters": {
                "full_attention": {"rope_type": "yarn", "rope_theta": THETA, **YARN, **WITHIN},
                "sliding_attention": {"rope_type": "default", "rope_theta": OTHER_THETA},
            }
        },
        "linear by type, yarn by rope_type": {
            "rope_scaling": {"type": "linear", "rope_type": "yarn", **YARN}
        },
        "yarn": scaling("yarn", {**YARN, **WITHIN}),
        "yarn, original length at the top": {**scaling("yarn", YARN), **WITHIN},
        "yarn, both original lengths": {
            **scaling("yarn", {**YARN, **WITHIN}),
            "original_max_position_embeddings": 2 * ORIGINAL,
        },
        "yarn without original length": scaling("yarn", YARN),
        "yarn in rope_parameters": parameters("yarn", {**YARN, **WITHIN}),
        "yarn, mscale": scaling("yarn", {**YARN, **WITHIN, "mscale": 1.0, "mscale_all_dim": 0.5}),
        "yarn, attention_factor": scaling("yarn", {**YARN, **WITHIN, "attention_factor": 1.5}),
        "yarn, untruncated": scaling("yarn", {**YARN, **WITHIN, "truncate": False}),
        "llama3": scaling("llama3", {**LLAMA3, **WITHIN}),
        "llama3 by type": scaling("llama3", {**LLAMA3, **WITHIN}, "type"),
        "llama3, original length at the top": {**scaling("llama3", LLAMA3), **WITHIN},
        "llama3 in rope_parameters": parameters("llama3", {**LLAMA3, **WITHIN}),
        "dynamic": scaling("dynamic", {"factor": 4.0}),
        "dynamic, original length": scaling("dynamic", {"factor": 4.0, **WITHIN}),
        "longrope, original length at the top": {**scaling("longrope", long), **WITHIN},
        "longrope": scaling("longrope", {**long, **WITHIN}),
        "longrope with factor": scaling("longrope", {**long, **WITHIN, "factor": 4.0}),
        "longrope in rope_parameters": parameters("longrope", {**long, **WITHIN}),
        "su, original length at the top": {**scaling("su", long, "type"), **WITHIN},
        "mrope": scaling("mrope", {"mrope_section": [16, 24, 24]}, "type"),
        "ntk": scaling("ntk", {"factor": 4.0}, "type"),
    }


def fingerprint(spectrum):
    """Five numbers that tell spectra apart: pairs, fastest, slowest, mean logarithm, and the factor."""
    inv_freq, factor = spectrum
    rotating = [frequency for frequency in inv_freq if frequency > 0]
    mean = sum(map(math.log, rotating)) / len(rotating) if rotating else 0.0
    numbers = (max(inv_freq), min(inv_freq), mean, factor)
    return [len(inv_freq), *(float(f"{number:.6g}") for number in numbers)]


def without_repetition(readings):
    """Readings without the ways that change nothing."""
    return {way: made for way, made in readings.items() if way == "nothing" or made != readings["nothing"]}


def with_repetition(readings):
    """The inverse of `without_repetition`."""
    return {way: readings.get(way, readings["nothing"]) for way in spellings(1, 1)}


def kept_text(source, classes):
    """The text of a file of kept readings, one line for each class."""
    lines = [f"  {json.dumps(name)}: {json.dumps(made)}" for name, made in sorted(classes.items())]
    return f'{{"source": {json.dumps(source)}, "classes": {{\n' + ",\n".join(lines) + "\n}}\n"


# The models of MLX-LM that are measured, and the keys that their configs state in any case.
MLX_MODELS = (
    "deepseek_v3", "gemma2", "gpt_oss", "llama", "mixtral", "olmo2", "qwen2", "qwen3", "qwen3_moe",
    "seed_oss",
)  # fmt: skip
MLX = {
    "hidden_size": 2048,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "num_hidden_layers": 2,
    "max_position_embeddings": DECLARED,
}


def mlx_config(model, keys):
    """The config of a model of MLX-LM that spells its rotation so, with what the model asks for."""
    config = {"model_type": model, **MLX, **keys}
    if model in ("gemma2", "qwen3", "qwen3_moe", "seed_oss"):
        config.setdefault("head_dim", 64)
    if model in ("qwen3", "qwen3_moe") and "rope_parameters" not in keys:
        config.setdefault("rope_theta", 10_000.0)
    return config


# The architectures whose conversion to GGUF is measured, with their model types.
CONVERTED = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "MixtralForCausalLM": "mixtral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen2MoeForCausalLM": "qwen2_moe",
    "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3_moe",
}


def converted_config(architecture, keys):
    """The config of a model that is to be converted and spells its rotation so."""
    sizes = {**MLX, "vocab_size": 32, "intermediate_size": 64}
    return {"architectures": [architecture], "model_type": CONVERTED[architecture], **sizes, **keys}
