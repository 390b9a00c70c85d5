"""Read a `config.json` of any family as a `ModelSpec`: every value with its provenance, nothing guessed.

A value that is absent takes the default of the model's class in transformers, and its provenance says so;
where no default is known, reading raises. `null` says that there is none: no default takes its place.
"""

from collections import Counter
from typing import Any

from . import checks
from .checks import Check, Json, JsonObject, length_in_tokens, shown
from .layers import NO_ROPE, layer_kinds, seen
from .limits import LIMITS, MOST_FREQUENCIES, MOST_SPECTRA
from .reading import NAMES, Reading, class_defaults
from .rotary import read_rotary, sliding_window
from .scaling_object import length_before
from .spec import Account, FrozenDict, ModelSpec, Rotary, next_scope

# The object of the text model in a config of several parts.
TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config.text_config")

# Keys that some families give as a list with one entry for each layer: the key that an entry stands for, and
# its check.
PER_LAYER: dict[str, tuple[str, Check[float]]] = {
    "rope_theta": ("rope_theta", checks.rope_base),  # Step
    "layer_rope_theta": ("layer_rope_theta", checks.rope_base_or_zero),  # Granite: 0 does not rotate
    "partial_rotary_factors": ("partial_rotary_factor", checks.share_of_head),  # Step
}


def read_config(config: JsonObject, name: str | None = None) -> ModelSpec:
    """The `ModelSpec` of a config, given as a dict. `name` replaces the name that the config gives itself.

    Raises ValueError, one line, for what is missing, of a wrong type, out of range, contradictory or unknown.

    >>> mixtral = {"model_type": "mixtral", "num_hidden_layers": 32, "head_dim": 128}
    >>> spec = read_config({**mixtral, "rope_theta": 500_000})
    >>> spec.rotaries[0].base, spec.provenance["base"]
    (500000.0, 'explicit')
    >>> spec = read_config(mixtral)
    >>> spec.rotaries[0].base, spec.provenance["base"]
    (1000000.0, 'class_default')
    """
    checks.json_object("the config", config)
    text, path, model_type = _text_part(config)
    reading = Reading(text, path, model_type)
    if model_type and not reading.defaults:
        reading.notes.append(f"The model type {shown(model_type)} is not known: only its config was read.")
    num_layers = _num_layers(reading)
    context = reading.find("context", length_in_tokens)
    kinds = layer_kinds(reading, num_layers, sliding_window(reading.unrecorded()))
    rotaries = _rotaries(reading, kinds, context)
    rotated = {layer for rotary in rotaries for layer in rotary.layers}
    lengths = (length_before(rotary.scaling) for rotary in rotaries)
    original = next((length for length in lengths if length is not None), None)
    original = reading.find("original_context", length_in_tokens) if original is None else original
    return ModelSpec(
        name=name or _own_name(config) or _architecture(config, model_type),
        architecture=_architecture(config, model_type),
        num_layers=num_layers,
        declared_context=context,
        original_context=original,
        rotaries=rotaries,
        unrotated_layers=tuple(layer for layer in range(num_layers) if layer not in rotated),
        provenance=FrozenDict(reading.provenance),
        sources=FrozenDict(reading.sources),
        notes=tuple(dict.fromkeys(reading.notes)),
        keys=Account(),
    )


def _text_part(config: JsonObject) -> tuple[JsonObject, str, str]:
    """`(object of the text model, keys that lead to it, model type)`."""
    outer = _model_type(config, "")
    row = class_defaults()["models"].get(outer, {})
    for path in dict.fromkeys((*TEXT_PARTS, row.get("text", "text_config"))):
        part: Json = config
        for key in path.split("."):
            part = part.get(key) if isinstance(part, dict) else None
        if part is not None:
            checks.json_object(path, part)
            return part, path, _model_type(part, path) or row.get("text_type", outer)
    return config, "", row.get("text_type", outer)


