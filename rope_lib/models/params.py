"""Read the `params.json` that Meta and Mistral publish with their weights."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from ..theory.scaling import ORIGINAL_LENGTH
from .account import Ledger, account
from .checks import Json, JsonObject, json_object, length_in_tokens, shown, true_or_false
from .config import read_config
from .layers import CHUNKED, FULL, SLIDING
from .limits import LIMITS
from .spec import FrozenDict, ModelSpec

Origins: TypeAlias = dict[str, tuple[str, str]]  # quantity → (provenance, source)

# The reference code of both families, for what their files leave out.
META, MISTRAL = "Meta's reference code", "Mistral's reference code"
META_BASE = 10_000.0  # files that need another base state it, since Llama 3
META_SCALING: dict[str, Any] = {  # what `use_scaled_rope` switches on
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
ARCHITECTURES = ("Llama (Meta)", "Mistral")  # what a spec calls them
MISTRAL_BASE, MISTRAL_SLIDING_BASE = 1_000_000.0, 10_000.0  # without and with a sliding window


def is_params(config: JsonObject) -> bool:
    """Whether an object is a `params.json`, by its keys; Mistral's may state a model type of their own.

    >>> is_params({"dim": 64, "n_layers": 2, "n_heads": 4}), is_params({"model_type": "xlm", "n_layers": 2})
    (True, False)
    """
    return {"dim", "n_layers", "n_heads"} <= config.keys() and config.get("model_type") in (
        None,
        "transformer",
    )


def read_params(params: Json, name: str | None = None) -> ModelSpec:
    """The `ModelSpec` of a `params.json`, given as a dict.

    Meta's files declare no context, so that `judge` needs one. Raises ValueError as `read_config` does.

    >>> spec = read_params({"dim": 4096, "n_layers": 32, "n_heads": 32, "rope_theta": 500_000.0}, "Llama")
    >>> spec.rotaries[0].rotary_dim, spec.declared_context
    (128, None)
    """
    config = dict(json_object("params.json", params))
    is_meta = "multiple_of" in config
    code = META if is_meta else MISTRAL
    ledger = Ledger()
    ledger.look(config, ("model_type",))
    supplied = {"layers": ("class_default", f"every layer rotates in {code}")}
    if config.get("rope_theta") is None and (is_meta or "head_dim" in config):
        config["rope_theta"] = _base(config, is_meta)
        supplied["base"] = ("class_default", code)
    terms: dict[str, str] = {}
    config.update(_scaled(config, ledger, supplied, terms))
    config.update(_layers(config, ledger, supplied))
    try:
        spec = read_config({**config, "model_type": None}, name)
    except ValueError as error:
        raise ValueError(_in_terms(terms, str(error))) from None
    ledger.inert |= _INERT
    ledger.read |= set(spec.keys.read)
    ledger.inert |= spec.keys.inert
    architecture = ARCHITECTURES[0] if is_meta else ARCHITECTURES[1]
    spec = replace(
        spec,
        name=name or architecture,
        architecture=architecture,
        sources=FrozenDict({quantity: _in_terms(terms, source) for quantity, source in spec.sources.items()}),
        notes=tuple(_in_terms(terms, note) for note in spec.notes),
        keys=account(params, ledger, spec.num_layers, rotates=bool(spec.rotaries)),
    )
    return with_origins(spec, supplied)


_INERT = {
    "hidden_dim": "the feed-forward part of a layer",
    "llama_4_scaling": "it scales queries by their position, and turns none",
}

# Keys of Meta's files for its scaling, with the names that a config.json has for them.
_META_KEYS = {
    "rope_scaling_factor": "factor",
    "rope_high_freq_factor": "high_freq_factor",
    "rope_low_freq_factor": "low_freq_factor",
}


def _scaled(config: JsonObject, ledger: Ledger, supplied: Origins, terms: dict[str, str]) -> JsonObject:
    """The scaling of either family as the object of a config.json."""
    uses = true_or_false("use_scaled_rope", config.get("use_scaled_rope") or False)
    ledger.look(config, ("use_scaled_rope",))
    stated = {standard: config[key] for key, standard in _META_KEYS.items() if config.get(key) is not None}
    if uses:
        terms |= {f"rope_scaling.{standard}": key for key, standard in _META_KEYS.items()}
        ledger.look(config, _META_KEYS)
        supplied["scaling"] = supplied["original_context"] = ("class_default", f"use_scaled_rope in {META}")
        return {"rope_scaling": {**META_SCALING, **stated}}
    ledger.inert |= dict.fromkeys(_META_KEYS, "use_scaled_rope is not true")
    if config.get("yarn") is None:
        return {}
    terms["rope_scaling"] = "yarn"
    yarn = json_object("yarn", config["yarn"])
    ledger.look(yarn, (*_YARN_KEYS, "apply_scale", "factor", ORIGINAL_LENGTH), "yarn")
    return {"rope_scaling": _mistral_yarn(yarn)}


def _layers(config: JsonObject, ledger: Ledger, supplied: Origins) -> JsonObject:
    """Which layers rotate and which have a window, as keys of a config.json."""
    number = config.get("n_layers")
    if type(number) is not int or not 1 <= number <= LIMITS["num_layers"]:
        return {}  # read_config says what is wrong with it
    interval, window = config.get("nope_layer_interval"), config.get("sliding_window")
    windows = window if isinstance(window, list) else config.get("_sliding_window")
    if interval not in (None, 0, -1):  # Llama 4
        every = length_in_tokens("nope_layer_interval", interval)
        rotates = [(layer + 1) % every != 0 for layer in range(number)]
        ledger.look(config, ("nope_layer_interval", "attention_chunk_size"))
        chunked = config.get("attention_chunk_size") not in (None, 0, -1)
        kinds = [CHUNKED if chunked and one else FULL for one in rotates]
        supplied["layers"] = supplied["unrotated_layers"] = ("derived", "nope_layer_interval")
        return {"layer_types": kinds, "no_rope_layers": [int(one) for one in rotates]}
    ledger.inert["nope_layer_interval"] = "every layer rotates"
    if not isinstance(windows, list):
        return {}
    widths = [width for width in windows if width is not None]
    if not widths or widths.count(widths[0]) != len(widths) or number % len(windows):
        raise ValueError(f"sliding_window must repeat one window over the layers, got {shown(windows)}")
    ledger.look(config, ("sliding_window", "_sliding_window"))
    supplied["layers"] = ("derived", "sliding_window: a list that repeats")
    kinds = [FULL if windows[layer % len(windows)] is None else SLIDING for layer in range(number)]
    return {"layer_types": kinds, "sliding_window": widths[0]}


def _in_terms(terms: Mapping[str, str], text: str) -> str:
    """A message or a source with the file's keys in place of those of a config.json."""
    for ours, of_file in terms.items():
        text = text.replace(ours, of_file)
    return text


