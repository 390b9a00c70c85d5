"""Read a `.gguf` file as a `ModelSpec`: its metadata, and the tensors in which llama.cpp keeps divisors.

The metadata of a Llama 3.1 or a Phi-3 file states no scaling: it is in the tensor `rope_freqs.weight`, or in
`rope_factors_long.weight` and `rope_factors_short.weight`. What llama.cpp knows of an architecture and writes
into no file (which layers slide, which rotate) is in `families.ARCHITECTURES`.
"""

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from ..theory.arguments import Floats
from .checks import JsonObject, shown
from .config import read_config
from .families import architecture_of
from .gguf import read_gguf
from .layers import CHUNKED, FULL, LINEAR, SLIDING
from .limits import LIMITS
from .params import with_origins
from .spec import FrozenDict, ModelSpec

LLAMA_CPP = "the code of llama.cpp"
DEFAULT_BASE = 10_000.0  # where a file has no rope.freq_base

# Keys of a GGUF file, after the architecture, under the names of a config.json.
STANDARD = {
    "num_hidden_layers": "block_count",
    "max_position_embeddings": "context_length",
    "hidden_size": "embedding_length",
    "num_attention_heads": "attention.head_count",
    "head_dim": "attention.key_length",
    "rotary_dim": "rope.dimension_count",
    "rope_theta": "rope.freq_base",
    "rope_local_base_freq": "rope.freq_base_swa",
    "sliding_window": "attention.sliding_window",
    "attention_chunk_size": "attention.chunk_size",
    "full_attention_interval": "full_attention_interval",
    "rope_parameters.rope_type": "rope.scaling.type",
    "rope_parameters.factor": "rope.scaling.factor",
    "rope_parameters.original_max_position_embeddings": "rope.scaling.original_context_length",
    "rope_parameters.attention_factor": "rope.scaling.attn_factor",
    "rope_parameters.beta_fast": "rope.scaling.yarn_beta_fast",
    "rope_parameters.beta_slow": "rope.scaling.yarn_beta_slow",
}


Value: TypeAlias = Callable[[str], Any]  # the value of a key of the architecture, or None
Origins: TypeAlias = dict[str, tuple[str, str]]  # quantity → (provenance, source)


def read_gguf_model(path: str | os.PathLike[str], name: str) -> ModelSpec:
    """The `ModelSpec` of a GGUF file, named `name`.

    Raises ValueError, one line, for a file that is damaged or is no model of text, and as `read_config` does,
    with the keys of the file in its messages.
    """
    metadata, tensors = read_gguf(path)
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str) or not re.fullmatch(r"[\w.-]{1,60}", architecture):
        raise ValueError("general.architecture must name the model: is this a later part of a file?")

    def value(key: str) -> Any:
        return metadata.get(f"{architecture}.{key}")

    given = {standard: value(key) for standard, key in STANDARD.items() if "." not in standard}
    config = {standard: found for standard, found in given.items() if found is not None}
    supplied: Origins = {}
    heads = config.get("num_attention_heads")
    if isinstance(heads, tuple) and heads:  # one number for each layer
        config["num_attention_heads"] = max(heads)
    if value("attention.key_length_mla") is not None:
        config["head_dim"] = value("attention.key_length_mla")
        supplied["head_dim"] = ("explicit", f"{architecture}.attention.key_length_mla")
    if value("nextn_predict_layers"):  # layers that predict tokens ahead are counted among the others
        config["num_hidden_layers"] = _difference(config, value("nextn_predict_layers"))
    if "rope_theta" not in config:
        config["rope_theta"] = DEFAULT_BASE
        supplied["base"] = ("class_default", LLAMA_CPP)
    config.update(_layers(architecture, config, value, supplied))
    scaling = _scaling(value, tensors, supplied)
    if SLIDING in config.get("layer_types", ()):
        _set_sliding(architecture, config, scaling, value, supplied)
    elif scaling:
        config["rope_parameters"] = scaling
    try:
        spec = read_config({**config, "architectures": [architecture]}, name)
    except ValueError as error:
        raise ValueError(_in_gguf_terms(architecture, str(error))) from None
    sources = {quantity: _in_gguf_terms(architecture, source) for quantity, source in spec.sources.items()}
    notes = tuple(_in_gguf_terms(architecture, note) for note in spec.notes)
    return with_origins(replace(spec, sources=FrozenDict(sources), notes=notes), supplied)