def _num_layers(reading: Reading) -> int:
    """The number of layers: stated, by class default, or the length of a list with an entry for each."""
    limited = checks.whole_number_to(LIMITS["num_layers"])
    stated = any(reading.value(name) is not None for name in NAMES["num_layers"])
    for name in ("layer_types", "layers_block_type", "hybrid_override_pattern"):
        entries = reading.value(name)
        if isinstance(entries, list | str) and not stated:
            reading.record("num_layers", "derived", f"the length of {reading.key(name)}")
            return limited(f"the length of {reading.key(name)}", len(entries))
    return reading.need("num_layers", limited)


def _model_type(config: JsonObject, path: str) -> str:
    value = config.get("model_type")
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{path and path + '.'}model_type must be a string, got {shown(value)}")
    return value or ""


def _own_name(config: JsonObject) -> str:
    value = config.get("_name_or_path")
    return checks.shortened(value.rstrip("/").rsplit("/", 1)[-1], 100) if isinstance(value, str) else ""


def _architecture(config: JsonObject, model_type: str) -> str:
    names = config.get("architectures")
    first = names[0] if isinstance(names, list) and names else None
    return checks.shortened(first if isinstance(first, str) else model_type or "unknown", 100)


def _rotaries(reading: Reading, kinds: list[str], context: int | None) -> tuple[Rotary, ...]:
    """The spectra of a model, each with the layers that it drives; that of full attention comes first."""
    groups: dict[tuple[Any, ...], list[int]] = {}  # by (kind, *what such a layer has of its own)
    for layer, (kind, own) in enumerate(zip(kinds, _own_values(reading, len(kinds)), strict=True)):
        if kind != NO_ROPE and ("layer_rope_theta", 0) not in own:
            groups.setdefault((kind, *own), []).append(layer)
    if len(groups) > MOST_SPECTRA:
        raise ValueError(f"layers must share at most {MOST_SPECTRA} different spectra, got {len(groups):,}")
    order = sorted(groups, key=lambda group: (seen(group[0]) != "full", groups[group][0]))
    rotaries: list[Rotary] = []
    numbers, earlier = 0, Counter[str]()
    for group in order:
        kind, *values = group
        reading.scope = next_scope(seen(kind), earlier)
        of_these = reading.with_values(values).for_kind(kind)
        rotary = read_rotary(of_these, kind, groups[group], context)
        if rotary is None:
            continue
        rotaries.append(rotary)
        earlier[rotary.kind] += 1
        numbers += _numbers_in(rotary)
        if numbers > MOST_FREQUENCIES:
            limit = f"must hold at most {MOST_FREQUENCIES:,} frequencies and factors together"
            raise ValueError(
                f"the {len(groups)} spectra {limit}, got {numbers:,} in the first {len(rotaries)}"
            )
    reading.scope = ""
    return tuple(rotaries)


def _numbers_in(rotary: Rotary) -> int:
    """How many numbers a spectrum holds: its frequencies, and the factors that its scaling lists."""
    lists = (value for value in rotary.scaling.values() if isinstance(value, tuple))
    return rotary.rotary_dim // 2 + sum(map(len, lists))


def _own_values(reading: Reading, num_layers: int) -> list[tuple[tuple[str, Json], ...]]:
    """What each layer has of its own, by keys that list one value for each: `((key, value), …)`."""
    columns: list[list[tuple[str, Json]]] = []
    for name, (standard, valid) in PER_LAYER.items():
        if isinstance(reading.value(name), list):
            values = reading.per_layer(name, num_layers) or []
            columns.append([(standard, valid(reading.key(name), value)) for value in values])
    name = "rope_scaling_layers"  # Molmo 2 lists the layers that its scaling is for
    if reading.value(name) is not None:
        scaled = checks.layer_numbers(reading.key(name), reading.value(name), num_layers)
        columns.append([(name, layer in scaled) for layer in range(num_layers)])
    return list(zip(*columns, strict=True)) if columns else [()] * num_layers
