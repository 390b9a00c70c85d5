"""From the tables of a sweep to one row for each head: its clusters, its sink, and what length does to them.

`sweep` is a `measure.sweep.Sweep` throughout. A *pair* is a query head with the key head that it attends to.
Where a pass read more tokens than asked for, its rows belong to every shorter length as well.
"""

import numpy as np
import pandas as pd

from rope_lib.measure.scores import LAST_QUERIES, RECENT_TOKENS
from rope_lib.measure.sweep import last_queries as last_queries
from rope_lib.measure.sweep import of_length
from rope_lib.measure.sweep import top_score as top_score

# How keys and queries of a pair lie to each other, as columns of `Sweep.pairs`.
PAIR_MEASURES = ["cosine", "dot_product", "silhouette", "davies_bouldin"]


def pairs(sweep, length, stage):
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


def sinks(sweep, length):
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


def relative_norms(sweep):
    """Key norms by position, over their mean from position 1 on: one row per key head, one column per bin.

    Columns are the first positions of the bins. Of the longest pass.
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


def ratios(sweep):
    """First singular value of the keys after the rotation over that before: key heads × lengths."""
    keys = sweep.heads[sweep.heads.role == "key"]
    table = keys.pivot(index=["layer", "head", "length"], columns="stage", values="first_singular_value")
    return (table.post / table.pre).unstack("length")


def by_head(sweep, table, column, **where):
    """A column of `sweep.heads` or `sweep.pairs` (`table`) as heads × lengths, for one role or stage.

    `where` maps columns to the value that they must have: role="key", stage="post".
    """
    rows = getattr(sweep, table)
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return rows.pivot(index=["layer", "head"], columns="length", values=column)


def per_doubling(table, first, last):
    """Change of each head from one length to another, by doubling of it; `table` is heads × lengths.

    >>> table = pd.DataFrame({1024: [0.9], 4096: [0.7]})
    >>> per_doubling(table, 1024, 4096).round(6).tolist()
    [-0.1]
    """
    return (table[last] - table[first]) / np.log2(last / first)


def summarize(sweep, last=512):
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
