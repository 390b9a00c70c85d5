"""Find a model's description, wherever it is kept, and read it as a `ModelSpec`."""

import json
import os
import re
import stat
from pathlib import Path

from .checks import Json, JsonObject, json_object, shortened, shown
from .config import read_config
from .gguf import MAGIC
from .gguf_model import read_gguf_model
from .limits import LARGEST_CONFIG, MOST_DIGITS, MOST_VALUES
from .params import is_params, read_params
from .spec import ModelSpec

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")  # a Hugging Face id: owner/name
LONGEST_NAME = 255  # characters of a model's name, as of a file's


def read_model(source: JsonObject | str | bytes | os.PathLike[str], *, download: bool = False) -> ModelSpec:
    """The `ModelSpec` of a model.

    `source` is the dict of a config; or the path of a `config.json`, of Meta's or Mistral's `params.json`, of
    a `.gguf` file, or of a folder that holds one of these; or a Hugging Face id whose config is in the local
    cache. Nothing is fetched unless `download` is true, and then no more than `config.json`. No code of a
    model is run.

    Raises FileNotFoundError where nothing is found, and ValueError for what cannot be read: one line that
    names the file, the key and what was expected.

    >>> config = {"num_hidden_layers": 30, "hidden_size": 576, "num_attention_heads": 9}
    >>> read_model({**config, "rope_theta": 100_000}).rotaries[0].rotary_dim
    64
    """
    if isinstance(source, dict):
        return read_params(source) if is_params(source) else read_config(source)
    if not isinstance(source, str | bytes | os.PathLike):
        raise ValueError(f"source must be a dict, a path or a Hugging Face id, got {type(source).__name__}")
    return _read_file(*find_file(source, download=download))


def config_of(source: str | os.PathLike[str], *, download: bool = False) -> JsonObject | None:
    """The config.json of a model as a dict; None where `source` names a `params.json` or a `.gguf` file.

    `source` is a path or a Hugging Face id that `read_model` reads. Raises as that does.
    """
    path, _ = find_file(source, download=download)
    if path.suffix.lower() == ".gguf" or _begins_with(path, MAGIC) or path.name == "params.json":
        return None
    config = json_object(_line(path), load_json(path))
    return None if is_params(config) else config


def find_file(source: str | bytes | os.PathLike[str], *, download: bool = False) -> tuple[Path, str]:
    """`(file, name of the model)` of a source that is no dict: see `read_model`.

    Raises FileNotFoundError where nothing is found, and ValueError for a folder with several candidates.
    """
    text = os.fsdecode(source)
    path = Path(text)
    if not text or not path.exists():
        if not REPOSITORY.fullmatch(text):
            missing = "no such file, folder or Hugging Face id (owner/name)"
            raise FileNotFoundError(f"{_line(text) if text else repr(text)}: {missing}")
        path = _downloaded(text) if download else _cached(text)
        return path, text.rsplit("/", 1)[-1]
    if path.is_dir():
        path = _file_in(path)
    return path, _name_of(path)


def _line(path: str | Path) -> str:
    """A path in a message: on one line, whatever it is made of."""
    return str(path) if str(path).isprintable() else repr(str(path))


