"""Text that every machine has: the sources of Python's standard library and the topics of its `help`.

It differs between Python releases, so every result that uses it names its SHA-256.
"""

import hashlib
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from .questions import NOWHERE, Batch

# Folders of the standard library whose files are generated, or installed later, or not worth reading.
_LEFT_OUT = {"__pycache__", "site-packages", "dist-packages", "test", "tests", "idle_test", "encodings",
             "lib2to3", "pydoc_data", "turtledemo"}  # fmt: skip

# One file in ten is kept for validation.
_VALIDATION_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Corpus:
    """Bytes to train on and to validate on, uint8 `(bytes,)`, from disjoint sets of files.

    `files` lists the names of the files of each part; `sha256` is the digest of all names and contents.
    """

    train: torch.Tensor
    validation: torch.Tensor
    files: dict[str, list[str]]
    sha256: str


@lru_cache(maxsize=1)
def corpus() -> Corpus:
    """The `Corpus` of the running Python. Which part a file belongs to depends on its name alone."""
    texts = dict(sorted({**_sources(), **_topics()}.items()))
    digest = hashlib.sha256()
    for name, text in texts.items():
        digest.update(f"{name} {len(text)}\n".encode() + text)
    files: dict[str, list[str]] = {"train": [], "validation": []}
    for name in texts:
        files["validation" if _kept_for_validation(name) else "train"].append(name)
    train, validation = (b"\n".join(texts[name] for name in names) for names in files.values())
    learned, held_out = (
        torch.from_numpy(np.frombuffer(part, dtype=np.uint8).copy()) for part in (train, validation)
    )
    return Corpus(learned, held_out, files, digest.hexdigest())


def windows(generator: torch.Generator, text: torch.Tensor, count: int, length: int) -> Batch:
    """`count` random windows of `length` bytes of a text, uint8 `(bytes,)`, with each next byte as target.

    Raises ValueError for a length that the text does not reach.
    """
    if length >= len(text):
        raise ValueError(f"length must be below {len(text)} (the bytes of the text), got {length}")
    start = torch.randint(len(text) - length, (count, 1), generator=generator)
    window = text[start + torch.arange(length + 1)].long()
    tokens, targets = window[:, :-1], window[:, 1:]
    return Batch(tokens, targets, torch.full_like(tokens, NOWHERE))


def _kept_for_validation(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[-1] < 256 * _VALIDATION_SHARE


def _sources() -> dict[str, bytes]:
    """Contents of the standard library's modules by their path within it."""
    root = Path(sysconfig.get_path("stdlib"))
    found = {}
    for path in root.rglob("*.py"):
        relative = path.relative_to(root)
        # _sysconfigdata describes how this particular interpreter was built.
        if not _LEFT_OUT & set(relative.parts) and not path.name.startswith("_sysconfigdata"):
            found[relative.as_posix()] = path.read_bytes()
    return found


def _topics() -> dict[str, bytes]:
    """The topics of `help`, by the name of their file. They stay together: many repeat parts of others."""
    from pydoc_data.topics import topics

    return {"pydoc_data/topics.py": "\n".join(topics[name] for name in sorted(topics)).encode()}
