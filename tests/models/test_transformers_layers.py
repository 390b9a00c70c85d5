"""Which layers rotate, by the readers and by tiny models that transformers builds from the same config."""

import importlib
import json

import pytest

from rope_lib.models.config import read_config

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from installed_transformers import assert_table_of_this_version, config_class  # noqa: E402

pytestmark = pytest.mark.slow  # imports the modeling code of dozens of models


@pytest.fixture(autouse=True, scope="module")
def _same_version():
    assert_table_of_this_version()


TINY = {
    "vocab_size": 32,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

MOE = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}

# Model type → keys beside those of TINY; the name of a case may follow after a colon.
LAYERS = {
    "afmoe": {"sliding_window": 16, **MOE},
    "afmoe: every third": {"sliding_window": 16, "global_attn_every_n_layers": 3, **MOE},
    "bamba": {
        "attn_layer_indices": [2, 5],
        "mamba_n_heads": 8,
        "mamba_d_head": 8,
        "mamba_d_state": 8,
        "mamba_n_groups": 1,
    },
    "cohere": {},
    "cohere2": {"sliding_window": 16},
    "cohere2: every second": {"sliding_window": 16, "sliding_window_pattern": 2},
    "exaone4": {"sliding_window": 16},
    "exaone4: without a window": {"sliding_window": None, "layer_types": ["full_attention"] * 8},
    "exaone_moe": {"sliding_window": 16, **MOE},
    "beam": {"sliding_window": 16},
    "cohere2_moe": {"sliding_window": 16, **MOE},
    "flint": {"sliding_window": 16, "layer_types": ["full_attention", "sliding_attention"] * 4, **MOE},
    "kolibri1": {"sliding_window": 16, **MOE},
    "muse_spark_text": {
        "sliding_window": 16,
        "layer_types": ["full_attention", "sliding_attention"] * 4,
        "layer_rope_theta": [0, 5e5] * 4,
        "moe_hidden_size": 16,
        **MOE,
    },
    "falcon": {"alibi": False, "head_dim": ...},
    "falcon: alibi": {"alibi": True, "head_dim": ...},
    "gemma3_text": {"sliding_window": 16},
    "granite_swa": {"sliding_window": 16, "layer_rope_theta": [0, 1e4, 1e4, 5e5, 0, 1e4, 1e4, 5e5]},
    "granitemoehybrid: no position": {
        "position_embedding_type": "nope",
        "layer_types": ["full_attention"] * 8,
        "shared_intermediate_size": 32,
        "mamba_n_heads": 8,
        "mamba_d_head": 8,
        **MOE,
    },
    "granitemoehybrid": {
        "position_embedding_type": "rope",
        "layer_types": ["full_attention"] * 8,
        "shared_intermediate_size": 32,
        "mamba_n_heads": 8,
        "mamba_d_head": 8,
        **MOE,
    },
    "jamba": {"attn_layer_period": 4, "attn_layer_offset": 1, "use_mamba_kernels": False, **MOE},
    "lfm2": {"full_attn_idxs": [2, 5]},
    "llama": {},
    "llama4_text": {"attention_chunk_size": 16, "intermediate_size_mlp": 32, **MOE},
    "llama4_text: every third": {
        "attention_chunk_size": 16,
        "no_rope_layer_interval": 3,
        "intermediate_size_mlp": 32,
        **MOE,
    },
    "llama4_text: listed": {
        "attention_chunk_size": 16,
        "no_rope_layers": [1, 0] * 4,
        "intermediate_size_mlp": 32,
        **MOE,
    },
    "minimax": {"layer_types": ["linear_attention", "full_attention"] * 4, "block_size": 8, **MOE},
    "muse_glimmer_text": {
        "sliding_window": 16,
        "layer_types": ["sliding_attention", "full_attention"] * 4,
        "layer_rope_theta": [1e4, 0] * 4,
    },
    "nemotron_h": {
        "hybrid_override_pattern": "M*M-M*M-",
        "mamba_num_heads": 8,
        "mamba_head_dim": 8,
        "ssm_state_size": 8,
        "n_groups": 1,
        **MOE,
    },
    "olmo_hybrid": {
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 2,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
    },
    "olmo_hybrid: without a base": {
        "rope_parameters": {"rope_theta": None, "rope_type": "default"},
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 2,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
    },
    "qwen3_next": {
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 2,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "full_attention_interval": 3,
        **MOE,
    },
    "recurrent_gemma": {"lru_width": 32, "attention_window_size": 16},
    "smollm3": {},
    "smollm3: listed": {"no_rope_layers": [0, 1] * 4},
    "zamba2: without memory rope": {
        "use_mem_rope": False,
        "mamba_ngroups": 1,
        "n_mamba_heads": 8,
        "mamba_d_state": 8,
        "layers_block_type": ["mamba", "hybrid"] * 4,
        "attention_head_dim": 16,
    },
}


@pytest.mark.parametrize("case", LAYERS)
def test_layers_that_rotate(case, monkeypatch):
    """A tiny model runs, and each call of the function that rotates is put down to its layer."""
    model_type = case.split(":")[0]
    keys = {key: value for key, value in {**TINY, **LAYERS[case]}.items() if value is not ...}
    cls = config_class(model_type)
    config = cls(**json.loads(json.dumps(keys)))
    folder = cls.__module__.split(".")[-2]
    module = importlib.import_module(f"transformers.models.{folder}.modeling_{folder}")
    rotated, current = set(), []
    for name in [name for name in vars(module) if name.startswith(("apply_rotary", "apply_rope"))]:
        function = getattr(module, name)

        def recorded(*args, function=function, **kwargs):
            rotated.add(current[-1])
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, recorded)
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config, attn_implementation="eager").eval()
    for index, layer in enumerate(model.layers if hasattr(model, "layers") else model.h):
        layer.register_forward_pre_hook(lambda module, args, index=index: current.append(index))
    with torch.no_grad():
        model(torch.arange(3, 11)[None], use_cache=False)
    spec = read_config({"model_type": model_type, **keys})
    read = {layer for rotary in spec.rotaries for layer in rotary.layers}
    assert read == rotated
    assert set(spec.unrotated_layers) == set(range(keys["num_hidden_layers"])) - rotated
