"""The object of a config that holds the text model, whatever its name, and the class of that model."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from . import checks
from .account import why_inert
from .checks import Json, JsonObject, listed, shown
from .families import FAMILIES
from .reading import NAMES, class_defaults

# The names under which the models of transformers nest their text.
TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config.text_config")

# How deep an object that holds the layers may lie under other names.
_DEEPEST = 4
_MOST_OBJECTS = 10_000  # objects that are looked into

_PLAIN = re.compile(r"[\w.-]{1,200}")  # of the keys that lead to an object: it stands in messages

# A name that tells which of several objects with layers is the text model.
_TEXT = re.compile(r"text|language|llm|decoder|backbone|(?:^|[._])lm(?:$|[._])")

# Architectures whose names do not tell their model type.
_KNOWN_AS = {
    "RefinedWeb": "RW",
    "RefinedWebModel": "RW",
    "gpt-sw3": "GPT2",
    "hunyuan_v1_dense": "HunYuanDenseV1",
    "hunyuan_v1_moe": "HunYuanMoEV1",
    "internlm3": "Llama",
    "iquestcoder": "Llama",
    "minimax_m3_vl": "MiniMaxM3Sparse",
    "shieldgemma2": "Gemma3",
    "speech_to_text": "Speech2Text",
}

# Ends of an architecture's name that say what it is for, not which model it is.
_PURPOSE = re.compile(r"(For[A-Z]\w*|LMHeadModel|LMHead|Model|Encoder|Decoder|Generator|Reader)+$")


@dataclass(frozen=True)
class TextPart:
    """The object that holds the text model."""

    values: JsonObject
    path: str  # the keys that lead to it, empty for the config itself
    model_type: str


def text_part(config: JsonObject) -> TextPart:
    """The `TextPart` of a config.

    Raises ValueError where a part is no object, and where several objects hold layers and none is named as
    the text model.

    >>> part = text_part({"model_type": "llama", "engine": {"hidden_size": 64, "num_hidden_layers": 2}})
    >>> part.path, part.model_type
    ('engine', 'llama')
    """
    outer = model_type_of(config, "")
    row = class_defaults()["models"].get(outer, {})
    for path in dict.fromkeys((*TEXT_PARTS, row.get("text", "text_config"))):
        part = _inside(config, path)
        if part is not None:
            checks.json_object(path, part)
            return TextPart(part, path, model_type_of(part, path) or row.get("text_type", outer))
    path, part = ("", config) if _holds_layers(config) else _only_part(config)
    if not path:
        return TextPart(config, "", row.get("text_type", outer))
    return TextPart(part, path, model_type_of(part, path) or row.get("text_type", outer))


def _inside(config: JsonObject, path: str) -> Json:
    part: Json = config
    for key in path.split("."):
        part = part.get(key) if isinstance(part, dict) else None
    return part


def _holds_layers(values: JsonObject) -> bool:
    """Whether an object states a depth, and a width or heads: it describes a model."""
    states = {
        quantity: any(_is_size(values.get(name)) for name in NAMES[quantity])
        for quantity in ("num_layers", "hidden_size", "num_heads", "head_dim")
    }
    return states.pop("num_layers") and any(states.values())


def _is_size(value: Json) -> bool:
    return isinstance(value, int | float | list) and not isinstance(value, bool)


def _only_part(config: JsonObject) -> tuple[str, JsonObject]:
    """The one object inside that holds layers, and the keys that lead to it; the config where none does."""
    found = dict(_parts(config))
    if len(found) > 1:
        found = {path: part for path, part in found.items() if _TEXT.search(path.lower())} or found
    if len(found) > 1:
        raise ValueError(f"one object must hold the layers of the text model, got {listed(found)}")
    return next(iter(found.items()), ("", config))


def _parts(config: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """The objects that hold layers, those of images and sound left out; none inside another."""
    waiting: list[tuple[str, Json, int]] = [(str(key), value, 1) for key, value in config.items()]
    looked = 0
    while waiting and looked < _MOST_OBJECTS:
        path, value, depth = waiting.pop()
        if not isinstance(value, dict) or why_inert(path, value) or not _PLAIN.fullmatch(path):
            continue
        looked += 1
        if _holds_layers(value):
            yield path, value
        elif depth < _DEEPEST:
            waiting += [(f"{path}.{key}", inner, depth + 1) for key, inner in value.items()]


def model_type_of(config: JsonObject, path: str) -> str:
    """The model type that an object states, empty where it states none."""
    value = config.get("model_type")
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{path and path + '.'}model_type must be a string, got {shown(value)}")
    return value or ""


def is_of_type(architecture: str, model_type: str) -> bool:
    """Whether the name of an architecture can be that of a model type.

    >>> is_of_type("LlamaForCausalLM", "llama"), is_of_type("Grok1ForCausalLM", "git")
    (True, False)
    """
    row = class_defaults()["models"].get(model_type)
    if row is None and model_type not in FAMILIES:
        return True  # of a type that is not known, nothing is assumed
    stem = _PURPOSE.sub("", architecture)
    name, kind = _letters(stem), _letters(re.sub(r"_(text|text_model|model)$", "", model_type))
    related = name.startswith(kind) or kind.startswith(name) or kind in name
    return not name or related or stem == _KNOWN_AS.get(model_type)


def type_of_architecture(config: JsonObject) -> str:
    """The model type that the first of a config's architectures names, empty where none is known.

    >>> type_of_architecture({"architectures": ["Cohere2ForCausalLM"]})
    'cohere2'
    """
    names = config.get("architectures")
    first = names[0] if isinstance(names, list) and names else None
    if not isinstance(first, str) or not first[:1].isupper():  # as names of classes are
        return ""
    stem = _letters(_PURPOSE.sub("", first[:100]))
    known = (*class_defaults()["models"], *FAMILIES)
    return next((name for name in known if stem and _letters(name) == stem), "")


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
