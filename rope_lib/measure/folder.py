"""What of a folder of strangers' files becomes a model: plain safetensors, a cleaned config, a tokenizer.

transformers looks into a folder for more than weights: adapters, code, pickles, lists of kernels to fetch. It
never sees such a folder. It reads a scratch folder that holds what is accepted here and nothing else.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from rope_lib.models.checks import Json, JsonObject, shortened, shown
from rope_lib.models.read import load_json
from rope_lib.models.reading import NAMES

from .huggingface import CONFIG_MAPPING_NAMES, transformers_version

Shapes = dict[str, tuple[int, ...]]  # of tensors, by name

FEW_LAYERS = 256  # that a config may state whatever the weights: those of a part that is not loaded
MOST_LABELS = 65_536  # each becomes an entry of two dicts
LARGEST_NUMBER = 10**12  # of a config: more tokens, channels or steps than any model has
NUMBERS = ("F64", "F32", "F16", "BF16")  # the types of weights that hold them as they are

# The files of a tokenizer: where a folder has one of the first, there is a tokenizer.
TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges.txt", "*.model", "special_tokens_map.json", "*.tiktoken")
_MORE_TOKENIZER_FILES = ("added_tokens.json", "tekken.json")
_DATA = (".json", ".txt", ".model", ".tiktoken")

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_PLAIN_NAME = re.compile(r"\w[\w.-]*\.safetensors")

# Keys that choose code, files, or how to run: what this library does is decided by this library.
_IGNORED_KEYS = re.compile(
    r"auto_map|_?(attn|experts)_implementation\w*|use_kernels|kernel_config|fusion_config|distributed_config"
    r"|transformers_weights|trust_remote_code|custom_generate|gguf_file"
)
_QUANTIZED_KEYS = ("quantization_config", "compression_config")
_TOKENIZER_CLASS = re.compile(r"(?!Auto)\w+Tokenizer(Fast)?|\w+Backend")

# Tensors in the checkpoints of good models that are not weights: buffers and masks that the model computes.
_BUFFERS = re.compile(
    r"(^|\.)(rotary_emb|rotary_pos_emb|rope)\.(inv_freq|cos_cached|sin_cached)$"
    r"|(^|\.)(attn|attention|self_attn)\.(bias|masked_bias|rotary_emb\.inv_freq)$"
    r"|(^|\.)position_ids$"
)
# Parts of a model that are no part of its text decoder.
_OTHER_PARTS = re.compile(
    r"(^|\.)(vision_\w+|visual|audio_\w+|multi_modal_projector|mm_projector|embed_vision|embed_audio|mtp)\."
)


@dataclass(frozen=True)
class ModelFolder:
    """What is accepted of a folder: the cleaned config, and the files of weights and of the tokenizer.

    `weights` maps the name of each file to its true path, and `tokenizer` the name of each file to its text
    or its true path. `shapes` are those of the tensors of all files, and `places` the names of their files.
    """

    path: Path
    config: JsonObject
    weights: Mapping[str, Path]
    tokenizer: Mapping[str, str | Path]
    shapes: Shapes
    places: Mapping[str, str]


def accepted(folder: Path) -> ModelFolder:
    """What is accepted of a folder with a `config.json`.

    Raises FileNotFoundError for weights that are not there, and ValueError, in one line, for a config that is
    damaged, of an unknown architecture, of quantized weights, or of sizes that the weights cannot have; for
    an index that names other files than safetensors of this folder; and for files that are damaged.
    """
    config = _cleaned_config(folder)
    weights = {name: own_file(folder, name) for name in _weight_names(folder)}
    shapes: Shapes = {}
    places: dict[str, str] = {}
    for name, path in weights.items():
        for tensor, shape in _shapes(folder / name, path).items():
            if tensor in shapes:
                raise ValueError(f"{folder / name}: tensor {printable(tensor)} must be in one file only")
            shapes[tensor], places[tensor] = shape, name
    check_sizes(folder / "config.json", config, len(shapes))
    return ModelFolder(folder, config, weights, _tokenizer_files(folder), shapes, places)


def stage(model: ModelFolder, scratch: Path) -> None:
    """Lay out in an empty folder what is accepted of a model: new JSON, and links to the other files."""
    (scratch / "config.json").write_text(json.dumps(model.config), encoding="utf-8")
    for name, path in model.weights.items():
        (scratch / name).symlink_to(path)
    if list(model.weights) != [WEIGHTS]:
        index = {"metadata": {}, "weight_map": dict(model.places)}
        (scratch / INDEX).write_text(json.dumps(index), encoding="utf-8")
    stage_tokenizer(model.tokenizer, scratch)


def own_file(folder: Path, name: str) -> Path:
    """The true path of a file in a folder.

    Raises FileNotFoundError where there is none, and ValueError for a link that leads out of the folder. In
    the cache of Hugging Face a file is a link to one beside its snapshot: that is within the model.
    """
    path, inside = folder / name, folder.resolve()
    if inside.parent.name == "snapshots" and (inside.parent.parent / "blobs").is_dir():
        inside = inside.parent.parent
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(f"{folder}: {name} is not there") from error
    if not real.is_relative_to(inside):
        raise ValueError(f"{path}: must lie in its folder, got a link to {shortened(str(real), 200)}")
    if not real.is_file():
        raise ValueError(f"{path}: must be a regular file")
    return real


def check_sizes(path: Path, config: Json, tensors: int) -> None:
    """Refuse numbers that no model with this many tensors has, before anything is made of them."""
    for key, value in _entries(config):
        limit = LARGEST_NUMBER
        if key in NAMES["num_layers"]:
            limit = max(tensors, FEW_LAYERS)  # each layer has tensors of its own
        elif key == "num_labels":
            limit = MOST_LABELS
        if isinstance(value, int) and abs(value) > limit:
            raise ValueError(
                f"{path}: {printable(key)} must be at most {limit} for {tensors} tensors, got {shown(value)}"
            )


def known_extra(name: str, config: Mapping[str, Json]) -> bool:
    """Whether a tensor that a model does not use belongs in its file nevertheless.

    Such are buffers that the model computes itself, parts of a model that are no part of its text decoder,
    and the layers beyond its own that predict tokens ahead.

    >>> known_extra("model.layers.0.self_attn.rotary_emb.inv_freq", {})
    True
    >>> known_extra("model.layers.2.mlp.up_proj.weight", {"num_hidden_layers": 2})
    False
    """
    if _BUFFERS.search(name) or _OTHER_PARTS.search(name):
        return True
    ahead, layers = config.get("num_nextn_predict_layers"), config.get("num_hidden_layers")
    found = re.search(r"(^|\.)layers\.(\d{1,6})\.", name)
    if not (found and isinstance(ahead, int) and isinstance(layers, int)):
        return False
    return layers <= int(found[2]) < layers + ahead


def printable(name: str) -> str:
    """The name of a tensor, fit for a message."""
    return shortened(name, 120)


def _cleaned_config(folder: Path) -> JsonObject:
    """The config of a folder without the keys that choose code.

    Raises ValueError for what transformers can load only by running other code, or not at all.
    """
    path = folder / "config.json"
    try:
        config = load_json(own_file(folder, "config.json"))
        if not isinstance(config, dict):
            raise ValueError(f"got {shown(config)}")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: must be a JSON object ({line_of(error)})") from error
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING_NAMES:
        needs = "needs code of its own, which is never run" if "auto_map" in config else "is unknown"
        raise ValueError(f"{folder}: model_type {shown(kind)} {needs} (transformers {transformers_version})")
    for key, value in _entries(config):
        if key in _QUANTIZED_KEYS and value:
            method = value.get("quant_method") if isinstance(value, dict) else value
            raise ValueError(f"{path}: weights must be plain numbers, got {key} {shown(method)}")
    _check_tokenizer_class(path, config)
    cleaned: JsonObject = _without(config, _IGNORED_KEYS)
    return cleaned


def _entries(value: Json) -> Iterator[tuple[str, Json]]:
    """All keys and values of a JSON object and of the objects in it."""
    if isinstance(value, list):
        for item in value:
            yield from _entries(item)
    if isinstance(value, dict):
        for key, item in value.items():
            yield key, item
            yield from _entries(item)


def _without(value: Json, keys: re.Pattern[str]) -> Json:
    """A JSON value in which no object has a key of this form."""
    if isinstance(value, list):
        return [_without(item, keys) for item in value]
    if isinstance(value, dict):
        return {key: _without(item, keys) for key, item in value.items() if not keys.fullmatch(key)}
    return value


def _weight_names(folder: Path) -> list[str]:
    """The names of the files of weights, in order."""
    is_sharded = (folder / INDEX).is_file() and not (folder / WEIGHTS).is_file()
    names = _indexed(folder) if is_sharded else [WEIGHTS]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder}: weights must be safetensors, {missing[0]} is not there")
    return names


def _indexed(folder: Path) -> list[str]:
    """The names of files that an index gives, in order."""
    path = folder / INDEX
    try:
        index = load_json(own_file(folder, INDEX))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: must be a JSON object ({line_of(error)})") from error
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not places:
        raise ValueError(f"{path}: must have a weight_map from tensors to files, got {shown(places)}")
    for name in places.values():
        if not isinstance(name, str) or not _PLAIN_NAME.fullmatch(name):
            raise ValueError(f"{path}: weights must be *.safetensors of the same folder, got {shown(name)}")
    return sorted(set(places.values()))


def _shapes(path: Path, real: Path) -> Shapes:
    """The shapes of the tensors in a file of safetensors."""
    shapes: Shapes = {}
    try:
        with safe_open(real, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dict
                part = file.get_slice(name)
                shapes[name] = tuple(part.get_shape())
                if part.get_dtype() not in (*NUMBERS, "I64", "I32", "BOOL") and not _BUFFERS.search(name):
                    allowed = ", ".join(NUMBERS)
                    what = f"{path}: tensor {printable(name)}"
                    raise ValueError(f"{what} must hold {allowed}, got {part.get_dtype()}")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: must be a whole file of safetensors ({line_of(error)})") from error
    return shapes


def _tokenizer_files(folder: Path) -> dict[str, str | Path]:
    """The files of a folder's tokenizer; none where it has no tokenizer."""
    names = {file.name for pattern in TOKENIZER_FILES for file in folder.glob(pattern)}
    if not names:
        return {}
    names |= {name for name in _MORE_TOKENIZER_FILES if (folder / name).exists()}
    files: dict[str, str | Path] = {
        name: own_file(folder, name)
        for name in sorted(names)
        if name.endswith(_DATA) and not (folder / name).is_dir()
    }
    if "tokenizer_config.json" in files:
        files["tokenizer_config.json"] = json.dumps(_cleaned_tokenizer_config(folder))
    return files


