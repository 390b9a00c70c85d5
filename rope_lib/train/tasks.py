"""Generated tasks whose answers can be found nowhere but in the input, at a known distance.

In the spirit of RULER (Hsieh et al. 2404.06654), at the scale of a small vocabulary: each task is a frozen
dataclass of its sizes that knows its `vocabulary` and draws a `Batch` at any length from a torch generator,
and from nothing else. Distances are in tokens.
"""

import math
from dataclasses import dataclass, fields

import torch

from rope_lib.theory.arguments import one, one_of, whole

from .corpus import Bytes
from .questions import IGNORE, NOWHERE, Batch, place, shuffled

__all__ = ["IGNORE", "NOWHERE", "TASKS", "Batch", "make_task"]


class _Task:
    """What all generated tasks share: whole numbers as sizes, and evaluation on fresh draws."""

    def __post_init__(self):
        for each in fields(self):
            value = getattr(self, each.name)
            if each.type is bool:
                if not isinstance(value, bool):
                    raise ValueError(f"{each.name} must be true or false, got {value!r}")
            else:
                one(whole, each.name, value, 1)

    def evaluation(self, generator, examples, length, longest):
        """`examples` fresh inputs of `length` tokens; the `longest` length is of no concern here."""
        return self.draw(generator, examples, length)

    def _at_least(self, shortest, length):
        if length < shortest:
            raise ValueError(f"length must be at least {shortest} for {self}, got {length}")


@dataclass(frozen=True)
class Recall(_Task):
    """Associative recall: a key is followed by a value, once; where the key comes again, the value is asked.

    `pairs` of a key and a value lie between tokens of noise, and the first `queries` of them are asked for,
    at distances drawn log-uniformly up to the whole input. The distance is that from the value to where it
    is asked, so that one attention head must look exactly that far back. Keys, values and kinds of noise
    share no token.

    `fused`: key and value are one token, and a query another. One layer can then answer, where the plain form
    needs two: one to tell a value which key stood before it, one to find it.
    """

    keys: int = 16
    values: int = 16
    pairs: int = 8
    queries: int = 8
    noise: int = 16
    fused: bool = False

    def __post_init__(self):
        super().__post_init__()
        if self.pairs > self.keys:
            raise ValueError(f"pairs must be at most keys ({self.keys}), got {self.pairs}")
        if self.queries > self.pairs:
            raise ValueError(f"queries must be at most pairs ({self.pairs}), got {self.queries}")

    @property
    def vocabulary(self):
        """How many tokens there are: noise, keys, values, and where fused a token for each pair."""
        return self.noise + self.keys + self.values + (self.keys * self.values if self.fused else 0)

    def draw(self, generator, batch, length):
        """A `Batch` of `batch` inputs of `length` tokens. Raises ValueError where they cannot hold it all."""
        width = 1 if self.fused else 2
        slots = length // width
        self._at_least(2 * width * (self.pairs + self.queries), length)
        tokens = torch.randint(self.noise, (batch, length), generator=generator)
        targets = torch.full((batch, length), IGNORE)
        distance = torch.full((batch, length), NOWHERE)
        taken = torch.zeros(batch, slots, dtype=torch.bool)
        key = shuffled(generator, batch, self.keys)
        value = torch.randint(self.values, (batch, self.pairs), generator=generator)
        first_key, first_value = self.noise, self.noise + self.keys
        row = torch.arange(batch)
        for pair in range(self.pairs):
            # A pair that nobody asks for stands anywhere: its second place is its first.
            start, again = place(generator, taken, apart=pair < self.queries)
            if self.fused:
                fused = first_value + self.values + key[:, pair] * self.values + value[:, pair]
                tokens[row, start] = fused
            else:
                tokens[row, 2 * start] = first_key + key[:, pair]
                tokens[row, 2 * start + 1] = first_value + value[:, pair]
            if pair >= self.queries:
                continue
            asked, answer = width * again, width * start + width - 1
            tokens[row, asked] = first_key + key[:, pair]
            targets[row, asked] = first_value + value[:, pair]
            distance[row, asked] = asked - answer
            if not self.fused:
                tokens[row, asked + 1] = first_value + value[:, pair]
        return Batch(tokens, targets, distance)


