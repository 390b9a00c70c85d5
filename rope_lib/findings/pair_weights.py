"""The banks of real heads: oscillators weighed as a head weighs them, instead of all alike."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rope_lib.theory.arguments import Floats
from rope_lib.theory.reversal import scores

HEAD = ["layer", "head"]


def by_head(weights: pd.DataFrame) -> pd.DataFrame:
    """The weights of `measure.pair_weights`, one row for each (layer, head) and one column for each pair."""
    return weights.pivot_table(index=HEAD, columns="pair", values="weight")


def effective_pairs(weights: pd.DataFrame) -> pd.Series:
    """How many oscillators a head leans on: 1/Σw², which is n for n equal weights. Indexed by layer and head.

    >>> table = pd.DataFrame({"layer": 0, "head": [0, 0, 1, 1], "pair": [0, 1, 0, 1]})
    >>> table["weight"] = [1, 0, 0.5, 0.5]
    >>> effective_pairs(table).tolist()
    [1.0, 2.0]
    """
    return 1 / (by_head(weights) ** 2).sum(axis=1)


def returns(weights: pd.DataFrame, inv_freq: ArrayLike, stop: int) -> pd.DataFrame:
    """How near each head's own bank comes back to where it was: one row for each (layer, head).

    A head's similarity at distance m is Σ w_i·cos(m·θ_i), with its weights over the frequencies `inv_freq`
    `(pairs,)`. `neighbor` is the similarity at distance 1, `at_horizon` that at the period of the slowest
    pair, `nearest` the largest from the distance where it first falls below half of 1 on up to `stop`, and
    `distance` where that is; both NaN if the bank never falls so far. Raises ValueError for a `stop` before
    the slowest pair's period.
    """
    freqs = np.asarray(inv_freq, dtype=float)
    horizon = round(float(2 * np.pi / freqs[freqs > 0].min()))
    if stop < horizon:
        raise ValueError(f"stop must be at least {horizon}, the period of the slowest pair, got {stop}")
    rows = {}
    for head, row in by_head(weights).iterrows():
        similarity = scores(row.to_numpy(), freqs, stop + 1)
        nearest, distance = _nearest(similarity)
        rows[head] = {
            "neighbor": similarity[1],
            "at_horizon": similarity[horizon],
            "nearest": nearest,
            "distance": distance,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=HEAD)
    return table


def _nearest(similarity: Floats) -> tuple[float, float]:
    let_go = np.flatnonzero(similarity < 0.5)
    if not len(let_go):
        return float("nan"), float("nan")
    distance = int(let_go[0] + similarity[let_go[0] :].argmax())
    return float(similarity[distance]), float(distance)
