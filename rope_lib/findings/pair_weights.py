"""The banks of real heads: oscillators weighed as a head weighs them, instead of all alike."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rope_lib.theory.reversal import (
    band_share,
    fast_band,
    positional_sensitivity,
    reversal_share,
    scores,
)

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
    pair, `nearest` the largest from the distance where it is first negative up to `stop`, NaN if it is never
    negative. `own_period` is the period of the pair that weighs most, and `at_own_period` the largest
    similarity within a tenth of it. Raises ValueError for a `stop` before
    the slowest pair's period.
    """
    freqs = np.asarray(inv_freq, dtype=float)
    horizon = round(float(2 * np.pi / freqs[freqs > 0].min()))
    if stop < horizon:
        raise ValueError(f"stop must be at least {horizon}, the period of the slowest pair, got {stop}")
    periods = 2 * np.pi / np.where(freqs > 0, freqs, np.nan)
    rows = {}
    for head, row in by_head(weights).iterrows():
        similarity = scores(row.to_numpy(), freqs, stop + 1)
        own = float(periods[int(row.to_numpy().argmax())])
        near = slice(round(0.9 * own), round(1.1 * own) + 1) if np.isfinite(own) else slice(0)
        negative = np.flatnonzero(similarity < 0)
        rows[head] = {
            "neighbor": similarity[1],
            "at_horizon": similarity[horizon],
            "nearest": similarity[negative[0] :].max() if len(negative) else np.nan,
            "own_period": own,
            "at_own_period": similarity[near].max(initial=-1.0) if np.isfinite(own) else np.nan,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=HEAD)
    return table


def reversals(
    drawn: pd.DataFrame, inv_freq: ArrayLike, windows: Sequence[int], tolerance: float
) -> pd.DataFrame:
    """What Wu, Du and Peng (2609.39929) warn of, for drawn scores: one row for each window and draw.

    `drawn` is the table of `measure.pair_weights.drawn_scores`, `inv_freq` `(pairs,)` the spectrum. Columns:
    window, layer, head, draw; `reversed`, the share of distances in the window at which the other key beats
    the winner; `step`, the median over the window of how far neighboring positions' scores differ, relative
    to the norm of the coefficients; `noise`, the share of the norm that the certified fast band holds, at the
    given `tolerance`.
    """
    freqs = np.asarray(inv_freq, dtype=float)
    winners, others = (drawn.xs(key, level="key") for key in ("winner", "other"))
    rows = []
    for window in windows:
        band = fast_band(freqs, window, tolerance)
        for place, winner in winners.iterrows():
            z = winner.to_numpy()
            margin = z - others.loc[place].to_numpy()
            if margin.real.sum() > 0:
                step = float(np.median(positional_sensitivity(z, freqs, window)))
                share = reversal_share(margin, freqs, window)
                rows.append((window, *place, share, step, band_share(z, band)))
    return pd.DataFrame(rows, columns=["window", *HEAD, "draw", "reversed", "step", "noise"])


def facts(
    weights: pd.DataFrame, banks: pd.DataFrame, turned: pd.DataFrame, inv_freq: ArrayLike, trained: int
) -> dict[str, str]:
    """The numbers of the chapter's text, by their glue names.

    `weights` are those of `measure.pair_weights`, `banks` their `returns`, `turned` the `reversals`, and
    `trained` is the trained length in tokens.
    """
    periods = 2 * np.pi / np.asarray(inv_freq, dtype=float)
    table = by_head(weights)
    mean = table.mean()
    unturned = periods > trained
    heaviest = [int(pair) for pair in sorted(mean.nlargest(2).index)]
    texts = {
        "heads-count": f"{len(table)}",
        "heads-pairs": f"{table.shape[1]}",
        "heads-effective": f"{effective_pairs(weights).median():.0f}",
        "heads-unturned": f"{int(unturned.sum())}",
        "heads-unturned-weight": f"{100 * mean[unturned].sum():.0f} %",
        "heads-heaviest": " and ".join(map(str, heaviest)),
        "heads-heaviest-weight": f"{100 * mean[heaviest].sum():.0f} %",
        "heads-heaviest-turns": " and ".join(f"{trained / periods[pair]:.2f}" for pair in heaviest),
        "heads-at-horizon": f"{banks.at_horizon.median():.2f}",
        "heads-at-horizon-most": f"{banks.at_horizon.max():.2f}",
        "heads-neighbor": f"{banks.neighbor.median():.2f}",
        "heads-nearest": f"{banks.nearest.median():.2f}",
        "heads-nearest-most": f"{banks.nearest.max():.2f}",
        "heads-own-period": f"{banks.own_period.median():,.0f}",
        "heads-own-turns": f"{banks.own_period.median() / trained:.1f}",
        "heads-at-own": f"{banks.at_own_period.median():.2f}",
        "heads-collide": f"{int((banks.nearest >= banks.neighbor).sum())}",
    }
    for window, rows in turned.groupby("window"):
        texts[f"heads-reversed-{window}"] = f"{100 * rows.reversed.median():.0f} %"
        texts[f"heads-noise-{window}"] = f"{100 * rows.noise.median():.0f} %"
    return texts
