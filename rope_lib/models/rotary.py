"""One spectrum of a model from its config: base, size, window and scaling of the layers of one kind."""

from . import reading as check
from .layers import (
    CHUNKED,
    COMPRESSED_SPARSE,
    FULL,
    HEAVILY_COMPRESSED,
    HYBRID,
    HYBRID_SLIDING,
    LABELS,
    SLIDING,
    class_entry,
    is_by_kind,
    seen,
)
from .reading import LONGEST, Part, listed, shown
from .sizes import head_dim_of, rotary_dim_of, share_of
from .spec import FrozenDict, Rotary

# The base in the code of families whose config, or whose class in transformers, has no key for it.
FAMILY_BASES = dict.fromkeys(
    ("aquila", "baichuan", "chatglm", "clvp_encoder", "codegen", "deepseek", "gptj", "internlm", "orion",
     "phi-msft", "RefinedWeb", "RefinedWebModel", "roformer", "xverse"),
    10_000.0,
)  # fmt: skip

# The numbers that each type of scaling reads.
ORIGINAL = "original_max_position_embeddings"
_YARN = ("factor", ORIGINAL, "beta_fast", "beta_slow", "truncate", "mscale", "mscale_all_dim")
_LONGROPE = (
    "factor", ORIGINAL, "short_factor", "long_factor", "attention_factor", "short_mscale", "long_mscale",
)  # fmt: skip
PARAMETERS = {
    "default": ("mrope_section",),
    "linear": ("factor",),
    "ntk": ("factor",),
    "dynamic": ("factor", "alpha"),
    "yarn": (*_YARN, "attention_factor"),
    "deepseek_yarn": _YARN,
    "longrope": _LONGROPE,
    "su": _LONGROPE,
    "llama3": ("factor", ORIGINAL, "low_freq_factor", "high_freq_factor"),
    "freq_factors": ("freq_factors",),
    "proportional": ("factor", "partial_rotary_factor"),
    "mrope": ("mrope_section",),
    "xdrope": ("factor", "alpha"),
    "rope_id": (ORIGINAL, "shortest_period"),
    "high_freq": (ORIGINAL, "shortest_period"),
    "half_rope": (),
    "p_rope": ("p",),
    "hope": (ORIGINAL,),
}

# What the code of some models makes of a name.
_RENAMED = {"xdrope": "dynamic"}  # HunYuan-VL: for text its axes are all alike

# Keys of a scaling object that are read elsewhere, or that say nothing of the spectrum of text.
_SILENT = {
    "type", "rope_type", "rope_theta", "partial_rotary_factor", "finetuned", "mrope_section",
    "mrope_interleaved", "xdrope_section",
}  # fmt: skip

# Two names of one spectrum may stand side by side as `type` and `rope_type`.
_SAME_SPECTRUM = ({"default", "mrope"}, {"longrope", "su"})

# ModernBERT's code applies one scaling object to its sliding layers too; other classes with an object for
# each kind of layers leave those unscaled.
_SCALES_SLIDING_TOO = {"modernbert", "modernbert-decoder"}

# In a class with an object for each kind, those whose base is the plain `rope_theta`; and where others find a
# base of their own.
_PLAIN = (FULL, "main", HYBRID, "indexed_attention")
_OWN_BASES = {
    SLIDING: "local_base", HYBRID_SLIDING: "local_base", COMPRESSED_SPARSE: "compress_base",
    HEAVILY_COMPRESSED: "compress_base",
}  # fmt: skip

# Not in the config: DeepSeek-V4 applies YaRN without its temperature.
_WITHOUT_TEMPERATURE = {"deepseek_v4"}


def read_rotary(reading, model_type, kind, layers, context):
    """The `Rotary` of these layers, or None where the config gives their kind no rotary embedding.

    `context` is the declared context in tokens, or None. Raises ValueError for what is missing or impossible.
    """
    part = _scaling_object(reading, model_type, kind)
    if part.values is None:
        provenance = "explicit" if part.is_own else "class_default"
        reading.record("unrotated_layers", provenance, f"{part.key} is null")
        return None
    scaling_type = _type(reading, model_type, part)
    base = _base(reading, model_type, kind, part)
    head_dim = head_dim_of(reading, model_type, kind)
    parameters = _parameters(reading, model_type, scaling_type, part, context)
    if scaling_type == "proportional":  # the spectrum covers the whole head, with zeros where nothing rotates
        parameters["partial_rotary_factor"] = share_of(reading, model_type, kind, part)
        reading.record("rotary_dim", "derived", "proportional: all of head_dim")
        rotary_dim = head_dim
    else:
        rotary_dim = rotary_dim_of(reading, model_type, kind, part, head_dim)
    scaling = FrozenDict(type=scaling_type, **parameters)
    rotary = Rotary(tuple(layers), seen(kind), base, head_dim, rotary_dim, _window(reading, kind), scaling)
    try:
        rotary.effective_base(context or LONGEST)
    except ValueError as error:
        raise ValueError(f"{part.key}: {error}") from None
    return rotary


