"""The tables of a measurement: what is in them, and how to select and reduce their rows.

Needs pandas and no torch, so that a kept measurement can be read, summarized and drawn at once.
"""

from dataclasses import dataclass, fields

import pandas as pd

# The last queries of an input, whose attention is averaged.
LAST_QUERIES = 64
# The most recent tokens, the query's own included, whose share of its attention has its own column.
RECENT_TOKENS = 16
# Consecutive positions whose losses are averaged in a table of losses.
LOSS_BIN = 128
# Tokens over which the centers of the keys are taken, all well inside the training length.
CENTER_TOKENS = 4_096

_HEAD = ["length", "layer", "head"]


@dataclass(frozen=True)
class Sweep:
    """The tables of one sweep over input lengths, one row per observation.

    Layers, heads and positions count from 0. Columns that identify a row: `length`, the length of the input,
    or `pass`, the number of tokens that the forward pass read, where a row holds for every length; `role`,
    key or query; `stage`, pre or post rotation. `head` is a query head where queries meet keys, with the
    `key_head` that it attends to.

    `heads`     by length, layer, role, head, stage: stable_rank and first_singular_value of all tokens;
                first_norm of token 0 and mean_norm of the others; mean_cosine between two different tokens.
    `pairs`     by length, layer, head, stage: mean cosine and mean dot product of a query and a key, over
                all pairs; silhouette and davies_bouldin of `clouds.SAMPLE` of each (see `geometry`).
    `queries`   by pass, layer, head, position: what sampled queries attend to: `scores.attention_tables`.
    `profiles`  by length, layer, head and distance, first to last: mean score and cosine of the last queries
                and their attention (`scores.attention_tables`); first = last = -1 is token 0.
    `norms`     by pass, layer, role, head and position, first to last: mean norm, before the rotation.
    `losses`    by pass, position: nll, nats, of the token at that position given those before.
    `clouds`    by length, layer, role, head, stage, position: x and y of `clouds.SAMPLE` keys of a key head
                (`head`), and of queries of the first query head that attends to it, on the two principal
                axes of both clouds together, before the rotation at the shortest length.
    """

    heads: pd.DataFrame
    pairs: pd.DataFrame
    queries: pd.DataFrame
    profiles: pd.DataFrame
    norms: pd.DataFrame
    losses: pd.DataFrame
    clouds: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def of_length(table: pd.DataFrame, length: int) -> pd.DataFrame:
    """The rows of a table with a column `pass` that hold for `length`: those of the shortest pass that does.

    Raises ValueError where no pass was that long.

    >>> of_length(pd.DataFrame({"pass": [64, 128], "nll": [3.0, 2.0]}), 100).nll.tolist()
    [2.0]
    """
    longer = table["pass"][table["pass"] >= length]
    if longer.empty:
        raise ValueError(f"length must be at most {table['pass'].max()}, the longest pass, got {length}")
    return table[table["pass"] == longer.min()]


def last_queries(sweep: Sweep, column: str) -> pd.DataFrame:
    """Mean of a column of `sweep.queries` over the last queries of each length: pairs × lengths.

    `column` may also be `top_score`, the largest score of a query over all keys, token 0 included.
    """
    found = {}
    for length in sorted(sweep.heads.length.unique()):
        queries = of_length(sweep.queries, length)
        last = queries[(queries.position >= length - LAST_QUERIES) & (queries.position < length)]
        values = top_score(last) if column == "top_score" else last[column]
        found[length] = values.groupby([last.layer, last["head"]]).mean()
    return pd.DataFrame(found).rename_axis(columns="length")


def top_score(queries: pd.DataFrame) -> pd.Series:
    """The largest score of each query over all keys, token 0 included.

    >>> top_score(pd.DataFrame({"sink_score": [1.0, 2.0], "largest_score": [3.0, float("nan")]})).tolist()
    [3.0, 2.0]
    """
    return queries[["sink_score", "largest_score"]].max(axis=1)


def trial_tables(sweep: Sweep) -> dict[str, pd.DataFrame]:
    """A `Sweep` in three small tables, as `trials.try_interventions` keeps one for each intervention.

    `losses`  by first: mean nll in nats of `LOSS_BIN` positions from there on;
    `keys`    by length, layer, head: stable_rank, first_singular_value and mean_cosine of a key head's keys
              as the last token sees them, and first_singular_value_pre, before the rotation;
    `pairs`   by length, layer, head: mean cosine and dot product of a query head and its keys, silhouette,
              davies_bouldin, and sink_attention, sink_score, largest_score: means over the last queries.
    """
    return {"losses": _binned_losses(sweep), "keys": _keys(sweep.heads), "pairs": _pairs(sweep)}


def _binned_losses(sweep: Sweep) -> pd.DataFrame:
    losses = sweep.losses[sweep.losses["pass"] == sweep.losses["pass"].max()]
    binned = losses.nll.groupby(losses.position // LOSS_BIN * LOSS_BIN).mean()
    return binned.rename_axis("first").reset_index()


def _keys(heads: pd.DataFrame) -> pd.DataFrame:
    keys = heads[heads.role == "key"].set_index(_HEAD)
    before = keys[keys.stage == "pre"].first_singular_value.rename("first_singular_value_pre")
    after = keys[keys.stage == "post"][["stable_rank", "first_singular_value", "mean_cosine"]]
    return after.join(before).reset_index()


def _pairs(sweep: Sweep) -> pd.DataFrame:
    pairs = sweep.pairs[sweep.pairs.stage == "post"].drop(columns=["stage", "key_head"])
    columns = ("sink_attention", "sink_score", "largest_score")
    attention = pd.DataFrame({column: last_queries(sweep, column).stack() for column in columns})
    return pairs.merge(attention.reset_index(), on=_HEAD, validate="one_to_one")
