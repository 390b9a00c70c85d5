"""A retrofit as keys of a config.json, for transformers 5, transformers 4 and vLLM."""

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ..theory.scaling import ORIGINAL_LENGTH, SCALINGS
from .checks import JsonObject
from .config_parts import Parts
from .extend import Extension
from .extendable import extendable
from .layers import LABELS, SEES, seen
from .reading import NAMES
from .spec import ModelSpec, Rotary

Written: TypeAlias = tuple[JsonObject, tuple[str, ...]]  # keys of the object of the text model; notes

# Keys of a rope object that belong to one type of scaling, and are replaced with it.
_OF_SCALINGS = {key for each in SCALINGS.values() for key in each.reads} - {
    "mrope_section",
    "partial_rotary_factor",
} | {"type", "rope_type", "rope_theta"}


def _rope_object(rotary: Rotary, old: JsonObject, context: int) -> JsonObject:
    """The object of a spectrum: its scaling, and what the old object says of other things."""
    kept = {
        key: value for key, value in old.items() if key not in _OF_SCALINGS and not isinstance(value, dict)
    }
    if "max_position_embeddings" in kept:
        kept["max_position_embeddings"] = context
    name = "default" if rotary.scaling["type"] == "mrope" else rotary.scaling["type"]
    numbers = {key: value for key, value in rotary.scaling.plain().items() if key != "type"}
    if name == "dynamic":  # which starts from the declared context
        numbers.pop(ORIGINAL_LENGTH, None)
    return {"rope_type": name, **numbers, **{key: kept[key] for key in kept if key not in numbers}}


def _with_base(rotary: Rotary, parts: Parts, rope: JsonObject) -> JsonObject:
    """A rope object of transformers 5: with its base, and the share of the head that rotates if not all."""
    share = rope.get("partial_rotary_factor")
    if share is None and rotary.rotary_dim < rotary.head_dim and not parts.is_mla:
        rope = {**rope, "partial_rotary_factor": _share(rotary)}
    return {"rope_type": rope["rope_type"], "rope_theta": _plain_number(rotary.base), **rope}


def _share(rotary: Rotary) -> float:
    """The share of a head that rotates, such that int(head_dim * share) counts the channels."""
    share = rotary.rotary_dim / rotary.head_dim
    return share if int(rotary.head_dim * share) == rotary.rotary_dim else float(np.nextafter(share, 1))


def _plain_number(value: float) -> float:
    """A whole number as int, as configs write a base; else as it is."""
    return int(value) if value == int(value) else value


def _labels(parts: Parts) -> list[str]:
    """The names under which an object for each kind of layers stands."""
    if parts.nested:
        return [key for key, value in parts.objects.items() if isinstance(value, dict) or value is None]
    return list(parts.class_kinds)


def _of_label(label: str, labels: list[str], rotaries: tuple[Rotary, ...]) -> Rotary | None:
    """The spectrum that an entry describes, or None where no layer has it."""
    kinds = [
        kind
        for kind in (*SEES, *LABELS, label)
        if (LABELS[kind] if LABELS.get(kind) in labels else kind) == label
    ]
    return next((one for one in rotaries if one.kind in {seen(kind) for kind in kinds}), None)


def _for_transformers_5(extension: Extension, parts: Parts) -> Written:
    context, after = extension.context, extension.after
    values: JsonObject = {parts.key_of("context"): after.declared_context}
    values |= _original(extension, parts) | _head_dim(parts, "transformers-5")
    if parts.states("rope_scaling"):
        values["rope_scaling"] = None
    values["rope_parameters"] = _parameters_of(after, parts, context)
    if _base_is_changed(extension):
        keys = parts.keys_of("base")
        if "rope_theta" in parts.reading.defaults and not parts.class_kinds:
            keys.append("rope_theta")  # ESM reads its base there alone
        values |= dict.fromkeys(keys, _plain_number(after.rotaries[0].base))
    note = "transformers 4 ignores rope_parameters without a word: load this file with 5 alone."
    return values, (note,)


def _parameters_of(after: ModelSpec, parts: Parts, context: int) -> JsonObject:
    """`rope_parameters` of transformers 5: one object, or one for each kind of layers, written whole."""
    if not parts.is_config and len(after.rotaries) > 1:
        raise ValueError(
            f"{after.name} has more than one spectrum: give its config.json, whose keys are kept"
        )
    if not parts.is_config and after.rotaries[0].rotary_dim < after.rotaries[0].head_dim:
        raise ValueError(f"{after.name} rotates part of each head: give its config.json, whose keys are kept")
    if not (parts.nested or parts.class_kinds):
        first = after.rotaries[0]
        rope = _rope_object(first, parts.old_object(None), context)
        if isinstance(parts.reading.value("rope_theta"), list):  # a base for each layer stays where it is
            return rope
        return _with_base(first, parts, rope)
    labels = _labels(parts)
    whole: JsonObject = {}
    for label in labels:
        rotary = _of_label(label, labels, after.rotaries)
        if rotary is None:
            whole[label] = parts.objects.get(label, parts.class_kinds.get(label))
        else:
            old = parts.old_object(label) or ({} if seen(label) == "sliding" else _flat(parts.objects))
            whole[label] = _with_base(rotary, parts, _rope_object(rotary, old, context))
    return whole