def sliding_window(reading):
    """The sliding window of a model in tokens, or None; records "window" where there is one."""
    uses = reading.value("use_sliding_window")
    uses = reading.defaults.get("use_sliding_window") if uses is None else uses
    if uses is not None and not check.flag(reading.key("use_sliding_window"), uses):
        return None
    one_sided = reading.find("window", check.whole(LONGEST))
    both = reading.find("two_sided_window", check.whole(LONGEST), recorded="window")
    if both is None:
        return one_sided
    key, half = reading.key("local_attention"), both // 2  # ModernBERT looks as far back as ahead
    if one_sided is not None:
        _agree(reading.key("sliding_window"), one_sided, f"half of {key}", half)
    if reading.value("local_attention") is not None:
        reading.record("window", "derived", f"{key} / 2: it counts both directions")
    return check.whole(LONGEST)(f"half of {key}", half)


def _window(reading, kind):
    """Tokens that a layer of this kind sees, or None where it sees all."""
    if kind in (SLIDING, HYBRID_SLIDING):
        return sliding_window(reading)
    if kind == CHUNKED:
        return reading.need("chunk", check.whole(LONGEST), recorded="window")
    return None


def _scaling_object(reading, model_type, kind):
    """The `Part` in which the config, else the class, describes the spectrum of a kind of layers.

    Its values are None where one says, by null, that these layers have no rotary embedding.
    """
    given, key = _merged(reading)
    label = LABELS[kind] if LABELS.get(kind) in given else kind
    if label in given or any(isinstance(value, dict) for value in given.values()):
        if label not in given:
            raise ValueError(f"{key} must have an entry for {kind}, got only {listed(given)}")
        key, own = f"{key}.{label}", given[label]
        return Part(None if own is None else check.mapping(key, own), key, True)
    if given:
        return Part(_unscaled(given) if _leaves_out(reading, model_type, kind) else given, key, False)
    of_class = class_entry(reading, kind)
    if of_class is None:
        return Part(None, f"rope_parameters.{label} in {reading.defaults['source']}", False)
    if "rope_parameters" in reading.config or "rope_scaling" in reading.config:
        return Part({}, key, False)  # null or empty says that there is no scaling
    return Part({name: value for name, value in of_class.items() if name not in _UNSCALED}, key, False)


_UNSCALED = ("rope_theta", "partial_rotary_factor")


def _unscaled(given):
    return {name: given[name] for name in _UNSCALED if name in given}


def _leaves_out(reading, model_type, kind):
    """Whether the one scaling object of a config is not for these layers."""
    types = reading.value("yarn_only_types")  # Step
    if types is not None:
        if not isinstance(types, list):
            key = reading.key("yarn_only_types")
            raise ValueError(f"{key} must list kinds of layers, got {shown(types)}")
        return kind not in types
    if reading.value("rope_scaling_layers") is not None:  # Molmo 2: whether this layer is among them
        return not reading.value("rope_scaling_layers")
    of_class = reading.defaults.get("rope_parameters", {})
    has_own = kind in of_class or LABELS.get(kind) in of_class
    return kind == SLIDING and has_own and model_type not in _SCALES_SLIDING_TOO


def _merged(reading):
    """The scaling object under either of its names, or under both where they do not contradict each other."""
    merged, key = {}, reading.key("rope_parameters")
    for name in ("rope_scaling", "rope_parameters"):
        if reading.value(name) is None:
            continue
        parameters = check.mapping(reading.key(name), reading.value(name))
        for inner in sorted(merged.keys() & parameters.keys()):
            _agree(f"{reading.key(name)}.{inner}", parameters[inner], f"{key}.{inner}", merged[inner])
        if parameters:
            merged, key = {**merged, **parameters}, reading.key(name)
    return merged, key


def _agree(key, value, other_key, other):
    if value != other:
        raise ValueError(f"{key} and {other_key} must agree, got {shown(value)} and {shown(other)}")


def _class_base(reading, kind):
    """The base that the class has for a kind, and the one that it has for the plain kind, or None."""
    of_class = reading.defaults.get("rope_parameters") or {}
    plain = of_class
    if is_by_kind(of_class):
        plain = next((of_class[name] for name in _PLAIN if name in of_class), None) or {}
    return (class_entry(reading, kind) or {}).get("rope_theta"), plain.get("rope_theta")


def _type(reading, model_type, part):
    """The name of the scaling, under `rope_type` or `type`; records "scaling"."""
    given, key, _ = part
    names = {name: given[name] for name in ("rope_type", "type") if given.get(name) is not None}
    for name, value in names.items():
        if not isinstance(value, str) or value not in PARAMETERS:
            raise ValueError(f"{key}.{name} must be one of {', '.join(PARAMETERS)}, got {shown(value)}")
    types = set(names.values())
    if len(types) > 1 and types not in _SAME_SPECTRUM:
        _agree(f"{key}.rope_type", names["rope_type"], f"{key}.type", names["type"])
    numbers = given.keys() - _SILENT
    if not names and numbers:
        raise ValueError(f"{key} must name its rope_type, got only {listed(numbers)}")
    if names and any(name in reading.config for name in ("rope_parameters", "rope_scaling")):
        reading.record("scaling", "explicit", f"{key}.{next(iter(names))}")
    elif types - {"default"}:
        reading.record("scaling", "class_default", reading.defaults["source"])
    else:
        reading.record("scaling", "derived", "no scaling is stated")
    if types == {"yarn"} and model_type.startswith("phi3") and "long_factor" in given:
        return "longrope"  # what Phi-3's code makes of that name
    name = max(types - {"default"}, default="default")
    return _RENAMED.get(name, name)


