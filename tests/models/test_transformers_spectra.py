"""The spectra that the readers make of a config, against the rotary modules that transformers builds from it.

Only the modules that hold the frequencies are built, never a model with weights.
"""

import importlib
import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from rope_lib.models.config import read_config
from rope_lib.models.reading import class_defaults
from rope_lib.theory.scaling import is_length_dependent

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from installed_transformers import assert_table_of_this_version, config_class  # noqa: E402

ROTATING = sorted(name for name, row in class_defaults()["models"].items() if row.get("rope"))


@pytest.fixture(autouse=True, scope="module")
def _same_version():
    assert_table_of_this_version()


# What a class needs beside its defaults before its layers rotate, or before its defaults make sense.
EXTRA = {
    "bamba": {"attn_layer_indices": [9, 18, 27]},
    "clvp_encoder": {"use_rotary_embedding": True},
    "cohere_compass_text": {
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
            "full_attention": None,
        },
        "layer_types": ["sliding_attention", "full_attention"] * 20,
    },
    "deepseek_v4": {
        "layer_types": ["sliding_attention", "compressed_sparse_attention"] * 21 + ["sliding_attention"]
    },
    "esm": {"position_embedding_type": "rotary"},
    "glm4_moe": {"head_dim": 128},
    "glm4v_moe_text": {"head_dim": 128},
    "granitemoehybrid": {
        "position_embedding_type": "rope",
        "layer_types": ["linear_attention", "full_attention"] * 16,
    },
    "laguna": {"layer_types": ["full_attention", "sliding_attention"] * 20},
    "mellum": {"layer_types": ["full_attention", "sliding_attention"] * 14},
    "qwen3_omni_moe_text": {"head_dim": 128},
    "zamba2": {"use_mem_rope": True, "attention_head_dim": 160},
}

# Where transformers keeps the code of classes whose folder has none, or whose rotary module stands elsewhere.
SERVED_BY = {
    "granite4_vision": "granite",
    "higgs_audio_v2": "llama",
    "internlm3": "llama",
    "iquestcoder": "llama",
}

# Models whose spectrum cannot be compared so, and why.
WITHOUT_MODULE = {
    "codegen": "a table of sines: compared below",
    "gptj": "a table of sines: compared below",
    "roformer": "a table of sines: compared below",
    "clvp_encoder": "its rotary module is built from a projection of speech, not from a head",
}
DIFFERENT = {
    "minimax_m3_vl_text": "its class declares rotary_dim 64, which its code does not read: we take it",
}
PERMUTED = {"ernie4_5_vl_moe_text"}  # the axes of images take turns: the same frequencies in another order


# What the buffers of a kind are called in modules that hold several.
LABELS = {
    "full": ("full_attention", "indexed_attention", "hybrid"),
    "sliding": ("sliding_attention", "hybrid_sliding", "main"),
    "compressed_sparse": ("compress",),
    "heavily_compressed": ("compress",),
}


def rotary_classes(model_type):
    """The classes of a model type's code that hold the frequencies of text."""
    folder = config_class(model_type).__module__.split(".")[-2]
    folder = SERVED_BY.get(folder, folder)
    package = Path(transformers.__file__).parent / "models" / folder
    for file in sorted(package.glob("modeling_*.py")):
        module = importlib.import_module(f"transformers.models.{folder}.{file.stem}")
        for name, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == module.__name__ and "RotaryEmbedding" in name:
                yield value


def module_spectra(model_type, config):
    """`{buffer: (inv_freq, attention factor)}` of every rotary module that accepts the config."""
    spectra = {}
    for cls in rotary_classes(model_type):
        try:
            module = cls(config)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError):
            continue  # of the vision or sound part of the same model
        for name, buffer in module.named_buffers():
            if name.endswith("inv_freq") and "original" not in name:
                factor = getattr(module, name.replace("inv_freq", "attention_scaling"), 1.0)
                if "short_mscale" in (getattr(config, "rope_parameters", None) or ()):  # Phi-3.5-MoE
                    factor = module(torch.zeros(1), torch.tensor([[0]]))[0].max().item()
                spectra[f"{cls.__name__}.{name}"] = (buffer.double().numpy(), factor)
    return spectra


def read_spectra(config):
    """`{kind: (inv_freq, attention factor)}` by the reader, at a length that stretches nothing by itself."""
    spec = read_config(config)
    spectra = {}
    for rotary in spec.rotaries:
        by_length = is_length_dependent(rotary.scaling["type"])
        length = rotary.scaling.get("original_max_position_embeddings", 1) if by_length else 4096
        spectra[rotary.kind] = rotary.spectrum(length)
    return spectra


