"""The scaling of one kind of layers: the object in the config that describes it, its type, its numbers."""

from ..theory.scaling import ORIGINAL_LENGTH, SCALINGS, find_scaling, scaling_names
from . import checks
from .checks import JsonObject, length_in_tokens, listed, must_agree, shown
from .layers import LABELS, SLIDING, class_entry
from .reading import Part, Reading
from .spec import FrozenDict

# The names of the object; a later one goes before an earlier one in messages.
_OBJECTS = ("rotary_scaling", "rope_scaling", "rope_parameters")

# Where the object in a config has other keys than the function reads: transformers 5 writes the sections of
# M-RoPE under `default`, and `dynamic` starts from the declared context, whatever length the object states.
_KEYS = {"default": SCALINGS["mrope"].reads, "dynamic": ("factor", "alpha")}

# Keys of the object that are read elsewhere, or that say nothing of the spectrum of text.
_SILENT = {
    "type", "rope_type", "rope_theta", "partial_rotary_factor", "finetuned", "mrope_section",
    "mrope_interleaved", "xdrope_section",
}  # fmt: skip

# Keys of the object that change no frequency.
INERT = {
    "llama_4_scaling_beta": "it scales queries by their position, and turns none",
    "rope_interleave": "the order of channels in a pair: each pair turns as fast",
    "mrope_interleaved": "the order of the axes of images",
    "attn_scale": "it scales the scores",
}

# Types whose factor × original length is the context that such a model declares.
_REACHES_DECLARED_CONTEXT = ("yarn", "deepseek_yarn")

_UNSCALED = ("rope_theta", "partial_rotary_factor")  # keys that describe the spectrum before any scaling


def scaling_object(reading: Reading, kind: str) -> Part | None:
    """The object in which the config, else the class, describes the spectrum of a kind of layers.

    None where one says, by null, that these layers have no rotary embedding; this records
    "unrotated_layers". Raises ValueError for contradictions, and for an object without this kind.
    """
    given, key = _merged(reading)
    label = LABELS[kind] if LABELS.get(kind) in given else kind
    _account(reading, given, label)
    if label in given or any(isinstance(value, dict) for value in given.values()):
        if label not in given:
            raise ValueError(f"{key} must have an entry for {kind}, got only {listed(given)}")
        key, own = f"{key}.{label}", given[label]
        if own is None:
            reading.record("unrotated_layers", "explicit", f"{key} is null")
            return None
        return Part(checks.scaling_object(key, own), key, is_own=True)
    if given:
        return Part(_unscaled(given) if _leaves_out(reading, kind) else given, key, is_own=False)
    of_class = class_entry(reading, kind)
    if of_class is None:
        source = f"rope_parameters.{label} in {reading.defaults['source']} is null"
        reading.record("unrotated_layers", "class_default", source)
        return None
    if any(map(reading.states, _OBJECTS)):
        return Part({}, key, is_own=False)  # null or empty says that there is no scaling
    scaling = {name: value for name, value in of_class.items() if name not in _UNSCALED}
    return Part(scaling, key, is_own=False)


def _account(reading: Reading, given: JsonObject, label: str) -> None:
    """Put down which keys of the object are read, and which no scaling of that type reads.

    A key that some other type reads says nothing here; one that no type reads is left to be suspected.
    """
    inside = label if label in given else ""
    values = (given[inside] or {}) if inside else given
    if not isinstance(values, dict):
        return  # refused where it is used
    named = next((values[name] for name in ("rope_type", "type") if values.get(name) is not None), "default")
    scaling = find_scaling(named)
    if scaling is None:
        return  # refused where it is used
    reads = {*_keys_of(scaling.name), "rope_type", "type", *_SILENT}
    known = {name for each in SCALINGS.values() for name in each.reads} | {ORIGINAL_LENGTH}
    for name in _OBJECTS:
        prefix = f"{reading.key(name)}.{inside}" if inside else reading.key(name)
        reading.ledger.read.add(prefix)
        for key in values:
            if key in reads:
                reading.ledger.read.add(f"{prefix}.{key}")
            elif key in known:
                reading.ledger.inert[f"{prefix}.{key}"] = f"{scaling.name} does not read it"
            elif key in INERT:
                reading.ledger.inert[f"{prefix}.{key}"] = INERT[key]
            elif key == "max_position_embeddings" and values[key] == reading.peek(key):
                reading.ledger.inert[f"{prefix}.{key}"] = "the declared context"


def _merged(reading: Reading) -> tuple[JsonObject, str]:
    """The object under either of its names, or under both where they do not contradict each other."""
    merged: JsonObject = {}
    key = reading.key("rope_parameters")
    for name in _OBJECTS:
        if reading.value(name) is None:
            continue
        parameters = checks.scaling_object(reading.key(name), reading.value(name))
        for inner in sorted(merged.keys() & parameters.keys()):
            must_agree(f"{reading.key(name)}.{inner}", parameters[inner], f"{key}.{inner}", merged[inner])
        if parameters:
            merged, key = {**merged, **parameters}, reading.key(name)
    return merged, key


def _unscaled(given: JsonObject) -> JsonObject:
    return {name: given[name] for name in _UNSCALED if name in given}


