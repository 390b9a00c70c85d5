"""Write down what transformers assumes where a `config.json` says nothing, for `rope_lib.models` to read.

    python tools/class_defaults.py            # write rope_lib/models/class_defaults.json from transformers
    python tools/class_defaults.py --check    # exit 1 at the first model type that differs from it

At run time the library reads the table with the json module alone. It has one line per model type:

- A model that nests its text model has `text`, the dotted key of the nested config, and `text_type`, the
  nested model type that its class assumes there.
- A text model has `rope`; the class defaults of the keys in `NAMES`; `rope_parameters` as they stand without
  any key given; `default_theta`, the base of a scaling given without one, where that differs; `aliases`, from
  the class's own key to the standard name; `layer_pattern` and `no_rope_pattern` (1 rotates), which repeat to
  the model's depth; `last_layer` where the last type is forced; `layer_types` and `no_rope_layers` where no
  pattern generates them, for the default depth; `pattern_keys`, the keys that change the layer types, with
  their defaults; `layer_overrides`, by layer type; `rope_optional`, the key that decides whether the model
  rotates.
"""

import argparse
import ast
import importlib
import json
import logging
import re
import sys
from functools import cache
from pathlib import Path

import transformers
from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

TARGET = Path(__file__).resolve().parent.parent / "rope_lib" / "models" / "class_defaults.json"
MODELS = Path(transformers.__file__).parent / "models"

# The keys about which a reader of rotary embeddings needs to know a class's default.
NAMES = (
    "num_hidden_layers", "hidden_size", "num_attention_heads", "head_dim", "qk_rope_head_dim",
    "qk_nope_head_dim", "kv_channels", "rotary_dim", "partial_rotary_factor", "max_position_embeddings",
    "original_max_position_embeddings", "sliding_window", "local_attention", "use_sliding_window",
    "max_window_layers", "global_head_dim", "no_rope_layer_interval", "attention_chunk_size", "rope_theta",
)  # fmt: skip
ALIASED = (*NAMES, "layer_types", "no_rope_layers", "rope_parameters")

# Lists with one element per layer, with the table's name for the pattern that repeats to such a list.
PER_LAYER = {"layer_types": "layer_pattern", "no_rope_layers": "no_rope_pattern"}

# The keys under which a model nests its text model; the first that holds one counts.
TEXT_KEYS = (
    "text_config", "thinker_config", "vlm_config", "global_config", "decoder", "decoder_config",
    "esmc_config", "semantic_config", "detector_config",
)  # fmt: skip

# Text models without a vocabulary of their own, and models of sound or images that have one.
TEXT = {"blt_global_transformer", "canine"}
NOT_TEXT = {
    "beit", "data2vec-audio", "deepseek_ocr2_encoder", "fastspeech2_conformer", "flava_image_codebook",
    "flava_image_model", "gemma3n_audio", "gemma3n_vision", "granite_speech5_ctc", "granite_speech5_encoder",
    "hubert", "imagegpt", "lasr_ctc", "nemotron3_5_asr", "nemotron_asr_streaming", "ovis2_vision",
    "parakeet_ctc", "parakeet_rnnt", "parakeet_tdt", "sew", "sew-d", "unispeech", "unispeech-sat", "vits",
    "voxtral_encoder", "voxtral_realtime_encoder", "wav2vec2", "wav2vec2-bert", "wav2vec2-conformer", "wavlm",
}  # fmt: skip

# The class rotates only when this key has one of these values: read from the modeling code.
OPTIONAL = {
    "clvp_encoder": ("use_rotary_embedding", [True]),
    "esm": ("position_embedding_type", ["rotary"]),
    "falcon": ("alibi", [False]),
    "granitemoehybrid": ("position_embedding_type", ["rope"]),
    "zamba2": ("use_mem_rope", [True]),
}

# Config classes without modeling code of their own.
SERVED_BY = {"internlm3": "llama", "iquestcoder": "llama", "layoutxlm": "layoutlmv2"}

# Classes that share modeling code which rotates only for others: read from the modeling code.
UNROTATED = {"clvp_decoder", "moshi_depth"}

ROTARY = re.compile("rotary|apply_rope", re.IGNORECASE)
# Keys that may decide the layer types.
PATTERN = re.compile("attn|every|full|hybrid|interval|group|local|offset|pattern|period|replace|rope|window")
ELSEWHERE = re.compile("Vision|Audio|Image|Conformer|PreTrainedModel$")


