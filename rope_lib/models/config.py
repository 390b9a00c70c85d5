"""Read a `config.json` of any family as a `ModelSpec`: every value with its provenance, nothing guessed.

A value that is absent takes the default of the model's class in transformers, and its provenance says so;
where no default is known, reading raises. `null` says that there is none: no default takes its place.
"""

from . import reading as check
from .layers import NO_ROPE, layer_kinds, seen
from .reading import LIMITS, LONGEST, Reading, class_defaults, shown
from .rotary import ORIGINAL, read_rotary, sliding_window
from .spec import FrozenDict, ModelSpec, scopes

# Where a config of several parts keeps its text model.
TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config.text_config")

# Keys that some families give as a list with one entry a layer: what an entry stands for, and its check.
PER_LAYER = {
    "rope_theta": ("rope_theta", check.base),  # Step
    "layer_rope_theta": ("layer_rope_theta", check.base_or_0),  # Granite: 0 where a layer does not rotate
    "partial_rotary_factors": ("partial_rotary_factor", check.share),  # Step
}

LENGTH = check.whole(LONGEST)

# Scalings that start from a length before them.
RETROFITS = {"yarn", "deepseek_yarn", "longrope", "su", "llama3"}


def read_config(config, name=None):
    """The `ModelSpec` of a config, given as a dict. `name` stands in for the name that it gives itself.

    Raises ValueError, one line, for what is missing, of a wrong type, out of range, contradictory or unknown.

    >>> mixtral = {"model_type": "mixtral", "num_hidden_layers": 32, "head_dim": 128}
    >>> spec = read_config({**mixtral, "rope_theta": 500_000})
    >>> spec.rotaries[0].base, spec.provenance["base"]
    (500000.0, 'explicit')
    >>> spec = read_config(mixtral)
    >>> spec.rotaries[0].base, spec.provenance["base"]
    (1000000.0, 'class_default')
    """
    check.mapping("the config", config)
    text, path, model_type = _text_part(config)
    reading = Reading(text, path, _class_row(model_type))
    if model_type and not reading.defaults:
        reading.notes.append(f"The model type {shown(model_type)} is not known: only its config was read.")
    num_layers = _num_layers(reading)
    context = reading.find("context", LENGTH)
    kinds = layer_kinds(reading, model_type, num_layers, sliding_window(reading.unrecorded()))
    rotaries = _rotaries(reading, model_type, kinds, context)
    rotated = {layer for rotary in rotaries for layer in rotary.layers}
    original = [rotary.scaling[ORIGINAL] for rotary in rotaries if rotary.scaling["type"] in RETROFITS]
    return ModelSpec(
        name=name or _own_name(config) or _architecture(config, model_type),
        architecture=_architecture(config, model_type),
        num_layers=num_layers,
        declared_context=context,
        original_context=original[0] if original else reading.find("original_context", LENGTH),
        rotaries=rotaries,
        unrotated_layers=tuple(layer for layer in range(num_layers) if layer not in rotated),
        provenance=FrozenDict(reading.provenance),
        sources=FrozenDict(reading.sources),
        notes=tuple(dict.fromkeys(reading.notes)),
    )


def _text_part(config):
    """`(object of the text model, keys that lead to it, model type)`."""
    outer = _model_type(config, "")
    row = class_defaults()["models"].get(outer, {})
    for path in dict.fromkeys((*TEXT_PARTS, row.get("text", "text_config"))):
        part = config
        for key in path.split("."):
            part = part.get(key) if isinstance(part, dict) else None
        if part is not None:
            check.mapping(path, part)
            return part, path, _model_type(part, path) or row.get("text_type", outer)
    return config, "", row.get("text_type", outer)


def _num_layers(reading):
    """The number of layers: stated, by class default, or the length of a list that names them all."""
    limited = check.whole(LIMITS["num_layers"])
    stated = any(reading.value(name) is not None for name in check.NAMES["num_layers"])
    for name in ("layer_types", "layers_block_type", "hybrid_override_pattern"):
        entries = reading.value(name)
        if isinstance(entries, list | str) and not stated:
            reading.record("num_layers", "derived", f"the length of {reading.key(name)}")
            return limited(f"the length of {reading.key(name)}", len(entries))
    return reading.need("num_layers", limited)


def _model_type(config, path):
    value = config.get("model_type")
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{path and path + '.'}model_type must be a string, got {shown(value)}")
    return value or ""


def _class_row(model_type):
    """What is known of a model type: its row in the table of class defaults, with its source; or nothing."""
    table = class_defaults()
    row = table["models"].get(model_type)
    return {**row, "source": f"{model_type} in {table['source']}"} if row else {}


def _own_name(config):
    value = config.get("_name_or_path")
    return check.shortened(value.rstrip("/").rsplit("/", 1)[-1], 100) if isinstance(value, str) else ""


def _architecture(config, model_type):
    names = config.get("architectures")
    named = isinstance(names, list) and names and isinstance(names[0], str)
    return check.shortened(names[0] if named else model_type or "unknown", 100)


def _rotaries(reading, model_type, kinds, context):
    """The spectra of a model, each with the layers that it drives; that of full attention comes first."""
    groups = {}
    for layer, (kind, own) in enumerate(zip(kinds, _own_values(reading, len(kinds)), strict=True)):
        if kind != NO_ROPE and ("layer_rope_theta", 0) not in own:
            groups.setdefault((kind, *own), []).append(layer)
    order = sorted(groups, key=lambda group: (seen(group[0]) != "full", groups[group][0]))
    rotaries = []
    for kind, *own in order:
        reading.scope = scopes([*(rotary.kind for rotary in rotaries), seen(kind)])[-1]
        of_these = reading.with_values(own).for_kind(kind)
        rotary = read_rotary(of_these, model_type, kind, groups[(kind, *own)], context)
        rotaries += [rotary] if rotary else []
    reading.scope = ""
    return tuple(rotaries)


def _own_values(reading, num_layers):
    """For each layer what it has of its own, where keys list one value for each: `((key, value), …)`."""
    columns = []
    for name, (standard, valid) in PER_LAYER.items():
        if isinstance(reading.value(name), list):
            values = reading.per_layer(name, num_layers)
            columns.append([(standard, valid(reading.key(name), value)) for value in values])
    name = "rope_scaling_layers"  # Molmo 2 numbers those that its scaling is for
    if reading.value(name) is not None:
        scaled = check.indices(reading.key(name), reading.value(name), num_layers)
        columns.append([(name, layer in scaled) for layer in range(num_layers)])
    return list(zip(*columns, strict=True)) if columns else [()] * num_layers
