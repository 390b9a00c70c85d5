"""One spectrum of a model from its config: base, size, window and scaling of the layers of one kind."""

from . import reading as check
from .layers import CHUNKED, FULL, SLIDING
from .reading import LIMITS, LONGEST, shown
from .spec import FrozenDict, Rotary

# The base in the code of families whose config, or whose class in transformers, has no key for it.
FAMILY_BASES = dict.fromkeys(
    ("aquila", "baichuan", "chatglm", "codegen", "deepseek", "gptj", "internlm", "orion", "phi-msft",
     "RefinedWeb", "RefinedWebModel", "roformer", "xverse"),
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
    "rope_id": (ORIGINAL, "shortest_period"),
    "high_freq": (ORIGINAL, "shortest_period"),
    "half_rope": (),
    "p_rope": ("p",),
    "hope": (ORIGINAL,),
}

# Keys of a scaling object that are read elsewhere, or that say nothing of the spectrum of text.
_SILENT = {
    "type", "rope_type", "rope_theta", "partial_rotary_factor", "finetuned", "mrope_section",
    "mrope_interleaved",
}  # fmt: skip

# Two names of one spectrum may stand side by side as `type` and `rope_type`.
_SAME_SPECTRUM = ({"default", "mrope"}, {"longrope", "su"})

# ModernBERT's code applies one scaling object to its sliding layers too; other classes with an object for
# each kind of layers leave those unscaled.
_SCALES_SLIDING_TOO = {"modernbert", "modernbert-decoder"}


def read_rotary(reading, model_type, kind, layers, context):
    """The `Rotary` of these layers, or None where the config gives their kind no rotary embedding.

    `context` is the declared context in tokens, or None. Raises ValueError for what is missing or impossible.
    """
    given, key = _scaling_object(reading, model_type, kind)
    if given is None:
        return None
    scaling_type = _type(reading, model_type, given, key)
    base = _base(reading, model_type, kind, given, key)
    head_dim = _head_dim(reading, kind)
    share = _share(reading, model_type, kind, given, key)
    parameters = _parameters(reading, scaling_type, given, key, context)
    if scaling_type == "proportional":  # the spectrum covers the whole head, with zeros where nothing rotates
        parameters["partial_rotary_factor"] = share
        reading.record("rotary_dim", "derived", "proportional: all of head_dim")
        rotary_dim = head_dim
    else:
        rotary_dim = _rotary_dim(reading, head_dim, share)
    scaling = FrozenDict(type=scaling_type, **parameters)
    kind_name = kind.removesuffix("_attention")
    rotary = Rotary(tuple(layers), kind_name, base, head_dim, rotary_dim, _window(reading, kind), scaling)
    try:
        rotary.effective_base(context or LONGEST)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
    return rotary


def sliding_window(reading):
    """The sliding window of a model in tokens, or None; records "window" where there is one."""
    uses = reading.value("use_sliding_window")
    uses = reading.defaults.get("use_sliding_window") if uses is None else uses
    if uses is not None and not check.flag(reading.key("use_sliding_window"), uses):
        return None
    return reading.find("window", check.whole(LONGEST))


def _window(reading, kind):
    """Tokens that a layer of this kind sees, or None where it sees all."""
    if kind == SLIDING:
        return sliding_window(reading)
    if kind == CHUNKED:
        return reading.need("chunk", check.whole(LONGEST), recorded="window")
    return None


def _scaling_object(reading, model_type, kind):
    """`(object, its key)`: what the config, else the class, says of the spectrum of a kind of layers.

    The object is None where the config says, by null, that these layers have no rotary embedding.
    """
    given, key = _merged(reading)
    if any(isinstance(value, dict) for value in given.values()):
        if kind not in given:
            raise ValueError(f"{key} must have an entry for {kind}, got only {', '.join(sorted(given))}")
        key, own = f"{key}.{kind}", given[kind]
        return (None if own is None else check.mapping(key, own)), key
    if given:
        of_class = reading.defaults.get("rope_parameters", {})
        unscaled = kind == SLIDING and kind in of_class and model_type not in _SCALES_SLIDING_TOO
        return ({} if unscaled else given), key
    if "rope_parameters" in reading.config or "rope_scaling" in reading.config:
        return {}, key  # null or empty says that there is no scaling
    of_class = _class_entry(reading, kind)
    names = ("rope_type", *PARAMETERS.get(of_class.get("rope_type"), ()))
    return {name: of_class[name] for name in names if name in of_class}, key


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


def _class_entry(reading, kind):
    """What the model's class says of the spectrum of this kind of layers; empty where it is not known."""
    of_class = reading.defaults.get("rope_parameters") or {}
    return of_class.get(kind, of_class[FULL]) if FULL in of_class else of_class


def _type(reading, model_type, given, key):
    """The name of the scaling, under `rope_type` or `type`; records "scaling"."""
    names = {name: given[name] for name in ("rope_type", "type") if given.get(name) is not None}
    for name, value in names.items():
        if not isinstance(value, str) or value not in PARAMETERS:
            raise ValueError(f"{key}.{name} must be one of {', '.join(PARAMETERS)}, got {shown(value)}")
    types = set(names.values())
    if len(types) > 1 and types not in _SAME_SPECTRUM:
        _agree(f"{key}.rope_type", names["rope_type"], f"{key}.type", names["type"])
    numbers = sorted(given.keys() - _SILENT)
    if not names and numbers:
        raise ValueError(f"{key} must name its rope_type, got only {', '.join(numbers)}")
    if names and not any(name in reading.config for name in ("rope_parameters", "rope_scaling")):
        reading.record("scaling", "class_default", reading.defaults["source"])
    elif names:
        reading.record("scaling", "explicit", f"{key}.{next(iter(names))}")
    else:
        reading.record("scaling", "derived", "no scaling is stated")
    if types == {"yarn"} and model_type.startswith("phi3") and "long_factor" in given:
        return "longrope"  # what Phi-3's code makes of that name
    return max(types - {"default"}, default="default")


