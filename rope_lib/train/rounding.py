"""A trained model tested with rounding in some pairs only, or with a gap in its positions and no rounding.

A variant of experiment 2's grid rounds every pair. These runs show what it cannot: which pairs the
loss of accuracy comes from, and whether the steps that rounding makes in positions are enough to cause it.
`tools/results.py precision_parts` keeps the tables. Accuracies are shares of the questions; positions and
gaps are in tokens.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from rope_lib.theory.arguments import Floats, one, whole
from rope_lib.theory.precision import round_to

from .config import Config
from .evaluate import answers, evaluation_batch
from .questions import Batch
from .spectrum import SIDES, Rotation, Turning, marked
from .transformer import Transformer


@dataclass(frozen=True, eq=False)
class Given:
    """A rotation by given tables, for a transformer to use: float64, `(length, pairs)`."""

    cos: Floats
    sin: Floats

    @property
    def inv_freq(self) -> tuple[float, ...]:
        """A zero for each pair: the angles are in the tables."""
        return (0.0,) * self.cos.shape[1]

    def tables(self, length: int, shift: int = 0) -> tuple[Floats, Floats]:
        """The tables as given; raises ValueError for another length than theirs, or a shift."""
        if (length, shift) != (len(self.cos), 0):
            raise ValueError(
                f"length and shift must be those of the given tables, {len(self.cos)} and 0, "
                f"got {length} and {shift}"
            )
        return self.cos, self.sin

    def query_scale(self, length: int) -> Floats:
        """1 for every query: no temperature."""
        return np.ones(length)


def plain(values: dict[str, Any]) -> Config:
    """The `Config` of a grid's cell without its variants: the same model, evaluated only as trained."""
    evaluation = {name: each for name, each in values["evaluation"].items() if name != "variants"}
    return Config.from_dict(values | {"evaluation": evaluation})


def accuracy(model: Transformer, batch: Batch, rotation: Turning) -> float:
    """Share of a batch's questions that the model answers correctly under a `Rotation` or a `Given`."""
    model.eval()
    with torch.inference_mode():
        return float(answers(model, batch, rotation).correct.mean())


def partly_rounded(exact: Rotation, rounded: Rotation, length: int, shift: int, pairs: ArrayLike) -> Given:
    """The tables of `rounded` in the pairs that the booleans `pairs` mark, and of `exact` in the others.

    Both are at positions shift … shift + length - 1.
    """
    mask = np.asarray(pairs, dtype=bool)
    both = zip(rounded.tables(length, shift), exact.tables(length, shift), strict=True)
    cos, sin = (np.where(mask, coarse, fine) for coarse, fine in both)
    return Given(cos, sin)


def with_gap(rotation: Rotation, length: int, gap: int, start: int) -> Given:
    """Tables at two exact positions: 0 before the token `start`, `gap` from it on.

    >>> with_gap(Rotation((1.0,)), 3, 5, 2).cos.flatten().round(4).tolist()
    [1.0, 1.0, 0.2837]
    """
    gap, start = int(one(whole, "gap", gap, 0)), int(one(whole, "start", start, 0))
    angles = np.outer(np.where(np.arange(length) < start, 0.0, gap), rotation.inv_freq)
    return Given(np.cos(angles), np.sin(angles))


def first_step(arithmetic: str, shift: int, length: int) -> int:
    """The first token of an input whose rounded position differs from that of the token before it.

    Raises ValueError where there is none.

    >>> first_step("bfloat16", 60_000, 128)
    33
    """
    steps = np.flatnonzero(np.diff(round_to(shift + np.arange(length), arithmetic)))
    if not len(steps):
        raise ValueError(f"positions must take a step within {length} tokens, got none at {shift}")
    return int(steps[0]) + 1


def rounded_in_parts(
    config: Config, model: Transformer, settings: Iterable[tuple[str, int]], counts: Iterable[int]
) -> pd.DataFrame:
    """Accuracy with rounding in the fastest or slowest pairs only, a row for each of `counts` pairs.

    `settings` are pairs (arithmetic, shift). Columns: arithmetic, shift, side, rounded, accuracy.
    """
    length, head_dim = config.lengths[0], config.model.head_dim
    batch, rows = evaluation_batch(config, length), []
    exact = config.spectrum.at(length, config.training.length, head_dim)
    for arithmetic, shift in settings:
        spectrum = replace(config.spectrum, arithmetic=arithmetic)
        rounded = spectrum.at(length, config.training.length, head_dim)
        for side in SIDES:
            for count in counts:
                pairs = marked(side, count, head_dim // 2)
                given = partly_rounded(exact, rounded, length, shift, pairs)
                rows.append((arithmetic, shift, side, count, accuracy(model, batch, given)))
    return pd.DataFrame(rows, columns=["arithmetic", "shift", "side", "rounded", "accuracy"])


def with_gaps(config: Config, model: Transformer, gaps: Sequence[int], start: int) -> pd.DataFrame:
    """Accuracy under `with_gap`, a row for each gap: columns gap and accuracy."""
    length = config.lengths[0]
    batch = evaluation_batch(config, length)
    exact = config.spectrum.at(length, config.training.length, config.model.head_dim)
    found = [accuracy(model, batch, with_gap(exact, length, gap, start)) for gap in gaps]
    return pd.DataFrame({"gap": gaps, "accuracy": found})
