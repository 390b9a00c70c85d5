"""How clouds of keys and queries disperse with length, measured and forecast, and how attention responds.

`sweep` is a `measure.sweep.Sweep`; a table of heads × lengths has a row for each head, (layer, head), and a
column for each input length in tokens. A *ratio* is the first singular value of a cloud after the rotation
over that before; v is the one direction of a cloud X = u vᵀ (`theory.dispersal`).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rope_lib.measure.subjects import declared_length
from rope_lib.measure.tables import LAST_QUERIES, Sweep
from rope_lib.theory import dispersal
from rope_lib.theory.arguments import Floats

from . import clusters, every_model, stats
from .kept import Tables
from .wording import minus, rounded_up, with_interval


def ratios_by_length(v: ArrayLike, inv_freq: ArrayLike, lengths: Sequence[int]) -> Floats:
    """The ratio of clouds of one direction each, with equal weights, at each length: `(lengths, ...)`.

    `v` has shape `(..., 2·pairs)`, `inv_freq` `(pairs,)` in radians per token. No vector is rotated: this is
    the closed form of `theory.dispersal.singular_value_ratio`.

    >>> ratios_by_length([1.0, 0.0], [np.pi / 2], [1, 2]).round(3).tolist()  # two positions at a right angle
    [1.0, 0.707]
    """
    coherences = (dispersal.uniform_coherence(inv_freq, length) for length in lengths)
    return np.array([dispersal.singular_value_ratio(v, coherence) for coherence in coherences])


def overlap_and_sink(sweep: Sweep, trained: int) -> pd.DataFrame:
    """What the heads with a sink lose from the trained to the longest input: a row for each pair.

    A pair has a sink if token 0 has the largest score for most of its last queries at the trained length.
    Columns: silhouette, the fall of the silhouette after the rotation; sink, the share of the attention to
    token 0 that is lost.
    """
    longest = sweep.heads.length.max()
    silhouette = clusters.by_head(sweep, "pairs", "silhouette", stage="post")
    attention = clusters.last_queries(sweep, "sink_attention")
    wins = clusters.sinks(sweep, trained).set_index(["layer", "head"]).first_wins > 0.5
    lost = pd.DataFrame(
        {
            "silhouette": silhouette[trained] - silhouette[longest],
            "sink": 1 - attention[longest] / attention[trained],
        }
    )
    return lost[wins]


def correlation_and_chance(table: pd.DataFrame, *, draws: int = 500, seed: int = 0) -> tuple[float, ...]:
    """Rank correlation of the columns silhouette and sink, and where 95 % of it lies for shuffled rows.

    Returns (correlation, low, high).

    >>> table = pd.DataFrame({"silhouette": [1.0, 2.0, 3.0], "sink": [0.1, 0.2, 0.9]})
    >>> correlation_and_chance(table)
    (1.0, -1.0, 1.0)
    """
    random = np.random.default_rng(seed)
    shuffled = [stats.spearman(random.permutation(table["sink"]), table.silhouette) for _ in range(draws)]
    low, high = np.quantile(shuffled, [0.025, 0.975])
    return stats.spearman(table["sink"], table.silhouette), float(low), float(high)


def farther_half(sweep: Sweep, length: int) -> float:
    """Of the last queries of an input, the share whose best key but token 0 lies in its farther half."""
    queries = sweep.queries
    last = queries[(queries.position >= length - LAST_QUERIES) & (queries.position < length)]
    return float((last.largest_distance > length / 2).mean())


def declared_and_longest(tables: Tables) -> pd.DataFrame:
    """Stable rank, sink and largest score of each model at the declared length and at the longest.

    `tables` are those of the result `geometry`; a model that was measured no further than it declares has one
    row. Rows (model, length), columns stable_rank and top_score, means over texts, and sink_attention, with
    its interval as a text. Layers with a window are left out.
    """
    measures = pd.concat([every_model.attention_by_length(tables), every_model.geometry_by_length(tables)])
    models, measures = measures.index.unique("model"), measures.sort_index()
    found = {}
    for model in models:
        own = measures.loc[(model, every_model.FULL)]
        longest = own.index.unique("length").max()
        for length in sorted({min(declared_length(model), longest), longest}):
            at = own.loc[length]
            found[model, int(length)] = at["mean"][["stable_rank", "top_score"]].to_dict() | {
                "sink_attention": with_interval(at.loc["sink_attention"], ".2f")
            }
    return pd.DataFrame.from_dict(found, orient="index").rename_axis(["model", "length"])


def facts(sweep: Sweep, trained: int) -> dict[str, str]:
    """What the chapter on dispersal states of a sweep: names of `glue` and their texts."""
    lengths = sorted(sweep.heads.length.unique())
    found = {"longest": f"{lengths[-1]:,}", "last": f"{LAST_QUERIES}"}
    found |= _facts_of_overlap(sweep, trained) | _facts_of_attention(sweep, lengths, trained)
    return {f"dispersal-{name}": text for name, text in found.items()}


def _facts_of_overlap(sweep: Sweep, trained: int) -> dict[str, str]:
    lost = overlap_and_sink(sweep, trained)
    correlation, low, high = correlation_and_chance(lost)
    return {
        "correlation": minus(f"{correlation:.2f}"),
        "chance-low": minus(f"{low:.2f}"),
        "chance-high": f"{high:.2f}",
        "sink-heads": f"{len(lost)}",
    }


def _facts_of_attention(sweep: Sweep, lengths: Sequence[int], trained: int) -> dict[str, str]:
    longest = lengths[-1]
    sink = clusters.last_queries(sweep, "sink_attention").mean()
    score = clusters.last_queries(sweep, "top_score").mean()
    return {
        "sink-low": f"{sink.loc[:trained].min():.2f}",
        "sink-high": f"{sink.loc[:trained].max():.2f}",
        "sink-longest": f"{sink[longest]:.2f}",
        "score-short": f"{score[lengths[0]]:.1f}",
        "score-trained": f"{score[trained]:.1f}",
        "far-trained": f"{farther_half(sweep, trained):.0%}",
        "far-longest": f"{farther_half(sweep, longest):.0%}",
    }


def clouds_beyond_the_theorem(
    length: int, random: np.random.Generator
) -> dict[str, tuple[Floats, list[float]]]:
    """For each condition of the theorem a cloud of `length` tokens and two pairs that violates it.

    A dict from the condition's name to (X `(length, 4)`, half split, and the two frequencies in radians per
    token); the first and the third cloud violate none. `random` draws the cloud of two directions.
    """
    positions, equal, spike = np.arange(length), np.ones(length), np.zeros(length)
    spike[length // 2] = 1
    beat = np.sqrt(1 + np.cos(2 * positions))  # with twice the frequency of the pair
    pair = np.array([1.0, 0.0, 0.0, 0.0])  # half split: all in pair 0
    both = np.array([1.0, 1.0, 0.0, 0.0]) / np.sqrt(2)  # half of it in each pair
    disc = random.normal(size=(length, 2)) @ np.eye(4)[[0, 2]]
    return {
        "none: distinct frequencies": (np.outer(equal, pair), [1.0, 0.1]),
        "equal frequencies": (np.outer(equal, both), [1.0, 1.0]),
        "distinct, the same cloud": (np.outer(equal, both), [1.0, 0.1]),
        "a frequency of π": (np.outer(equal, pair), [np.pi, 0.1]),
        "weights that beat": (np.outer(beat, pair), [1.0, 0.1]),
        "a single token": (np.outer(spike, pair), [1.0, 0.1]),
        "two directions in one pair": (disc, [1.0, 0.1]),
    }


def facts_of_heads(heads: pd.DataFrame) -> dict[str, str]:
    """What the chapter on the theorem states of the heads of a model: names of `glue` and their texts.

    `heads` has a row for each key head: predicted and measured, the ratio from its first direction alone and
    that of all its keys; floor, the limit of the former; rank_before and rank_after, the stable rank.
    """
    low, middle, high = heads.rank_before.quantile([0.05, 0.5, 0.95])
    growth = heads.rank_after / heads.rank_before
    error = (heads.measured - heads.predicted).abs()
    found = {
        "heads": f"{len(heads)}",
        "rank-low": f"{low:.1f}",
        "rank-middle": f"{middle:.1f}",
        "rank-high": f"{high:.1f}",
        "first-share": f"{1 / middle:.0%}",
        "correlation": f"{heads.predicted.corr(heads.measured):.2f}",
        "error": rounded_up(error.median(), 2),
        "worst": rounded_up(error.max(), 2),
        "growth-low": f"{growth.min():.1f}",
        "growth-high": f"{growth.max():.1f}",
        "floor-low": f"{1 / heads['floor'].max():.1f}",
        "floor-high": f"{1 / heads['floor'].min():.1f}",
    }
    return {f"theorem-{name}": text for name, text in found.items()}
