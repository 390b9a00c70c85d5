"""Which layers rotate and what their attention sees, from whichever keys a family uses for it.

The kind of a layer is its name in transformers' `layer_types`; `NO_ROPE` stands for one that rotates nothing.
"""

import re

from . import checks
from .checks import Json, JsonObject, shown
from .families import Rotating
from .reading import NAMES, Reading
from .switches import switched_off

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
    "_sliding_window_pattern": (FULL, SLIDING),  # Gemma 3, as transformers 4 wrote it
    "layer_switch": (FULL, SLIDING),  # Command R7B, whose other key says which kind comes first
    "full_attention_interval": (FULL, LINEAR),
    "layer_group_size": (FULL, LINEAR),  # Ling 2.5
    "global_attn_every_n_layers": (FULL, SLIDING),
}

# Keys that list which layers differ: `(their kind, the kind of the others)`.
INDICES = {
    "full_attn_idxs": (FULL, "conv"),  # LFM2
    "attn_layer_indices": (FULL, "mamba"),  # Bamba
    "global_attn_idx": (FULL, SLIDING),  # Hymba
    "hybrid_layer_ids": (HYBRID, "mamba"),  # Zamba 2
}


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
    off = switched_off(reading, num_layers)
    if off:
        reading.record("unrotated_layers", *off)
        reading.record("layers", "derived", "no layer rotates")
        return [NO_ROPE] * num_layers
    kinds = _listed(reading, num_layers)
    if kinds is None:
        kinds = _repeating(reading, num_layers, window) or _of_class(reading, num_layers)
        kinds = kinds or [SLIDING if window else FULL] * num_layers
        if window is None:
            _doubt_without_window(reading, kinds)
            kinds = [FULL if kind == SLIDING else kind for kind in kinds]
    elif SLIDING in kinds and window is None:
        key = reading.key("sliding_window")
        raise ValueError(f"{key} is missing: {reading.sources['layers']} names sliding layers")
    check_statements(reading, kinds, window)
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
    for name in (*WORDS, *INDICES):
        kinds = _kinds_by(reading, name, num_layers)
        if kinds is not None:
            reading.record("layers", "explicit" if name == "layer_types" else "alias", reading.key(name))
            if "last_layer" in reading.defaults and reading.defaults["last_layer"] not in kinds[-1:]:
                reading.notes.append(f"The code of {reading.model_type} gives the last layer full attention.")
                kinds[-1] = reading.defaults["last_layer"]
            return kinds
    return None


def _kinds_by(reading: Reading, name: str, num_layers: int) -> list[str] | None:
    """The kinds that one key says, or None where the config has none of that name."""
    if name in WORDS:
        entries = reading.per_layer(name, num_layers, letters=True)
        return None if entries is None else [_kind(reading.key(name), WORDS[name], one) for one in entries]
    value = reading.value(name)
    if value is None:
        return None
    if name in INDICES:
        special, others = INDICES[name]
        chosen = checks.layer_numbers(reading.key(name), value, num_layers)
        return [special if layer in chosen else others for layer in range(num_layers)]
    if isinstance(value, str) and name == "sliding_window_pattern":  # EXAONE 4 writes the period out: LLLG
        key = reading.key(name)
        if not value or set(value) - set("LG"):
            raise ValueError(f"{key} must be a number or letters L and G, got {shown(value)}")
        return [SLIDING if value[layer % len(value)] == "L" else FULL for layer in range(num_layers)]
    special, others = PERIODS[name]
    period = checks.length_in_tokens(reading.key(name), value)
    first = _first_of_period(reading, name, special)
    return [others if (layer + 1 - first) % period else special for layer in range(num_layers)]


def _doubt_without_window(reading: Reading, kinds: list[str]) -> None:
    """Doubt the key that tells sliding layers apart where nothing says that there is no window."""
    says_none = any(reading.states(name) for name in (*NAMES["window"], "use_sliding_window"))
    if SLIDING in kinds and not says_none and not reading.defaults:
        for name in PERIODS:
            if reading.key(name) == reading.sources.get("layers"):
                reading.doubt(name)


def check_statements(reading: Reading, kinds: list[str], window: int | None) -> None:
    """Compare every other key that tells layers apart with the kinds that were read; doubt what differs."""
    source = reading.sources.get("layers")
    for name in (*WORDS, *INDICES, *PERIODS):
        if reading.peek(name) is None or reading.key(name) == source:
            continue
        if window is None and SLIDING in PERIODS.get(name, ()):
            reading.inert(name, "no layer has a window")
            continue
        try:
            said = _kinds_by(reading, name, len(kinds))
        except ValueError:
            said = None
        if said is None or [_coarse(kind) for kind in said] != [_coarse(kind) for kind in kinds]:
            reading.doubt(name)


def _coarse(kind: str) -> str:
    """What two lists of kinds must agree on: whether a layer attends, and whether to all."""
    return "none" if kind in WITHOUT_ATTENTION else seen(kind)


