"""Inputs of the tasks of `tasks`: each is drawn from a torch generator, and from nothing else."""

import math
from functools import singledispatch

import torch

from .corpus import corpus, windows
from .questions import IGNORE, NOWHERE, Batch, place, shuffled
from .tasks import Bytes, CommonWords, Copy, LookBack, Order, Recall, Task, Variables


def draw(task: Task, generator: torch.Generator, batch: int, length: int) -> Batch:
    """`batch` inputs of `length` tokens, to learn from. Raises ValueError where they cannot hold the task.

    >>> draw(Copy(), torch.Generator().manual_seed(0), 2, 10).tokens.shape
    torch.Size([2, 10])
    """
    task.check_length(length)
    return _draw(task, generator, batch, length)


def draw_evaluation(
    task: Task, generator: torch.Generator, examples: int, length: int, longest: int
) -> Batch:
    """Inputs of `length` tokens for a test: `examples` fresh draws of a generated task.

    For `Bytes`, `examples` stretches of the `longest` length from the part for validation, cut to `length`
    each: at every length the same bytes are asked for, and only how much is seen before them differs.
    """
    if not isinstance(task, Bytes):
        return draw(task, generator, examples, length)
    stretch = windows(generator, corpus().validation, examples, longest)
    whole = longest // length * length
    parts = (stretch.tokens, stretch.targets, stretch.distance)
    return Batch(*(part[:, :whole].reshape(-1, length) for part in parts))


@singledispatch
def _draw(task: Task, generator: torch.Generator, batch: int, length: int) -> Batch:
    raise TypeError(f"task must be one of those in rope_lib.train.tasks, got {type(task).__name__}")


@_draw.register
def _(task: Bytes, generator: torch.Generator, batch: int, length: int) -> Batch:
    return windows(generator, corpus().train, batch, length)


@_draw.register
def _(task: Recall, generator: torch.Generator, batch: int, length: int) -> Batch:
    width = task.width
    slots = length // width
    tokens = torch.randint(task.noise, (batch, length), generator=generator)
    targets = torch.full((batch, length), IGNORE)
    distance = torch.full((batch, length), NOWHERE)
    taken = torch.zeros(batch, slots, dtype=torch.bool)
    key = shuffled(generator, batch, task.keys)
    value = torch.randint(task.values, (batch, task.pairs), generator=generator)
    first_key, first_value = task.noise, task.noise + task.keys
    row = torch.arange(batch)
    for pair in range(task.pairs):
        # A pair that is not asked for may stand anywhere: its second place is its first.
        start, again = place(generator, taken, apart=pair < task.queries)
        if task.fused:
            fused = first_value + task.values + key[:, pair] * task.values + value[:, pair]
            tokens[row, start] = fused
        else:
            tokens[row, 2 * start] = first_key + key[:, pair]
            tokens[row, 2 * start + 1] = first_value + value[:, pair]
        if pair >= task.queries:
            continue
        asked, answer = width * again, width * start + width - 1
        tokens[row, asked] = first_key + key[:, pair]
        targets[row, asked] = first_value + value[:, pair]
        distance[row, asked] = asked - answer
        if not task.fused:
            tokens[row, asked + 1] = first_value + value[:, pair]
    return Batch(tokens, targets, distance)


