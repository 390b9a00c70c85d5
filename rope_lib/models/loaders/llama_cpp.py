"""What llama.cpp makes of a model: its converter's reading of a `config.json`, or its own of a GGUF file.

The converter (convert_hf_to_gguf.py) takes the config as the installed transformers completes it, writes the
keys that its class for the architecture knows, and drops the rest; the runtime reads those keys. Only the
architectures whose converter was read are known.
"""

from dataclasses import replace
from typing import Any

from ...theory.scaling import ORIGINAL_LENGTH
from ..checks import JsonObject, shown
from ..spec import FrozenDict, ModelSpec, Rotary
from . import transformers_5
from .seen import ModelFile, NotKnown, Refused

PROGRAM = "llama.cpp (in llama-cpp-python 0.3.36)"

# Architectures of config.json whose converter writes a rotation by the rules below, and whether it writes the
# divisors of llama3 as a tensor.
LLAMA = ("LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM")
OTHERS = ("Qwen2ForCausalLM", "Qwen2MoeForCausalLM", "Qwen3ForCausalLM", "Qwen3MoeForCausalLM")


def read(file: ModelFile) -> ModelSpec:
    """The rotation that llama.cpp runs; raises Refused and NotKnown."""
    if file.kind == "gguf":
        return replace(file.spec, name=PROGRAM)
    if file.kind != "config.json":
        raise NotKnown(f"what its converter makes of a {file.kind} is not established here")
    names = file.keys.get("architectures")
    architecture = names[0] if isinstance(names, list) and names else None
    if architecture not in LLAMA + OTHERS:
        raise NotKnown(f"its converter for the architecture {shown(architecture)} was not read")
    block = file.keys.get("rope_parameters")
    if isinstance(block, dict) and any(isinstance(value, dict) for value in block.values()):
        raise NotKnown("what its converter makes of an object for each kind of layers was not established")
    try:
        spec = transformers_5.read(file)
    except Refused as refusal:
        raise NotKnown(
            f"its converter completes the file by transformers 5, which fails: {refusal}"
        ) from None
    notes: list[str] = []
    original = _original(file.keys, spec.declared_context)
    rotaries = tuple(
        _as_converted(rotary, architecture in LLAMA, original, notes) for rotary in spec.rotaries
    )
    return replace(spec, name=PROGRAM, rotaries=rotaries, notes=tuple(dict.fromkeys(notes)))


def _original(config: JsonObject, declared: int | None) -> Any:
    """The length before scaling: the one inside the object, else the declared; never the one at the top."""
    given = config.get("rope_scaling") or config.get("rope_parameters")
    return (given.get(ORIGINAL_LENGTH) if isinstance(given, dict) else None) or declared


def _as_converted(rotary: Rotary, is_llama: bool, original: Any, notes: list[str]) -> Rotary:
    """A spectrum as it stands in the file that the converter writes."""
    scaling: dict[str, Any] = rotary.scaling.plain()
    if ORIGINAL_LENGTH in scaling and original is not None:
        if scaling[ORIGINAL_LENGTH] != original:
            notes.append(f"Its converter does not read {ORIGINAL_LENGTH} at the top of the config.")
        scaling[ORIGINAL_LENGTH] = original
    name = scaling["type"]
    written: dict[str, Any] = {"type": "default"}
    if name == "linear":
        written = scaling
    elif name == "yarn":
        written = {"type": "yarn", "factor": scaling["factor"], ORIGINAL_LENGTH: scaling[ORIGINAL_LENGTH]}
        notes += [
            f"{key} of a YaRN does not reach its runtime."
            for key in ("attention_factor", "mscale", "beta_fast", "beta_slow", "truncate")
            if key in scaling
        ]
    elif name == "llama3" and is_llama:
        written = scaling
    elif name != "default":
        notes.append(f"Its converter writes nothing of a scaling of the type {name} for this architecture.")
    if rotary.rotary_dim != rotary.head_dim:
        notes.append("Its converter writes nothing of a partial rotation for this architecture.")
    return replace(rotary, rotary_dim=rotary.head_dim, scaling=FrozenDict(written))