@dataclass(frozen=True)
class Variables(_Task):
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

    def __post_init__(self):
        super().__post_init__()
        named = self.chains * (self.hops + 1)
        if named > self.variables:
            raise ValueError(
                f"variables must be at least chains × (hops + 1) = {named}, got {self.variables}"
            )
        if self.chains > self.values:
            raise ValueError(f"values must be at least chains ({self.chains}), got {self.values}")

    @property
    def vocabulary(self):
        """How many tokens there are: noise, variables, values and two markers."""
        return self.noise + self.variables + self.values + 2

    def draw(self, generator, batch, length):
        """A `Batch` of `batch` inputs of `length` tokens. Raises ValueError where they cannot hold it all."""
        links = self.hops + 1
        statements, asked = self.chains * links, 2 * self.chains
        self._at_least(3 * statements + asked, length)
        first_variable, first_value = self.noise, self.noise + self.variables
        setting, asking = self.vocabulary - 2, self.vocabulary - 1
        tokens = torch.randint(self.noise, (batch, length), generator=generator)
        slot = shuffled(generator, batch, (length - asked) // 3)[:, :statements].sort(dim=1).values
        # Which statements are whose: those of each chain in order, the chains at random.
        owner = (torch.arange(statements) // links)[shuffled(generator, batch, statements)]
        mine = owner.argsort(dim=1, stable=True)
        start = 3 * slot.gather(1, mine).view(batch, self.chains, links)
        variable = first_variable + shuffled(generator, batch, self.variables)[:, :statements]
        variable = variable.view(batch, self.chains, links)
        value = first_value + shuffled(generator, batch, self.values)[:, : self.chains]
        source = torch.cat((value[..., None], variable[..., :-1]), dim=-1)
        row = torch.arange(batch)[:, None, None]
        tokens[row, start] = setting
        tokens[row, start + 1] = variable
        tokens[row, start + 2] = source
        chain = shuffled(generator, batch, self.chains)  # in which order they are asked
        where = (length - asked + 1 + 2 * torch.arange(self.chains)).expand(batch, -1)
        tokens.scatter_(1, where - 1, asking)
        tokens.scatter_(1, where, variable[..., -1].gather(1, chain))
        targets = torch.full((batch, length), IGNORE).scatter(1, where, value.gather(1, chain))
        root = (start[..., 0] + 2).gather(1, chain)
        return Batch(tokens, targets, torch.full((batch, length), NOWHERE).scatter(1, where, where - root))


@dataclass(frozen=True)
class CommonWords(_Task):
    """Which of `words` comes most often? It comes at least `lead` times as often as any other, at any length.

    The others are equally frequent to within one. The question is the last token; there is no one distance.
    """

    words: int = 16
    lead: int = 2

    def __post_init__(self):
        super().__post_init__()
        one(whole, "words", self.words, 2)
        one(whole, "lead", self.lead, 2)

    @property
    def vocabulary(self):
        """How many tokens there are: the words and the question."""
        return self.words + 1

    def draw(self, generator, batch, length):
        """A `Batch` of `batch` inputs of `length` tokens. Raises ValueError where they cannot hold it all."""
        self._at_least(self.words + self.lead, length)
        shown, others = length - 1, self.words - 1
        # The least c for which the rest, shared out to the others, gives none more than c/lead.
        counts = range(self.lead, shown + 1)
        common = next(c for c in counts if self.lead * math.ceil((shown - c) / others) <= c)
        rank = torch.cat((torch.zeros(common, dtype=torch.int64), 1 + torch.arange(shown - common) % others))
        name = shuffled(generator, batch, self.words)
        tokens = torch.empty(batch, length, dtype=torch.int64)
        tokens[:, :-1] = name.gather(1, rank[shuffled(generator, batch, shown)])
        tokens[:, -1] = self.words
        targets = torch.full((batch, length), IGNORE)
        targets[:, -1] = name[:, 0]
        return Batch(tokens, targets, torch.full((batch, length), NOWHERE))


@dataclass(frozen=True)
class Copy(_Task):
    """Repeat what stands between two markers, symbol by symbol, up to the end of the input.

    How many symbols those are is drawn anew for each input, between a quarter and a half of its length, so
    that no fixed distance answers; other symbols come before. The distance is the number of symbols.
    """

    symbols: int = 16

    @property
    def vocabulary(self):
        """How many tokens there are: the symbols, "from here" and "again"."""
        return self.symbols + 2

    def draw(self, generator, batch, length):
        """A `Batch` of `batch` inputs of `length` tokens. Raises ValueError where they cannot hold it all."""
        self._at_least(3, length)
        least, most = max(1, length // 4), (length - 1) // 2
        count = torch.randint(least, most + 1, (batch, 1), generator=generator)
        tokens = torch.randint(self.symbols, (batch, length), generator=generator)
        place = torch.arange(length).expand(batch, -1)
        again = length - count  # the marker's place: from there on, the next symbol is asked
        asked = place >= again
        targets = torch.where(asked, tokens.gather(1, (place - count).clamp(min=0)), IGNORE)
        # What was asked at one place is seen at the next.
        tokens = torch.where(place > again, targets.roll(1, dims=1), tokens)
        tokens.scatter_(1, again, self.symbols + 1).scatter_(1, again - count - 1, self.symbols)
        return Batch(tokens, targets, torch.where(asked, count, NOWHERE))


@dataclass(frozen=True)
class Order(_Task):
    """Which of two events came first? Each of `events` happens once, somewhere in the noise.

    `queries` questions of three tokens, a marker and two events, come at the end; the answer is one of those
    two. The distance is that to the event that came first.
    """

    events: int = 8
    queries: int = 4
    noise: int = 16

    def __post_init__(self):
        super().__post_init__()
        one(whole, "events", self.events, 2)

    @property
    def vocabulary(self):
        """How many tokens there are: noise, events and a marker."""
        return self.noise + self.events + 1

    def draw(self, generator, batch, length):
        """A `Batch` of `batch` inputs of `length` tokens. Raises ValueError where they cannot hold it all."""
        asked = 3 * self.queries
        self._at_least(asked + self.events, length)
        tokens = torch.randint(self.noise, (batch, length), generator=generator)
        when = shuffled(generator, batch, length - asked)[:, : self.events]
        tokens.scatter_(1, when, self.noise + torch.arange(self.events).expand(batch, -1))
        draws = [shuffled(generator, batch, self.events)[:, :2] for _ in range(self.queries)]
        two = torch.stack(draws, dim=1)
        where = (length - asked + 3 * torch.arange(self.queries)).expand(batch, -1)
        tokens.scatter_(1, where, self.vocabulary - 1)
        tokens.scatter_(1, where + 1, self.noise + two[..., 0])
        tokens.scatter_(1, where + 2, self.noise + two[..., 1])
        times = when.gather(1, two.flatten(1)).view_as(two)
        earlier, index = times.min(dim=-1)
        answer = self.noise + two.gather(2, index[..., None])[..., 0]
        targets = torch.full((batch, length), IGNORE).scatter(1, where + 2, answer)
        distance = torch.full((batch, length), NOWHERE).scatter(1, where + 2, where + 2 - earlier)
        return Batch(tokens, targets, distance)


# Each name, its class, and the sizes that make it what its name says.
TASKS = {
    "recall": (Recall, {}),
    "needle": (Recall, {"pairs": 1, "queries": 1}),
    "multi_key": (Recall, {"pairs": 16, "queries": 1}),
    "variables": (Variables, {}),
    "common_words": (CommonWords, {}),
    "copy": (Copy, {}),
    "order": (Order, {}),
    "bytes": (Bytes, {}),
}


def make_task(name, parameters=None):
    """The task of that name, with some of its sizes replaced; an unknown name or size raises ValueError.

    >>> make_task("needle", {"values": 4})
    Recall(keys=16, values=4, pairs=1, queries=1, noise=16, fused=False)
    """
    kind, preset = TASKS[one_of("task", name, TASKS)]
    allowed = [each.name for each in fields(kind)]
    for key in parameters or {}:
        if key not in allowed:
            names = ", ".join(allowed) or "none at all"
            raise ValueError(f"parameters of {name} must be among {names}, got {key!r}")
    return kind(**preset | (parameters or {}))
