"""Read the `params.json` that Meta and Mistral publish with their weights."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .checks import Json, JsonObject, json_object, true_or_false
from .config import read_config
from .spec import FrozenDict, ModelSpec

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


def read_params(params: Json, name: str) -> ModelSpec:
    """The `ModelSpec` of a `params.json`, given as a dict.

    Meta's files declare no context, so that `judge` needs one. Raises ValueError as `read_config` does.

    >>> spec = read_params({"dim": 4096, "n_layers": 32, "n_heads": 32, "rope_theta": 500_000.0}, "Llama")
    >>> spec.rotaries[0].rotary_dim, spec.declared_context
    (128, None)
    """
    config = dict(json_object("params.json", params))
    is_meta = "multiple_of" in config
    code = META if is_meta else MISTRAL
    supplied = {"layers": ("class_default", f"every layer rotates in {code}")}
    if config.get("rope_theta") is None and (is_meta or "head_dim" in config):
        config["rope_theta"] = _base(config, is_meta)
        supplied["base"] = ("class_default", code)
    terms = {"rope_scaling": "yarn"}
    if true_or_false("use_scaled_rope", config.get("use_scaled_rope") or False):
        terms = {"rope_scaling.factor": "rope_scaling_factor"}
        factor = config.get("rope_scaling_factor") or META_SCALING["factor"]
        config["rope_scaling"] = {**META_SCALING, "factor": factor}
        supplied["scaling"] = supplied["original_context"] = ("class_default", f"use_scaled_rope in {META}")
    if config.get("yarn") is not None:
        config["rope_scaling"] = _mistral_yarn(json_object("yarn", config["yarn"]))
    try:
        spec = read_config({**config, "model_type": None}, name)
    except ValueError as error:
        raise ValueError(_in_terms(terms, str(error))) from None
    spec = replace(
        spec,
        architecture=ARCHITECTURES[0] if is_meta else ARCHITECTURES[1],
        sources=FrozenDict({quantity: _in_terms(terms, source) for quantity, source in spec.sources.items()}),
        notes=tuple(_in_terms(terms, note) for note in spec.notes),
    )
    return with_origins(spec, supplied)


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


def _mistral_yarn(yarn: JsonObject) -> JsonObject:
    """Mistral's object `yarn` under the names of a config.json: `beta` and `alpha` bound the ramp."""
    names = {"beta": "beta_fast", "alpha": "beta_slow"}
    scaling = {names.get(key, key): value for key, value in yarn.items() if key != "apply_scale"}
    if yarn.get("apply_scale") is False:  # no temperature on the attention
        scaling["attention_factor"] = 1.0
    return {"rope_type": "yarn", **scaling}
