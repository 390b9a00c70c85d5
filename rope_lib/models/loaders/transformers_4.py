"""What transformers 4.57 reads from a `config.json`.

The base, the share of a head and the object `rope_scaling` stand at the top of the config. The object
`rope_parameters` that transformers 5 writes is an attribute that nothing reads: a checkpoint that has only
this object runs at its class's default base, unscaled.
"""

import math

from ...theory.scaling import ORIGINAL_LENGTH
from ..checks import Json, JsonObject, shown
from ..spec import ModelSpec
from .by_class import ClassReading, RopeObject, ScalingPart, Spectrum, Version
from .by_class import read as read_by_class
from .seen import ModelFile, Refused

PROGRAM = "transformers 4.57.6"

# The spellings that show whether a spectrum of a class is scaled at all.
SCALED = {
    "linear",
    "linear by type",
    "yarn",
    "llama3",
    "longrope, original length at the top",
    "su, original length at the top",
}

# Classes that take any scaling for one type.
ALWAYS = {"llama4_text": "llama3"}


def read(file: ModelFile) -> ModelSpec:
    """The rotation that transformers 4.57 runs; raises Refused and NotKnown."""
    return read_by_class(VERSION, file)


def _part(reading: ClassReading, spectrum: Spectrum) -> RopeObject:
    key = reading.key("rope_scaling")
    given = reading.values.get("rope_scaling")
    is_given = "rope_scaling" in reading.given
    if isinstance(given, dict):
        reading.refuse(given, key)
    if given is None or not SCALED & set(spectrum.reads):
        return RopeObject({"rope_type": "default"}, key, is_given and given is None, is_of_kind=False)
    if not isinstance(given, dict):
        raise Refused(f"{key} is {shown(given)}, and it reads an object there")
    # A base or a share inside the object is not read.
    inner = {
        name: value for name, value in given.items() if name not in ("rope_theta", "partial_rotary_factor")
    }
    return RopeObject(inner, key, is_given, is_of_kind=False)


def _type_of(reading: ClassReading, given: JsonObject) -> Json:
    """The older name of the key goes first, except in a few classes."""
    if reading.model_type in ALWAYS and reading.values.get("rope_scaling"):
        return ALWAYS[reading.model_type]
    if reading.row["rope_type_first"]:
        return given.get("rope_type", given.get("type"))
    return given.get("type", given.get("rope_type"))


def _dynamic(part: ScalingPart) -> JsonObject:
    """From the declared context, whatever original length the object states."""
    if part.given.get("alpha") and part.reading.model_type.startswith("hunyuan"):
        return {"alpha": part.given["alpha"], ORIGINAL_LENGTH: part.declared()}
    return {"factor": part.need("factor"), ORIGINAL_LENGTH: part.declared()}


def _yarn(part: ScalingPart) -> JsonObject:
    """From the original length inside the object, never from the one at the top, else from the declared."""
    return {
        **part.some("attention_factor", "mscale", "mscale_all_dim", "beta_fast", "beta_slow"),
        **({"truncate": False} if part.given.get("truncate", True) is False else {}),
        "factor": part.need("factor"),
        ORIGINAL_LENGTH: part.given.get(ORIGINAL_LENGTH) or part.declared(),
    }


def _llama3(part: ScalingPart) -> JsonObject:
    names = ("factor", "low_freq_factor", "high_freq_factor", ORIGINAL_LENGTH)
    return {name: part.need(name) for name in names}


def _longrope(part: ScalingPart) -> JsonObject:
    """From the original length at the top of the config, never from the one inside the object."""
    original, declared = part.top(ORIGINAL_LENGTH), part.declared()
    factor = declared / original if original else part.given.get("factor")
    start = original or declared
    attention = part.given.get("attention_factor")
    if attention is None:
        if factor is None:
            raise Refused(f"{part.part.key}.factor is missing, and no {ORIGINAL_LENGTH} stands at the top")
        attention = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(start))
    factors = {name: part.need(name) for name in ("short_factor", "long_factor")}
    return {**factors, "attention_factor": attention, ORIGINAL_LENGTH: start}


VERSION = Version(
    PROGRAM,
    "transformers_4.json",
    _part,
    _type_of,
    {
        "default": lambda part: {},
        "linear": lambda part: {"factor": part.need("factor")},
        "dynamic": _dynamic,
        "yarn": _yarn,
        "llama3": _llama3,
        "longrope": _longrope,
    },
)
