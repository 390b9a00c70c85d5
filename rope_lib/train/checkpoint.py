"""A checkpoint as one file of tensors, named by the config that it is of."""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

CHECKPOINT = "checkpoint.safetensors"
KEPT = "weights.safetensors"  # the checkpoint of a finished run whose weights the user wants
_SCRATCH = ".checkpoint.scratch"


def owner(path: Path) -> str | None:
    """The digest of the config that a checkpoint is of; None if it is none, or damaged."""
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get("config")
    except (SafetensorError, OSError):
        return None


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Write a checkpoint. Whenever the process dies, `path` holds the whole old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(_SCRATCH)
    try:
        save_file(tensors, scratch, metadata=metadata)
    except SafetensorError as error:  # how it says that the disk is full
        scratch.unlink(missing_ok=True)
        raise OSError(f"{path}: cannot be written ({error})") from None
    with open(scratch, "rb") as file:
        os.fsync(file.fileno())
    os.replace(scratch, path)


def load_tensors(path: Path, digest: str) -> tuple[dict[str, torch.Tensor], Mapping[str, str]]:
    """The tensors and metadata of the checkpoint of a config; ValueError for a damaged one or another's."""
    try:
        with safe_open(path, "pt") as file:
            metadata, names = file.metadata() or {}, file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
        of = metadata["config"]
    except (SafetensorError, KeyError) as error:
        raise damaged(path, error) from None
    if of != digest:
        raise ValueError(f"{path}: must be a checkpoint of config {digest}, got one of {of}")
    return tensors, metadata


def damaged(path: Path, error: Exception) -> ValueError:
    """What to raise for a checkpoint whose contents are not as they were written."""
    return ValueError(f"{path}: must be a checkpoint of this program, is damaged ({error})")
