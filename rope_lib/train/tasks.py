"""Generated tasks whose answers can be found nowhere but in the input, at a known distance.

In the spirit of RULER (Hsieh et al. 2404.06654), at the scale of a small vocabulary: each task is a frozen
dataclass of its sizes that knows its `vocabulary` and its `shortest` input; `draws` draws inputs of it.
Distances are in tokens. Needs no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from rope_lib.theory.arguments import one, one_of, whole

from .limits import TASK_SIZE, at_most


class Task:
    """What all tasks have in common: sizes that are whole numbers of at least 1, or true or false."""

    def __post_init__(self) -> None:
        for each in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, each.name)
            if each.type is bool:
                if not isinstance(value, bool):
                    raise ValueError(f"{each.name} must be true or false, got {value!r}")
            else:
                one(whole, each.name, value, 1)
                at_most(each.name, value, TASK_SIZE)

    @property
    def vocabulary(self) -> int:
        """The number of different tokens."""
        raise NotImplementedError

    @property
    def shortest(self) -> int:
        """The fewest tokens of an input that can hold the task."""
        raise NotImplementedError

    @property
    def chance(self) -> float | None:
        """The accuracy of guessing among the answers that the task allows; None for real text."""
        raise NotImplementedError

    def check_length(self, length: int) -> None:
        """Raise ValueError for an input of `length` tokens that cannot hold the task.

        >>> Copy().check_length(2)
        Traceback (most recent call last):
        ValueError: length must be at least 3 for Copy(symbols=16), got 2
        """
        if length < self.shortest:
            raise ValueError(f"length must be at least {self.shortest} for {self}, got {length}")


@dataclass(frozen=True)
class Recall(Task):
    """Associative recall: a key is followed by a value, once; where the key returns, its value is the answer.

    `pairs` of a key and a value lie between tokens of noise, and the first `queries` of them are asked for,
    at distances drawn log-uniformly up to the whole input. The distance is that from the value to the
    question, so that one attention head must look exactly that far back. Keys, values and kinds of noise
    share no token.

    `fused`: key and value are one token, and a query another. One layer can then answer, where the plain form
    needs two: one to tell a value which key stood before it, one to find it.

    >>> Recall().vocabulary, Recall().shortest
    (48, 64)
    """

    keys: int = 16
    values: int = 16
    pairs: int = 8
    queries: int = 8
    noise: int = 16
    fused: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairs > self.keys:
            raise ValueError(f"pairs must be at most keys ({self.keys}), got {self.pairs}")
        if self.queries > self.pairs:
            raise ValueError(f"queries must be at most pairs ({self.pairs}), got {self.queries}")

    @property
    def chance(self) -> float:
        """One of the values."""
        return 1 / self.values

    @property
    def vocabulary(self) -> int:
        """Noise, keys and values, and where fused a token for each pair of a key and a value."""
        return self.noise + self.keys + self.values + (self.keys * self.values if self.fused else 0)

    @property
    def width(self) -> int:
        """The tokens of a key with its value."""
        return 1 if self.fused else 2

    @property
    def shortest(self) -> int:
        """Twice the tokens of all pairs and questions."""
        return 2 * self.width * (self.pairs + self.queries)


@dataclass(frozen=True)
class Variables(Task):
    """Variable tracking: v₁ = value, v₂ = v₁, v₃ = v₂, …; what is the value of the last?

    Each of `chains` sets a variable to a value and hands it on in `hops` further statements, all of three
    tokens (a marker, the variable, its source), in order, among noise and the other chains' statements. The
    questions come at the end. The distance is that to the value, at the root of the chain.
    """

    variables: int = 16
    values: int = 16
    chains: int = 2
    hops: int = 1
    noise: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.statements > self.variables:
            raise ValueError(
                f"variables must be at least chains × (hops + 1) = {self.statements}, got {self.variables}"
            )
        if self.chains > self.values:
            raise ValueError(f"values must be at least chains ({self.chains}), got {self.values}")

    @property
    def chance(self) -> float:
        """One of the values that the chains hold."""
        return 1 / self.chains

    @property
    def vocabulary(self) -> int:
        """Noise, variables, values and two markers."""
        return self.noise + self.variables + self.values + 2

    @property
    def statements(self) -> int:
        """The number of statements of all chains."""
        return self.chains * (self.hops + 1)

    @property
    def shortest(self) -> int:
        """All statements, of three tokens, and questions, of two."""
        return 3 * self.statements + 2 * self.chains


@dataclass(frozen=True)
class CommonWords(Task):
    """Which of `words` comes most often? It comes at least `lead` times as often as any other, at any length.

    The others are equally frequent to within one. The question is the last token; there is no one distance.
    """

    words: int = 16
    lead: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        one(whole, "words", self.words, 2)
        one(whole, "lead", self.lead, 2)

    @property
    def chance(self) -> float:
        """One of the words."""
        return 1 / self.words

    @property
    def vocabulary(self) -> int:
        """The words and the question."""
        return self.words + 1

    @property
    def shortest(self) -> int:
        """`lead` times the common word, every other word once, and the question."""
        return self.words + self.lead


@dataclass(frozen=True)
class Copy(Task):
    """Repeat what stands between two markers, symbol by symbol, up to the end of the input.

    How many symbols those are is drawn anew for each input, between a quarter and a half of its length, so
    that no fixed distance answers; other symbols come before. The distance is the number of symbols.
    """

    symbols: int = 16

    @property
    def chance(self) -> float:
        """One of the symbols."""
        return 1 / self.symbols

    @property
    def vocabulary(self) -> int:
        """The symbols and two markers, "from here" and "again"."""
        return self.symbols + 2

    @property
    def shortest(self) -> int:
        """Two markers and the symbol between them."""
        return 3


@dataclass(frozen=True)
class LookBack(Task):
    """What stood `width` tokens ago? Every position asks that has so many before it.

    The answer depends on exactly one place, at a distance that the task sets, and on nothing that stands
    there: a head can find it by position alone. The longer the input, the more other places there are.

    >>> LookBack(width=8).shortest
    9
    """

    width: int = 16
    symbols: int = 16

    @property
    def chance(self) -> float:
        """One of the symbols."""
        return 1 / self.symbols

    @property
    def vocabulary(self) -> int:
        """The symbols."""
        return self.symbols

    @property
    def shortest(self) -> int:
        """One question."""
        return self.width + 1


@dataclass(frozen=True)
class Order(Task):
    """Which of two events came first? Each of `events` happens once, somewhere in the noise.

    `queries` questions of three tokens, a marker and two events, come at the end; the answer is one of those
    two. The distance is that to the event that came first.
    """

    events: int = 8
    queries: int = 4
    noise: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        one(whole, "events", self.events, 2)

    @property
    def chance(self) -> float:
        """One of two events."""
        return 1 / 2

    @property
    def vocabulary(self) -> int:
        """Noise, events and a marker."""
        return self.noise + self.events + 1

    @property
    def shortest(self) -> int:
        """Every event once, and all questions."""
        return self.events + 3 * self.queries


@dataclass(frozen=True)
class Bytes(Task):
    """Next-byte modeling of the text of `corpus`: every position asks, and no answer has one place."""

    @property
    def chance(self) -> float | None:
        """There is none: some bytes are likelier than others."""
        return None

    @property
    def vocabulary(self) -> int:
        """Every byte there is."""
        return 256

    @property
    def shortest(self) -> int:
        """One byte, which asks for the next."""
        return 1


# Each name, its class, and the sizes that make it what its name says.
TASKS: dict[str, tuple[type[Task], dict[str, Any]]] = {
    "recall": (Recall, {}),
    "needle": (Recall, {"pairs": 1, "queries": 1}),
    "multi_key": (Recall, {"pairs": 16, "queries": 1}),
    "variables": (Variables, {}),
    "common_words": (CommonWords, {}),
    "copy": (Copy, {}),
    "look_back": (LookBack, {}),
    "order": (Order, {}),
    "bytes": (Bytes, {}),
}


def make_task(name: str, parameters: Mapping[str, Any] | None = None) -> Task:
    """The task of that name, with some of its sizes replaced; an unknown name or size raises ValueError.

    >>> make_task("needle", {"values": 4})
    Recall(keys=16, values=4, pairs=1, queries=1, noise=16, fused=False)
    """
    kind, preset = TASKS[one_of("task", name, TASKS)]
    allowed = [each.name for each in fields(kind)]  # type: ignore[arg-type]  # every task is a dataclass
    for key in parameters or {}:
        if key not in allowed:
            names = ", ".join(allowed) or "none at all"
            raise ValueError(f"parameters of {name} must be among {names}, got {key!r}")
    return kind(**preset | dict(parameters or {}))