def _read_file(path: Path, name: str) -> ModelSpec:
    """Read one file, by its kind; every error begins with its name."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError("must be a regular file")
        if path.suffix.lower() == ".gguf" or _begins_with(path, MAGIC):
            return read_gguf_model(path, name)
        config = load_json(path)
        if path.name == "params.json" or (isinstance(config, dict) and is_params(config)):
            return read_params(config, name)
        return read_config(config, name)
    except ValueError as error:
        message = str(error)
        named = message.startswith(_line(path))
        raise ValueError(message if named else f"{_line(path)}: {message}") from None
    except RecursionError:
        message = "must be JSON that is not nested too deeply, got more brackets than can be read"
        raise ValueError(f"{_line(path)}: {message}") from None


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def load_json(path: Path) -> Json:
    """A JSON file as Python values; anything that is not JSON raises ValueError."""
    size = path.stat().st_size
    if size > LARGEST_CONFIG:
        raise ValueError(f"a config must be of at most 64 MiB, got {size / 2**20:,.0f} MiB")
    data = path.read_bytes()
    if data.count(b",") > MOST_VALUES:
        raise ValueError(f"a config must hold at most {MOST_VALUES:,} values, got {data.count(b','):,}")
    try:
        return json.loads(data, object_pairs_hook=_without_duplicates, parse_int=_whole_number)
    except json.JSONDecodeError as error:
        raise ValueError(f"must be JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"must be text in UTF-8, got another byte at offset {error.start}") from None


def _whole_number(digits: str) -> int:
    """An integer of the file."""
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a whole number must have at most {MOST_DIGITS} digits, got {len(digits):,}")
    return int(digits)


def _without_duplicates(pairs: list[tuple[str, Json]]) -> JsonObject:
    """An object of the file. Raises ValueError for a key that occurs twice, with different values."""
    values: JsonObject = {}
    for key, value in pairs:
        if key in values and values[key] != value:
            raise ValueError(f"{shown(key)} must occur once in an object, got it twice with different values")
        values[key] = value
    return values


def _file_in(folder: Path) -> Path:
    """The file that describes the model of a folder."""
    for name in ("config.json", "params.json"):
        if (folder / name).exists():
            return folder / name
    found = sorted(folder.glob("*.gguf"))
    if not found:
        raise FileNotFoundError(f"{_line(folder)}: holds no config.json, params.json or .gguf")
    first_parts = [path for path in found if not re.search(r"-of-\d{5}\.gguf$", path.name)]
    first_parts += [path for path in found if re.search(r"-00001-of-\d{5}\.gguf$", path.name)]
    if len(first_parts) != 1:
        raise ValueError(f"{_line(folder)}: holds {len(found)} .gguf files, name the one to read")
    return first_parts[0]


def _name_of(path: Path) -> str:
    """What to call a model: the name of its file, or of its folder where all files are named alike.

    In printable characters: others, and bytes that are not UTF-8, are escaped.
    """
    folder = path.absolute().parent  # not resolved: the hub's cache links to files that have no names
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
        folder = Path(folder.parent.parent.name.rsplit("--", 1)[-1])
    elif not folder.name or folder.name == "..":
        folder = folder.resolve()
    name = folder.name if path.name in ("config.json", "params.json") else path.stem
    return shortened(name, LONGEST_NAME)


def _cached(repository: str) -> Path:
    """The config of a Hugging Face id in the local cache, at the revision last fetched as `main`."""
    home = Path(os.environ.get("HF_HOME") or Path(_cache_home()) / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    folder = hub / f"models--{repository.replace('/', '--')}"
    main = folder / "refs" / "main"
    revisions = [main.read_text(errors="replace").strip()] if main.is_file() else []
    revisions += sorted(path.name for path in (folder / "snapshots").glob("*"))
    for revision in revisions:
        for name in ("config.json", "params.json"):
            if (folder / "snapshots" / revision / name).exists():
                return folder / "snapshots" / revision / name
    missing = f"no such file, and no config of that id in the cache {hub}: download it (--download)"
    raise FileNotFoundError(f"{repository}: {missing}")


def _cache_home() -> str | Path:
    return os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"


def _downloaded(repository: str) -> Path:
    """The config of a Hugging Face id, fetched into the local cache."""
    try:
        from huggingface_hub import hf_hub_download
    except ModuleNotFoundError:
        raise ValueError("downloading needs the package huggingface_hub: install rope-lib[models]") from None
    try:
        return Path(hf_hub_download(repository, "config.json"))
    except OSError as error:  # as are all errors of the hub and of the network
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise FileNotFoundError(f"{repository}: config.json could not be fetched: {reason}") from None