def _set_sliding(
    architecture: str, config: JsonObject, scaling: JsonObject, value: Value, supplied: Origins
) -> None:
    """What differs in sliding layers: a base of their own, which no scaling touches, and their head size."""
    own = {FULL: scaling, SLIDING: scaling}
    sliding_base = architecture_of(architecture).sliding_base
    if "rope_local_base_freq" in config or sliding_base is not None:
        own[SLIDING] = {}
        if "rope_local_base_freq" not in config:
            config["rope_local_base_freq"] = sliding_base
            supplied["sliding.base"] = ("class_default", LLAMA_CPP)
    if value("attention.key_length_swa") is not None and value("rope.dimension_count_swa") is not None:
        sizes = (config.get("head_dim"), config.pop("rotary_dim", None))
        sliding = (value("attention.key_length_swa"), value("rope.dimension_count_swa"))
        config["global_head_dim"], config["head_dim"] = sizes[0], sliding[0]
        own[FULL] = {**own[FULL], **_share(architecture, sizes, "")}
        own[SLIDING] = {**own[SLIDING], **_share(architecture, sliding, "_swa")}
        for scope, suffix in ("", ""), ("sliding.", "_swa"):
            supplied[f"{scope}head_dim"] = ("explicit", f"{architecture}.attention.key_length{suffix}")
            supplied[f"{scope}rotary_dim"] = ("explicit", f"{architecture}.rope.dimension_count{suffix}")
    if own[FULL] != own[SLIDING]:
        config["rope_parameters"] = own
    elif scaling:
        config["rope_parameters"] = scaling


def _share(architecture: str, sizes: tuple[Any, Any], suffix: str) -> JsonObject:
    """The rotated share of a head, from `(head size, rotated channels)`."""
    head_dim, rotary_dim = sizes
    if rotary_dim is None or rotary_dim == head_dim:
        return {}
    if not all(isinstance(size, int) for size in sizes) or not 0 < rotary_dim < head_dim:
        key = f"{architecture}.rope.dimension_count{suffix}"
        raise ValueError(f"{key} must be at most attention.key_length{suffix}, got {shown(rotary_dim)}")
    return {"partial_rotary_factor": rotary_dim / head_dim}


def _difference(config: JsonObject, ahead: Any) -> Any:
    """The number of layers without the `ahead` ones that predict tokens ahead."""
    layers = config.get("num_hidden_layers")
    if isinstance(layers, int) and isinstance(ahead, int) and 0 < ahead < layers:
        return layers - ahead
    return layers


def _layers(architecture: str, config: JsonObject, value: Value, supplied: Origins) -> JsonObject:
    """Which layers rotate and which have a window, as keys of a config."""
    supplied["layers"] = ("class_default", LLAMA_CPP)
    known = architecture_of(architecture)
    if not known.has_rope:
        supplied["unrotated_layers"] = ("class_default", f"{LLAMA_CPP} runs {architecture} without RoPE")
        return {"use_rope": False}
    number = config.get("num_hidden_layers")
    if not isinstance(number, int) or not 1 <= number <= LIMITS["num_layers"]:
        return {}  # read_config says what is wrong with it
    kinds = _kinds(architecture, number, value, supplied)
    heads = value("attention.head_count_kv")
    if isinstance(heads, tuple) and len(heads) >= number:
        kinds = [kind if count else LINEAR for kind, count in zip(kinds, heads, strict=False)]
    result: JsonObject = {"layer_types": kinds}
    supplied["unrotated_layers"] = supplied["layers"]
    if known.chunk is not None and "attention_chunk_size" not in config:
        result["attention_chunk_size"] = known.chunk
        supplied["window"] = ("class_default", LLAMA_CPP)
    if not known.rotates_full_layers and len(set(kinds)) > 1:
        result["no_rope_layers"] = [int(kind != FULL) for kind in kinds]
        supplied["unrotated_layers"] = ("class_default", LLAMA_CPP)
    elif known.no_rope_every is not None:
        result["no_rope_layers"] = [int((layer + 1) % known.no_rope_every != 0) for layer in range(number)]
        supplied["unrotated_layers"] = ("class_default", LLAMA_CPP)
    return result


