"""Which layers rotate and what their attention sees, from whichever keys a family uses for it.

The kind of a layer is its name in transformers' `layer_types`; `NO_ROPE` stands for one that rotates nothing.
"""

import re

from . import checks
from .checks import Json, JsonObject, shown
from .families import Rotating
from .reading import Reading

NO_ROPE = "no_rope"
FULL, SLIDING = "full_attention", "sliding_attention"
CHUNKED, LINEAR = "chunked_attention", "linear_attention"
HYBRID, HYBRID_SLIDING = "hybrid", "hybrid_sliding"  # attention and a state space side by side
COMPRESSED_SPARSE, HEAVILY_COMPRESSED = "compressed_sparse_attention", "heavily_compressed_attention"

# What the attention of a kind sees, for kinds whose names do not say just that.
SEES = {"indexed_attention": "full", HYBRID: "full", HYBRID_SLIDING: "sliding"}

# What DeepSeek-V4 calls its objects of rope_parameters.
LABELS = {SLIDING: "main", COMPRESSED_SPARSE: "compress", HEAVILY_COMPRESSED: "compress"}

# Layers without queries and keys, and layers that have them although their names do not say so.
WITHOUT_ATTENTION = {LINEAR, "mamba", "mamba2", "conv", "short_conv", "recurrent", "mlp", "moe"}
WITH_ATTENTION = {HYBRID, HYBRID_SLIDING}
NAMED = WITHOUT_ATTENTION | WITH_ATTENTION

# The kinds that the words, letters and numbers of a family's own list stand for, by the key of that list.
WORDS: dict[str, dict[str | int, str]] = {
    "layer_types": {"attention": FULL},
    "layers_block_type": {"attention": FULL},  # Bamba, Jamba, Granite 4, Zamba 2
    "hybrid_override_pattern": {"*": FULL, "M": "mamba", "-": "mlp", "E": "moe"},  # Nemotron-H
    "hybrid_layer_pattern": {0: FULL, 1: SLIDING},  # MiMo-V2
    "attn_type_list": {0: LINEAR, 1: FULL},  # MiniMax-01
    "compress_ratios": {0: SLIDING, 4: COMPRESSED_SPARSE, 128: HEAVILY_COMPRESSED},  # DeepSeek-V4
}

# Keys that say how often a layer differs: `(its kind, the kind of the others)`.
PERIODS = {
    "sliding_window_pattern": (FULL, SLIDING),
    "full_attention_interval": (FULL, LINEAR),
    "layer_group_size": (FULL, LINEAR),  # Ling 2.5
    "global_attn_every_n_layers": (FULL, SLIDING),
}

# Keys that list which layers differ: `(their kind, the kind of the others)`.
INDICES = {
    "full_attn_idxs": (FULL, "conv"),  # LFM2
    "attn_layer_indices": (FULL, "mamba"),  # Bamba
    "hybrid_layer_ids": (HYBRID, "mamba"),  # Zamba 2
}

# Values of a config that turn the rotary embedding off, and values of position_embedding_type that do not.
SWITCHES = {"alibi": True, "use_alibi": True, "use_rope": False, "mla_use_nope": True}
ROTARY_POSITIONS = ("rope", "rotary")


def seen(kind: str) -> str:
    """What the attention of a kind of layers sees: "full", "sliding", "chunked", …"""
    return SEES.get(kind, kind.removesuffix("_attention"))


def class_entry(reading: Reading, kind: str) -> JsonObject | None:
    """What the model's class says of this kind's spectrum: empty if nothing, None if the kind has none."""
    of_class: JsonObject = reading.defaults.get("rope_parameters") or {}
    if is_by_kind(of_class):
        entry: JsonObject | None = of_class.get(kind, of_class.get(LABELS.get(kind, kind), {}))
        return entry
    return of_class


def is_by_kind(of_class: JsonObject) -> bool:
    """Whether the rope_parameters of a class hold an object for each kind of layers."""
    return any(value is None or isinstance(value, dict) for value in of_class.values())


