"""A trained byte model as a folder that any program reads which reads Llama: config, weights, tokenizer."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.decoders import ByteFallback, Fuse, Sequence
from tokenizers.models import BPE

from .config import Config
from .loop import build
from .transformer import Transformer

Json = Any  # what JSON can hold: numbers, strings, lists, dicts

BYTES = 256  # tokens of a model of bytes

_OF_LAYER = {
    "attention_norm": "input_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.out": "self_attn.o_proj",
    "network_norm": "post_attention_layernorm",
    "network.gate": "mlp.gate_proj",
    "network.up": "mlp.up_proj",
    "network.out": "mlp.down_proj",
}
_OTHERS = {"embedding": "model.embed_tokens", "norm": "model.norm", "head": "lm_head"}


def save_llama(model: Transformer, config: Config, folder: str | Path) -> None:
    """Write a trained model of bytes into a folder, in bfloat16, as transformers' Llama.

    Token b is byte b. Raises ValueError for a model of another vocabulary, and as `rope_parameters` does for
    one whose rotation no Llama has.
    """
    if model.vocabulary != BYTES:
        raise ValueError(f"model must read bytes, {BYTES} tokens, got {model.vocabulary}")
    described = llama_config(config)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        llama_name(name): value.detach().cpu().bfloat16().contiguous()
        for name, value in model.named_parameters()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = Tokenizer(BPE({f"<0x{byte:02X}>": byte for byte in range(BYTES)}, [], byte_fallback=True))
    tokenizer.decoder = Sequence([ByteFallback(), Fuse()])
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, values in {
        "config.json": described,
        "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"},
    }.items():
        (folder / name).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def llama_config(config: Config) -> dict[str, Json]:
    """The `config.json` of a model of bytes as a Llama. Raises ValueError as `rope_parameters` does."""
    shape, trained = config.model, config.training.length
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": BYTES,
        "hidden_size": shape.width,
        "intermediate_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_value_heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": trained,
        "rms_norm_eps": shape.norm_epsilon,
        "hidden_act": "silu",
        "tie_word_embeddings": shape.tied,
        "bos_token_id": None,
        "eos_token_id": None,
        "rope_parameters": rope_parameters(config),
        "dtype": "bfloat16",
    }


def rope_parameters(config: Config) -> dict[str, Json]:
    """The rotation of a config at its trained length, as transformers' Llama reads it.

    A spectrum whose first m pairs turn by frequencies in geometric progression and whose others do not turn,
    as in RoPE-ID, is transformers' "proportional" with a base and a factor. Raises ValueError for any other.

    >>> rope_parameters(Config())
    {'rope_type': 'default', 'rope_theta': 10000.0}
    """
    dim, trained = config.model.head_dim, config.training.length
    rotation = config.spectrum.at(trained, trained, dim)
    inv_freq = np.array(rotation.inv_freq)
    if config.spectrum.scaling == "default":
        return {"rope_type": "default", "rope_theta": config.spectrum.base}
    turning = int((inv_freq > 0).sum())
    ratio = inv_freq[1] / inv_freq[0] if turning > 1 else 0.0
    if (
        not 0 < ratio < 1
        or rotation.attention_factor != 1
        or rotation.temperature != "none"
        or not np.allclose(inv_freq[:turning], inv_freq[0] * ratio ** np.arange(turning), rtol=1e-9)
    ):
        raise ValueError(
            f"spectrum must be a geometric progression and zeros to be a Llama's, got {config.spectrum}"
        )
    return {
        "rope_type": "proportional",
        "rope_theta": float(ratio ** (-dim / 2)),
        "partial_rotary_factor": 2 * turning / dim,
        "factor": float(1 / inv_freq[0]),
    }


def llama_name(name: str) -> str:
    """The name in transformers' Llama of a parameter of `Transformer`.

    >>> llama_name("blocks.3.attention.query.weight")
    'model.layers.3.self_attn.q_proj.weight'
    """
    part, _, kind = name.rpartition(".")
    if part in _OTHERS:
        return f"{_OTHERS[part]}.{kind}"
    _, layer, place = part.split(".", 2)
    return f"model.layers.{layer}.{_OF_LAYER[place]}.{kind}"


def of_checkpoint(config: Config, path: str | Path) -> tuple[Transformer, list[float]]:
    """The model of a checkpoint that `loop.train` wrote, finished or not, and the loss of each step so far.

    Raises FileNotFoundError where there is none, and ValueError for one of another config or a damaged one.
    """
    model = build(config)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            losses = json.loads(metadata["losses"])
            weights = {name: file.get_tensor(f"weights/{name}") for name, _ in model.named_parameters()}
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: must be a checkpoint of this config ({error})") from None
    if metadata["config"] != config.digest:
        raise ValueError(
            f"{path}: must be a checkpoint of config {config.digest}, got one of {metadata['config']}"
        )
    model.load_state_dict(weights)
    return model, losses


def rounded(model: Transformer) -> Transformer:
    """A model with the weights that `save_llama` keeps of it: each rounded to bfloat16, in float32 again."""
    found = copy.deepcopy(model)
    with torch.no_grad():
        for weights in found.parameters():
            weights.copy_(weights.bfloat16())
    return found
