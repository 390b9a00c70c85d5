"""What transformers 5.23 reads from a `config.json`.

One object describes the rotation, `rope_parameters`, or the older `rope_scaling`, which wins whole where
both stand; the base and the share of a head at the top complete it. Classes with a spectrum for each kind of
layers read an object for each kind, and some of them pass over an object for all.
"""

import math

from ...theory.scaling import ORIGINAL_LENGTH
from ..checks import Json, JsonObject, shown
from ..spec import ModelSpec
from .by_class import ClassReading, RopeObject, ScalingPart, Spectrum, Version
from .by_class import read as read_by_class
from .seen import ModelFile, Refused

PROGRAM = "transformers 5.23.0"

# The spellings that show whether a class reads an object for all layers, by its name.
_WAYS = {
    "rope_scaling": {"base in rope_scaling", "linear", "linear by type"},
    "rope_parameters": {"base in rope_parameters", "linear in rope_parameters"},
}


def read(file: ModelFile) -> ModelSpec:
    """The rotation that transformers 5.23 runs; raises Refused and NotKnown."""
    return read_by_class(VERSION, file)


def _part(reading: ClassReading, spectrum: Spectrum) -> RopeObject:
    name = "rope_scaling" if reading.given.get("rope_scaling") else "rope_parameters"
    key, given = reading.key(name), reading.given.get(name)
    label, is_by_kind = _label(spectrum), _is_by_kind(reading)
    has_both = reading.given.get("rope_scaling") and reading.given.get("rope_parameters")
    if has_both and "both objects" in reading.row["refuses"]:
        raise Refused(f"{key} and rope_parameters stand side by side, with which its class fails")
    if not given:
        return _of_class(reading, label)
    if not isinstance(given, dict):
        raise Refused(f"{key} is {shown(given)}, and it reads an object there")
    if any(isinstance(value, dict) for value in given.values()):
        own = given.get(label)
        if is_by_kind and isinstance(own, dict):
            return RopeObject(own, f"{key}.{label}", is_given=True, is_of_kind=True)
        if "by kind" in reading.row["refuses"]:
            raise Refused(f"{key} holds an object for each kind of layers, with which its class fails")
        return (
            _of_class(reading, label) if is_by_kind else RopeObject({}, key, is_given=True, is_of_kind=False)
        )
    reading.refuse(given, key)
    if name in reading.row["refuses"]:
        raise Refused(f"{key} holds one object for all layers, with which its class fails")
    if not _WAYS[name] & set(spectrum.reads):
        return _of_class(reading, label)
    if is_by_kind:  # the class hands one object on to each kind that it scales, under its newer name alone
        given = {inner: value for inner, value in given.items() if inner != "type"}
    return RopeObject(given, key, is_given=True, is_of_kind=is_by_kind)


def _is_by_kind(reading: ClassReading) -> bool:
    """Whether the class has a spectrum for each kind of layers."""
    of_class = reading.row["defaults"].get("rope_parameters") or {}
    return any(value is None or isinstance(value, dict) for value in of_class.values())


def _label(spectrum: Spectrum) -> str:
    """The kind of layers that a spectrum is for, by the name of its module."""
    return spectrum.module.rsplit(".", 1)[-1].removesuffix("inv_freq").rstrip("_")


def _of_class(reading: ClassReading, label: str) -> RopeObject:
    """What the class assumes."""
    own = reading.row["defaults"].get("rope_parameters") or {}
    own = own.get(label) if isinstance(own.get(label), dict) else own
    return RopeObject(own or {}, f"rope_parameters of {reading.model_type}", is_given=False, is_of_kind=False)


def _type_of(reading: ClassReading, given: JsonObject) -> Json:
    return given.get("rope_type", given.get("type", "default"))


def _original(part: ScalingPart) -> float:
    """The length at the top goes first, by class default too; then the one inside; then the declared."""
    top = None if part.part.is_of_kind else part.top(ORIGINAL_LENGTH)
    return top or part.given.get(ORIGINAL_LENGTH) or part.declared()


def _dynamic(part: ScalingPart) -> JsonObject:
    if part.given.get("alpha") and part.reading.model_type.startswith("hunyuan"):
        return {"alpha": part.given["alpha"], ORIGINAL_LENGTH: part.declared()}
    return {"factor": part.need("factor"), ORIGINAL_LENGTH: part.declared()}


def _yarn(part: ScalingPart) -> JsonObject:
    """`truncate` is looked for in the outer object alone."""
    truncated = part.part.is_of_kind or part.given.get("truncate", True)
    original = _original(part)
    return {
        **part.some("attention_factor", "mscale", "mscale_all_dim", "beta_fast", "beta_slow"),
        **({} if truncated else {"truncate": False}),
        "factor": part.given.get("factor") or part.declared() / original,
        ORIGINAL_LENGTH: original,
    }


def _llama3(part: ScalingPart) -> JsonObject:
    names = ("factor", "low_freq_factor", "high_freq_factor")
    return {**{name: part.need(name) for name in names}, ORIGINAL_LENGTH: _original(part)}


def _longrope(part: ScalingPart) -> JsonObject:
    original = _original(part)
    factor = part.given.get("factor") or part.declared() / original
    attention = part.given.get("attention_factor")
    if attention is None:
        attention = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))
    factors = {name: part.need(name) for name in ("short_factor", "long_factor")}
    return {**factors, "attention_factor": attention, ORIGINAL_LENGTH: original}


def _proportional(part: ScalingPart) -> JsonObject:
    share = part.given.get("partial_rotary_factor", 1.0)
    return {"partial_rotary_factor": share, **part.some("factor")}


VERSION = Version(
    PROGRAM,
    "transformers_5.json",
    _part,
    _type_of,
    {
        "default": lambda part: {},
        "linear": lambda part: {"factor": part.need("factor")},
        "dynamic": _dynamic,
        "yarn": _yarn,
        "llama3": _llama3,
        "longrope": _longrope,
        "proportional": _proportional,
    },
    unruled=frozenset({"deepseek_v4", "mistral4"}),
)