def _kinds(architecture: str, number: int, value: Value, supplied: Origins) -> list[str]:
    """The kind of each layer, by the file's own pattern or by what llama.cpp knows of the architecture."""
    window, pattern = value("attention.sliding_window"), value("attention.sliding_window_pattern")
    known = architecture_of(architecture)
    windowed = SLIDING if known.chunk is None else CHUNKED
    if isinstance(pattern, tuple) and len(pattern) >= number:
        supplied["layers"] = ("explicit", f"{architecture}.attention.sliding_window_pattern")
        return [windowed if slides else FULL for slides in pattern[:number]]
    if isinstance(value("full_attention_interval"), int) and value("full_attention_interval") > 0:
        supplied["layers"] = ("derived", f"{architecture}.full_attention_interval")
        return [LINEAR if (layer + 1) % value("full_attention_interval") else FULL for layer in range(number)]
    period = pattern if isinstance(pattern, int) and pattern > 0 else known.full_every
    if period is None or (windowed == SLIDING and window is None):
        return [FULL] * number
    return [windowed if (layer + 1) % period else FULL for layer in range(number)]


def _scaling(value: Value, tensors: Mapping[str, Floats], supplied: Origins) -> JsonObject:
    """The scaling object of a config.json, from the file's keys and its tensors of divisors."""
    scaling = {
        standard.removeprefix("rope_parameters."): value(key)
        for standard, key in STANDARD.items()
        if "." in standard and value(key) is not None
    }
    by_name = {name.split(".")[-2]: tensors[name].tolist() for name in sorted(tensors, reverse=True)}
    if "rope_factors_long" in by_name or "rope_factors_short" in by_name:
        supplied["scaling"] = ("explicit", "rope_factors_long.weight")
        factors = {f"{which}_factor": by_name.get(f"rope_factors_{which}") for which in ("long", "short")}
        return {**scaling, **factors, "rope_type": "longrope"}
    if "rope_freqs" in by_name:
        supplied["scaling"] = ("explicit", "rope_freqs.weight")
        return {"rope_type": "freq_factors", "freq_factors": by_name["rope_freqs"]}
    if scaling.get("rope_type") == "none":
        return {}
    if value("rope.scale_linear") is not None and "factor" not in scaling:  # the key of the first files
        scaling["factor"] = value("rope.scale_linear")
    if scaling and "rope_type" not in scaling:
        if set(scaling) <= {"original_max_position_embeddings"} or scaling.get("factor") in (None, 0.0, 1.0):
            return {}
        scaling["rope_type"] = "linear"  # as llama.cpp takes a factor without a type
        supplied["scaling"] = ("class_default", f"{LLAMA_CPP}, for a factor without a type")
    if scaling.get("rope_type") == "linear":
        return {name: scaling[name] for name in ("rope_type", "factor") if name in scaling}
    if scaling.get("rope_type") == "yarn":
        return _yarn(scaling, value)
    return scaling


def _yarn(scaling: JsonObject, value: Value) -> JsonObject:
    """YaRN as llama.cpp runs it: `attn_factor` multiplies the temperature, and a log multiplier undoes it."""
    factor, extra = scaling.get("factor"), scaling.pop("attention_factor", None)
    if value("rope.scaling.yarn_log_multiplier"):
        return {**scaling, "attention_factor": 1.0}
    if extra is not None and isinstance(factor, float | int) and factor >= 1:
        return {**scaling, "attention_factor": extra * (0.1 * math.log(factor) + 1)}
    return scaling


def _in_gguf_terms(architecture: str, text: str) -> str:
    """A message or a source with the file's keys in place of those of a config.json."""
    text = text.replace(f".{FULL}", "").replace(f".{SLIDING}", "")  # the file has one object for all
    names = sorted(STANDARD, key=len, reverse=True)
    pattern = r"(?<![\w.])(" + "|".join(re.escape(name) for name in names) + r")(?!\w)"
    text = re.sub(pattern, lambda match: f"{architecture}.{STANDARD[match[1]]}", text)
    return text.replace("rope_parameters", f"{architecture}.rope.scaling")