def layer_kinds(reading: Reading, num_layers: int, window: int | None) -> list[str]:
    """The kind of each layer, a list of `num_layers` names; records "layers" and "unrotated_layers".

    `window` is the sliding window of the model in tokens, or None. Raises ValueError for a list of the wrong
    length, for an entry that is not known, and where only a list could say.
    """
    switched_off = _switched_off(reading)
    if switched_off:
        reading.record("unrotated_layers", *switched_off)
        reading.record("layers", "derived", "no layer rotates")
        return [NO_ROPE] * num_layers
    kinds = _listed(reading, num_layers)
    if kinds is None:
        kinds = _repeating(reading, num_layers) or _of_class(reading, num_layers)
        kinds = kinds or [SLIDING if window else FULL] * num_layers
        if window is None:
            kinds = [FULL if kind == SLIDING else kind for kind in kinds]
    elif SLIDING in kinds and window is None:
        key = reading.key("sliding_window")
        raise ValueError(f"{key} is missing: {reading.sources['layers']} names sliding layers")
    if "layers" not in reading.provenance:
        known = bool(reading.defaults)
        why = "no key tells layers apart" if known else f"model type {shown(reading.model_type)} is not known"
        reading.record("layers", "derived" if known else "assumed", why)
    rotates = _rotating(reading, kinds)
    if CHUNKED in reading.defaults.get("layer_pattern", ()) and reading.value("layer_types") is None:
        kinds = [CHUNKED if rotating else FULL for rotating in rotates]  # Llama 4
    return [kind if rotating else NO_ROPE for kind, rotating in zip(kinds, rotates, strict=True)]


def _listed(reading: Reading, num_layers: int) -> list[str] | None:
    """Kinds from a list, or letters, with one entry for each layer; or from the numbers of some layers."""
    for name, words in WORDS.items():
        entries = reading.per_layer(name, num_layers, letters=True)
        if entries is not None:
            reading.record("layers", "explicit" if name == "layer_types" else "alias", reading.key(name))
            return [_kind(reading.key(name), words, entry) for entry in entries]
    for name, (special, others) in INDICES.items():
        if reading.value(name) is not None:
            reading.record("layers", "alias", reading.key(name))
            chosen = checks.layer_numbers(reading.key(name), reading.value(name), num_layers)
            return [special if layer in chosen else others for layer in range(num_layers)]
    return None


def _kind(key: str, words: dict[str | int, str], entry: Json) -> str:
    """The kind that an entry of a list stands for."""
    kind = words.get(entry, entry) if type(entry) in (str, int) else None
    if not isinstance(kind, str) or not (kind in NAMED or re.fullmatch(r"[a-z0-9_]{1,50}_attention", kind)):
        raise ValueError(f"{key} must name kinds of layers, such as {FULL}, got {shown(entry)}")
    return kind


def _repeating(reading: Reading, num_layers: int) -> list[str] | None:
    """Kinds from a key that says how often one layer differs."""
    pattern = reading.value("sliding_window_pattern")
    if isinstance(pattern, str):  # EXAONE 4 writes the period out: LLLG
        key = reading.key("sliding_window_pattern")
        if not pattern or set(pattern) - set("LG"):
            raise ValueError(f"{key} must be a number or letters L and G, got {shown(pattern)}")
        reading.record("layers", "derived", key)
        return [SLIDING if pattern[layer % len(pattern)] == "L" else FULL for layer in range(num_layers)]
    for name, (special, others) in PERIODS.items():
        if reading.value(name) is not None:
            period = checks.length_in_tokens(reading.key(name), reading.value(name))
            first = _first_of_period(reading, name, special)
            reading.record("layers", "derived", reading.key(name))
            return [others if (layer + 1 - first) % period else special for layer in range(num_layers)]
    if reading.value("use_sliding_window") is True:
        full = reading.find("full_before_window", checks.whole_number_from_zero, recorded="layers")
        if full is not None:
            return [FULL if layer < full else SLIDING for layer in range(num_layers)]
    return None


def _first_of_period(reading: Reading, name: str, special: str) -> int:
    """1 where the class's own pattern begins with the layer that differs, 0 where it ends with it."""
    pattern = reading.defaults.get("layer_pattern")
    if pattern is None and name == "global_attn_every_n_layers":  # ModernBERT and AFMoE count it differently
        key = reading.key(name)
        raise ValueError(f"layer_types is missing, and {key} is read in different ways by different models")
    return int(pattern is not None and len(set(pattern)) > 1 and pattern[0] == special)


def _of_class(reading: Reading, num_layers: int) -> list[str] | None:
    """Kinds by the pattern that the model's class repeats, or by its list for a model of its own depth."""
    pattern, listed = reading.defaults.get("layer_pattern"), reading.defaults.get("layer_types", [])
    if not pattern and not listed:
        return None
    if len(set(listed)) == 1:
        pattern = listed[:1]
    elif listed and len(listed) != num_layers:
        key, source = reading.key("layer_types"), reading.defaults["source"]
        raise ValueError(f"{key} is missing, and that of {source} is for {len(listed)} layers")
    kinds = list(listed)
    if pattern:
        kinds = [pattern[layer % len(pattern)] for layer in range(num_layers)]
    if "last_layer" in reading.defaults:
        kinds[-1] = reading.defaults["last_layer"]
    if len(set(kinds)) > 1:
        reading.record("layers", "class_default", reading.defaults["source"])
    return kinds