def agree(ours, theirs):
    return (
        ours[0].shape == theirs[0].shape
        and np.allclose(ours[0], theirs[0], rtol=1e-6, atol=0)
        and ours[1] == pytest.approx(theirs[1], rel=1e-6)
    )


def assert_same(ours, theirs, model_type):
    """Each spectrum that is read is one of the modules', and those of their own kind."""
    assert theirs, f"no rotary module of {model_type} was built"
    assert ours, f"{model_type} was read without a spectrum"
    if model_type in PERMUTED:
        theirs = {name: (-np.sort(-inv_freq), factor) for name, (inv_freq, factor) in theirs.items()}
    for kind, spectrum in ours.items():
        labels = tuple(f".{label}_inv_freq" for label in LABELS.get(kind, (f"{kind}_attention",)))
        of_kind = [one for name, one in theirs.items() if name.endswith(labels)]
        candidates = of_kind or [one for name, one in theirs.items() if name.endswith(".inv_freq")]
        assert any(agree(spectrum, one) for one in candidates), (kind, spectrum, theirs)


def plain(config):
    """A config as its file holds it."""
    return json.loads(json.dumps(config.to_dict(), default=str))


@pytest.mark.parametrize("model_type", sorted(set(ROTATING) - WITHOUT_MODULE.keys() - DIFFERENT.keys()))
def test_defaults_of_the_class_written_out(model_type):
    config = config_class(model_type)(**EXTRA.get(model_type, {}))
    assert_same(read_spectra(plain(config)), module_spectra(model_type, config), model_type)


# A class's list of kinds that fits no other depth, a head size without a default: the reader asks for them.
NOT_BY_DEFAULT = {"dots3_note_text"}


@pytest.mark.parametrize(
    "model_type", sorted(set(ROTATING) - WITHOUT_MODULE.keys() - DIFFERENT.keys() - NOT_BY_DEFAULT)
)
def test_defaults_of_the_class_left_out(model_type):
    config = config_class(model_type)(**EXTRA.get(model_type, {}))
    bare = {
        "model_type": model_type,
        "num_hidden_layers": config.num_hidden_layers,
        **EXTRA.get(model_type, {}),
    }
    assert_same(read_spectra(bare), module_spectra(model_type, config), model_type)


