"""One run as a frozen dataclass: read strictly from TOML or a dict, written back to one, named by a digest.

An unknown key, a missing table or a value of the wrong type raises ValueError with one line that names it.
Needs no torch.
"""

import contextlib
import hashlib
import json
import math
import types
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar, get_args, get_origin

from rope_lib.runs.toml import read_toml
from rope_lib.theory.arguments import even, not_negative, one, one_of, open_unit, positive, whole

from .limits import (
    BATCH_TOKENS,
    EVALUATION_TOKENS,
    MOST_LENGTHS,
    MOST_VARIANTS,
    SIZES,
    TABLE,
    WEIGHTS,
    at_most,
)
from .schemes import Computed
from .spectrum import Rotation, Spectrum
from .tasks import Task, make_task

Json = Any  # what JSON and TOML can hold: numbers, strings, lists, dicts
Kind = TypeVar("Kind")

DTYPES = ("float32", "bfloat16")
HELD = ("bfloat16", "float16")  # types that a trained model can be held in
TRAINED = "trained"  # the variant that changes nothing


@dataclass(frozen=True)
class Shape:
    """The sizes of a transformer. `key_value_heads` and `hidden`, if not given, follow from the others.

    `key_value_heads` (heads): fewer than `heads` is grouped-query attention. `hidden` (8/3 of the width, to a
    multiple of 8): the channels inside SwiGLU. `tied`: the embedding also turns the stream into logits.

    >>> Shape(layers=2, width=64, heads=2).hidden
    168
    """

    layers: int = 2
    width: int = 128
    heads: int = 4
    head_dim: int = 32
    key_value_heads: int = None  # type: ignore[assignment]  # becomes `heads`
    hidden: int = None  # type: ignore[assignment]  # becomes 8/3 of the width
    tied: bool = True
    norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if self.key_value_heads is None:
            object.__setattr__(self, "key_value_heads", self.heads)
        one(whole, "width", self.width, 1)
        at_most("width", self.width, SIZES["width"])
        if self.hidden is None:
            object.__setattr__(self, "hidden", 8 * round(self.width / 3))
        for name in ("layers", "heads", "key_value_heads", "hidden"):
            one(whole, name, getattr(self, name), 1)
        one(even, "head_dim", self.head_dim, 2)
        for name in ("layers", "heads", "head_dim", "hidden"):
            at_most(name, getattr(self, name), SIZES[name])
        one(positive, "norm_epsilon", self.norm_epsilon)
        if self.heads % self.key_value_heads:
            raise ValueError(f"key_value_heads must divide heads ({self.heads}), got {self.key_value_heads}")

    def weights(self, vocabulary: int) -> int:
        """How many numbers a model of this shape learns over so many tokens.

        >>> Shape(layers=1, width=8, heads=1, head_dim=4, hidden=2).weights(10)
        280
        """
        attention = 2 * self.width * self.head_dim * (self.heads + self.key_value_heads)
        network = 3 * self.width * self.hidden
        embeddings = (1 if self.tied else 2) * vocabulary * self.width
        return self.layers * (attention + network + 2 * self.width) + embeddings + self.width


@dataclass(frozen=True)
class TaskChoice:
    """A task of `tasks.TASKS` by name, with those of its sizes that differ from the preset."""

    name: str = "recall"
    parameters: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.make()

    def make(self) -> Task:
        """The task itself."""
        return make_task(self.name, self.parameters)


@dataclass(frozen=True)
class Training:
    """How long and how fast a model learns: `steps` of `batch` inputs of `length` tokens, by AdamW.

    The learning rate rises to `learning_rate` over the share `warmup` of the steps and falls by half a cosine
    to the share `final_rate` of it. Gradients longer than `clip` are shortened to it. `weight_decay` applies
    to matrices only. `dtype` is that of the arithmetic: bfloat16, which is faster on cuda, keeps weights and
    loss in float32.
    """

    steps: int = 1000
    batch: int = 32
    length: int = 128
    learning_rate: float = 1e-3
    warmup: float = 0.1
    final_rate: float = 0.1
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for name in ("steps", "batch"):
            one(whole, name, getattr(self, name), 1)
        one(whole, "length", self.length, 2)
        for name in ("steps", "batch", "length"):
            at_most(name, getattr(self, name), SIZES[name])
        at_most("batch × length", self.batch * self.length, BATCH_TOKENS)
        for name in ("learning_rate", "clip"):
            one(positive, name, getattr(self, name))
        for name in ("warmup", "final_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a number from 0 to 1, got {getattr(self, name)}")
        for name in ("beta1", "beta2"):
            one(open_unit, name, getattr(self, name))
        one(not_negative, "weight_decay", self.weight_decay)
        one_of("dtype", self.dtype, DTYPES)


