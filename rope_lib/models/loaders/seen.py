"""What a program makes of a file, as a value: the rotation that it runs, or why there is none to name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..checks import Json, JsonObject, shown
from ..spec import FrozenDict, ModelSpec, Rotary, scopes


class Refused(ValueError):
    """The program itself does not load such a file; the message says why, in one line."""


class NotKnown(ValueError):
    """What the program makes of such a file is not established here; the message says why, in one line."""


@dataclass(frozen=True)
class ModelFile:
    """A model's file: what it says, and its keys as other programs find them."""

    kind: str  # "config.json", "params.json" or "gguf"
    keys: JsonObject  # the object of a config.json; the metadata of a GGUF file
    spec: ModelSpec  # what it says, by this library's reader


@dataclass(frozen=True)
class Loader:
    """A program that loads models, by the rules of one version of it."""

    name: str
    program: str  # with its version
    read: Callable[[ModelFile], ModelSpec]  # raises Refused and NotKnown
    known_by: str  # how its rules are known, in words
    sources: tuple[str, ...]  # where its code states them


@dataclass(frozen=True)
class Seen:
    """One spectrum as a program reads it, with the key or the reason for each quantity."""

    base: float
    head_dim: int
    rotary_dim: int
    scaling: FrozenDict
    origins: Mapping[str, tuple[str, str]]  # quantity → (provenance, source)


def as_read_by(program: str, file: ModelSpec, seen: Sequence[Seen], notes: Sequence[str]) -> ModelSpec:
    """The spec of a program's reading: the layers of the file's own, each spectrum as in `seen`."""
    rotaries: list[Rotary] = []
    provenance, sources = dict(file.provenance), dict(file.sources)
    for rotary, one, scope in zip(
        file.rotaries, seen, scopes([rotary.kind for rotary in file.rotaries]), strict=True
    ):
        rotaries.append(
            replace(
                rotary,
                base=one.base,
                head_dim=one.head_dim,
                rotary_dim=one.rotary_dim,
                scaling=one.scaling,
            )
        )
        for quantity, (found, source) in one.origins.items():
            provenance[scope + quantity], sources[scope + quantity] = found, source
    return replace(
        file,
        name=program,
        rotaries=tuple(rotaries),
        provenance=FrozenDict(provenance),
        sources=FrozenDict(sources),
        notes=tuple(notes),
    )


def number(key: str, value: Json) -> float:
    """A number that a program computes with; it fails on anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"{key} is {shown(value)}, and it computes with it as a number")
    return float(value)
