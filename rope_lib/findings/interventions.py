"""What the interventions of `measure.trials` do: one row for each of them, and one for each head.

`tables` are those of `trials.try_interventions` throughout: losses, keys and pairs, each with a column
`intervention`. Results keep the order in which the interventions were tried.
"""

from collections.abc import Mapping

import pandas as pd

from rope_lib.measure.tables import LOSS_BIN

from .kept import Tables

Factors = Mapping[str, float]

# Positions whose loss is averaged in a table: the last of each length.
LAST_POSITIONS = 512


def mean_losses(losses: pd.DataFrame, first: int, last: int) -> pd.Series:
    """Mean loss of each intervention at the positions from `first` up to, not including, `last`: a Series.

    Raises ValueError unless both are multiples of `LOSS_BIN` and the losses reach `last`.

    >>> from rope_lib.findings.kept import kept
    >>> losses = mean_losses(kept("interventions")[0]["losses"], 15_872, 16_384)
    >>> losses[["unchanged", "clipped"]].round(2).to_dict()
    {'unchanged': 7.17, 'clipped': 2.62}
    """
    if first % LOSS_BIN or last % LOSS_BIN or not 0 <= first < last <= losses["first"].max() + LOSS_BIN:
        raise ValueError(
            f"first and last must be multiples of {LOSS_BIN} that enclose measured positions, "
            f"got {first} and {last}"
        )
    inside = losses[(losses["first"] >= first) & (losses["first"] < last)]
    return inside.groupby("intervention", sort=False).nll.mean()


def fsv_ratios(keys: pd.DataFrame, factors: Mapping[str, float]) -> pd.Series:
    """First singular value of each row of `keys` after the rotation over that before, a Series.

    Cosines and sines may carry a factor that lengthens the keys without rotating them: `factors` maps
    interventions to it, and it is divided out.

    >>> keys = pd.DataFrame({"intervention": ["yarn"], "first_singular_value": 3.0})
    >>> fsv_ratios(keys.assign(first_singular_value_pre=4.0), {"yarn": 1.5}).tolist()
    [0.5]
    """
    ratio = keys.first_singular_value / keys.first_singular_value_pre
    return ratio / keys.intervention.map(lambda name: factors.get(name, 1.0))


def summaries(tables: Tables, length: int, factors: Mapping[str, float]) -> pd.DataFrame:
    """One row for each intervention at one length: means over heads, and the loss before that length.

    Index: intervention. Columns: loss, of the last `LAST_POSITIONS` positions, nats; stable_rank and
    fsv_ratio of the keys; silhouette, davies_bouldin and cosine of keys against queries; sink_attention. For
    `factors` see `fsv_ratios`. Raises ValueError for a length that was not measured.

    >>> from rope_lib.findings.kept import kept
    >>> found = summaries(kept("interventions")[0], 16_384, {}).loc["unchanged"]
    >>> found[["loss", "silhouette"]].round(2).tolist()
    [7.17, 0.3]
    """
    keys, pairs = (_of_length(tables[name], length) for name in ("keys", "pairs"))
    keys = keys.assign(fsv_ratio=fsv_ratios(keys, factors))
    of_keys, of_pairs = (table.groupby("intervention", sort=False) for table in (keys, pairs))
    measures = ["silhouette", "davies_bouldin", "cosine", "sink_attention"]
    means = of_keys[["stable_rank", "fsv_ratio"]].mean().join(of_pairs[measures].mean())
    means.insert(0, "loss", mean_losses(tables["losses"], length - LAST_POSITIONS, length))
    return means


def heads(tables: Tables, intervention: str, factors: Mapping[str, float]) -> pd.DataFrame:
    """One row for each query head and length under one intervention, with what its key head's keys do.

    Columns: those of `tables["pairs"]`, and key_head, stable_rank and fsv_ratio of the key head.
    """
    keys, pairs = (
        tables[name][tables[name].intervention == intervention].drop(columns="intervention")
        for name in ("keys", "pairs")
    )
    if pairs.empty:
        raise ValueError(f"intervention must be one that was tried, got {intervention!r}")
    group = (pairs["head"].max() + 1) // (keys["head"].max() + 1)
    ratio = fsv_ratios(keys.assign(intervention=intervention), factors)
    keys = keys[["length", "layer", "head", "stable_rank"]].assign(fsv_ratio=ratio)
    keys = keys.rename(columns={"head": "key_head"})
    pairs = pairs.assign(key_head=pairs["head"] // group)
    return pairs.merge(keys, on=["length", "layer", "key_head"], validate="many_to_one")


def _of_length(table: pd.DataFrame, length: int) -> pd.DataFrame:
    rows = table[table.length == length]
    if rows.empty:
        raise ValueError(f"length must be one of {sorted(table.length.unique().tolist())}, got {length}")
    return rows


def curves(losses: pd.DataFrame, size: int = LOSS_BIN) -> dict[str, pd.Series]:
    """Loss by position of each intervention, means over bins of `size`: a Series by first position.

    `size` is a multiple of `LOSS_BIN`.

    >>> losses = pd.DataFrame({"intervention": "none", "first": [0, 128, 256], "nll": [3.0, 1.0, 4.0]})
    >>> curves(losses, 256)["none"].to_dict()
    {0: 2.0, 256: 4.0}
    """
    by_position = {name: own.set_index("first").nll for name, own in losses.groupby("intervention")}
    return {name: nll.groupby(nll.index // size * size).mean() for name, nll in by_position.items()}