@dataclass(frozen=True)
class Convergence:
    """When training ends before its `steps`, and how it gets there: see `converge.train_until`.

    The average of the weights is tried every `every` steps on `examples` inputs of the trained length, drawn
    anew each time. The criterion is met once it answers the share `accuracy` of their questions, where one is
    given; training goes on for `beyond` times the steps that this took, so that nothing rests on a model that
    has only just learned. Training also ends once the loss is *level*: from step `patience` on, when the
    second half of the steps lowered the least loss seen by less than the share `level`.

    The learning rates rise to their values and stay there: that of Muon, for the matrices of the layers, is
    `matrix_rate`; AdamW has that of `Training` for the rest. Each step keeps the share `average` of the
    average.
    """

    accuracy: float | None = 0.99
    beyond: float = 2.0
    every: int = 50
    examples: int = 256
    level: float = 0.02
    patience: int = 1000
    matrix_rate: float = 0.02
    average: float = 0.98

    def __post_init__(self) -> None:
        for name in ("every", "examples", "patience"):
            one(whole, name, getattr(self, name), 1)
            at_most(name, getattr(self, name), SIZES.get(name, SIZES["steps"]))
        for name in ("level", "average") + (() if self.accuracy is None else ("accuracy",)):
            one(open_unit, name, getattr(self, name))
        one(positive, "matrix_rate", self.matrix_rate)
        if not self.beyond >= 1:
            raise ValueError(f"beyond must be at least 1, got {self.beyond}")


@dataclass(frozen=True)
class Variant:
    """Another way to ask a trained model: with something of its rotation replaced, or held in another type.

    None means as in training. Positions count from `shift`. `scheme`, one of `schemes.ROTATION_SCHEMES`, says
    how cosines and sines are computed, for plain RoPE. In `dtype` are all weights and all that is computed
    with them, and to it the cosines and sines are rounded, as a program does that loads a model in that type.
    """

    scaling: str | None = None
    base: float | None = None
    parameters: dict | None = None
    temperature: str | None = None
    arithmetic: str | None = None
    scheme: str | None = None
    dtype: str | None = None
    shift: int = 0

    def __post_init__(self) -> None:
        one(whole, "shift", self.shift, 0)
        if self.dtype is not None:
            one_of("dtype", self.dtype, HELD)

    def of(self, spectrum: Spectrum) -> Spectrum:
        """The spectrum of training with what this variant replaces. Another scaling drops old parameters."""
        given = {each.name: getattr(self, each.name) for each in fields(Spectrum)}
        changed = {name: value for name, value in given.items() if value is not None}
        if self.scaling is not None:
            changed.setdefault("parameters", {})
        return replace(spectrum, **changed)

    def at(self, spectrum: Spectrum, length: int, trained: int, head_dim: int) -> Rotation | Computed:
        """What turns queries and keys of `length` tokens, in a model trained on `trained` with a spectrum.

        Raises ValueError for a scheme that is not known, or for one beside a spectrum that is not plain RoPE.
        """
        changed = self.of(spectrum)
        if self.scheme is None:
            return changed.at(length, trained, head_dim)
        return Computed.of(changed, self.scheme, head_dim)


@dataclass(frozen=True)
class Evaluation:
    """How a trained model is tested: on `examples` inputs at each of `lengths`, in tokens.

    `lengths` default to 1, 2, 4, 8 and 16 times that of training. Losses are means over `bin` positions.
    `geometry` is the number of inputs on which the geometry of keys is measured. `variants` are other
    rotations to test under, by name, besides the one of training, which is called "trained".
    """

    lengths: tuple[int, ...] | None = None
    examples: int = 32
    bin: int = 32
    geometry: int = 2
    variants: dict[str, Variant] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one(whole, "examples", self.examples, 1)
        one(whole, "bin", self.bin, 1)
        one(whole, "geometry", self.geometry, 0)
        at_most("examples", self.examples, SIZES["examples"])
        at_most("the number of variants", len(self.variants), MOST_VARIANTS)
        if self.lengths is not None:
            lengths = self.lengths
            at_most("the number of lengths", len(lengths), MOST_LENGTHS)
            if not lengths or any(length < 2 for length in lengths) or sorted(set(lengths)) != [*lengths]:
                raise ValueError(f"lengths must be whole numbers of at least 2 that rise, got {[*lengths]}")
        if TRAINED in self.variants:
            raise ValueError(f"variants must not be called {TRAINED!r}, which is the model as it was trained")


