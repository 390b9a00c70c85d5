"""How clouds of keys and queries disperse with length, measured and forecast, and how attention responds.

`sweep` is a `measure.sweep.Sweep`; a table of heads × lengths has a row for each head, (layer, head), and a
column for each input length in tokens. A *ratio* is the first singular value of a cloud after the rotation
over that before; v is the one direction of a cloud X = u vᵀ (`theory.dispersal`).
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rope_lib.measure.tables import LAST_QUERIES, Sweep
from rope_lib.theory import dispersal
from rope_lib.theory.arguments import Floats

from . import clusters, stats
from .wording import minus, rounded_up


def ratios_by_length(v: ArrayLike, inv_freq: ArrayLike, lengths: Sequence[int]) -> Floats:
    """The ratio of clouds of one direction each, with equal weights, at each length: `(lengths, ...)`.

    `v` has shape `(..., 2·pairs)`, `inv_freq` `(pairs,)` in radians per token. No vector is rotated: this is
    the closed form of `theory.dispersal.singular_value_ratio`.

    >>> ratios_by_length([1.0, 0.0], [np.pi / 2], [1, 2]).round(3).tolist()  # two positions at a right angle
    [1.0, 0.707]
    """
    coherences = (dispersal.uniform_coherence(inv_freq, length) for length in lengths)
    return np.array([dispersal.singular_value_ratio(v, coherence) for coherence in coherences])


def fall_by_step(ratio: pd.DataFrame, forecast: pd.DataFrame) -> pd.DataFrame:
    """The fall of the ratio from each length to the next: measured and forecast, tables of heads × lengths.

    Columns: first and last, the two lengths; by_doubling, the mean over heads of the fall per doubling of the
    length, with low and high, its 95 % bootstrap interval over heads; forecast, the same mean of the
    forecast; by_thousand, the mean fall per 1,000 tokens.

    >>> ratio, forecast = pd.DataFrame({1024: [0.9], 2048: [0.8]}), pd.DataFrame({1024: [0.9], 2048: [0.7]})
    >>> fall_by_step(ratio, forecast).round(3)[["by_doubling", "forecast", "by_thousand"]].values.tolist()
    [[0.1, 0.2, 0.098]]
    """
    rows = []
    for first, last in pairwise(ratio.columns):
        fall, low, high = stats.bootstrap_interval(-clusters.per_doubling(ratio, first, last))
        rows.append(
            {
                "first": first,
                "last": last,
                "by_doubling": fall,
                "low": low,
                "high": high,
                "forecast": float(-clusters.per_doubling(forecast, first, last).mean()),
                "by_thousand": 1000 * float((ratio[first] - ratio[last]).mean()) / (last - first),
            }
        )
    return pd.DataFrame(rows)


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


def best_keys(sweep: Sweep, length: int) -> pd.Series:
    """Where the best key other than token 0 lies, as the last queries of an input see it.

    `farther_half`: the share of queries whose best key lies in the farther half of the input; `median`:
    tokens back.
    """
    queries = sweep.queries
    last = queries[(queries.position >= length - LAST_QUERIES) & (queries.position < length)]
    back = last.largest_distance
    return pd.Series({"farther_half": (back > length / 2).mean(), "median": back.median()})


def far_profile(sweep: Sweep) -> pd.DataFrame:
    """Mean cosine and attention over heads in the last two bins of distances of the longest input."""
    profiles = sweep.profiles[sweep.profiles.length == sweep.profiles.length.max()]
    return profiles.groupby("first")[["cosine", "attention"]].mean().iloc[-2:]


def facts(sweep: Sweep, forecast: pd.DataFrame, trained: int) -> dict[str, str]:
    """What the chapter on dispersal states of a sweep: names of `glue` and their texts.

    `forecast` holds the forecast ratios of each key head, heads × lengths.
    """
    lengths = sorted(sweep.heads.length.unique())
    found = {
        "trained": f"{trained:,}",
        "longest": f"{lengths[-1]:,}",
        "shortest": f"{lengths[0]:,}",
        "last": f"{LAST_QUERIES}",
    }
    found |= _facts_of_clouds(sweep, lengths, trained)
    found |= _facts_of_overlap(sweep, trained)
    found |= _facts_of_ratios(clusters.ratios(sweep), forecast, trained)
    found |= _facts_of_attention(sweep, lengths, trained)
    return {f"dispersal-{name}": text for name, text in found.items()}


def _facts_of_clouds(sweep: Sweep, lengths: Sequence[int], trained: int) -> dict[str, str]:
    places = {"short": lengths[0], "trained": trained, "longest": lengths[-1]}
    found: dict[str, str] = {}
    for role in ("key", "query"):
        cosine = clusters.by_head(sweep, "heads", "mean_cosine", role=role, stage="post")
        found |= {f"{role}-{place}": f"{cosine[length].mean():.2f}" for place, length in places.items()}
        found[f"{role}-share"] = f"{(cosine[lengths[-1]] < cosine[trained]).mean():.0%}"
    rank = clusters.by_head(sweep, "heads", "stable_rank", role="key", stage="post").mean()
    return found | {f"rank-{place}": f"{rank[length]:.2f}" for place, length in places.items()}


def _facts_of_overlap(sweep: Sweep, trained: int) -> dict[str, str]:
    silhouette = clusters.by_head(sweep, "pairs", "silhouette", stage="post").mean()
    lost = overlap_and_sink(sweep, trained)
    correlation, low, high = correlation_and_chance(lost)
    return {
        "silhouette-trained": f"{silhouette[trained]:.2f}",
        "silhouette-longest": f"{silhouette.iloc[-1]:.2f}",
        "correlation": minus(f"{correlation:.2f}"),
        "chance-low": minus(f"{low:.2f}"),
        "chance-high": f"{high:.2f}",
        "sink-heads": f"{len(lost)}",
    }


def _facts_of_ratios(ratio: pd.DataFrame, forecast: pd.DataFrame, trained: int) -> dict[str, str]:
    before, longest = ratio.columns[ratio.columns < trained][-1], ratio.columns[-1]
    error = (forecast[longest] - ratio[longest]).abs()
    return {
        "ratio-trained": f"{ratio[trained].mean():.2f}",
        "ratio-longest": f"{ratio[longest].mean():.2f}",
        "error": rounded_up(error.median(), 2),
        "error-correlation": f"{forecast[longest].corr(ratio[longest]):.2f}",
        "doubling-last": f"{-clusters.per_doubling(ratio, before, trained).mean():.3f}",
        "doubling-beyond": f"{-clusters.per_doubling(ratio, trained, longest).mean():.3f}",
    }


def _facts_of_attention(sweep: Sweep, lengths: Sequence[int], trained: int) -> dict[str, str]:
    longest = lengths[-1]
    sink = clusters.last_queries(sweep, "sink_attention").mean()
    top = clusters.last_queries(sweep, "top_score")
    score = top.mean()
    near, far = best_keys(sweep, trained), best_keys(sweep, longest)
    (_, before), (turn, after) = far_profile(sweep).iterrows()
    return {
        "sink-low": f"{sink.loc[:trained].min():.2f}",
        "sink-high": f"{sink.loc[:trained].max():.2f}",
        "sink-longest": f"{sink[longest]:.2f}",
        "score-short": f"{score[lengths[0]]:.1f}",
        "score-trained": f"{score[trained]:.1f}",
        "score-longest": f"{score[longest]:.1f}",
        "rising": f"{(top[longest] > top[trained]).mean():.0%}",
        "far-trained": f"{near.farther_half:.0%}",
        "far-longest": f"{far.farther_half:.0%}",
        "distance-trained": f"{near['median']:,.0f}",
        "distance-longest": f"{far['median'] / 1000:,.0f},000",
        "turn": f"{turn:,}",
        "before-turn": minus(f"{before.cosine:.2f}"),
        "after-turn": minus(f"{after.cosine:.2f}"),
        "back": f"{after.attention:.0%}",
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
