"""What vLLM 0.33 reads from a `config.json`: what transformers 5 reads, run by rotary modules of its own.

vLLM takes `config.rope_parameters` from the classes of transformers (5.16.1 or later) and hands it, with the
head size, to `get_rope`. Only models whose code was read are known.
"""

import math
from dataclasses import replace
from typing import Any

from ...theory.scaling import ORIGINAL_LENGTH
from ..checks import shown
from ..spec import FrozenDict, ModelSpec, Rotary
from . import transformers_5
from .by_class import ClassReading, class_reading
from .seen import ModelFile, NotKnown, Refused, number

PROGRAM = "vLLM 0.33.0"

# Model types whose attention was read to call get_rope with the head size and the config's rope_parameters.
PLAIN = (
    "cohere", "cohere2", "exaone4", "gemma", "gemma2", "gemma3", "gemma3_text", "llama", "mistral", "mixtral",
    "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "stablelm",
)  # fmt: skip
# Those of them whose heads are always hidden_size / num_attention_heads.
QUOTIENT = ("qwen2", "qwen2_moe")
MLA = ("deepseek_v2", "deepseek_v3", "kimi_k2")


def read(file: ModelFile) -> ModelSpec:
    """The rotation that vLLM runs; raises NotKnown."""
    if file.kind != "config.json":
        raise NotKnown(f"what it makes of a {file.kind} is not established here")
    try:
        reading = class_reading(transformers_5.VERSION, file.keys)
        spec = transformers_5.read(file)
    except Refused as refusal:  # it has code of its own for types that transformers does not know
        raise NotKnown(f"transformers 5, from which it takes the config, fails: {refusal}") from None
    if reading.model_type not in PLAIN + MLA:
        raise NotKnown(f"its code for the model type {shown(reading.model_type)} was not read")
    for name in ("dual_chunk_attention_config", *(("head_dim",) if reading.model_type in QUOTIENT else ())):
        if reading.given.get(name) is not None:
            raise NotKnown(f"what it does with {reading.key(name)} of this model was not established")
    is_mla = reading.model_type in MLA
    share = None if is_mla else _share(reading)
    rotaries = tuple(_as_run(rotary, spec.declared_context, is_mla, share) for rotary in spec.rotaries)
    return replace(spec, name=PROGRAM, rotaries=rotaries)


def _share(reading: ClassReading) -> float | None:
    """The share of a head that the config states at the top or in its object: `get_rope` reads it always."""
    blocks = (reading.given.get("rope_scaling"), reading.given.get("rope_parameters"), reading.given)
    stated = (block.get("partial_rotary_factor") for block in blocks if isinstance(block, dict))
    share = next((value for value in stated if value is not None), None)
    return None if share is None else number("partial_rotary_factor", share)


def _as_run(rotary: Rotary, declared: int | None, is_mla: bool, share: float | None) -> Rotary:
    """A spectrum as `get_rope` computes it, of a `share` of the head where one is stated."""
    if share is not None:
        rotary = replace(rotary, rotary_dim=int(rotary.head_dim * share))
    scaling: dict[str, Any] = rotary.scaling.plain()
    name = scaling["type"]
    if name == "dynamic" and "alpha" not in scaling:
        # The base is computed once, for the declared context, where the stretch is 1.
        scaling = {"type": "default"}
    elif name == "longrope" and declared is not None:
        scaling = _longrope(scaling, declared)
    elif name == "yarn" and is_mla:
        if "attention_factor" in scaling:
            raise NotKnown("what its code for this model does with attention_factor was not established")
        scaling["type"] = "deepseek_yarn"
    return replace(rotary, scaling=FrozenDict(scaling))


def _longrope(scaling: dict[str, Any], declared: int) -> dict[str, Any]:
    """The long factors for every input, where the server admits inputs beyond the original length."""
    original = scaling[ORIGINAL_LENGTH]
    if declared <= original:
        return scaling
    stretch = declared / original
    temperature = math.sqrt(1 + math.log(stretch) / math.log(original))
    return {
        "type": "longrope",
        "short_factor": scaling["long_factor"],
        "long_factor": scaling["long_factor"],
        "attention_factor": scaling.get("long_mscale", temperature),
        ORIGINAL_LENGTH: original,
    }
