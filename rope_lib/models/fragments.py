"""How a retrofit is written for the program that will load the model: keys of its config, or arguments.

`PROGRAMS` are those whose spelling is known, each with the place in public code that it follows. What a
program does not know, or would read differently, is refused with the reason.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..theory.scaling import ORIGINAL_LENGTH, SCALINGS
from .checks import Json, JsonObject, shown
from .config import read_config, text_part
from .extend import Extension, extend
from .extendable import extendable
from .families import ORDINARY
from .layers import LABELS, SEES, is_by_kind, seen
from .llama_cpp_flags import gguf_keys, llama_cpp_arguments
from .reading import NAMES, Reading
from .spec import ModelSpec, Rotary


@dataclass(frozen=True)
class Program:
    """A program that loads models, and where its public code says how a retrofit is written for it."""

    name: str
    title: str
    place: str
    refuses: Mapping[str, str] = field(default_factory=dict)  # methods that cannot be written, and why


PROGRAMS = {
    program.name: program
    for program in (
        Program("transformers-5", "transformers 5", "modeling_rope_utils.py of transformers 5.23.0"),
        Program("transformers-4", "transformers 4", "modeling_rope_utils.py of transformers 4.57.6"),
        Program(
            "vllm",
            "vLLM",
            "vllm-project/vllm: vllm/model_executor/layers/rotary_embedding/__init__.py at 07b12f1b, "
            "vllm/transformers_utils/config.py at 0036026e",
            {"dynamic": "its dynamic scaling stretches every input alike, whatever its length: use ntk or yarn"},
        ),
        Program(
            "llama.cpp",
            "llama.cpp",
            "ggml-org/llama.cpp: common/arg.cpp at 145b6280, src/llama-context.cpp at 001d906a",
            {
                "dynamic": "it knows no scaling that grows with the input: use ntk or yarn",
                "llama3": "it keeps that scaling in a tensor of the file, which no argument changes: use yarn",
            },
        ),
    )
}


@dataclass(frozen=True)
class Fragment:
    """A retrofit as one program reads it.

    `values` are keys of the object at `path` in a config.json, "" for the config itself: each replaces the
    key of that name whole, and None removes that key. `arguments` are those of the command line.
    """

    program: Program
    path: str
    values: JsonObject
    arguments: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def keys(self) -> JsonObject:
        """The values inside the objects that lead to them: what to merge into a config.json."""
        nested = self.values
        for name in reversed(self.path.split(".") if self.path else []):
            nested = {name: nested}
        return nested


def written(
    spec: ModelSpec,
    config: JsonObject | None,
    context: int,
    method: str | None,
    program: str,
    *,
    original: int | None = None,
) -> tuple[Extension, Fragment]:
    """The extension of a model and the fragment that writes it for a program, one of `PROGRAMS`.

    `config` is the config that `spec` was read from, None where the source is no config.json. Raises
    ValueError as `extend` does, and for what the program cannot express.

    >>> config = {"model_type": "qwen3", "num_hidden_layers": 36, "head_dim": 128, "rope_theta": 1e6,
    ...           "max_position_embeddings": 40_960}
    >>> _, fragment = written(read_config(config), config, 131_072, "yarn", "transformers-4")
    >>> fragment.values["rope_scaling"]
    {'rope_type': 'yarn', 'factor': 3.2, 'original_max_position_embeddings': 40960}
    """
    parts = Parts(spec, config)
    extension = extension_for(spec, parts, context, method, program, original=original)
    parts.check_class(extension.method, program)
    fragment = composed(extension, parts, program)
    if config is not None and fragment.values:
        _check(extension, applied(config, _as_loaded(fragment, parts)))
    return extension, fragment


def _as_loaded(fragment: Fragment, parts: "Parts") -> Fragment:
    """A fragment as it stands to the whole config: vLLM's override comes after the config's own keys."""
    if fragment.program.name != "vllm":
        return fragment
    stated = [name for name in ("rope_scaling", *parts.keys_of("base")) if parts.states(name)]
    values = {**dict.fromkeys(stated), **fragment.values}
    if isinstance(parts.reading.value("rope_theta"), list):
        values.pop("rope_theta", None)
    return replace(fragment, values=values)


def _program(name: str) -> Program:
    if name not in PROGRAMS:
        raise ValueError(f"program must be one of {', '.join(PROGRAMS)}, got {shown(name)}")
    return PROGRAMS[name]


def extension_for(
    spec: ModelSpec, parts: "Parts", context: int, method: str | None, program: str, *, original: int | None = None
) -> Extension:
    """The extension of a model as far as a program can run it.

    Raises ValueError as `extend` does, and for a method that the program does not know.
    """
    target, is_llama_cpp = _program(program), program == "llama.cpp"
    extension = extend(
        spec,
        context,
        method,
        original=original,
        all_layers=not is_llama_cpp and not parts.is_by_kind,
        parameters=None if is_llama_cpp else parts.parameters(method),
    )
    reason = target.refuses.get(extension.method)
    if reason:
        raise ValueError(f"{target.title} cannot run {extension.method} as it is meant: {reason}")
    return extension


def composed(extension: Extension, parts: "Parts", program: str) -> Fragment:
    """The fragment of an extension for a program. Raises ValueError for what it cannot express."""
    target = _program(program)
    if program == "llama.cpp":
        arguments, notes = llama_cpp_arguments(extension, parts.model_type, not parts.is_config)
        return Fragment(target, "", {}, arguments, notes)
    values, notes = _WRITERS[program](extension, parts)
    arguments = _vllm_arguments(parts.path, values, extension.context) if program == "vllm" else ()
    return Fragment(target, parts.path, values, arguments, (*parts.notes(target), *notes))


class Parts:
    """What a writer needs of the config that a model was read from."""

    def __init__(self, spec: ModelSpec, config: JsonObject | None) -> None:
        self.spec = spec
        self.is_config = config is not None
        self.text, self.path, self.model_type = text_part(config or {})
        self.reading = Reading(self.text, self.path, self.model_type)
        self.objects: JsonObject = {}  # rope_scaling and rope_parameters together
        for name in ("rope_scaling", "rope_parameters"):
            self.objects |= self.reading.value(name) or {}
        self.nested = any(isinstance(value, dict) for value in self.objects.values())
        of_class: JsonObject = self.reading.defaults.get("rope_parameters") or {}
        self.class_kinds = of_class if is_by_kind(of_class) else {}
        self.is_by_kind = bool(self.nested or self.class_kinds or not self.is_config)
        self.is_scaled_by_default = of_class.get("rope_type", "default") != "default"
        self.is_mla = "qk_rope_head_dim" in spec.sources.get("head_dim", "")

    def check_class(self, method: str, program: str) -> None:
        """Raise ValueError where a class of transformers would not rotate as the method says."""
        if not (self.is_config and program.startswith("transformers")):
            return
        kind = shown(self.model_type)
        brings_code = "auto_map" in self.text or self.reading.family != ORDINARY
        if brings_code and not self.reading.defaults:
            raise ValueError(
                f"model type {kind} runs its own code, of which {PROGRAMS[program].title} has no class: see that "
                "code for the keys that it reads"
            )
        if not self.reading.defaults:
            return
        table = extendable(program)
        methods = table.methods.get(self.model_type)
        if methods is None:
            raise ValueError(f"{table.version} has no rotary class for model type {kind}")
        if method not in methods:
            can = f"it runs {', '.join(methods)}" if methods else "nor those of any other"
            raise ValueError(f"{table.version} was not seen to give {kind} the frequencies of {method}: {can}")

    def notes(self, program: Program) -> tuple[str, ...]:
        """What the fragment rests on."""
        if self.is_config and not self.reading.defaults:
            kind = shown(self.model_type) if self.model_type else "of this config"
            return (f"The model type {kind} is not known: the keys are those that {program.title} documents.",)
        return ()

    def parameters(self, method: str | None) -> JsonObject | None:
        """Numbers that the scaling of this kind of model needs: MLA's temperature on the whole score.

        In MLA few channels rotate, so that a factor on cosines and sines would reach part of a score; the
        code of such models multiplies the score itself where `mscale_all_dim` says so.
        """
        plain = all(rotary.scaling["type"] == "default" for rotary in self.spec.rotaries)
        known = extendable("transformers-5").scales_scores
        if self.is_mla and plain and method in (None, "yarn") and self.model_type in known:
            return {"mscale": 1.0, "mscale_all_dim": 1.0}
        return None

    def keys_of(self, quantity: str) -> list[str]:
        """The names under which the config states a quantity."""
        standard = NAMES[quantity][0]
        of_class = [key for key, name in self.reading.defaults.get("aliases", {}).items() if name == standard]
        names = dict.fromkeys((*NAMES[quantity], *of_class))
        return [name for name in names if self.reading.value(name) is not None]

    def key_of(self, quantity: str) -> str:
        """The first of these names, else the standard one."""
        return next(iter(self.keys_of(quantity)), NAMES[quantity][0])

    def states(self, name: str) -> bool:
        """Whether the config has a key of that name, with a value or null."""
        return name in self.reading.config

    def old_object(self, label: str | None) -> JsonObject:
        """The object that described a spectrum, of its own or of all."""
        old = self.objects.get(label) if label is not None else self.objects
        return old if isinstance(old, dict) else {}


# Keys of a rope object that belong to one type of scaling, and are replaced with it.
_OF_SCALINGS = {key for each in SCALINGS.values() for key in each.reads} - {
    "mrope_section",
    "partial_rotary_factor",
} | {"type", "rope_type", "rope_theta"}


def _rope_object(rotary: Rotary, old: JsonObject, context: int) -> JsonObject:
    """The object of a spectrum: its scaling, and what the old object says of other things."""
    kept = {key: value for key, value in old.items() if key not in _OF_SCALINGS and not isinstance(value, dict)}
    if "max_position_embeddings" in kept:
        kept["max_position_embeddings"] = context
    name = "default" if rotary.scaling["type"] == "mrope" else rotary.scaling["type"]
    numbers = {key: value for key, value in rotary.scaling.plain().items() if key != "type"}
    if name == "dynamic":  # which starts from the declared context
        numbers.pop(ORIGINAL_LENGTH, None)
    return {"rope_type": name, **numbers, **{key: kept[key] for key in kept if key not in numbers}}


def _with_base(rotary: Rotary, parts: Parts, rope: JsonObject) -> JsonObject:
    """A rope object of transformers 5: with its base, and the share of the head where not all of it rotates."""
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
    kinds = [kind for kind in (*SEES, *LABELS, label) if (LABELS[kind] if LABELS.get(kind) in labels else kind) == label]
    return next((one for one in rotaries if one.kind in {seen(kind) for kind in kinds}), None)


def _for_transformers_5(extension: Extension, parts: Parts) -> tuple[JsonObject, tuple[str, ...]]:
    context, after = extension.context, extension.after
    values: JsonObject = {parts.key_of("context"): after.declared_context}
    values |= _original(extension, parts) | _head_dim(parts, "transformers-5")
    if parts.states("rope_scaling"):
        values["rope_scaling"] = None
    values["rope_parameters"] = _parameters_of(after, parts, context)
    if _base_is_changed(extension):
        values |= dict.fromkeys(parts.keys_of("base"), _plain_number(after.rotaries[0].base))
    note = "transformers 4 ignores rope_parameters without a word: load this file with 5 alone."
    return values, (note,)


def _parameters_of(after: ModelSpec, parts: Parts, context: int) -> JsonObject:
    """`rope_parameters` of transformers 5: one object, or one for each kind of layers, written whole."""
    if not parts.is_config and len(after.rotaries) > 1:
        raise ValueError(f"{after.name} has more than one spectrum: give its config.json, whose keys are kept")
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


def _for_transformers_4(extension: Extension, parts: Parts) -> tuple[JsonObject, tuple[str, ...]]:
    if not parts.is_config:
        _parameters_of(extension.after, parts, extension.context)  # for what it refuses
    after = extension.after
    values: JsonObject = {parts.key_of("context"): after.declared_context}
    values |= _original(extension, parts) | _head_dim(parts, "transformers-4")
    if parts.states("rope_parameters"):
        values["rope_parameters"] = None
    changed = next(change.after for change in extension.changes if change.after.window is None or change.is_changed)
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
    if share is not None and parts.reading.find_stated("partial_rotary_factor", lambda _, value: value) is None:
        values["partial_rotary_factor"] = share
    others = {one.base for one in after.rotaries if one.kind == "sliding"} - {changed.base}
    if parts.nested and others and parts.reading.value("rope_local_base_freq") is None:
        values["rope_local_base_freq"] = _plain_number(others.pop())
    return values, ("transformers 5 reads this spelling too.",)


def _for_vllm(extension: Extension, parts: Parts) -> tuple[JsonObject, tuple[str, ...]]:
    by_factor = extension.method == "linear"  # vLLM multiplies the declared context by the factor itself
    values: JsonObject = {
        "max_position_embeddings": extension.original if by_factor else extension.context,
        "rope_parameters": _parameters_of(extension.after, parts, extension.context),
    }
    return values, ("Versions of vLLM before 0.12 name the object rope_scaling, with rope_theta beside it.",)


# Classes of transformers 4 that know the older name of rope_type alone, and two types of scaling.
_NAMES_TYPE = {"olmo", "olmo2"}

_Writer = Callable[[Extension, Parts], tuple[JsonObject, tuple[str, ...]]]
_WRITERS: dict[str, _Writer] = {
    "transformers-5": _for_transformers_5,
    "transformers-4": _for_transformers_4,
    "vllm": _for_vllm,
}


def _vllm_arguments(path: str, values: JsonObject, context: int) -> tuple[str, ...]:
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


def applied(config: JsonObject, fragment: Fragment) -> JsonObject:
    """A config with a fragment written into it; the given one stays as it is.

    >>> fragment = Fragment(PROGRAMS["transformers-5"], "text_config", {"rope_scaling": None}, (), ())
    >>> applied({"text_config": {"rope_scaling": {}, "head_dim": 64}}, fragment)
    {'text_config': {'head_dim': 64}}
    """
    whole = dict(config)
    part = whole
    for name in fragment.path.split(".") if fragment.path else []:
        part[name] = dict(part[name])
        part = part[name]
    for key, value in fragment.values.items():
        if value is None:
            part.pop(key, None)
        else:
            part[key] = value
    return whole


def _check(extension: Extension, config: JsonObject) -> None:
    """Raise ValueError unless the config, read again, rotates as the extension says."""
    read, meant = read_config(config, extension.after.name), extension.after
    if not same_rotation(read, meant, (extension.context, extension.original)):
        raise ValueError(f"{meant.name}: {extension.method} cannot be written into this config without loss")


def same_rotation(first: ModelSpec, second: ModelSpec, lengths: tuple[int, ...]) -> bool:
    """Whether two specs rotate the same layers by the same numbers at each length, to 1 part in 10^9."""
    if len(first.rotaries) != len(second.rotaries):
        return False
    for one, other in zip(first.rotaries, second.rotaries, strict=True):
        if (one.layers, one.window, one.head_dim) != (other.layers, other.window, other.head_dim):
            return False
        for length in lengths:
            (mine, factor), (theirs, other_factor) = one.spectrum(length), other.spectrum(length)
            if mine.shape != theirs.shape or not np.allclose(mine, theirs, rtol=1e-9, atol=0):
                return False
            if not np.isclose(factor, other_factor, rtol=1e-9):
                return False
    return True


__all__ = ["PROGRAMS", "Fragment", "Program", "applied", "gguf_keys", "same_rotation", "written"]
