"""What would explain that two models differ: changes that make the one from the other, made and compared.

Nothing here is guessed. A change is an explanation only where the model that it makes is the other one, in
every layer and within the tolerance of `compare`. Known mistakes come before bare replacements ("with B's
base"), and single changes before pairs.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeAlias

from ..theory.scaling import is_length_dependent
from .changes import Change, mistakes, replacements
from .compare import Comparison, is_same_rotation
from .spec import ModelSpec

MOST_NUMBERS = 2_048  # layers and pairs of both models, up to which two changes at once are tried
MOST_TRIED = 6_000  # models made for one of the four searches of `explain`


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
    tried = 0
    for searches in _searches(comparison.a, comparison.b):
        found: dict[tuple[str, ...], Explanation] = {}
        for words, wanted, candidates in searches:
            for texts, made in islice(candidates, MOST_TRIED):
                tried += 1
                if not _is_said(texts, found) and _is(made, wanted, comparison.context or 1):
                    found[texts] = Explanation(f"{words} {' and '.join(texts)}", texts)
        if found:
            return Explanations(tuple(found.values()), tried)
    return Explanations((), tried)


Candidates: TypeAlias = Iterator[tuple[tuple[str, ...], ModelSpec]]  # what was changed; the model made
Changing: TypeAlias = Callable[[ModelSpec], Iterator[Change]]


def _searches(a: ModelSpec, b: ModelSpec) -> Iterator[list[tuple[str, ModelSpec, Candidates]]]:
    """`(words, the model to make, candidates)`, those in one list being of one rank."""

    def to_b(spec: ModelSpec) -> Iterator[Change]:
        return replacements(spec, b)

    def any_to_b(spec: ModelSpec) -> Iterator[Change]:
        return chain(mistakes(spec), to_b(spec))

    yield [("B is A", b, _once(mistakes, a)), ("A is B", a, _once(mistakes, b))]
    yield [("B is A", b, _once(to_b, a))]
    if _numbers(a) + _numbers(b) <= MOST_NUMBERS:
        yield [("B is A", b, _twice(mistakes, a)), ("A is B", a, _twice(mistakes, b))]
        yield [("B is A", b, _twice(any_to_b, a))]


def _numbers(spec: ModelSpec) -> int:
    return spec.num_layers + sum(rotary.rotary_dim // 2 for rotary in spec.rotaries)


def _once(changes: Changing, spec: ModelSpec) -> Candidates:
    for change in changes(spec):
        yield (change.text,), change.made


def _twice(changes: Changing, spec: ModelSpec) -> Candidates:
    """Every two changes, one after the other."""
    for first in changes(spec):
        try:
            for second in changes(first.made):
                yield (first.text, second.text), second.made
        except ValueError:  # the first change made a spectrum that does not exist
            continue


def _is_said(texts: tuple[str, ...], found: Iterable[tuple[str, ...]]) -> bool:
    """Whether these changes are among the explanations: in another order, or of more layers."""
    return any(
        frozenset(texts) == frozenset(known)
        or all(text.startswith(shorter) for text, shorter in zip(texts, known, strict=True))
        for known in found
    )


def _is(made: ModelSpec, wanted: ModelSpec, context: int) -> bool:
    """Whether a change makes the other model, beyond the context too where a scaling goes by the length."""
    scalings = [rotary.scaling["type"] for spec in (made, wanted) for rotary in spec.rotaries]
    contexts = (context, 4 * context) if any(map(is_length_dependent, scalings)) else (context,)
    try:
        return all(is_same_rotation(made, wanted, each) for each in contexts)
    except ValueError:  # the change made a spectrum that does not exist
        return False
