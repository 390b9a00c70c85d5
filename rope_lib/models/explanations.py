"""What would explain that two models differ: changes that make the one from the other, made and compared.

Nothing here is guessed. A change is an explanation only where the model that it makes is the other one, in
every layer and within the tolerance of `compare`. Known mistakes come before bare replacements ("with B's
base"), and single changes before pairs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from ..theory.scaling import is_length_dependent
from .changes import Change, mistakes, replacements
from .compare import Comparison, is_same_rotation
from .spec import ModelSpec

# A model with more numbers than this is not tried with two changes at once.
MOST_NUMBERS = 4_096


@dataclass(frozen=True)
class Explanation:
    """Changes that make one model from the other: "B is A without its scaling"."""

    text: str
    changes: tuple[str, ...]  # one, or two that only together explain the difference


@dataclass(frozen=True)
class Explanations:
    """What was found, and how much was tried."""

    found: tuple[Explanation, ...]
    tried: int  # models made and compared


def explain(comparison: Comparison) -> Explanations:
    """What would explain that the models of a comparison differ; nothing where they are the same.

    >>> from rope_lib.models.compare import compare
    >>> from rope_lib.models.config import read_config
    >>> config = {"num_hidden_layers": 2, "head_dim": 64, "max_position_embeddings": 8192, "rope_theta": 5e5}
    >>> scaling = {"rope_type": "linear", "factor": 4.0}
    >>> found = explain(compare(read_config({**config, "rope_scaling": scaling}), read_config(config)))
    >>> [explanation.text for explanation in found.found]
    ['B is A without its scaling']
    """
    if comparison.is_same:
        return Explanations((), 0)
    a, b, context = comparison.a, comparison.b, comparison.context or 1
    forward, backward = _Side("B is A", a, b, context), _Side("A is B", b, a, context)
    tried = 0
    for level in (_single_mistakes, _single_replacements, _pairs_of_mistakes, _pairs):
        found: dict[tuple[str, ...], Explanation] = {}
        for side in (forward, backward):
            for changes, made in level(side):
                tried += 1
                texts = tuple(change.text for change in changes)
                if frozenset(texts) not in map(frozenset, found) and _is(made, side.wanted, context):
                    found[texts] = Explanation(f"{side.words} {' and '.join(texts)}", texts)
        if found:
            return Explanations(tuple(found.values()), tried)
    return Explanations((), tried)


@dataclass(frozen=True)
class _Side:
    """One direction: to make `wanted` from `given`."""

    words: str
    given: ModelSpec
    wanted: ModelSpec
    context: int

    @property
    def is_small(self) -> bool:
        """Whether the models are small enough for two changes at once."""
        numbers = sum(
            rotary.rotary_dim // 2
            + sum(len(value) for value in rotary.scaling.values() if isinstance(value, tuple))
            for spec in (self.given, self.wanted)
            for rotary in spec.rotaries
        )
        return numbers + self.given.num_layers + self.wanted.num_layers <= MOST_NUMBERS


Candidates: TypeAlias = Iterator[tuple[tuple[Change, ...], ModelSpec]]


def _is(made: ModelSpec, wanted: ModelSpec, context: int) -> bool:
    """Whether a change makes the other model, beyond the context too where a scaling goes by the length."""
    scalings = [rotary.scaling["type"] for spec in (made, wanted) for rotary in spec.rotaries]
    contexts = (context, 4 * context) if any(map(is_length_dependent, scalings)) else (context,)
    try:
        return all(is_same_rotation(made, wanted, each) for each in contexts)
    except ValueError:  # the change made a spectrum that does not exist
        return False


def _single_mistakes(side: _Side) -> Candidates:
    for change in mistakes(side.given):
        yield (change,), change.made


def _is_forward(side: _Side) -> bool:
    return side.words == "B is A"


def _single_replacements(side: _Side) -> Candidates:
    if _is_forward(side):
        for change in replacements(side.given, side.wanted):
            yield (change,), change.made


def _pairs_of_mistakes(side: _Side) -> Candidates:
    yield from _twice(side, mistakes)


def _pairs(side: _Side) -> Candidates:
    def either(spec: ModelSpec) -> Iterator[Change]:
        yield from mistakes(spec)
        yield from replacements(spec, side.wanted)

    if _is_forward(side):
        yield from _twice(side, either)


def _twice(side: _Side, changes: Callable[[ModelSpec], Iterator[Change]]) -> Candidates:
    """Every two changes, one after the other."""
    for first in changes(side.given) if side.is_small else ():
        try:
            for second in changes(first.made):
                if second.made != side.given:
                    yield (first, second), second.made
        except ValueError:  # the first change made a spectrum that does not exist
            continue
