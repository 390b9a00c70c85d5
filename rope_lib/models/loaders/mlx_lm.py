"""What MLX-LM 0.32 reads from a `config.json`: the fields that each model's `ModelArgs` declares, no others.

A key without a field is dropped before the model sees it. Only models whose code was read are known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...theory.scaling import ORIGINAL_LENGTH
from ..checks import Json, JsonObject, shown
from ..spec import FrozenDict, ModelSpec
from .seen import ModelFile, NotKnown, Refused, Seen, as_read_by, number

PROGRAM = "MLX-LM 0.32.2"


@dataclass(frozen=True)
class Args:
    """What a model's `ModelArgs` and attention do with the keys of a rotation."""

    base: float | None  # the default; None where the config must state it
    has_head_dim: bool = True  # whether it reads head_dim
    needs_head_dim: bool = False
    is_scaled: bool = True  # whether it hands rope_scaling on to its rotary module
    reads_parameters: bool = False  # whether it knows the rope_parameters of transformers 5
    hands_on_context: bool = True  # whether its rotary module gets the declared context
    size: tuple[str, int] | None = None  # another key that states the rotated channels, and its default


MODELS = {
    "deepseek_v3": Args(10_000.0, size=("qk_rope_head_dim", 64)),
    "gemma2": Args(10_000.0, needs_head_dim=True, is_scaled=False),
    "gpt_oss": Args(150_000.0, hands_on_context=False, size=("head_dim", 64)),
    "llama": Args(10_000.0),
    "mixtral": Args(1_000_000.0, has_head_dim=False, is_scaled=False),
    "olmo2": Args(10_000.0),
    "qwen2": Args(1_000_000.0, has_head_dim=False),
    "qwen3": Args(None, needs_head_dim=True, reads_parameters=True),
    "qwen3_moe": Args(None, needs_head_dim=True, is_scaled=False),
    "seed_oss": Args(10_000.0, needs_head_dim=True),
}
# The model types that it runs by another's code.
SERVED_BY = {"iquestcoder": "llama", "mistral": "llama", "xverse": "llama"}


def read(file: ModelFile) -> ModelSpec:
    """The rotation that MLX-LM runs; raises Refused and NotKnown."""
    if file.kind != "config.json":
        raise NotKnown(f"what it makes of a {file.kind} is not established here")
    model_type = file.keys.get("model_type")
    served = SERVED_BY.get(str(model_type), str(model_type))
    if served not in MODELS:
        raise NotKnown(f"its code for the model type {shown(model_type)} was not read")
    args, config = MODELS[served], file.keys
    base, base_from = _base(args, config, served)
    rotary_dim, dim_from = _rotary_dim(args, config, served)
    scaling, scaling_from = _scaling(args, config, served)
    seen = Seen(
        base,
        max([rotary_dim, *(rotary.head_dim for rotary in file.spec.rotaries if args.size)]),
        rotary_dim,
        scaling,
        {"base": base_from, "rotary_dim": dim_from, "scaling": scaling_from},
    )
    notes = []
    if config.get("rope_parameters") and not args.reads_parameters:
        notes.append(f"rope_parameters is no field of its {served}: it is not read.")
    if config.get("rope_scaling") and not args.is_scaled:
        notes.append(f"rope_scaling does not reach the rotary module of its {served}.")
    return as_read_by(PROGRAM, file.spec, [seen] * len(file.spec.rotaries), notes)


def _base(args: Args, config: JsonObject, served: str) -> tuple[float, tuple[str, str]]:
    place = f"mlx_lm/models/{served}.py"
    if "rope_theta" in config and not (args.reads_parameters and config["rope_theta"] is None):
        return number("rope_theta", config["rope_theta"]), ("explicit", "rope_theta")
    inner = config.get("rope_parameters")
    if args.reads_parameters and isinstance(inner, dict) and inner.get("rope_theta") is not None:
        return number("rope_parameters.rope_theta", inner["rope_theta"]), (
            "explicit",
            "rope_parameters.rope_theta",
        )
    if args.base is None:
        raise Refused("rope_theta is missing, and it asks for it")
    return args.base, ("class_default", place)


