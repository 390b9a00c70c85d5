"""Which layers rotate and what their attention sees, from whichever keys a family uses for it.

The kind of a layer is its name in transformers' `layer_types`; `NO_ROPE` stands for one that rotates nothing.
"""

from .reading import LONGEST, flag, listing, shown, whole

NO_ROPE = "no_rope"
FULL, SLIDING = "full_attention", "sliding_attention"
CHUNKED, LINEAR = "chunked_attention", "linear_attention"

# Layers in which no query meets a key.
WITHOUT_ATTENTION = {LINEAR, "mamba", "mamba2", "conv", "short_conv", "recurrent", "mlp", "moe"}

# What the words, letters and numbers of a family's own list stand for, by the key of that list.
WORDS = {
    "layer_types": {},
    "layers_block_type": {"attention": FULL, "hybrid": FULL},  # Bamba, Falcon-H1, Zamba
    "hybrid_override_pattern": {"*": FULL, "M": "mamba", "-": "mlp", "E": "moe"},  # Nemotron-H
    "hybrid_layer_pattern": {0: FULL, 1: SLIDING},  # MiMo-V2
    "attn_type_list": {0: LINEAR, 1: FULL},  # MiniMax-01
}

# The code of these rotates queries and keys in sliding layers only. Without a window, those of EXAONE and its
# kin rotate in all layers, the others in none.
ONLY_SLIDING_ROTATES = {"afmoe", "cohere2", "cohere2_moe", "flint"}
ONLY_SLIDING_ROTATES_IF_ANY = {"exaone4", "exaone4_5", "exaone_moe", "kolibri1"}

# Values of a config that turn the rotary embedding off.
SWITCHES = {"alibi": True, "use_alibi": True, "use_rope": False, "mla_use_nope": True}
ROTARY_POSITIONS = ("rope", "rotary")  # values of position_embedding_type


def layer_kinds(reading, model_type, num_layers, window):
    """The kind of each layer, a list of `num_layers` names; records "layers" and "unrotated_layers".

    `window` is the sliding window of the model in tokens, or None. Raises ValueError for a list of the wrong
    length and for an entry that is not known.
    """
    kinds = (
        _listed(reading, num_layers)
        or _repeating(reading, num_layers)
        or _of_class(reading, num_layers)
        or [SLIDING if window else FULL] * num_layers
    )
    if "layers" not in reading.provenance:
        known = bool(reading.defaults)
        why = "no key tells layers apart" if known else f"model type {shown(model_type)} is not known"
        reading.record("layers", "derived" if known else "assumed", why)
    if window is None:
        kinds = [FULL if kind == SLIDING else kind for kind in kinds]
    rotates = _rotating(reading, model_type, kinds)
    return [kind if rotating else NO_ROPE for kind, rotating in zip(kinds, rotates, strict=True)]


def _listed(reading, num_layers):
    """Kinds from a list, or a string of letters, with one entry a layer."""
    for name, words in WORDS.items():
        entries = reading.value(name)
        if entries is None:
            continue
        key = reading.key(name)
        listing(key, list(entries) if isinstance(entries, str) else entries, num_layers)
        kinds = []
        for entry in entries:
            kind = words.get(entry, entry) if isinstance(entry, str | int) else None
            if not isinstance(kind, str) or not (kind in WITHOUT_ATTENTION or kind.endswith("_attention")):
                raise ValueError(f"{key} must name kinds of layers, got {shown(entry)}")
            kinds.append(kind)
        reading.record("layers", "explicit" if name == "layer_types" else "alias", key)
        return kinds
    return None