def _flat(objects: JsonObject) -> JsonObject:
    return {key: value for key, value in objects.items() if not isinstance(value, dict)}


def _for_transformers_4(extension: Extension, parts: Parts) -> Written:
    if not parts.is_config:
        _parameters_of(extension.after, parts, extension.context)  # for what it refuses
    after = extension.after
    values: JsonObject = {parts.key_of("context"): after.declared_context}
    values |= _original(extension, parts) | _head_dim(parts, "transformers-4")
    if parts.states("rope_parameters"):
        values["rope_parameters"] = None
    changed = next(
        change.after for change in extension.changes if change.after.window is None or change.is_changed
    )
    labels = _labels(parts)
    label = next((one for one in labels if _of_label(one, labels, (changed,)) is not None), None)
    old = parts.old_object(label if parts.nested else None)
    rope = _rope_object(changed, _flat(old), extension.context)
    share = rope.pop("partial_rotary_factor", None)
    if parts.model_type in _NAMES_TYPE:
        rope = {"type": rope.pop("rope_type"), **rope}
    if extension.method != "ntk" or parts.reading.value("rope_scaling") or parts.is_scaled_by_default:
        values["rope_scaling"] = rope
    if not isinstance(parts.reading.value("rope_theta"), list):
        keys = parts.keys_of("base") or [NAMES["base"][0]]
        values |= dict.fromkeys(keys, _plain_number(changed.base))
    if (
        share is not None
        and parts.reading.find_stated("partial_rotary_factor", lambda _, value: value) is None
    ):
        values["partial_rotary_factor"] = share
    others = {one.base for one in after.rotaries if one.kind == "sliding"} - {changed.base}
    if parts.nested and others and parts.reading.value("rope_local_base_freq") is None:
        values["rope_local_base_freq"] = _plain_number(others.pop())
    return values, ("transformers 5 reads this spelling too.",)


def _for_vllm(extension: Extension, parts: Parts) -> Written:
    by_factor = extension.method == "linear"  # vLLM multiplies the declared context by the factor itself
    values: JsonObject = {
        "max_position_embeddings": extension.original if by_factor else extension.context,
        "rope_parameters": _parameters_of(extension.after, parts, extension.context),
    }
    return values, ("Versions of vLLM before 0.12 name the object rope_scaling, with rope_theta beside it.",)


# Classes of transformers 4 that know the older name of rope_type alone, and two types of scaling.
_NAMES_TYPE = {"olmo", "olmo2"}

_WRITERS: dict[str, Callable[[Extension, Parts], Written]] = {
    "transformers-5": _for_transformers_5,
    "transformers-4": _for_transformers_4,
    "vllm": _for_vllm,
}


def vllm_arguments(path: str, values: JsonObject, context: int) -> tuple[str, ...]:
    """`--hf-overrides` and `--max-model-len`; inside the object of the text model, where there is one."""
    nested: Any = values
    for name in reversed(path.split(".") if path else []):
        nested = {name: nested}
    return "--hf-overrides", json.dumps(nested), "--max-model-len", str(context)


def _original(extension: Extension, parts: Parts) -> JsonObject:
    """The original length at the top of a config, where the scaling itself states none.

    So that the next extension starts from it; a program's code reads it for other scalings alone.
    """
    if extension.method in ("linear", "ntk") or parts.states(ORIGINAL_LENGTH):
        return {ORIGINAL_LENGTH: extension.original}
    return {}


def _head_dim(parts: Parts, program: str) -> JsonObject:
    """The head size, for classes that fail on a scaling where the config leaves it to be derived."""
    needed = parts.model_type in extendable(program).needs_head_dim
    if needed and parts.reading.value("head_dim") is None:
        return {"head_dim": parts.spec.rotaries[0].head_dim}
    return {}


def _base_is_changed(extension: Extension) -> bool:
    return any(change.before.base != change.after.base for change in extension.changes)


def config_values(extension: Extension, parts: Parts, program: str) -> Written:
    """What to write for a program into the object of the text model, None for a key to remove; and notes."""
    return _WRITERS[program](extension, parts)
