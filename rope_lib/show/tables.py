"""Tables that a reader sees, and the summaries behind figures."""

import re

import pandas as pd

from rope_lib.measure.tables import Sweep, last_queries, of_length

PAIR_MEASURES = ["cosine", "dot_product", "silhouette", "davies_bouldin"]

# A cell of numbers: digits with separators, a sign, an exponent, a percent sign; or a dash for none.
_NUMBER = re.compile(r"[-–+−]?[\d,.]*\d(e[-+]?\d+)?\s?%?|–")


def summarize(sweep: Sweep, last: int = 512) -> pd.DataFrame:
    """One row per input length of a `measure.tables.Sweep`, each head counting the same.

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


def markdown(rows, headings):
    """A markdown table of text cells, for a notebook to display: plain, stable, and it scrolls on a phone.

    `rows` is an iterable of sequences as long as `headings`; a column of numbers is aligned to the
    right. Raises ValueError for a row of another length.

    >>> print(markdown([["fp32", "2.86"]], ["angles", "loss"]).data)
    | angles | loss |
    | --- | ---: |
    | fp32 | 2.86 |
    """
    from IPython.display import Markdown

    rows = [[str(cell) for cell in row] for row in rows]
    for row in rows:
        if len(row) != len(headings):
            raise ValueError(f"rows must have {len(headings)} cells each, got {len(row)}: {row!r}")
    rule = ["---:" if all(map(_NUMBER.fullmatch, column)) else "---" for column in zip(*rows, strict=True)]
    lines = [headings, rule or ["---"] * len(headings), *rows]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))