def _parameters(reading, model_type, scaling_type, part, context):
    """The numbers that a scaling reads, those that may be left out filled in as transformers does."""
    given, key, _ = part
    reads = PARAMETERS[scaling_type]
    unused = given.keys() - _SILENT - set(reads)
    if unused:
        reading.notes.append(f"{key}: {scaling_type} does not read {listed(unused)}.")
    parameters = {name: given[name] for name in reads if given.get(name) is not None}
    for name, value in parameters.items():
        check.parameter(f"{key}.{name}", value)
    if "mrope_section" in parameters:
        check.sections(f"{key}.mrope_section", parameters["mrope_section"])
    if "factor" in parameters:
        check.positive(f"{key}.factor", parameters["factor"])
    if scaling_type == "yarn" and model_type in _WITHOUT_TEMPERATURE:
        parameters.setdefault("attention_factor", 1.0)
    if scaling_type == "dynamic" and "alpha" not in parameters:
        if context is None:
            missing = reading.key("max_position_embeddings")
            raise ValueError(f"{missing} is missing: dynamic scaling starts from there")
        parameters[ORIGINAL] = context
    if ORIGINAL in reads:
        original = parameters[ORIGINAL] = _original_context(reading, given, key, context)
        if "factor" not in parameters and "factor" in reads and context is not None:
            parameters["factor"] = context / original
            reading.record("factor", "derived", f"declared context / {ORIGINAL}")
        stretched = parameters.get("factor", 1) * original
        if scaling_type in ("yarn", "deepseek_yarn") and context not in (None, stretched):
            reading.notes.append(f"{key} stretches to {stretched:,.0f} tokens; {context:,} are declared.")
    return parameters


def _original_context(reading, given, key, context):
    """The length before scaling: in the scaling object, at the top of the config, or the declared context."""
    inner = given.get(ORIGINAL)
    if reading.value(ORIGINAL) is not None and inner is not None:
        _agree(reading.key(ORIGINAL), reading.value(ORIGINAL), f"{key}.{ORIGINAL}", inner)
    if inner is not None:
        reading.record("original_context", "explicit", f"{key}.{ORIGINAL}")
        return check.whole(LONGEST)(f"{key}.{ORIGINAL}", inner)
    stated = reading.find("original_context", check.whole(LONGEST))
    if stated is not None:
        return stated
    if context is None:
        raise ValueError(f"{key}.{ORIGINAL} is missing, and so is a declared context in place of it")
    reading.record("original_context", "derived", f"the declared context, for want of {key}.{ORIGINAL}")
    return context


def _base(reading, model_type, kind, part):
    """The base of a kind of layers: of its own, else that of the model, by a key or by class default."""
    given, key, is_own = part
    of_layer = reading.find("layer_base", check.base, recorded="base")
    if of_layer is not None:
        return of_layer
    stated = given.get("rope_theta")
    if stated is not None:
        stated = check.base(f"{key}.rope_theta", stated)
    if stated is not None and is_own:
        reading.record("base", "explicit", f"{key}.rope_theta")
        return stated
    own = reading.find(_OWN_BASES[kind], check.base, recorded="base") if kind in _OWN_BASES else None
    if own is not None:
        return own
    of_class, of_plain_kind = _class_base(reading, kind)
    if of_class not in (None, of_plain_kind):
        reading.record("base", "class_default", reading.defaults["source"])
        return float(of_class)
    if stated is not None:
        if reading.value("rope_theta") is not None:
            _agree(reading.key("rope_theta"), reading.value("rope_theta"), f"{key}.rope_theta", stated)
        reading.record("base", "explicit", f"{key}.rope_theta")
        return stated
    if model_type == "chatglm" and reading.value("rope_ratio") is not None:
        ratio = check.positive(reading.key("rope_ratio"), reading.value("rope_ratio"))
        reading.record("base", "derived", f"{FAMILY_BASES['chatglm']:,.0f} × {reading.key('rope_ratio')}")
        return check.base(f"10000 × {reading.key('rope_ratio')}", FAMILY_BASES["chatglm"] * ratio)
    stated = reading.find("base", check.base)
    if stated is not None:
        return stated
    is_null = "rope_theta" in reading.config or "rope_theta" in given
    if of_class is not None and not is_null:
        reading.record("base", "class_default", reading.defaults["source"])
        return float(of_class)
    if model_type in FAMILY_BASES and not is_null:
        reading.record("base", "class_default", f"the code of {model_type} models")
        return FAMILY_BASES[model_type]
    return reading.need("base", check.base)