def _rotary_dim(args: Args, config: JsonObject, served: str) -> tuple[int, tuple[str, str]]:
    if args.size is not None:
        name, default = args.size
        if name in config:
            return int(number(name, config[name])), ("explicit", name)
        return default, ("class_default", f"mlx_lm/models/{served}.py")
    stated = config.get("head_dim")
    if args.needs_head_dim or (args.has_head_dim and stated):
        if stated is None:
            raise Refused("head_dim is missing, and it asks for it")
        return int(number("head_dim", stated)), ("explicit", "head_dim")
    hidden, heads = (int(number(name, config.get(name))) for name in ("hidden_size", "num_attention_heads"))
    return hidden // heads, ("derived", "hidden_size / num_attention_heads")


def _scaling(args: Args, config: JsonObject, served: str) -> tuple[FrozenDict, tuple[str, str]]:
    """The scaling by `initialize_rope` in mlx_lm/models/rope_utils.py."""
    plain = FrozenDict(type="default")
    key, given = "rope_scaling", config.get("rope_scaling")
    if given is None and args.reads_parameters:
        key, given = "rope_parameters", config.get("rope_parameters")
    if given is None:
        return plain, ("derived", "no scaling is stated")
    if not args.is_scaled:
        return plain, ("derived", f"mlx_lm/models/{served}.py does not scale")
    if not isinstance(given, dict):
        raise Refused(f"{key} is {shown(given)}, and it reads an object there")
    name = given.get("type") or given.get("rope_type", "default")
    if name in ("dynamic", "longrope") and not args.hands_on_context:
        raise Refused(f"{key} states the type {shown(name)}, and its rotary module gets no declared context")
    function = _SCALINGS.get(name) if isinstance(name, str) else None
    if function is None:
        raise Refused(f"{key} states the type {shown(name)}, which it does not know")
    return FrozenDict(function(given, config, key)), ("explicit", key)


def _need(given: JsonObject, key: str, name: str) -> Json:
    if given.get(name) is None:
        raise Refused(f"{key}.{name} is missing, and it computes with it")
    return given[name]


def _default(given: JsonObject, config: JsonObject, key: str) -> dict[str, Any]:
    return {"type": "default"}


def _linear(given: JsonObject, config: JsonObject, key: str) -> dict[str, Any]:
    return {"type": "linear", "factor": _need(given, key, "factor")}


def _dynamic(given: JsonObject, config: JsonObject, key: str) -> dict[str, Any]:
    declared = number("max_position_embeddings", config.get("max_position_embeddings"))
    return {"type": "dynamic", "factor": _need(given, key, "factor"), ORIGINAL_LENGTH: declared}


def _llama3(given: JsonObject, config: JsonObject, key: str) -> dict[str, Any]:
    return {
        "type": "llama3",
        "factor": _need(given, key, "factor"),
        "low_freq_factor": given.get("low_freq_factor", 1.0),
        "high_freq_factor": given.get("high_freq_factor", 4.0),
        ORIGINAL_LENGTH: given.get(ORIGINAL_LENGTH, 8192),
    }


def _yarn(given: JsonObject, config: JsonObject, key: str) -> dict[str, Any]:
    """YaRN with DeepSeek's temperature, from 4,096 tokens where the object states no length.

    The ramp is always widened to whole pairs, and `attention_factor` is not read.
    """
    names = ("beta_fast", "beta_slow", "mscale", "mscale_all_dim")
    return {
        "type": "deepseek_yarn",
        "factor": _need(given, key, "factor"),
        ORIGINAL_LENGTH: given.get(ORIGINAL_LENGTH, 4096),
        **{name: given[name] for name in names if name in given},
    }


def _longrope(given: JsonObject, config: JsonObject, key: str) -> dict[str, Any]:
    """The long factors for inputs of every length."""
    original = _need(given, key, ORIGINAL_LENGTH)
    long = _need(given, key, "long_factor")
    _need(given, key, "short_factor")
    declared = number("max_position_embeddings", config.get("max_position_embeddings"))
    return {
        "type": "longrope",
        "short_factor": long,
        "long_factor": long,
        "factor": max(declared / original, 1.0),
        ORIGINAL_LENGTH: original,
    }


_SCALINGS: dict[str, Callable[[JsonObject, JsonObject, str], dict[str, Any]]] = {
    "default": _default,
    "linear": _linear,
    "dynamic": _dynamic,
    "llama3": _llama3,
    "yarn": _yarn,
    "deepseek_yarn": _yarn,
    "longrope": _longrope,
    "mrope": _default,
}
