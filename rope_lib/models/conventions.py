"""Conventions of single programs: their keys for a scaling or for layers, under the standard names.

Each function looks at a config and returns values under the standard names of `reading.NAMES`, or nothing. A
key that is only looked at, and that some value of would not be understood, is doubted where it has such a
value.
"""

import json

from ..theory.scaling import SCALINGS, find_scaling
from . import checks
from .checks import Json, JsonObject
from .layers import FULL, SLIDING
from .reading import Reading

# Keys that bear on rotation where their value is not this one, and whose other values nobody here knows.
_NEUTRAL: JsonObject = {
    "rope_position_scale": 1,  # Phi-3-small
    "compression_ratio": 1,  # ERNIE 4.5
    "rope_scale": 1,
    "rope_scaling_factor": 1,
    "rotary_scaling_factor": 1,
    "rotary_scale": 1,
    "rotary_emb_scale_base": None,  # xPos
    "use_xpos": False,
    "use_long_context": False,  # Zamba 2
    "rope_adjustments": None,
    "original_rope": True,  # ChatGLM 2 and 3
    "full_attn_mod": 1,  # Phi-4-mini, as is the next
    "interpolate_factor": 1,
    "order_of_interleaved_layers": "local_attn_first",  # Command R7B, beside layer_switch
    "use_pos_enc": True,  # LFM2
    "attention_method": "MLA",  # LongCat
    "use_rope_layers": [],  # Step 3.5
}


def translated(reading: Reading, num_layers: int) -> Reading:
    """The same reading, with values under standard names in place of those of one program."""
    for convention in (_openai, _nomic, _qwen, _mpt, _internlm, _litgpt):
        values = convention(reading, num_layers)
        if values:
            reading = reading.with_values(values.items())
    for name, neutral in _NEUTRAL.items():
        value = reading.peek(name)
        if value == neutral or value is None:
            reading.inert(name, f"{json.dumps(value)} changes nothing")
    for name, reason in reading.family.inert.items():
        reading.inert(name, reason)
    _rope_ratio(reading, num_layers)
    _dual_chunks(reading)
    _other_attention(reading)
    return reading


def _openai(reading: Reading, num_layers: int) -> JsonObject:
    """OpenAI's own config of gpt-oss: YaRN without rounding of its ramp, and every second layer slides.

    Source: gpt_oss/torch/model.py of openai/gpt-oss: `RotaryEmbedding`, and `AttentionBlock`, whose layers
    with an even number have the window.
    """
    if reading.value("initial_context_length") is None or reading.model_type:
        return {}
    code = "OpenAI's reference code"
    original = checks.length_in_tokens("initial_context_length", reading.value("initial_context_length"))
    values: JsonObject = {}
    numbers = {}
    for name, standard, default in (
        ("rope_scaling_factor", "factor", 32.0),
        ("rope_ntk_alpha", "beta_slow", 1.0),
        ("rope_ntk_beta", "beta_fast", 32.0),
    ):
        stated = reading.value(name)
        numbers[standard] = default if stated is None else checks.positive_number(reading.key(name), stated)
    factor = numbers["factor"]
    values["max_position_embeddings"] = int(original * max(factor, 1))
    reading.supplied["context"] = ("derived", "initial_context_length × rope_scaling_factor")
    if factor > 1:
        values["rope_parameters"] = {
            "rope_type": "yarn", **numbers, "original_max_position_embeddings": original, "truncate": False,
        }  # fmt: skip
        reading.supplied["scaling"] = ("derived", f"rope_scaling_factor, in {code}")
        reading.supplied["original_context"] = ("alias", "initial_context_length")
    if reading.value("sliding_window") is not None and reading.peek("layer_types") is None:
        values["layer_types"] = [FULL if layer % 2 else SLIDING for layer in range(num_layers)]
        reading.supplied["layers"] = ("class_default", f"{code} gives every second layer a window")
    return values


def _nomic(reading: Reading, num_layers: int) -> JsonObject:
    """Nomic's dynamic scaling, from the length that its model was trained with."""
    factor = reading.peek("rotary_scaling_factor")
    if reading.model_type != "nomic_bert" or factor is None:
        reading.inert("max_trained_positions", "only a dynamic scaling starts from it")
        return {}
    reading.value("rotary_scaling_factor")
    reading.supplied["scaling"] = ("alias", reading.key("rotary_scaling_factor"))
    return {"rope_parameters": {"rope_type": "dynamic", "factor": factor}}


def _qwen(reading: Reading, num_layers: int) -> JsonObject:
    """Qwen's first models: NTK by base whose stretch grows with each doubling beyond `seq_length`."""
    if reading.model_type != "qwen" or reading.peek("use_dynamic_ntk") is None:
        return {}
    if not checks.true_or_false("use_dynamic_ntk", reading.value("use_dynamic_ntk")):
        return {}
    original = checks.length_in_tokens(reading.key("seq_length"), reading.value("seq_length"))
    reading.supplied["scaling"] = ("derived", reading.key("use_dynamic_ntk"))
    reading.supplied["original_context"] = ("alias", reading.key("seq_length"))
    scaling = {"rope_type": "qwen_dynamic", "original_max_position_embeddings": original}
    declared = reading.peek("max_position_embeddings") is not None
    return {"rope_parameters": scaling, **({"seq_length": None} if declared else {})}