@pytest.mark.parametrize("model_type", ["codegen", "gptj", "roformer"])
def test_tables_of_sines(model_type):
    cls = config_class(model_type)
    config = cls()
    module = importlib.import_module(f"transformers.models.{model_type}.modeling_{model_type}")
    if model_type == "roformer":
        embedding = module.RoFormerSinusoidalPositionalEmbedding(2, 64)
        embedding.weight = torch.nn.Parameter(embedding.create_weight(), requires_grad=False)
        sines = embedding.weight[1][: 64 // 2]
    else:
        sines = module.create_sinusoidal_positions(2, config.rotary_dim)[1][: config.rotary_dim // 2]
    ((inv_freq, _),) = read_spectra(plain(config)).values()
    np.testing.assert_allclose(np.sin(inv_freq), sines.double().numpy(), rtol=2e-6)


LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768}
LINEAR = {"rope_type": "linear", "factor": 8.0}
LONG = {
    "type": "longrope",
    "short_factor": [1.0 + i / 100 for i in range(48)],
    "long_factor": [1.0 + i for i in range(48)],
}
MLA_YARN = {
    "type": "yarn",
    "factor": 40,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "beta_fast": 32,
    "beta_slow": 1,
    "original_max_position_embeddings": 4096,
}

# Realistic configs, as published files have them.
CONFIGS = {
    "llama 3.1": (
        "llama",
        {"rope_theta": 500_000.0, "rope_scaling": LLAMA3, "max_position_embeddings": 131_072},
    ),
    "llama with yarn": ("llama", {"rope_scaling": YARN, "max_position_embeddings": 131_072}),
    "llama with linear": ("llama", {"rope_scaling": {"type": "linear", "factor": 4.0}}),
    "llama with dynamic": ("llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}),
    "yarn without original length": ("qwen3", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}),
    "yarn with its own temperature": ("llama", {"rope_scaling": {**YARN, "attention_factor": 1.5}}),
    "yarn, untruncated": ("qwen3", {"rope_scaling": {**YARN, "truncate": False}, "rope_theta": 1e6}),
    "yarn with other betas": ("qwen3", {"rope_scaling": {**YARN, "beta_fast": 64, "beta_slow": 2}}),
    "qwen2-vl": ("qwen2_vl_text", {"rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}}),
    "phi-3 128k": (
        "phi3",
        {"rope_scaling": LONG, "max_position_embeddings": 131_072, "original_max_position_embeddings": 4096},
    ),
    "phi-4-mini, partial": (
        "phi3",
        {
            "rope_scaling": {**LONG, "short_factor": [1.0] * 48, "long_factor": [2.0] * 48},
            "partial_rotary_factor": 0.75,
            "hidden_size": 4096,
            "max_position_embeddings": 131_072,
            "original_max_position_embeddings": 4096,
        },
    ),
    "phi-3.5-moe": (
        "phimoe",
        {
            "rope_scaling": {
                **LONG,
                "short_factor": [1.0] * 64,
                "long_factor": [3.0] * 64,
                "short_mscale": 1.243,
                "long_mscale": 1.243,
                "original_max_position_embeddings": 4096,
            }
        },
    ),
    "gpt-neox": ("gpt_neox", {"rotary_pct": 0.5, "rotary_emb_base": 25_000}),
    "stablelm": ("stablelm", {"partial_rotary_factor": 0.5, "rope_theta": 20_000.0}),
    "glm-4": ("glm", {"partial_rotary_factor": 0.25, "head_dim": 128}),
    "minimax-m2": ("minimax_m2", {"rotary_dim": 64, "head_dim": 128, "rope_theta": 5e6}),
    "mistral-nemo": (
        "mistral",
        {"head_dim": 128, "hidden_size": 5120, "rope_theta": 1e6, "sliding_window": None},
    ),
    "deepseek-v3": ("deepseek_v3", {"rope_scaling": MLA_YARN, "max_position_embeddings": 163_840}),
    "deepseek-v2": ("deepseek_v2", {"rope_scaling": {**MLA_YARN, "mscale": 0.707, "mscale_all_dim": 0.707}}),
    "gemma 3, old style": (
        "gemma3_text",
        {"rope_theta": 2e6, "rope_local_base_freq": 20_000.0, "rope_scaling": LINEAR},
    ),
    "gemma 4": (
        "gemma4_text",
        {
            "rope_parameters": {
                "full_attention": {
                    "rope_type": "proportional",
                    "partial_rotary_factor": 0.5,
                    "rope_theta": 2e6,
                },
                "sliding_attention": {"rope_type": "default", "rope_theta": 20_000.0},
            }
        },
    ),
    "modernbert, old style": ("modernbert", {"global_rope_theta": 80_000.0, "local_rope_theta": 5_000.0}),
    "modernbert, scaled": ("modernbert", {"rope_scaling": LINEAR}),
    "olmo 3, scaled": ("olmo3", {"rope_scaling": {**YARN, "original_max_position_embeddings": 8192}}),
    "hunyuan": (
        "hunyuan_v1_dense",
        {"head_dim": 128, "rope_scaling": {"type": "dynamic", "alpha": 1000.0, "factor": 1.0}},
    ),
    "qwen3-next": ("qwen3_next", {"rope_theta": 1e7, "rope_scaling": YARN}),
    "qwen3.5": (
        "qwen3_5_text",
        {"rope_parameters": {"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25}},
    ),
    "gpt-oss": (
        "gpt_oss",
        {
            "rope_scaling": {
                **YARN,
                "factor": 32.0,
                "original_max_position_embeddings": 4096,
                "truncate": False,
            }
        },
    ),
    "deepseek-v4": (
        "deepseek_v4",
        {
            "compress_ratios": [0, 4, 128] + [4] * 40,
            "compress_rope_theta": 200_000.0,
            "rope_theta": 20_000.0,
            "rope_scaling": {"type": "yarn", "factor": 16, "original_max_position_embeddings": 65_536},
        },
    ),
    "step": (
        "step3p5",
        {
            "num_hidden_layers": 4,
            "num_nextn_predict_layers": 1,
            "layer_types": [
                "full_attention",
                "sliding_attention",
                "full_attention",
                "sliding_attention",
                "full_attention",
            ],
            "rope_theta": [5e6, 1e4, 5e6, 1e4, 5e6],
            "partial_rotary_factors": [0.5, 1.0, 0.5, 1.0, 0.5],
            "sliding_window": 512,
            "rope_scaling": LLAMA3,
            "yarn_only_types": ["full_attention"],
        },
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_published_conventions(name):
    model_type, keys = CONFIGS[name]
    cls = config_class(model_type)
    config = cls(**json.loads(json.dumps(keys)))
    file = {"model_type": model_type, "num_hidden_layers": config.num_hidden_layers, **keys}
    theirs = module_spectra(model_type, config)
    assert_same(read_spectra(file), theirs, model_type)
    assert_same(read_spectra(plain(config)), theirs, model_type)