def _rotating(reading: Reading, kinds: list[str]) -> list[bool]:
    """Whether each layer rotates its queries and keys."""
    rule = reading.family.rotating
    if rule is Rotating.SLIDING or (rule is Rotating.SLIDING_IF_ANY and SLIDING in kinds):
        _refuse_dense_layers(reading)
        code = reading.defaults.get("source", f"{reading.model_type} models")
        reading.record("unrotated_layers", "class_default", f"the code of {code} rotates sliding layers only")
        return [kind == SLIDING for kind in kinds]
    uses = _no_rope_layers(reading, len(kinds))
    rotates = [kind not in WITHOUT_ATTENTION and use for kind, use in zip(kinds, uses, strict=True)]
    if not all(rotates) and "unrotated_layers" not in reading.provenance:
        reading.record("unrotated_layers", reading.provenance["layers"], reading.sources["layers"])
    return rotates


def _switched_off(reading: Reading) -> tuple[str, str] | None:
    """`(provenance, source)` where a model has no rotary embedding at all, else None."""
    defaults = reading.defaults
    if defaults.get("rope") is False:
        return "class_default", f"no rotary embedding in the code of {defaults['source']}"
    for name, off in SWITCHES.items():
        if (
            reading.value(name) is not None
            and checks.true_or_false(reading.key(name), reading.value(name)) is off
        ):
            return "explicit", reading.key(name)
    optional = defaults.get("rope_optional")
    if optional and reading.config.get(optional["key"], optional["default"]) not in optional["rope_when"]:
        return "class_default", f"{optional['key']} in {defaults['source']}"
    positions = reading.value("position_embedding_type")
    if positions is not None and positions not in ROTARY_POSITIONS:
        return "explicit", reading.key("position_embedding_type")
    if reading.family.is_off_without_base and "rope_parameters" in reading.config:
        parameters = reading.value("rope_parameters")
        if parameters is None or (isinstance(parameters, dict) and parameters.get("rope_theta") is None):
            return "explicit", f"{reading.key('rope_parameters')} without a base"
    return None


def _refuse_dense_layers(reading: Reading) -> None:
    """Raise ValueError for first, dense layers in a family that has a rule for them that is not read here."""
    key, kinds = "first_k_dense_replace", reading.value("mlp_layer_types")
    has_dense = bool(reading.value(key)) or (isinstance(kinds, list) and "dense" in kinds)
    if has_dense and reading.family.has_own_rule_for_dense_layers:
        raise ValueError(
            f"{reading.key(key)} of {reading.model_type} must be 0: its rule for RoPE is not read"
        )


def _no_rope_layers(reading: Reading, num_layers: int) -> list[bool]:
    """`no_rope_layers` as booleans: True where RoPE is used, for which Llama 4 and SmolLM3 write 1.

    An empty list stands for the class's own rule: every `no_rope_layer_interval`-th layer has none.
    """
    if reading.value("no_rope_layers"):
        key = reading.key("no_rope_layers")
        listed = reading.per_layer("no_rope_layers", num_layers) or []
        if any(type(entry) is not int or entry not in (0, 1) for entry in listed):
            raise ValueError(f"{key} must list 0 and 1, 1 where RoPE is used, got {shown(listed)}")
        reading.record("unrotated_layers", "explicit", key)
        return [bool(entry) for entry in listed]
    interval = reading.find("no_rope_interval", checks.length_in_tokens, recorded="unrotated_layers")
    if interval is not None:
        return [(layer + 1) % interval != 0 for layer in range(num_layers)]
    if reading.value("no_rope_layers") is not None:  # an empty list, in a class that is not known
        key = reading.key("no_rope_layers")
        raise ValueError(f"{key} must list 0 or 1 for each layer: no rule of this model is known")
    of_class = reading.defaults.get("no_rope_layers")
    if of_class and reading.value("layer_rope_theta") is None:
        reading.record("unrotated_layers", "class_default", reading.defaults["source"])
        if len(of_class) != num_layers:
            key = reading.key("layer_rope_theta")
            raise ValueError(f"{key} is missing, and that of the class is for {len(of_class)} layers")
        return [bool(entry) for entry in of_class]
    return [True] * num_layers