def with_origins(spec: ModelSpec, origins: Mapping[str, tuple[str, str]]) -> ModelSpec:
    """The spec with another provenance for some quantities: quantity → (provenance, source)."""
    known = {quantity: origin for quantity, origin in origins.items() if quantity in spec.provenance}
    return replace(
        spec,
        provenance=FrozenDict({**spec.provenance, **{key: origin[0] for key, origin in known.items()}}),
        sources=FrozenDict({**spec.sources, **{key: origin[1] for key, origin in known.items()}}),
    )


def _base(config: JsonObject, is_meta: bool) -> float:
    if is_meta:
        return META_BASE
    return MISTRAL_BASE if config.get("sliding_window") is None else MISTRAL_SLIDING_BASE


_YARN_KEYS = {"beta": "beta_fast", "alpha": "beta_slow"}


def _mistral_yarn(yarn: JsonObject) -> JsonObject:
    """Mistral's object `yarn` under the names of a config.json: `beta` and `alpha` bound the ramp."""
    scaling = {_YARN_KEYS.get(key, key): value for key, value in yarn.items() if key != "apply_scale"}
    if yarn.get("apply_scale") is False:  # no temperature on the attention
        scaling["attention_factor"] = 1.0
    return {"rope_type": "yarn", **scaling}
