"""From the tables of a sweep to one row for each head: its clusters, its sink, their change with length.

`sweep` is a `measure.tables.Sweep` throughout. A *pair* is a query head with the key head that it attends to.
The rows of a pass over a longer input hold for shorter ones too, since the model is causal.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from rope_lib.measure.tables import LAST_QUERIES, RECENT_TOKENS, Sweep, of_length
from rope_lib.measure.tables import last_queries as last_queries
from rope_lib.measure.tables import top_score as top_score

# Measures of the keys of a pair against its queries: columns of `Sweep.pairs`.
PAIR_MEASURES = ["cosine", "dot_product", "silhouette", "davies_bouldin"]


def pairs(sweep: Sweep, length: int, stage: str) -> pd.DataFrame:
    """One row for each pair at one length, before or after the rotation ("pre", "post").

    Columns: layer, head, key_head; cosine, dot_product, silhouette and davies_bouldin of keys against
    queries; within_key and within_query, mean cosine of two different vectors of a cloud; explained_key and
    explained_query, share of the variance about the origin along the first principal component.
    """
    between = sweep.pairs[(sweep.pairs.length == length) & (sweep.pairs.stage == stage)]
    heads = sweep.heads[(sweep.heads.length == length) & (sweep.heads.stage == stage)]
    table = between[["layer", "head", "key_head", *PAIR_MEASURES]]
    for role, on in (("key", "key_head"), ("query", "head")):
        own = heads[heads.role == role]
        added = pd.DataFrame(
            {
                "layer": own.layer,
                on: own["head"],
                f"within_{role}": own.mean_cosine,
                f"explained_{role}": 1 / own.stable_rank,
            }
        )
        table = table.merge(added, on=["layer", on], validate="many_to_one")
    return table


def sinks(sweep: Sweep, length: int) -> pd.DataFrame:
    """One row for each pair: token 0 as the last `LAST_QUERIES` queries of an input of `length` see it.

    Columns: layer, head, key_head; norm_ratio, the norm of token 0's key over the mean of the others;
    first_wins, share of the queries whose largest score is token 0's; recent_wins, share of those whose
    largest is one of the last `RECENT_TOKENS`; sink_attention and recent_attention, mean probabilities.
    """
    queries = of_length(sweep.queries, length)
    last = queries[(queries.position >= length - LAST_QUERIES) & (queries.position < length)]
    first_wins = last.sink_score > last.largest_score
    won = last.assign(
        first_wins=first_wins, recent_wins=~first_wins & (last.largest_distance < RECENT_TOKENS)
    )
    columns = ["first_wins", "recent_wins", "sink_attention", "recent_attention"]
    table = won.groupby(["layer", "head"])[columns].mean().reset_index()
    keys = pairs(sweep, length, "pre")[["layer", "head", "key_head"]]
    norms = sweep.heads[
        (sweep.heads.length == length) & (sweep.heads.role == "key") & (sweep.heads.stage == "pre")
    ]
    ratios = pd.DataFrame(
        {"layer": norms.layer, "key_head": norms["head"], "norm_ratio": norms.first_norm / norms.mean_norm}
    )
    return table.merge(keys, on=["layer", "head"]).merge(ratios, on=["layer", "key_head"])


def relative_norms(sweep: Sweep) -> pd.DataFrame:
    """Key norms by position, over their mean from position 1 on: one row per key head, one column per bin.

    The columns are the first positions of the bins, in the longest pass.
    """
    norms = of_length(sweep.norms, sweep.norms["pass"].max())
    norms = norms[norms.role == "key"]
    tokens = norms["last"] - norms["first"] + 1
    rest = norms["first"] > 0
    keys = ["layer", "head"]
    weighted = (norms.norm * tokens)[rest].groupby([norms.layer, norms["head"]]).sum()
    mean = weighted / tokens[rest].groupby([norms.layer, norms["head"]]).sum()
    table = norms.pivot(index=keys, columns="first", values="norm")
    return table.div(mean, axis=0)


def ratios(sweep: Sweep) -> pd.DataFrame:
    """First singular value of the keys after the rotation over the one before: key heads × lengths."""
    keys = sweep.heads[sweep.heads.role == "key"]
    table = keys.pivot(index=["layer", "head", "length"], columns="stage", values="first_singular_value")
    return (table.post / table.pre).unstack("length")


def by_head(sweep: Sweep, table: str, column: str, **where: str) -> pd.DataFrame:
    """A column of `sweep.heads` or `sweep.pairs` (`table`) as heads × lengths, for one role or stage.

    `where` maps columns to the value that they must have: role="key", stage="post".
    """
    rows = getattr(sweep, table)
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return rows.pivot(index=["layer", "head"], columns="length", values=column)


def per_doubling(table: pd.DataFrame, first: int, last: int) -> pd.Series:
    """Change of each head per doubling of the length, from `first` to `last`; `table` is heads × lengths.

    >>> table = pd.DataFrame({1024: [0.9], 4096: [0.7]})
    >>> per_doubling(table, 1024, 4096).round(6).tolist()
    [-0.1]
    """
    return (table[last] - table[first]) / np.log2(last / first)


def summarize(sweep: Sweep, last: int = 512) -> pd.DataFrame:
    """One row per input length of a `measure.sweep.Sweep`, each head counting the same.

    Columns: length, nll_last (mean loss at the last positions, nats), key_stable_rank_pre, _post,
    query_stable_rank_pre, _post, key_fsv_ratio (first singular value after over before the rotation, mean
    over key heads), sink_attention (probability that the last queries give to token 0), sink_key_norm,
    mean_key_norm; and for keys against queries cosine_pre, _post, dot_product_pre, _post, silhouette_pre,
    _post, davies_bouldin_pre, _post.
    """
    sink = last_queries(sweep, "sink_attention").mean()
    between = sweep.pairs.groupby(["length", "stage"])[PAIR_MEASURES].mean()
    rows = []
    for length, heads in sweep.heads.groupby("length"):
        losses = of_length(sweep.losses, length)
        ranks = heads.groupby(["role", "stage"]).stable_rank.mean()
        keys = heads[heads.role == "key"].pivot(index=["layer", "head"], columns="stage")
        rows.append(
            {"length": length, "nll_last": losses[losses.position < length].nll.tail(last).mean()}
            | {
                f"{role}_stable_rank_{stage}": ranks[role, stage]
                for role in ("key", "query")
                for stage in ("pre", "post")
            }
            | {
                "key_fsv_ratio": (keys.first_singular_value.post / keys.first_singular_value.pre).mean(),
                "sink_attention": sink[length],
                "sink_key_norm": keys.first_norm.pre.mean(),
                "mean_key_norm": keys.mean_norm.pre.mean(),
            }
            | {
                f"{name}_{stage}": between[name][length, stage]
                for name in PAIR_MEASURES
                for stage in ("pre", "post")
            }
        )
    return pd.DataFrame(rows)


def before_and_after(sweep: Sweep, table: str, column: str, **where: str) -> dict[str, pd.DataFrame]:
    """`by_head` before ("pre") and after the rotation ("post")."""
    return {stage: by_head(sweep, table, column, stage=stage, **where) for stage in ("pre", "post")}


# Paper B's picture of a head, as tests of a table of `pairs`.
PICTURE: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "tight: among keys above 0.5": lambda table: table.within_key > 0.5,
    "tight: among queries above 0.5": lambda table: table.within_query > 0.5,
    "separate: silhouette above 0.5": lambda table: table.silhouette > 0.5,
    "opposed: between below 0": lambda table: table.cosine < 0,
    "strongly opposed: between below −0.25": lambda table: table.cosine < -0.25,
    "dot product below 0": lambda table: table.dot_product < 0,
    "tight, separate and opposed": lambda table: (
        (table.within_key > 0.5) & (table.within_query > 0.5) & (table.silhouette > 0.5) & (table.cosine < 0)
    ),
}