@dataclass(frozen=True)
class Config:
    """One run: a model, its spectrum, a task, how it is trained and tested, and a seed.

    With `convergence` training ends when it is done, else after the steps of its plan.

    >>> Config().evaluation.lengths
    (128, 256, 512, 1024, 2048)
    >>> Config.from_dict({"training": {"step": 10}})
    Traceback (most recent call last):
    ValueError: training must have keys among steps, batch, length, learning_rate, warmup, final_rate, \
weight_decay, beta1, beta2, clip, dtype, got 'step'
    """

    seed: int = 0
    model: Shape = field(default_factory=Shape)
    spectrum: Spectrum = field(default_factory=Spectrum)
    task: TaskChoice = field(default_factory=TaskChoice)
    training: Training = field(default_factory=Training)
    convergence: Convergence | None = None
    evaluation: Evaluation = field(default_factory=Evaluation)

    def __post_init__(self) -> None:
        one(whole, "seed", self.seed, 0)
        length = self.training.length
        if self.evaluation.lengths is None:
            lengths = tuple(length * factor for factor in (1, 2, 4, 8, 16))
            object.__setattr__(self, "evaluation", replace(self.evaluation, lengths=lengths))
        longest, vocabulary = max(self.lengths), self.task.make().vocabulary
        at_most("lengths", longest, SIZES["length"])
        at_most("examples × the longest of lengths", self.evaluation.examples * longest, EVALUATION_TOKENS)
        at_most("head_dim × the longest of lengths", self.model.head_dim * max(longest, length), TABLE)
        at_most("the number of the model's weights", self.model.weights(vocabulary), WEIGHTS)
        # What fails only where a task meets a length, or a spectrum a position, fails now, before training.
        for each in (length, self.lengths[0]):
            self.task.make().check_length(each)
        for variant in (Variant(), *self.evaluation.variants.values()):
            for each in (length, *self.lengths):
                rotation = variant.at(self.spectrum, each, length, self.model.head_dim)
                rotation.tables(1, shift=variant.shift + each - 1)

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of the evaluation's inputs, in tokens."""
        assert self.evaluation.lengths is not None  # set when the config was made
        return self.evaluation.lengths

    @classmethod
    def from_dict(cls, values: Json) -> Self:
        """The config that a dict of tables describes; absent keys have their defaults.

        Raises ValueError for an unknown key, or a value of the wrong type or out of range.
        """
        return _read(cls, values, "config")

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """The config in a TOML file. Raises OSError where it cannot be read, ValueError as `from_dict`."""
        try:
            return cls.from_dict(read_toml(path))
        except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are among them
            raise ValueError(f"{path}: {error}") from None

    def to_dict(self) -> dict[str, Json]:
        """The dict from which `from_dict` makes an equal config, with every value as JSON holds it."""
        return _plain(self)

    @property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of `to_dict`, which name the run."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a string", dict: "a table"}


def _plain(value: Any) -> Json:
    """A value as JSON holds it: a dataclass becomes a dict of those of its fields that are not None."""
    if is_dataclass(value):
        named = {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        return {name: each for name, each in named.items() if each is not None}
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def _read(kind: type[Kind], values: Json, where: str) -> Kind:
    """An instance of the dataclass `kind` from a dict, each value of the type that its field declares."""
    if not isinstance(values, dict):
        raise ValueError(f"{where} must be a table, got {values!r}")
    declared: dict[str, Any] = {each.name: each.type for each in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    for key in values:
        if key not in declared:
            raise ValueError(f"{where} must have keys among {', '.join(declared)}, got {key!r}")
    inside = "" if where == "config" else f"{where}."
    return kind(**{key: _value(declared[key], value, f"{inside}{key}") for key, value in values.items()})


def _value(kind: Any, value: Json, where: str) -> Any:
    """A value checked to be of the type `kind` that a field declares, in the place `where`."""
    if isinstance(kind, types.UnionType):  # `X | None`: TOML has no null, so a value given is an X
        kind = get_args(kind)[0]
    if isinstance(kind, type) and is_dataclass(kind):
        return _read(kind, value, where)
    if get_origin(kind) is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{where} must be a table, got {value!r}")
        return {key: _read(get_args(kind)[1], each, f"{where}.{key}") for key, each in value.items()}
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where} must be a list, got {value!r}")
        return tuple(_value(get_args(kind)[0], each, where) for each in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            value = float(value)  # so that 1 and 1.0 have one digest
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise ValueError(f"{where} must be {_KINDS[kind]}, got {value!r}")
    return value
