"""Read a `config.json` of any family as a `ModelSpec`: every value with its provenance, nothing guessed.

A value that is absent takes the default of the model's class in transformers, and its provenance says so;
where no default is known, reading raises. `null` says that there is none: no default takes its place.
"""

from collections import Counter
from dataclasses import replace
from typing import Any

from . import checks
from .account import account
from .checks import Check, Json, JsonObject, length_in_tokens, shown
from .conventions import translated
from .layers import NO_ROPE, layer_kinds, seen
from .limits import LIMITS, MOST_FREQUENCIES, MOST_SPECTRA
from .reading import NAMES, Reading
from .rotary import read_rotary, sliding_window
from .scaling_object import length_before
from .settled import settle
from .spec import FrozenDict, ModelSpec, Rotary, next_scope
from .text_part import TextPart, is_of_type, text_part, type_of_architecture

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
    part = text_part(config)
    reading = _reading(config, part)
    num_layers = _num_layers(reading)
    reading = translated(reading, num_layers)
    context = reading.find("context", length_in_tokens)
    kinds = layer_kinds(reading, num_layers, sliding_window(reading.unrecorded()))
    rotaries = _rotaries(reading, kinds, context)
    rotated = {layer for rotary in rotaries for layer in rotary.layers}
    lengths = (length_before(rotary.scaling) for rotary in rotaries)
    original = next((length for length in lengths if length is not None), None)
    original = reading.find("original_context", length_in_tokens) if original is None else original
    settle(reading, config, part, rotates=bool(rotaries))
    return ModelSpec(
        name=name or _own_name(config) or _architecture(config, part.model_type),
        architecture=_architecture(config, part.model_type),
        num_layers=num_layers,
        declared_context=context,
        original_context=original,
        rotaries=rotaries,
        unrotated_layers=tuple(layer for layer in range(num_layers) if layer not in rotated),
        provenance=FrozenDict(reading.provenance),
        sources=FrozenDict(reading.sources),
        notes=tuple(dict.fromkeys(reading.notes)),
        keys=account(
            config, reading.ledger, num_layers, rotates=bool(rotaries), is_open=_leaves_open(reading)
        ),
    )


def _reading(config: JsonObject, part: TextPart) -> Reading:
    """The reading of a config, by the defaults of its model type unless its architecture is another's."""
    if not part.model_type and (by_name := type_of_architecture(part.values)):
        part = replace(part, model_type=by_name)
        note = f"model_type is missing: {by_name} was taken, as architectures says."
    else:
        note = ""
    architectures = part.values.get("architectures") or config.get("architectures")
    first = architectures[0] if isinstance(architectures, list) and architectures else None
    of_type = not isinstance(first, str) or part.path != "" or is_of_type(first, part.model_type)
    reading = Reading(part.values, part.path, part.model_type if of_type else "")
    reading.notes += [note] if note else []
    reading.ledger.look(config, ("model_type", "architectures"))
    reading.ledger.look(part.values, ("model_type", "architectures"), part.path)
    if not of_type:
        reading.notes.append(
            f"model_type {shown(part.model_type)} and architectures {shown(first)} name different models: no "
            "default of either is used."
        )
    elif part.model_type and not reading.defaults:
        kind = shown(part.model_type)
        reading.notes.append(f"The model type {kind} is not known: only its config was read.")
    return reading


def _leaves_open(reading: Reading) -> bool:
    """Whether the depth, the context, a base or a window is in no key that was read: another may state it."""
    return "context" not in reading.provenance or any(
        name.rpartition(".")[2] in ("num_layers", "context", "base", "window")
        and provenance in ("class_default", "assumed")
        for name, provenance in reading.provenance.items()
    )


def _num_layers(reading: Reading) -> int:
    """The number of layers: stated, by class default, or the length of a list with an entry for each."""
    limited = checks.whole_number_to(LIMITS["num_layers"])
    per_block, blocks = reading.family.layers_per_block, reading.value("num_layers")
    if per_block > 1 and blocks is not None:
        key, number = reading.key("num_layers"), per_block * limited(reading.key("num_layers"), blocks)
        if reading.value("num_hidden_layers") is not None:
            stated_layers = reading.value("num_hidden_layers")
            checks.must_agree(reading.key("num_hidden_layers"), stated_layers, f"{per_block} × {key}", number)
        reading.record(
            "num_layers", "derived", f"{per_block} × {key}: its blocks hold as many attention layers"
        )
        return number
    stated = any(reading.value(name) is not None for name in NAMES["num_layers"])
    for name in ("layer_types", "layers_block_type", "hybrid_override_pattern", "block_configs"):
        entries = reading.value(name)
        if isinstance(entries, list | str) and not stated:
            reading.record("num_layers", "derived", f"the length of {reading.key(name)}")
            return limited(f"the length of {reading.key(name)}", len(entries))
    return reading.need("num_layers", limited)


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


# What `per_layer_config` of transformers 5 may say of a layer that bears on its rotation.
_OF_ONE_LAYER = ("head_dim", "sliding_window", "qk_nope_head_dim", "qk_rope_head_dim", "num_attention_heads")


def _by_layer(reading: Reading, num_layers: int) -> list[list[tuple[str, Json]]]:
    """Columns of `per_layer_config`: an object for some layers, by their numbers, with keys of their own."""
    name = "per_layer_config"
    given = reading.value(name)
    if not isinstance(given, dict) or not given:
        return []
    own: dict[int, JsonObject] = {}
    for number, values in given.items():
        if not str(number).isdecimal() or int(number) >= num_layers or not isinstance(values, dict):
            raise ValueError(f"{reading.key(name)} must have objects under layers, got {shown(number)}")
        own[int(number)] = values
        prefix = f"{reading.key(name)}.{number}"
        reading.ledger.look(values, _OF_ONE_LAYER, prefix)
        reading.ledger.read.add(prefix)
    stated = [key for key in _OF_ONE_LAYER if any(key in values for values in own.values())]
    return [
        [(key, own.get(layer, {}).get(key, reading.value(key))) for layer in range(num_layers)]
        for key in stated
    ]


def _own_values(reading: Reading, num_layers: int) -> list[tuple[tuple[str, Json], ...]]:
    """What each layer has of its own, by keys that list one value for each: `((key, value), …)`."""
    columns: list[list[tuple[str, Json]]] = []
    for name, (standard, valid) in PER_LAYER.items():
        if isinstance(reading.peek(name), list):
            values = reading.per_layer(name, num_layers) or []
            columns.append([(standard, valid(reading.key(name), value)) for value in values])
    columns += _by_layer(reading, num_layers)
    name = "rope_scaling_layers"  # Molmo 2 lists the layers that its scaling is for
    if reading.value(name) is not None:
        scaled = checks.layer_numbers(reading.key(name), reading.value(name), num_layers)
        columns.append([(name, layer in scaled) for layer in range(num_layers)])
    return list(zip(*columns, strict=True)) if columns else [()] * num_layers
