"""Paper B's figures of heads, for every model: means over texts, and intervals between them.

`tables` are those of the result `geometry` (see `by_text`). At the declared length a model that declares more
than was measured stands at its longest input. Layers with a window are told apart from full ones throughout:
their queries do not see token 0 of a long input.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from rope_lib.measure.tables import Sweep

from . import clusters
from .by_text import Observed, between_texts, observations, parts, with_windows, without_windows
from .kept import Tables
from .wording import with_interval

FULL, WINDOWED = "full", "window"  # kinds of layers

# Paper B's Figure 1 as tests of a head, a row of `heads_at_declared`. Tight: the mean cosine of two keys, and
# of two queries, before the rotation. Opposed: the mean cosine of a key and a query. Near the origin: the
# norm of token 0's key over the mean of the others.
LOOKS: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {
    "both clusters tight": lambda heads: heads[["within_key", "within_query"]].min(axis=1) > 0.5,
    "sink's key near the origin": lambda heads: heads.norm_ratio < 0.5,
    "opposed before rotation": lambda heads: heads.cosine < 0,
    "opposed after rotation": lambda heads: heads.cosine_after < 0,
}
WHOLE = "all of it, opposed after"  # the picture, at the stage at which more heads show it
WHOLE_BEFORE = "all of it, opposed before"


def heads_at_declared(seen: Observed) -> pd.DataFrame:
    """One row for each pair of a query head with its key head, at the declared length.

    Columns: those of `clusters.pairs` before the rotation and of `clusters.sinks`; within_key_after,
    within_query_after, cosine_after, explained_key_after and explained_query_after; kind, of the layer.
    """
    on = ["layer", "head", "key_head"]
    before, after = (clusters.pairs(seen.sweep, seen.declared, stage) for stage in ("pre", "post"))
    columns = ["within_key", "within_query", "cosine", "explained_key", "explained_query"]
    later = after[on + columns].rename(columns={name: f"{name}_after" for name in columns})
    table = before.merge(later, on=on).merge(clusters.sinks(seen.sweep, seen.declared), on=on)
    full = without_windows(seen).sweep.heads.layer.unique()
    return table.assign(kind=np.where(table.layer.isin(full), FULL, WINDOWED))


def every_head(tables: Tables) -> pd.DataFrame:
    """`heads_at_declared` of every model and text, with columns model and text in front."""
    found = []
    for (model, text), seen in observations(tables):
        own = heads_at_declared(seen)
        own.insert(0, "text", text)
        own.insert(0, "model", model)
        found.append(own)
    return pd.concat(found, ignore_index=True)


def looks(heads: pd.DataFrame) -> pd.DataFrame:
    """How many heads look like Figure 1: the share of each model's pairs that pass each test of `LOOKS`.

    `heads` is `every_head`. Rows (model, quantity): a test, or all of them; columns mean, low and high.
    """
    passed = pd.DataFrame({name: test(heads) for name, test in LOOKS.items()})
    tight, near, before, after = (passed[name] for name in LOOKS)
    passed = passed.assign(**{WHOLE_BEFORE: tight & near & before, WHOLE: tight & near & after})
    shares = passed.groupby([heads.model, heads.text], sort=False).mean()
    return between_texts(shares)


# Columns of `every_head` before and after the rotation, by what their cosines are between.
WITHIN = {
    "keys": ("within_key", "within_key_after"),
    "queries": ("within_query", "within_query_after"),
    "between": ("cosine", "cosine_after"),
}


def angles(heads: pd.DataFrame) -> pd.DataFrame:
    """The mean angle of two keys, of two queries, and of a key and a query, by layer, in degrees.

    `heads` is `every_head`. A head's angle is that whose cosine is the mean cosine of its pairs of vectors.
    Rows (model, kind, layer, stage, quantity), the quantity one of `WITHIN`; columns mean, low and high.
    """
    found = {}
    for place, stage in enumerate(("pre", "post")):
        cosines = heads[[columns[place] for columns in WITHIN.values()]].set_axis(list(WITHIN), axis=1)
        where = [heads[name] for name in ("model", "text", "kind", "layer")]
        found[stage] = np.degrees(np.arccos(cosines.clip(-1, 1))).groupby(where, sort=False).mean()
    table = pd.concat(found, names=["stage"]).reorder_levels(["model", "text", "kind", "layer", "stage"])
    return between_texts(table)


def explained(heads: pd.DataFrame) -> pd.DataFrame:
    """The share of a head's variance about the origin along its first component, a mean over the texts.

    `heads` is `every_head`. Columns: model, kind, role, layer, head, before and after the rotation.
    """
    found = []
    for role, head in (("key", "key_head"), ("query", "head")):
        own = heads.groupby(["model", "kind", "layer", head], sort=False)
        means = own[[f"explained_{role}", f"explained_{role}_after"]].mean()
        means.columns = pd.Index(["before", "after"])
        found.append(means.rename_axis(index={head: "head"}).reset_index().assign(role=role))
    return pd.concat(found, ignore_index=True)


def norm_ratios(heads: pd.DataFrame) -> pd.DataFrame:
    """The norm of token 0's key over the mean of the others: a row for each key head, the mean over texts.

    `heads` is `every_head`. Columns: model, kind, layer, key_head, norm_ratio.
    """
    keys = ["model", "kind", "layer", "key_head"]
    return heads.groupby(keys, sort=False).norm_ratio.mean().reset_index()


def scores_over_sink(tables: Tables) -> pd.DataFrame:
    """By how much the last queries score keys higher than token 0's, by distance: full layers.

    A row for each pair, distance and model, the mean over texts. Columns: model, layer, head, first (tokens
    back, the first of a bin), excess (mean score of the bin less that of token 0).
    """
    found = []
    for (model, text), seen in observations(tables):
        profiles = without_windows(seen).sweep.profiles
        own = profiles[profiles.length == seen.declared].set_index(["layer", "head"])
        sink = own[own["first"] < 0].score
        others = own[own["first"] >= 0]
        excess = others.score - sink.reindex(others.index)
        found.append(others[["first"]].assign(excess=excess.to_numpy(), model=model, text=text).reset_index())
    keys = ["model", "layer", "head", "first"]
    return pd.concat(found).groupby(keys, sort=False).excess.mean().reset_index()


def sink_parts(seen: Observed) -> dict[str, float]:
    """What distinguishes token 0's key in the layers of one `Observed`, at the declared length.

    norm_ratio, its norm over the mean of the others, median of the key heads; cosine and cosine_others, its
    mean cosine and that of the others with the last queries; score and largest, its mean score and that of
    the best other key; wins, the share of the queries that score it highest; attention, what they give it.
    """
    length = seen.declared
    table = clusters.sinks(seen.sweep, length)
    profiles = seen.sweep.profiles[seen.sweep.profiles.length == length]
    tokens = profiles["last"] - profiles["first"] + 1
    others = profiles["first"] >= 0
    weighted = (profiles.cosine * tokens)[others].sum() / tokens[others & profiles.cosine.notna()].sum()
    own = profiles[~others]
    largest = clusters.last_queries(seen.sweep, "largest_score")[length]
    return {
        "norm_ratio": float(table.drop_duplicates(["layer", "key_head"]).norm_ratio.median()),
        "cosine": float(own.cosine.mean()),
        "cosine_others": float(weighted),
        "score": float(own.score.mean()),
        "largest": float(largest.mean()),
        "wins": float(table.first_wins.mean()),
        "attention": float(table.sink_attention.mean()),
    }


def sink_of_full_layers(tables: Tables) -> pd.DataFrame:
    """`sink_parts` of the full layers of each model: rows (model, quantity); columns mean, low and high."""
    return between_texts(parts(tables, lambda seen: sink_parts(without_windows(seen))))


def attention_by_length(tables: Tables) -> pd.DataFrame:
    """Attention to token 0, and the largest score, of the last queries by length and kind of layer.

    Rows (model, kind, length, quantity), the quantity sink_attention or top_score, a mean over pairs; columns
    mean, low and high.
    """
    found = {}
    for (model, text), seen in observations(tables):
        for kind, of_kind in ((FULL, without_windows), (WINDOWED, with_windows)):
            own = of_kind(seen)
            if not own.sweep.heads.empty:
                means = {
                    name: clusters.last_queries(own.sweep, name).mean()
                    for name in ("sink_attention", "top_score")
                }
                found[model, kind, text] = pd.DataFrame(means)
    return between_texts(pd.concat(found, names=["model", "kind", "text", "length"]))


def geometry_by_length(tables: Tables) -> pd.DataFrame:
    """Angles, ratio and stable rank by length and kind of layer, each a mean over the heads.

    Rows (model, kind, length, quantity); columns mean, low and high. The quantity is keys, queries or
    between, the angle after the rotation whose cosine is a head's mean cosine, in degrees; ratio, that of the
    keys' first singular values after the rotation and before; or stable_rank, of the keys after it.
    """
    found = {}
    for (model, text), seen in observations(tables):
        for kind, of_kind in ((FULL, without_windows), (WINDOWED, with_windows)):
            sweep = of_kind(seen).sweep
            if sweep.heads.empty:
                continue
            keys, queries = (
                clusters.by_head(sweep, "heads", "mean_cosine", role=role, stage="post")
                for role in ("key", "query")
            )
            between = clusters.by_head(sweep, "pairs", "cosine", stage="post")
            cosines = {"keys": keys, "queries": queries, "between": between}
            means = {name: np.degrees(np.arccos(table.clip(-1, 1))).mean() for name, table in cosines.items()}
            means["ratio"] = clusters.ratios(sweep).mean()
            means["stable_rank"] = clusters.by_head(
                sweep, "heads", "stable_rank", role="key", stage="post"
            ).mean()
            found[model, kind, text] = pd.DataFrame(means)
    return between_texts(pd.concat(found, names=["model", "kind", "text", "length"]))


def median_head(sweep: Sweep, length: int) -> tuple[int, int]:
    """The layer and key head whose keys have the middle stable rank after the rotation, at one length."""
    ranks = clusters.by_head(sweep, "heads", "stable_rank", role="key", stage="post")[length].sort_values()
    layer, head = ranks.index[len(ranks) // 2]
    return int(layer), int(head)


# What the chapter states

# Names of models in those of `glue`.
SLUGS = {"SmolLM2-135M": "smollm2", "Gemma 3 270M": "gemma", "byte RoPE": "rope", "byte RoPE-ID": "rope-id"}

_LOOKS = {
    "tight": "both clusters tight",
    "near": "sink's key near the origin",
    "opposed-before": "opposed before rotation",
    "opposed-after": "opposed after rotation",
    "whole": WHOLE,
}
_SINK = {
    "norm": ("norm_ratio", ".2f"),
    "cosine": ("cosine", ".2f"),
    "cosine-others": ("cosine_others", ".2f"),
    "score": ("score", ".1f"),
    "largest": ("largest", ".1f"),
    "wins": ("wins", ".0%"),
    "attention": ("attention", ".2f"),
}


def facts(tables: Tables) -> dict[str, str]:
    """What the chapter on clusters and sinks states of every model: names of `glue` and their texts.

    Each number is a mean over texts with its 95 % interval between them.
    """
    heads = every_head(tables)
    seen = looks(heads)
    sink = sink_of_full_layers(tables)
    variance = between_texts(
        heads.groupby(["model", "text"], sort=False)[["explained_key", "explained_query"]].mean()
    )
    models = list(heads.model.unique())
    found = {"texts": f"{heads.text.nunique()}", "models": f"{len(models)}"}
    for model in models:
        slug = SLUGS[model]
        found[f"{slug}-heads"] = f"{len(heads[heads.model == model].drop_duplicates(['layer', 'head']))}"
        found |= {
            f"{slug}-{name}": with_interval(seen.loc[(model, test)], ".0%") for name, test in _LOOKS.items()
        }
        found |= {
            f"{slug}-{name}": with_interval(sink.loc[(model, quantity)], form)
            for name, (quantity, form) in _SINK.items()
        }
        for role in ("key", "query"):
            found[f"{slug}-explained-{role}"] = with_interval(
                variance.loc[(model, f"explained_{role}")], ".0%"
            )
    return {f"clusters-{name}": said for name, said in found.items()}
