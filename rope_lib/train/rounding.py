"""A trained model tested with given tables: at two exact positions, to which rounding brings a short input.

They show whether the steps that rounding makes in positions are enough to cause what it costs. Accuracies are
shares of the questions; positions and gaps are in tokens.
"""

from dataclasses import dataclass

import numpy as np
import torch

from rope_lib.theory.arguments import Floats, one, whole
from rope_lib.theory.precision import round_to

from .evaluate import answers
from .questions import Batch
from .spectrum import Rotation, Turning
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


def accuracy(model: Transformer, batch: Batch, rotation: Turning) -> float:
    """Share of a batch's questions that the model answers correctly under a `Rotation` or a `Given`."""
    model.eval()
    with torch.inference_mode():
        return float(answers(model, batch, rotation).correct.mean())


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