@cache
def config_classes():
    """Every config class by model type, including those that only occur nested."""
    classes = {}
    for file in sorted(MODELS.glob("*/configuration_*.py")):
        module = importlib.import_module(f"transformers.models.{file.parent.name}.{file.stem}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, PreTrainedConfig) and value.model_type:
                classes.setdefault(value.model_type, value)
    return {**classes, **{name: CONFIG_MAPPING[name] for name in CONFIG_MAPPING}}


def nested_text(cls):
    """The dotted key and the model type of the text model inside a config class, None if it has none."""
    for key in TEXT_KEYS:
        inner = config_classes().get(getattr(cls.sub_configs_defaults.get(key), "model_type", None))
        if inner is None:
            continue
        if deeper := nested_text(inner):
            return f"{key}.{deeper[0]}", deeper[1]
        if is_text(inner):
            return key, inner.model_type
    return None


def is_text(cls):
    """Whether a config class describes a text model itself."""
    if cls.model_type in NOT_TEXT:
        return False
    return cls.model_type in TEXT or "vocab_size" in {*cls.__dataclass_fields__, *cls.attribute_map}


@cache
def modeling_nodes(folder):
    """What the modeling files of a folder define: {name: (names in its bases, names in its body)}."""
    nodes = {}
    for file in sorted(MODELS.joinpath(folder).glob("modeling_*.py")):
        text = file.read_text(encoding="utf-8")
        for node in ast.parse(text).body if ROTARY.search(text) else ():
            if isinstance(node, ast.Assign):  # a choice of attention classes
                names = {target.id for target in node.targets if hasattr(target, "id")}
                nodes |= dict.fromkeys(names, (set(), mentions(node)))
            elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                bases = {base.id for base in getattr(node, "bases", []) if hasattr(base, "id")}
                nodes[node.name] = bases, mentions(node)
    return nodes


def mentions(definition):
    """The names and attributes in a definition, except in decorators and the initialization of weights."""
    found, todo = set(), [definition]
    while todo:
        node = todo.pop()
        if getattr(node, "name", None) == "_init_weights":
            continue
        found |= {getattr(node, "id", None), getattr(node, "attr", None)}
        skipped = getattr(node, "decorator_list", [])
        todo += [child for child in ast.iter_child_nodes(node) if child not in skipped]
    return found - {None}


def rotates(cls):
    """Whether the modeling code that a config class reaches applies a rotary embedding to text."""
    folder = cls.__module__.split(".")[-2]
    if not list(MODELS.joinpath(folder).glob("modeling_*.py")):  # the classes of another model serve it
        return rotates(config_classes()[SERVED_BY[cls.model_type]])
    prefix = re.compile(folder.replace("_", ""), re.IGNORECASE)

    def of_text(names):
        return {name for name in names if not ELSEWHERE.search(prefix.sub("", name))}

    nodes = modeling_nodes(folder)
    users = {name for name, (_, body) in nodes.items() if cls.__name__ in body}
    # Where only a base class names its config, its children use it.
    heirs = {name for name, (bases, _) in nodes.items() if bases & users}
    todo, seen = of_text(users) or of_text(heirs), set()
    while todo:
        seen |= todo
        found = of_text(set().union(*(nodes[name][1] for name in todo)))
        if any(ROTARY.search(name) for name in found):
            return True
        todo = (found & nodes.keys()) - seen
    return False


@cache
def popped(cls):
    """Defaults of the keys that a class reads without declaring them: `kwargs.pop("key", default)`."""
    keys = {}
    for base in cls.__mro__:
        if not base.__module__.startswith("transformers.models."):
            continue
        tree = ast.parse(Path(sys.modules[base.__module__].__file__).read_text(encoding="utf-8"))
        body = next(node for node in tree.body if getattr(node, "name", None) == base.__name__)
        for node in ast.walk(body):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("kwargs.get", "kwargs.pop"):
                values = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
                keys.setdefault(values[0], values[1] if len(values) > 1 else None)
    return keys


def declared(cls, name):
    """What a class assumes for a key, None where it derives the value or does not know the key."""
    fields = cls.__dataclass_fields__
    field = fields.get(cls.attribute_map.get(name, name)) or fields.get(name)
    value = popped(cls).get(name) if field is None else field.default
    return value if isinstance(value, (bool, int, float)) else None


def made(cls, **keys):
    """An instance, None where the class refuses the keys."""
    try:
        return cls(**keys)
    except Exception:  # each class has errors of its own
        return None


def repeated(pattern, length, last=None):
    """`pattern` repeated to `length`, its last element `last` where that is given."""
    full = [pattern[i % len(pattern)] for i in range(length)]
    return full if last is None else [*full[:-1], last]


def compressed(lists):
    """The shortest pattern, and the last element or None, that generate lists of several lengths.

    If no pattern does, the first list itself.
    """
    first = lists[0]
    for size in range(1, len(first) // 2 + 1):
        for last in (None, first[-1]):
            if all(repeated(first[:size], len(full), last) == full for full in lists):
                return first[:size], last
    return first, None


def lengthened(cls, name):
    """The per-layer list `name` of models of several depths, empty for a class without that list."""
    config = cls()
    count = getattr(config, "num_hidden_layers", None)
    if not isinstance(count, int) or not isinstance(getattr(config, name, None), (list, tuple)):
        return []
    models = [config, *(made(cls, num_hidden_layers=count + more) for more in range(1, 9))]
    return [list(getattr(model, name)) for model in models if len(getattr(model, name, None) or ()) >= count]


def per_layer_lists(cls, name):
    """`lengthened`, except that a base per layer says which layers rotate: those whose base is not 0."""
    if name == "no_rope_layers" and (bases := lengthened(cls, "layer_rope_theta")):
        return [[int(base != 0) for base in row] for row in bases]
    return lengthened(cls, name)


def pattern_keys(cls):
    """The keys that change the layer types when only they change, with their defaults.

    Where a switch must be on first (`use_sliding_window`), it is on throughout.
    """
    fields = {name: field.default for name, field in cls.__dataclass_fields__.items()}
    own = {name: value for name, value in {**fields, **popped(cls)}.items() if name and PATTERN.search(name)}
    switch = {"use_sliding_window": True} if "use_sliding_window" in own else {}
    before = getattr(made(cls, **switch), "layer_types", None)

    def matters(name, value):
        numbers = [not value] if isinstance(value, bool) else [2, (value or 0) + 1]
        others = [*numbers, [0, 1], "M*"] if value is None else numbers
        models = (made(cls, **{**switch, name: other}) for other in others)
        return any(getattr(model, "layer_types", before) != before for model in models)

    simple = (bool, int, type(None))
    return {name: value for name, value in own.items() if isinstance(value, simple) and matters(name, value)}


def layer_overrides(config):
    """Keys of `NAMES` that the layers of a type set differently: {layer type: {key: value}}."""
    found = {}
    for index, changes in (config.to_dict().get("per_layer_config") or {}).items():
        if kept := {key: value for key, value in changes.items() if key in NAMES}:
            found.setdefault(config.layer_types[int(index)], kept)
    return found


def text_entry(cls):
    """The table's entry of a text model."""
    config = cls()
    entry = {"rope": cls.model_type not in UNROTATED and rotates(cls)}
    entry |= {name: value for name in NAMES if (value := declared(cls, name)) is not None}
    pairs = [pair if pair[0] in ALIASED else pair[::-1] for pair in cls.attribute_map.items()]
    aliases = {own: name for name, own in pairs if name in ALIASED and own not in ALIASED}
    entry |= {"aliases": aliases} if aliases else {}
    if rope := getattr(config, "rope_parameters", None):
        entry["rope_parameters"] = rope
        flat = rope if "rope_theta" in rope else {}
        if cls.default_theta != flat.get("rope_theta"):
            entry["default_theta"] = cls.default_theta
    for name, repeating in PER_LAYER.items():
        if lists := per_layer_lists(cls, name):
            pattern, last = compressed(lists)
            entry[name if pattern == lists[0] else repeating] = pattern
            entry |= {"last_layer": last} if last is not None else {}
    if hasattr(config, "layer_types") and (keys := pattern_keys(cls)):
        entry["pattern_keys"] = keys
    if overrides := layer_overrides(config):
        entry["layer_overrides"] = overrides
    if cls.model_type in OPTIONAL:
        key, values = OPTIONAL[cls.model_type]
        default = cls.__dataclass_fields__[key].default
        entry["rope_optional"] = {"key": key, "default": default, "rope_when": values}
    return entry


def table():
    """The whole table, as its file holds it."""
    logging.disable(logging.WARNING)  # some classes warn about their own defaults
    models = {}
    for name, cls in config_classes().items():
        if nested := nested_text(cls):
            models[name] = {"text": nested[0], "text_type": nested[1]}
        elif is_text(cls):
            models[name] = text_entry(cls)
    return {"source": f"transformers {transformers.__version__}", "models": models}


def dumps(content):
    """The table as text, one line per model type, so that a change shows as a line."""
    lines = [f"  {json.dumps(name)}: {json.dumps(entry, sort_keys=True)}"
             for name, entry in sorted(content["models"].items())]  # fmt: skip
    return f'{{"source": {json.dumps(content["source"])}, "models": {{\n' + ",\n".join(lines) + "\n}}\n"


def difference(old, new):
    """One line on the first difference of two tables, None where they agree."""
    versions = f"recorded from {old['source']}, installed is {new['source']}"
    for name in sorted(old["models"].keys() | new["models"].keys()):
        before, after = (content["models"].get(name, {}) for content in (old, new))
        if before != after:
            keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
            return f"{name} differs in {', '.join(keys)} ({versions})"
    return None if old["source"] == new["source"] else f"every model type agrees, but {versions}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    text = dumps(table())
    if parser.parse_args().check:
        if found := difference(json.loads(TARGET.read_text(encoding="utf-8")), json.loads(text)):
            sys.exit(f"{TARGET.name}: {found}")
    else:
        TARGET.write_text(text, encoding="utf-8")
        print(f"{TARGET.name}: {len(text.splitlines()) - 2} model types, {len(text.encode()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