def _parameters(reading, scaling_type, given, key, context):
    """The numbers that a scaling reads, those that may be left out filled in as transformers does."""
    reads = PARAMETERS[scaling_type]
    unused = sorted(given.keys() - _SILENT - set(reads))
    if unused:
        reading.notes.append(f"{key}: {scaling_type} does not read {', '.join(unused)}.")
    parameters = {name: given[name] for name in reads if given.get(name) is not None}
    if "factor" in parameters:
        check.positive(f"{key}.factor", parameters["factor"])
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


def _base(reading, model_type, kind, given, key):
    """The base of a kind of layers: in its scaling object, under a key of the model, or by class default."""
    if given.get("rope_theta") is not None:
        stated = check.base(f"{key}.rope_theta", given["rope_theta"])
        if reading.value("rope_theta") is not None and not key.endswith(kind):
            _agree(reading.key("rope_theta"), reading.value("rope_theta"), f"{key}.rope_theta", stated)
        reading.record("base", "explicit", f"{key}.rope_theta")
        return stated
    of_class = _class_entry(reading, kind).get("rope_theta")
    if kind == SLIDING:
        local = reading.find("local_base", check.base, recorded="base")
        if local is not None:
            return local
        if of_class != _class_entry(reading, FULL).get("rope_theta"):
            reading.record("base", "class_default", reading.defaults["source"])
            return float(of_class)
    if model_type == "chatglm" and reading.value("rope_ratio") is not None:
        ratio = check.positive(reading.key("rope_ratio"), reading.value("rope_ratio"))
        reading.record("base", "derived", f"{FAMILY_BASES['chatglm']:,.0f} × {reading.key('rope_ratio')}")
        return check.base(f"10000 × {reading.key('rope_ratio')}", FAMILY_BASES["chatglm"] * ratio)
    stated = reading.find("base", check.base)
    if stated is not None:
        return stated
    if of_class is not None and "rope_theta" not in reading.config:
        reading.record("base", "class_default", reading.defaults["source"])
        return float(of_class)
    if model_type in FAMILY_BASES and "rope_theta" not in reading.config:
        reading.record("base", "class_default", f"the code of {model_type} models")
        return FAMILY_BASES[model_type]
    return reading.need("base", check.base)


def _head_dim(reading, kind):
    """Channels of a query or key in a layer of this kind."""
    size = check.whole(LIMITS["head_dim"])
    rope, nope = reading.find("mla_rope", size, "head_dim"), reading.find("mla_nope", size, "head_dim")
    if rope is not None and nope is not None:
        reading.record("head_dim", "derived", f"{reading.key('qk_nope_head_dim')} + qk_rope_head_dim")
        return rope + nope
    own = reading.find("global_head_dim", size, "head_dim") if kind == FULL else None
    own = reading.find("head_dim", size) if own is None else own
    if own is not None:
        return own
    hidden = reading.need("hidden_size", check.whole(LIMITS["hidden_size"]), "head_dim")
    heads = reading.need("num_heads", check.whole(LIMITS["num_heads"]), "head_dim")
    if hidden % heads:
        missing = reading.key("head_dim")
        raise ValueError(f"{missing} is missing, and hidden_size {hidden} is no multiple of {heads} heads")
    reading.record("head_dim", "derived", "hidden_size / num_attention_heads")
    return hidden // heads


def _share(reading, model_type, kind, given, key):
    """The share of a head that rotates, or None where nothing says."""
    if given.get("partial_rotary_factor") is not None:
        reading.record("rotary_dim", "derived", f"head_dim × {key}.partial_rotary_factor")
        return check.share(f"{key}.partial_rotary_factor", given["partial_rotary_factor"])
    share = reading.find("partial_rotary_factor", check.share, recorded="rotary_dim")
    if share is None:
        share = _class_entry(reading, kind).get("partial_rotary_factor")
        if share is not None:
            reading.record("rotary_dim", "class_default", reading.defaults["source"])
    if share is None and model_type == "chatglm":
        reading.record("rotary_dim", "class_default", "the code of chatglm models rotates half of each head")
        return 0.5
    return share


def _rotary_dim(reading, head_dim, share):
    """Channels of a head that rotate."""
    size = check.whole(LIMITS["head_dim"])
    mla = reading.find("mla_rope", size, recorded="rotary_dim")
    if mla is not None:
        rotary_dim = mla
    else:
        stated = reading.find("rotary_dim", size)
        counted = None if share is None else int(head_dim * share)
        if None not in (stated, counted) and stated != counted:
            keys = f"{reading.key('rotary_dim')} and head_dim × partial_rotary_factor"
            raise ValueError(f"{keys} must agree, got {stated} and {counted}")
        rotary_dim = next((dim for dim in (stated, counted) if dim is not None), head_dim)
        if stated is None and counted is None:
            reading.record("rotary_dim", "derived", "all of head_dim: nothing says that less rotates")
    if rotary_dim > head_dim or rotary_dim % 2 or rotary_dim < 2:
        allowed = f"an even number from 2 to the head size {head_dim}"
        raise ValueError(f"the rotary dimension must be {allowed}, got {rotary_dim}")
    return rotary_dim