def _mpt(reading: Reading, num_layers: int) -> JsonObject:
    """MPT's keys of the rotary embedding, which llm-foundry reads and transformers does not."""
    if reading.model_type != "mpt" or reading.peek("rope") is not True:
        return {}
    reading.value("rope")
    values: JsonObject = {"rope_theta": 10_000.0} if reading.peek("rope_theta") is None else {}
    if values:
        reading.supplied["base"] = ("class_default", "the code of llm-foundry")
    used, other = "rope_hf_config", "rope_dail_config"
    if reading.value("rope_impl") != "hf":
        used, other = other, used
    reading.inert(other, f"rope_impl is not for {other}")
    given = reading.value(used)
    if given is None:
        return values
    kind = checks.json_object(reading.key(used), given).get("type")
    reading.ledger.look(given, ("type", "pos_idx_in_fp32"), reading.key(used))
    if kind in (None, "no_scaling", "original"):
        unread = (f"{reading.key(used)}.{name}" for name in ("factor", "xpos_scale_base"))
        reading.ledger.inert |= dict.fromkeys(unread, f"{kind} does not read it")
    elif used == "rope_hf_config" and (scaling := find_scaling(kind)) is not None:
        values["rope_parameters"] = {"rope_type": kind, **{k: v for k, v in given.items() if k != "type"}}
        reading.ledger.look(given, SCALINGS[scaling.name].reads, reading.key(used))
        reading.supplied["scaling"] = ("alias", f"{reading.key(used)}.type")
    else:
        reading.doubt(used)
    return values


def _internlm(reading: Reading, num_layers: int) -> JsonObject:
    """The object `rotary` of InternLM's first models: a base, and a dynamic scaling whose factor is 1."""
    given = reading.peek("rotary")
    if reading.model_type != "internlm" or not isinstance(given, dict):
        return {}
    reading.value("rotary")
    key = reading.key("rotary")
    reading.ledger.look(given, ("base", "type", "scaling_factor"), key)
    values: JsonObject = {}
    if given.get("base") is not None:
        values["rope_theta"] = given["base"]
        reading.supplied["base"] = ("alias", f"{key}.base")
    if given.get("type") == "dynamic":
        values["rope_parameters"] = {"rope_type": "dynamic", "factor": given.get("scaling_factor", 1.0)}
        reading.supplied["scaling"] = ("alias", f"{key}.type")
    elif given.get("type") not in (None, "origin"):
        reading.doubt("rotary")
    return values


def _litgpt(reading: Reading, num_layers: int) -> JsonObject:
    """LitGPT's linear scaling."""
    ratio = reading.value("rope_condense_ratio")
    if ratio in (None, 1):
        return {}
    reading.supplied["scaling"] = ("alias", reading.key("rope_condense_ratio"))
    return {"rope_parameters": {"rope_type": "linear", "factor": ratio}}


def _rope_ratio(reading: Reading, num_layers: int) -> None:
    """ChatGLM2-6B-32K divides positions by `rope_ratio`, ChatGLM3-6B-32K multiplies its base by it."""
    ratio: Json = reading.peek("rope_ratio")
    first_models = num_layers == 28  # GLM-4 has 40 layers
    if reading.family.base_multiplier != "rope_ratio" or ratio in (None, 1) or not first_models:
        return
    reading.doubt("rope_ratio")
    reading.notes.append(
        f"{reading.key('rope_ratio')}: ChatGLM2-6B-32K divides positions by it, ChatGLM3-6B-32K multiplies "
        "the base by it, as was read here, and no key tells the two apart."
    )


def _other_attention(reading: Reading) -> None:
    """Step 3.5 describes the heads of its sliding layers in an object: it bears where their size differs."""
    name = "attention_other_setting"
    given = reading.peek(name)
    if not isinstance(given, dict):
        return
    sizes = {given.get(key) for key in ("head_dim", "true_head_dim")} - {None}
    if given.get("attention_type") == SLIDING and sizes <= {reading.peek("head_dim")}:
        reading.inert(name, "sliding layers have other numbers of heads, of the same size")
    else:
        reading.doubt(name)


_DUAL_CHUNKS = (
    "chunk_size", "local_size", "original_max_position_embeddings", "sparse_attention_enabled",
    "sparse_attention_config", "sparse_attention_threshold", "sparse_attention_last_q",
)  # fmt: skip


def _dual_chunks(reading: Reading) -> None:
    """Qwen2.5-1M remaps the positions of far tokens, where its loader runs dual chunk attention."""
    name = "dual_chunk_attention_config"
    given = reading.peek(name)
    if not isinstance(given, dict):
        return
    reading.value(name)
    key = reading.key(name)
    known = (f"{key}.{inner}" for inner in _DUAL_CHUNKS if inner in given)
    reading.ledger.inert |= dict.fromkeys(known, "positions are remapped, frequencies are not")
    reading.notes.append(
        f"{key}: a loader that runs dual chunk attention remaps the positions of tokens in other chunks; the "
        "frequencies stay."
    )