def is_kind(name: str) -> bool:
    """Whether a name is that of a kind of layers, or of an object for some."""
    listed = name in NAMED or name in LABELS.values()
    return listed or re.fullmatch(r"[a-z0-9_]{1,50}_attention", name) is not None


def _kind(key: str, words: dict[str | int, str], entry: Json) -> str:
    """The kind that an entry of a list stands for."""
    kind = words.get(entry, entry) if type(entry) in (str, int) else None
    if not isinstance(kind, str) or not is_kind(kind):
        raise ValueError(f"{key} must name kinds of layers, such as {FULL}, got {shown(entry)}")
    return kind


def _repeating(reading: Reading, num_layers: int, window: int | None) -> list[str] | None:
    """Kinds from a key that says how often one layer differs."""
    words = reading.value("block_types")
    if reading.model_type == "recurrent_gemma" and isinstance(words, list) and words:
        reading.record("layers", "derived", reading.key("block_types"))
        repeated = [SLIDING if word == "attention" else LINEAR for word in words]
        return [repeated[layer % len(repeated)] for layer in range(num_layers)]
    for name in PERIODS:
        kinds = _kinds_by(reading, name, num_layers)
        if kinds is not None:
            reading.record("layers", "derived", reading.key(name))
            return kinds
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
    without = _without_own_attention(reading, len(kinds))
    rotates = [
        kind not in WITHOUT_ATTENTION and use and layer not in without
        for layer, (kind, use) in enumerate(zip(kinds, uses, strict=True))
    ]
    if not all(rotates) and "unrotated_layers" not in reading.provenance:
        reading.record("unrotated_layers", reading.provenance["layers"], reading.sources["layers"])
    return rotates


def _without_own_attention(reading: Reading, num_layers: int) -> set[int]:
    """Layers that attend to images in place of the text, or whose attention was taken out."""
    name = "cross_attention_layers"
    if reading.value(name) is not None:
        chosen = checks.layer_numbers(reading.key(name), reading.value(name), num_layers)
        reading.record("unrotated_layers", "explicit", reading.key(name))
        return chosen
    if reading.family.cross_attention_layers:
        if num_layers != reading.family.cross_attention_layers[0]:
            raise ValueError(f"{reading.key(name)} is missing, and that of the class is for another depth")
        source = reading.defaults.get("source", f"the code of {reading.model_type}")
        reading.record("unrotated_layers", "class_default", source)
        return set(reading.family.cross_attention_layers[1:])
    name = "block_configs"
    if reading.value(name) is None:
        return set()
    blocks = reading.per_layer(name, num_layers) or []
    without = {layer for layer, block in enumerate(blocks) if not _keeps_attention(reading, block)}
    if without:
        reading.record("unrotated_layers", "explicit", f"no_op in {reading.key(name)}")
    return without


# What an attention block of Nemotron-NAS says that leaves positions alone.
_BLOCK_KEYS = {"n_heads_in_group", "no_op", "replace_with_linear", "num_key_value_heads", "sparsify"}


def _keeps_attention(reading: Reading, block: Json) -> bool:
    """Whether a block of Nemotron-NAS has an attention; anything else that it says of it is doubted."""
    attention = block.get("attention") if isinstance(block, dict) else None
    if not isinstance(attention, dict):
        raise ValueError(
            f"{reading.key('block_configs')} must describe an attention each, got {shown(block)}"
        )
    if any(value not in (None, False) for key, value in attention.items() if key not in _BLOCK_KEYS):
        reading.doubt("block_configs")
    return not (attention.get("no_op") is True or attention.get("replace_with_linear") is True)


def _refuse_dense_layers(reading: Reading) -> None:
    """Raise ValueError for first, dense layers in a family that has a rule for them that is not read here."""
    key, kinds = "first_k_dense_replace", reading.value("mlp_layer_types")
    reading.value("prefix_dense_sliding_window_pattern")  # of those layers
    has_dense = bool(reading.value(key)) or (isinstance(kinds, list) and "dense" in kinds)
    if has_dense and reading.family.has_own_rule_for_dense_layers:
        raise ValueError(
            f"{reading.key(key)} of {reading.model_type} must be 0: its rule for RoPE is not read"
        )


def _every(interval: int, num_layers: int) -> list[int]:
    """1 for each layer but every `interval`-th."""
    return [int((layer + 1) % interval != 0) for layer in range(num_layers)]


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
        interval = reading.peek("no_rope_layer_interval")
        repeated = type(interval) is int and interval > 0
        if reading.defaults or (repeated and listed == _every(interval, num_layers)):
            reading.inert("no_rope_layer_interval", f"{key} lists the layers")
        return [bool(entry) for entry in listed]
    interval = reading.find("no_rope_interval", checks.length_in_tokens, recorded="unrotated_layers")
    if interval is not None:
        return [bool(entry) for entry in _every(interval, num_layers)]
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