def _leaves_out(reading: Reading, kind: str) -> bool:
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
    return kind == SLIDING and has_own and not reading.family.scales_sliding_layers


def scaling_type(reading: Reading, part: Part) -> str:
    """The name in `SCALINGS` of the type under `rope_type` or `type`; records "scaling"."""
    given, key = part.values, part.key
    names = {name: given[name] for name in ("rope_type", "type") if given.get(name) is not None}
    types = {_known_type(f"{key}.{name}", value) for name, value in names.items()}
    if len(types) > 1 and types != {"default", "mrope"}:  # which are one spectrum for text
        must_agree(f"{key}.rope_type", names["rope_type"], f"{key}.type", names["type"])
    numbers = given.keys() - _SILENT
    if not names and numbers:
        raise ValueError(f"{key} must name its rope_type, got only {listed(numbers)}")
    if names and any(map(reading.states, _OBJECTS)):
        reading.record("scaling", "explicit", f"{key}.{next(iter(names))}")
    elif types - {"default"}:
        reading.record("scaling", "class_default", reading.defaults["source"])
    else:
        reading.record("scaling", "derived", "no scaling is stated")
    if types == {"yarn"} and "long_factor" in given:
        return reading.family.yarn_with_long_factor
    return max(types - {"default"}, default="default")


def _known_type(key: str, value: object) -> str:
    found = find_scaling(value)
    if found is None:
        raise ValueError(f"{key} must be one of {', '.join(scaling_names())}, got {shown(value)}")
    return found.name


def _keys_of(scaling: str) -> tuple[str, ...]:
    """The keys of the object in a config that this type of scaling reads."""
    return _KEYS.get(scaling, SCALINGS[scaling].reads)


def scaling_parameters(reading: Reading, scaling: str, part: Part, context: int | None) -> JsonObject:
    """The numbers that a scaling reads, with those that may be left out filled in as transformers does.

    `context` is the declared context in tokens, or None. Raises ValueError for what is missing or of a wrong
    type.
    """
    given, key, reads = part.values, part.key, _keys_of(scaling)
    unused = given.keys() - _SILENT - set(reads)
    if unused:
        reading.notes.append(f"{key}: {scaling} does not read {listed(unused)}.")
    parameters = {name: given[name] for name in reads if given.get(name) is not None}
    for name, value in parameters.items():
        checks.scaling_parameter(f"{key}.{name}", value)
    if "mrope_section" in parameters:
        checks.pairs_of_axes(f"{key}.mrope_section", parameters["mrope_section"])
    if "factor" in parameters:
        checks.positive_number(f"{key}.factor", parameters["factor"])
    if scaling == "yarn" and reading.family.yarn_attention_factor is not None:
        parameters.setdefault("attention_factor", reading.family.yarn_attention_factor)
    trained = reading.find("trained_positions", length_in_tokens, recorded="original_context")
    if scaling == "dynamic" and "alpha" not in parameters and trained is not None:
        parameters[ORIGINAL_LENGTH] = trained
    elif scaling == "dynamic" and "alpha" not in parameters:
        if context is None:
            missing = reading.key("max_position_embeddings")
            raise ValueError(f"{missing} is missing: dynamic scaling starts from there")
        parameters[ORIGINAL_LENGTH] = context
    if ORIGINAL_LENGTH in reads:
        original = parameters[ORIGINAL_LENGTH] = _original_length(reading, part, context)
        if "factor" not in parameters and "factor" in reads and context is not None:
            parameters["factor"] = context / original
            reading.record("factor", "derived", f"declared context / {ORIGINAL_LENGTH}")
        stretched = parameters.get("factor", 1) * original
        if scaling in _REACHES_DECLARED_CONTEXT and context not in (None, stretched):
            reading.notes.append(f"{key} stretches to {stretched:,.0f} tokens; {context:,} are declared.")
    return parameters


def _original_length(reading: Reading, part: Part, context: int | None) -> int:
    """The length before scaling: in the scaling object, at the top of the config, or the declared context."""
    inner, key = part.values.get(ORIGINAL_LENGTH), f"{part.key}.{ORIGINAL_LENGTH}"
    if inner is not None:
        if reading.value(ORIGINAL_LENGTH) is not None:
            must_agree(reading.key(ORIGINAL_LENGTH), reading.value(ORIGINAL_LENGTH), key, inner)
        reading.record("original_context", "explicit", key)
        return length_in_tokens(key, inner)
    stated = reading.find("original_context", length_in_tokens)
    if stated is not None:
        return stated
    if context is None:
        raise ValueError(f"{key} is missing, and so is a declared context in place of it")
    reading.record("original_context", "derived", f"the declared context, as {key} is missing")
    return context


def length_before(scaling: FrozenDict) -> int | None:
    """The context in tokens that a retrofit starts from, where its object states one, else None.

    >>> length_before(FrozenDict(type="yarn", factor=4.0, original_max_position_embeddings=4096))
    4096
    """
    states_length = ORIGINAL_LENGTH in _keys_of(scaling["type"])
    if not SCALINGS[scaling["type"]].is_retrofit or not states_length:
        return None
    length: int = scaling[ORIGINAL_LENGTH]
    return length
