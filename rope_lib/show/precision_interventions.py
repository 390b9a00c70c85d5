"""Asking a trained model with rounding in some pairs only, or with a gap in its positions and no rounding.

What the grid of experiment 2 cannot tell, since a variant of it rounds every pair alike: which pairs a loss
comes from, and whether what rounding does to positions is enough for it. `tools/results.py precision_parts`
keeps the tables. Accuracies are shares of the questions; positions and gaps are in tokens.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from rope_lib.theory.arguments import one, whole
from rope_lib.theory.precision import round_to
from rope_lib.train.config import Config
from rope_lib.train.evaluate import answers, evaluation_batch

SIDES = ("fast", "slow")


@dataclass(frozen=True, eq=False)
class Given:
    """What a transformer asks of a `Rotation`, with tables that are given: float64, `(length, pairs)`."""

    cos: torch.Tensor
    sin: torch.Tensor

    @property
    def inv_freq(self):
        """As many entries as there are pairs; how they turn is in the tables."""
        return (0.0,) * self.cos.shape[1]

    def tables(self, length, shift=0):
        """The tables as given; raises ValueError where they are asked for another length or a shift."""
        if (length, shift) != (len(self.cos), 0):
            raise ValueError(
                f"length and shift must be those of the given tables, {len(self.cos)} and 0, "
                f"got {length} and {shift}"
            )
        return self.cos, self.sin

    def query_scale(self, length):
        """No temperature."""
        return torch.ones(length, dtype=torch.float64)


def plain(values):
    """The `Config` of a cell of the grid without its variants: the same model, asked nothing yet."""
    evaluation = {name: each for name, each in values["evaluation"].items() if name != "variants"}
    return Config.from_dict(values | {"evaluation": evaluation})


def accuracy(model, batch, rotation):
    """Share of a batch's questions that the model answers right under a `Rotation` or a `Given`."""
    model.eval()
    with torch.inference_mode():
        return float(answers(model, batch, rotation).correct.mean())


def partly_rounded(exact, rounded, length, shift, pairs):
    """Tables of the rotation `rounded` in the pairs that the booleans `pairs` mark, of `exact` in the others.

    Both at positions shift … shift + length - 1.
    """
    marked = torch.as_tensor(np.asarray(pairs, dtype=bool))
    both = zip(rounded.tables(length, shift), exact.tables(length, shift), strict=True)
    return Given(*(torch.where(marked, *tables) for tables in both))


def with_gap(rotation, length, gap, start):
    """Tables at two exact positions: 0 before the token `start`, `gap` from it on.

    >>> from rope_lib.train.spectrum import Rotation
    >>> with_gap(Rotation((1.0,)), 3, 5, 2).cos.flatten().round(decimals=4).tolist()
    [1.0, 1.0, 0.2837]
    """
    gap, start = int(one(whole, "gap", gap, 0)), int(one(whole, "start", start, 0))
    positions = torch.where(torch.arange(length) < start, 0, gap).double()
    angles = torch.outer(positions, torch.tensor(rotation.inv_freq, dtype=torch.float64))
    return Given(angles.cos(), angles.sin())


def first_step(arithmetic, shift, length):
    """The first token of an input whose rounded position differs from that of the token before it.

    Raises ValueError where there is none.

    >>> first_step("bfloat16", 60_000, 128)
    33
    """
    steps = np.flatnonzero(np.diff(round_to(shift + np.arange(length), arithmetic)))
    if not len(steps):
        raise ValueError(f"positions must take a step within {length} tokens, got none at {shift}")
    return int(steps[0]) + 1


def marked(side, count, pairs):
    """Booleans `(pairs,)` that mark the `count` fastest pairs, which come first, or the slowest.

    >>> marked("slow", 1, 3).tolist()
    [False, False, True]
    """
    place = np.arange(pairs)
    return place < count if side == "fast" else place >= pairs - count


def rounded_in_parts(config, model, settings, counts):
    """Accuracy with rounding in the `counts` fastest or slowest pairs only: a row for each.

    `settings` are pairs (arithmetic, shift). Columns: arithmetic, shift, side, rounded, accuracy.
    """
    length, head_dim = config.evaluation.lengths[0], config.model.head_dim
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


def with_gaps(config, model, gaps, start):
    """Accuracy with exact angles at two positions, `with_gap`: a row for each gap, columns gap, accuracy."""
    length = config.evaluation.lengths[0]
    batch = evaluation_batch(config, length)
    exact = config.spectrum.at(length, config.training.length, config.model.head_dim)
    found = [accuracy(model, batch, with_gap(exact, length, gap, start)) for gap in gaps]
    return pd.DataFrame({"gap": gaps, "accuracy": found})
