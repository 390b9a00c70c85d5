"""Does attention collapse in models whose base lies below the DC-stability bound? (paper A, claim A3)

Paper A's abstract says that models that violate the bound "exhibit attention collapse and long-range
degradation". Here small models learn two tasks at bases from far below the bound to far above it, each until
it can do its task, and the attention of every head is summed up. `tools/results.py attention_entropy` keeps
the tables; `findings.attention_entropy` reduces them.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from .config import Config, Json
from .criterion import Criterion, train_until
from .draws import draw
from .evaluate import answers
from .loop import generator_for
from .questions import IGNORE, Batch
from .spectrum import Turning
from .transformer import Transformer

LENGTH = 32  # tokens of training
LONGER = 4  # times the length of training, at which the models are also asked
BASES = (4.0, 16.0, 48.0, 300.0, 10_000.0)  # the bound at ε = 0.95 is 101 for 32 tokens
SEEDS = range(5)
TASKS: dict[str, dict[str, Json]] = {
    "recall": {
        "fused": True,
        "keys": 8,
        "values": 8,
        "pairs": 4,
        "queries": 4,
    },  # what stood with a key? needs no order
    "order": {"events": 4, "queries": 2},  # which of two events came first?
}
CRITERION = Criterion(examples=128)


def cells() -> list[Config]:
    """Every model: two layers of two heads, about 0.1 million weights, at most 1,000 steps."""
    return [
        Config.from_dict(
            {
                "model": {"layers": 2, "width": 64, "heads": 2, "head_dim": 32},
                "task": {"name": task, "parameters": parameters},
                "spectrum": {"base": base},
                "training": {
                    "steps": 1_000,
                    "batch": 16,
                    "length": LENGTH,
                    "learning_rate": 3e-3,
                    "warmup": 0.05,
                },
                "seed": seed,
            }
        )
        for seed, (task, parameters), base in itertools.product(SEEDS, TASKS.items(), BASES)
    ]


def attention_of(query: torch.Tensor, key: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Causal attention `(heads, n, length)`, float64, of the queries at `positions` `(n,)`.

    `query` and `key` are `(heads, length, head_dim)`, both rotated.

    >>> attention_of(torch.zeros(1, 4, 2), torch.zeros(1, 4, 2), torch.tensor([1])).tolist()
    [[[0.5, 0.5, 0.0, 0.0]]]
    """
    scores = query[:, positions].double() @ key.double().mT / math.sqrt(query.shape[-1])
    later = torch.arange(key.shape[1]) > positions[:, None]
    return scores.masked_fill(later, -torch.inf).softmax(-1)


def summed_up(attention: torch.Tensor, positions: torch.Tensor) -> dict[str, torch.Tensor]:
    """What `attention` `(heads, n, length)` of queries at `positions` `(n,)` is like, each `(heads,)`.

    `entropy`: that of a query's attention over ln of the keys that it sees, averaged over the queries; 1 is
    uniform attention, 0 is one key. `top`: the largest share that one key has of the mean attention of all
    queries; a head that finds another key for each query stays far from 1. `first`: the share of token 0.

    >>> both = torch.tensor([[[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]], dtype=torch.float64)
    >>> {name: round(value.item(), 6) for name, value in summed_up(both, torch.tensor([1, 2])).items()}
    {'entropy': 0.5, 'top': 0.5, 'first': 0.25}
    """
    entropy = torch.special.entr(attention).sum(-1) / torch.log(positions + 1.0).double()
    mean = attention.mean(1)
    return {"entropy": entropy.mean(1), "top": mean.amax(-1), "first": mean[:, 0]}


def attention_table(model: Transformer, batch: Batch, rotation: Turning) -> pd.DataFrame:
    """`summed_up` for each layer and head: means over the inputs of a batch, at two kinds of queries.

    Columns: queries, layer, head, entropy, top, first. The `queries` are "asked", those that answer a
    question, or "late", the second half of the input.
    """
    rows: list[pd.DataFrame] = []
    for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
        length = len(tokens)
        kinds = {
            "asked": (targets != IGNORE).nonzero()[:, 0],
            "late": torch.arange(length // 2, length),
        }

        def observe(
            layer: int,
            _: torch.Tensor,
            query: torch.Tensor,
            key: torch.Tensor,
            kinds: dict[str, torch.Tensor] = kinds,
        ) -> None:
            for kind, positions in kinds.items():
                found = summed_up(attention_of(query[0], key[0], positions), positions)
                numbers = {name: value.numpy() for name, value in found.items()}
                heads = np.arange(query.shape[1])
                rows.append(pd.DataFrame({"queries": kind, "layer": layer, "head": heads, **numbers}))

        with torch.inference_mode():
            model.stream(tokens[None], rotation, observe=observe)
    every = pd.concat(rows, ignore_index=True)
    return every.groupby(["queries", "layer", "head"], as_index=False).mean()


def collapse(config: Config, *, examples: int = 64, lengths: Sequence[int] = ()) -> dict[str, pd.DataFrame]:
    """Train one model to the criterion and look at its attention: three tables.

    `training`   steps, loss, accuracy: see `train_until`
    `attention`  length, queries, layer, head, entropy, top, first: see `attention_table`
    `answers`    length, distance, correct: the questions of those inputs

    `lengths` default to that of training and `LONGER` times it.
    """
    model, tries = train_until(config, CRITERION)
    task, trained = config.task.make(), config.training.length
    attention: list[pd.DataFrame] = []
    answered: list[pd.DataFrame] = []
    for length in lengths or (trained, LONGER * trained):
        batch = draw(task, generator_for(config.seed, "attention", length), examples, length)
        rotation = config.spectrum.at(length, trained, config.model.head_dim)
        with torch.inference_mode():
            found = answers(model, batch, rotation)[["distance", "correct"]]
        for table, parts in ((attention_table(model, batch, rotation), attention), (found, answered)):
            table.insert(0, "length", length)
            parts.append(table)
    return {
        "training": tries,
        "attention": pd.concat(attention, ignore_index=True),
        "answers": pd.concat(answered, ignore_index=True),
    }


def named(config: Config, tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables of one cell with its columns first: task, base, seed, steps and converged."""
    last = tables["training"].iloc[-1]
    own = {
        "task": config.task.name,
        "base": config.spectrum.base,
        "seed": config.seed,
        "trained_steps": int(last.steps),
        "converged": bool(last.accuracy >= CRITERION.accuracy),
    }
    return {
        name: pd.concat([pd.DataFrame(own, index=table.index), table], axis=1)
        for name, table in tables.items()
    }