def _repeating(reading, num_layers):
    """Kinds from a key that says how often one layer differs."""

    def every(name, special, others, shift):
        period = whole(LONGEST)(reading.key(name), reading.value(name))
        reading.record("layers", "derived", reading.key(name))
        return [others if (layer + shift) % period else special for layer in range(num_layers)]

    pattern = reading.value("sliding_window_pattern")
    if isinstance(pattern, str):  # EXAONE 4 writes the period out: LLLG
        if not pattern or set(pattern) - set("LG"):
            key = reading.key("sliding_window_pattern")
            raise ValueError(f"{key} must be a number or letters L and G, got {shown(pattern)}")
        reading.record("layers", "derived", reading.key("sliding_window_pattern"))
        return [SLIDING if pattern[layer % len(pattern)] == "L" else FULL for layer in range(num_layers)]
    if pattern is not None:
        return every("sliding_window_pattern", FULL, SLIDING, 1)
    if reading.value("full_attention_interval") is not None:
        return every("full_attention_interval", FULL, LINEAR, 1)
    if reading.value("global_attn_every_n_layers") is not None:
        return every("global_attn_every_n_layers", FULL, SLIDING, 0)
    if reading.value("use_sliding_window") is True and reading.value("max_window_layers") is not None:
        first = whole(LONGEST)(reading.key("max_window_layers"), reading.value("max_window_layers"))
        reading.record("layers", "derived", reading.key("max_window_layers"))
        return [FULL if layer < first else SLIDING for layer in range(num_layers)]
    return None


def _of_class(reading, num_layers):
    """Kinds by the pattern that the model's class repeats."""
    pattern = reading.defaults.get("layer_pattern") or reading.defaults.get("layer_types")
    if not pattern or len(set(pattern)) == 1:
        return None
    kinds = [pattern[layer % len(pattern)] for layer in range(num_layers)]
    if "last_layer" in reading.defaults:
        kinds[-1] = reading.defaults["last_layer"]
    reading.record("layers", "class_default", reading.defaults["source"])
    return kinds


def _rotating(reading, model_type, kinds):
    """Whether each layer rotates its queries and keys."""

    def none(provenance, source):
        reading.record("unrotated_layers", provenance, source)
        return [False] * len(kinds)

    defaults = reading.defaults
    if defaults.get("rope") is False:
        return none("class_default", f"no rotary embedding in the code of {defaults['source']}")
    for name, off in SWITCHES.items():
        if reading.value(name) is not None and flag(reading.key(name), reading.value(name)) is off:
            return none("explicit", reading.key(name))
    optional = defaults.get("rope_optional")
    if optional and reading.config.get(optional["key"], optional["default"]) not in optional["rope_when"]:
        return none("class_default", f"{optional['key']} in {defaults['source']}")
    positions = reading.value("position_embedding_type")
    if positions is not None and positions not in ROTARY_POSITIONS:
        return none("explicit", reading.key("position_embedding_type"))
    rotates = [kind not in WITHOUT_ATTENTION for kind in kinds]
    if model_type in ONLY_SLIDING_ROTATES or (model_type in ONLY_SLIDING_ROTATES_IF_ANY and SLIDING in kinds):
        source = f"the code of {defaults['source']} rotates sliding layers only"
        reading.record("unrotated_layers", "class_default", source)
        return [kind == SLIDING for kind in kinds]
    uses = _no_rope_layers(reading, len(kinds))
    rotates = [rotating and use for rotating, use in zip(rotates, uses, strict=True)]
    if not all(rotates) and "unrotated_layers" not in reading.provenance:
        reading.record("unrotated_layers", reading.provenance["layers"], reading.sources["layers"])
    return rotates


def _no_rope_layers(reading, num_layers):
    """`no_rope_layers` as booleans, True where RoPE is used: Llama 4 and SmolLM3 write 1 for that.

    An empty list stands for the class's own rule: every `no_rope_layer_interval`-th layer has none.
    """
    listed, key = reading.value("no_rope_layers"), reading.key("no_rope_layers")
    if listed:
        if any(entry not in (0, 1) for entry in listing(key, listed, num_layers)):
            raise ValueError(f"{key} must list 0 and 1, 1 where RoPE is used, got {shown(listed)}")
        reading.record("unrotated_layers", "explicit", key)
        return [bool(entry) for entry in listed]
    interval = reading.value("no_rope_layer_interval")
    if interval is not None:
        interval = whole(LONGEST)(reading.key("no_rope_layer_interval"), interval)
        reading.record("unrotated_layers", "derived", reading.key("no_rope_layer_interval"))
    elif "no_rope_layer_interval" in reading.defaults:
        interval = reading.defaults["no_rope_layer_interval"]
        reading.record("unrotated_layers", "class_default", reading.defaults["source"])
    elif listed is not None:  # an empty list in the file of a class that is not known
        raise ValueError(f"{key} is empty and no rule of this model is known: list 0 or 1 for each layer")
    else:
        return [True] * num_layers
    return [(layer + 1) % interval != 0 for layer in range(num_layers)]
