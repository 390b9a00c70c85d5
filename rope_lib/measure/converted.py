"""The float32 safetensors made from a GGUF file, kept in the user's cache and checked when they are used."""

import json
import re
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from gguf import GGUFReader
from platformdirs import user_cache_path
from safetensors import SafetensorError
from safetensors.torch import save_model

from rope_lib.models.gguf import Metadata, read_gguf
from rope_lib.runs.folders import clear, replacing
from rope_lib.runs.mark import file_sha256
from rope_lib.runs.temporary import temporary_folder

from .folder import WEIGHTS, Shapes, known_extra, line_of
from .huggingface import PreTrainedModel, PreTrainedTokenizerBase, gguf_options, gguf_tensor_names
from .network import load_network, refuse_extras
from .tokenizers import load_tokenizer

_DIGESTS = "sha256.json"  # of every other file in the folder, by name

# Divisors of the frequencies: llama.cpp applies them, transformers does not read them. Harmless if all are 1.
_DIVISORS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
# Experts, which transformers reads under other names than it lists.
_EXPERTS = re.compile(r"ffn_(gate|up|down|gate_up)_(exps|projs)\.(weight|bias)")


def dequantized(gguf: Path, sha256: str) -> Path:
    """The folder of float32 safetensors made from a GGUF file of this digest.

    The file is converted on first use, and again when what is kept of it has been damaged since. Of several
    processes that need it at the same time, one converts and the others wait.

    Raises ValueError, in one line, for a file that is damaged, or that lacks a tensor of its model, has one
    more, one of another shape, or one with a number that is not finite; OSError where nothing can be written.
    """
    folder = user_cache_path("rope-lib") / "models" / f"{gguf.stem}-{sha256[:16]}"
    clear(folder.parent, "tmp")  # what killed runs of versions before this one left
    if is_whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):  # dropped by the system with the process
        if is_whole(folder):  # another process has finished meanwhile
            return folder
        if sys.stderr.isatty():  # a notebook's outputs must not depend on what an earlier one cached
            print(f"Dequantizing {gguf.name} to {folder} (once)", file=sys.stderr)
        with replacing(folder, lambda damaged: True) as made:
            convert(gguf, made)
    return folder


def is_whole(folder: Path) -> bool:
    """Whether a folder holds what `convert` wrote, byte for byte.

    >>> is_whole(Path("/nowhere"))
    False
    """
    try:
        digests = json.loads((folder / _DIGESTS).read_bytes())
        return WEIGHTS in digests and all(file_sha256(folder / name) == digests[name] for name in digests)
    except (OSError, ValueError, TypeError):
        return False


def convert(gguf: Path, folder: Path) -> None:
    """Write the config, float32 weights, tokenizer and digests of a GGUF file into an empty folder."""
    network, tokenizer = _read(gguf)
    # A quantization entry left in the config would be applied to the plain float32 weights again.
    if hasattr(network.config, "quantization_config"):
        del network.config.quantization_config
    try:
        network.config.save_pretrained(folder)
        save_model(network, str(folder / WEIGHTS), metadata={"format": "pt"})
        tokenizer.save_pretrained(folder)
        digests = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
        (folder / _DIGESTS).write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:  # the disk is full, for one
        where = folder.parent.parent
        raise OSError(
            f"{where}: the converted {gguf.name} could not be written ({line_of(error)})"
        ) from error


def _read(gguf: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The network and the tokenizer of a GGUF file, every tensor accounted for."""
    blamed = f"model must be a GGUF file that transformers reads, got {gguf}"
    try:
        metadata, _ = read_gguf(gguf)
        architecture = str(metadata.get("general.architecture"))
        shapes = _shapes(gguf, metadata, architecture)
    except Exception as error:  # what the reader raises depends on the damage
        raise ValueError(f"{blamed} ({line_of(error)})") from error
    # Here transformers draws a progress bar although progress bars are switched off.
    with temporary_folder("model") as scratch, redirect_stderr(StringIO()):
        (scratch / "model.gguf").symlink_to(gguf.resolve())
        try:
            network, unused = load_network(
                scratch, gguf, shapes, torch.float32, gguf_file="model.gguf", **gguf_options()
            )
            read = gguf_tensor_names(network, architecture)
            if read is not None:
                unused = {tensor for tensor in shapes if tensor not in read}
            refuse_extras(
                gguf, unused, {**network.config.to_dict(), **_ahead(metadata, architecture)}, _known
            )
            tokenizer = load_tokenizer(scratch, gguf, gguf_file="model.gguf")
        except ValueError as error:
            if error.__cause__ is None:  # a refusal that says all
                raise
            raise ValueError(f"{blamed} ({line_of(error.__cause__)})") from error
    return network, tokenizer


def _shapes(gguf: Path, metadata: Metadata, architecture: str) -> Shapes:
    """The shapes of the tensors in a GGUF file.

    Raises ValueError where it has fewer tensors than layers, or scales the rotation by a tensor.
    """
    tensors = GGUFReader(gguf).tensors
    shapes = {tensor.name: tuple(int(size) for size in reversed(tensor.shape.tolist())) for tensor in tensors}
    for tensor in tensors:
        if tensor.name in _DIVISORS and (tensor.data != 1).any():
            raise ValueError(f"{tensor.name} scales the rotation, and transformers does not read it")
    layers = metadata.get(f"{architecture}.block_count")
    if isinstance(layers, int) and layers > len(shapes):
        raise ValueError(f"{architecture}.block_count must be at most {len(shapes)}, its tensors")
    return shapes


def _ahead(metadata: Metadata, architecture: str) -> Mapping[str, Any]:
    return {"num_nextn_predict_layers": metadata.get(f"{architecture}.nextn_predict_layers")}


def _known(name: str, config: Mapping[str, Any]) -> bool:
    """Whether a tensor that transformers does not list belongs in a GGUF file nevertheless."""
    leaf = name.split(".", 2)[-1] if name.startswith("blk.") else name
    if leaf in _DIVISORS or _EXPERTS.fullmatch(leaf):
        return True
    return known_extra(name.replace("blk.", "layers.", 1), config)