def _cleaned_tokenizer_config(folder: Path) -> JsonObject:
    """A tokenizer's config without the keys that choose code or files elsewhere."""
    path = folder / "tokenizer_config.json"
    try:
        config = load_json(own_file(folder, path.name))
        if not isinstance(config, dict):
            raise ValueError(f"got {shown(config)}")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: must be a JSON object ({line_of(error)})") from error
    _check_tokenizer_class(path, config)
    cleaned: JsonObject = _without(config, _IGNORED_KEYS)
    return {
        key: value
        for key, value in cleaned.items()
        if not (key.endswith(("_file", "_files")) and isinstance(value, str))
    }


def _check_tokenizer_class(path: Path, config: JsonObject) -> None:
    """Refuse a class that is not a tokenizer: transformers would load whatever has that name."""
    kind = config.get("tokenizer_class")
    if kind is not None and not (isinstance(kind, str) and _TOKENIZER_CLASS.fullmatch(kind)):
        raise ValueError(f"{path}: tokenizer_class must be a tokenizer of transformers, got {shown(kind)}")


def stage_tokenizer(files: Mapping[str, str | Path], scratch: Path) -> None:
    """Lay out the files of a tokenizer in a folder: texts, and links to the other files."""
    for name, content in files.items():
        if isinstance(content, str):
            (scratch / name).write_text(content, encoding="utf-8")
        else:
            (scratch / name).symlink_to(content)


def line_of(error: BaseException) -> str:
    """The kind and the first line of an error."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {shortened(lines[0], 300)}" if lines else type(error).__name__