@_draw.register
def _(task: Variables, generator: torch.Generator, batch: int, length: int) -> Batch:
    links = task.hops + 1
    statements, asked = task.statements, 2 * task.chains
    first_variable, first_value = task.noise, task.noise + task.variables
    setting, asking = task.vocabulary - 2, task.vocabulary - 1
    tokens = torch.randint(task.noise, (batch, length), generator=generator)
    slot = shuffled(generator, batch, (length - asked) // 3)[:, :statements].sort(dim=1).values
    # Which chain each statement belongs to: those of a chain in order, the chains at random.
    owner = (torch.arange(statements) // links)[shuffled(generator, batch, statements)]
    mine = owner.argsort(dim=1, stable=True)
    start = 3 * slot.gather(1, mine).view(batch, task.chains, links)
    variable = first_variable + shuffled(generator, batch, task.variables)[:, :statements]
    variable = variable.view(batch, task.chains, links)
    value = first_value + shuffled(generator, batch, task.values)[:, : task.chains]
    source = torch.cat((value[..., None], variable[..., :-1]), dim=-1)
    row = torch.arange(batch)[:, None, None]
    tokens[row, start] = setting
    tokens[row, start + 1] = variable
    tokens[row, start + 2] = source
    chain = shuffled(generator, batch, task.chains)  # in which order they are asked
    where = (length - asked + 1 + 2 * torch.arange(task.chains)).expand(batch, -1)
    tokens.scatter_(1, where - 1, asking)
    tokens.scatter_(1, where, variable[..., -1].gather(1, chain))
    targets = torch.full((batch, length), IGNORE).scatter(1, where, value.gather(1, chain))
    root = (start[..., 0] + 2).gather(1, chain)
    return Batch(tokens, targets, torch.full((batch, length), NOWHERE).scatter(1, where, where - root))


@_draw.register
def _(task: CommonWords, generator: torch.Generator, batch: int, length: int) -> Batch:
    shown, others = length - 1, task.words - 1
    # The least c such that no other word comes more than c/lead times when they share what is left.
    counts = range(task.lead, shown + 1)
    common = next(c for c in counts if task.lead * math.ceil((shown - c) / others) <= c)
    rank = torch.cat((torch.zeros(common, dtype=torch.int64), 1 + torch.arange(shown - common) % others))
    name = shuffled(generator, batch, task.words)
    tokens = torch.empty(batch, length, dtype=torch.int64)
    tokens[:, :-1] = name.gather(1, rank[shuffled(generator, batch, shown)])
    tokens[:, -1] = task.words
    targets = torch.full((batch, length), IGNORE)
    targets[:, -1] = name[:, 0]
    return Batch(tokens, targets, torch.full((batch, length), NOWHERE))


@_draw.register
def _(task: Copy, generator: torch.Generator, batch: int, length: int) -> Batch:
    least, most = max(1, length // 4), (length - 1) // 2
    count = torch.randint(least, most + 1, (batch, 1), generator=generator)
    tokens = torch.randint(task.symbols, (batch, length), generator=generator)
    place = torch.arange(length).expand(batch, -1)
    again = length - count  # the marker's place: from there on, the next symbol is asked
    asked = place >= again
    targets = torch.where(asked, tokens.gather(1, (place - count).clamp(min=0)), IGNORE)
    # What was asked at one place is seen at the next.
    tokens = torch.where(place > again, targets.roll(1, dims=1), tokens)
    tokens.scatter_(1, again, task.symbols + 1).scatter_(1, again - count - 1, task.symbols)
    return Batch(tokens, targets, torch.where(asked, count, NOWHERE))


@_draw.register
def _(task: LookBack, generator: torch.Generator, batch: int, length: int) -> Batch:
    tokens = torch.randint(task.symbols, (batch, length), generator=generator)
    targets = tokens.roll(task.width, dims=1)
    targets[:, : task.width] = IGNORE
    return Batch(tokens, targets, torch.where(targets != IGNORE, task.width, NOWHERE))


@_draw.register
def _(task: Order, generator: torch.Generator, batch: int, length: int) -> Batch:
    asked = 3 * task.queries
    tokens = torch.randint(task.noise, (batch, length), generator=generator)
    when = shuffled(generator, batch, length - asked)[:, : task.events]
    tokens.scatter_(1, when, task.noise + torch.arange(task.events).expand(batch, -1))
    draws = [shuffled(generator, batch, task.events)[:, :2] for _ in range(task.queries)]
    two = torch.stack(draws, dim=1)
    where = (length - asked + 3 * torch.arange(task.queries)).expand(batch, -1)
    tokens.scatter_(1, where, task.vocabulary - 1)
    tokens.scatter_(1, where + 1, task.noise + two[..., 0])
    tokens.scatter_(1, where + 2, task.noise + two[..., 1])
    times = when.gather(1, two.flatten(1)).view_as(two)
    earlier, index = times.min(dim=-1)
    answer = task.noise + two.gather(2, index[..., None])[..., 0]
    targets = torch.full((batch, length), IGNORE).scatter(1, where + 2, answer)
    distance = torch.full((batch, length), NOWHERE).scatter(1, where + 2, where + 2 - earlier)
    return Batch(tokens, targets, distance)
