"""The claims of paper B about heads, in numbers for each model and text: the parts by which they are judged.

`tables` are those of the result `geometry`: the tables of a `measure.tables.Sweep` with columns `model` and
`text`, and `window` in `heads`, the tokens that a query of that layer sees, NaN where it sees all. A table of
*parts* has a row for each (model, text) and a column for each part; the larger a part, the more it speaks for
the claim. Rows of a model that was not measured beyond its declared length are NaN where that is needed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pandas as pd

from rope_lib.measure.subjects import declared_length
from rope_lib.measure.tables import Sweep

from . import clusters
from .kept import Tables, kept
from .stats import student_interval

Key: TypeAlias = tuple[str, str]  # a model and a text
Parts: TypeAlias = Mapping[str, float]

# The model whose spectrum is made not to disperse: what paper B says of RoPE is not said of it.
CONTROL = "byte RoPE-ID"
SIBLING = "byte RoPE"  # the same model with RoPE's spectrum


@dataclass(frozen=True)
class Observed:
    """The sweep of one model on one text, and its lengths up to the declared one and beyond, ascending.

    Tables that are not kept are empty.
    """

    sweep: Sweep
    inside: tuple[int, ...]
    beyond: tuple[int, ...]

    @property
    def declared(self) -> int:
        """The declared length, or the longest measured where the model declares more, in tokens."""
        return self.inside[-1]


def kept_geometry() -> dict[str, pd.DataFrame]:
    """The tables of the result `geometry`, by name. Raises FileNotFoundError where it is not kept."""
    return kept("geometry")[0]


def observations(tables: Tables) -> Iterator[tuple[Key, Observed]]:
    """What was measured of each model on each text, in the order of the tables."""
    split = {name: dict(iter(table.groupby(["model", "text"], sort=False))) for name, table in tables.items()}
    nothing = pd.DataFrame()
    for key, heads in split["heads"].items():
        lengths = sorted(int(length) for length in heads.length.unique())
        declared = declared_length(key[0])
        sweep = Sweep(**{each.name: split.get(each.name, {}).get(key, nothing) for each in fields(Sweep)})
        inside, beyond = ([n for n in lengths if (n <= declared) == within] for within in (True, False))
        yield key, Observed(sweep, tuple(inside), tuple(beyond))


def without_windows(seen: Observed) -> Observed:
    """The same, of the layers alone whose queries see every token before them."""
    return _of_layers(seen, _full_layers(seen))


def with_windows(seen: Observed) -> Observed:
    """The same, of the layers alone whose queries see a window of the last tokens."""
    return _of_layers(seen, set(seen.sweep.heads.layer) - _full_layers(seen))


def _full_layers(seen: Observed) -> set[int]:
    return set(seen.sweep.heads.layer[seen.sweep.heads.window.isna()])


def _of_layers(seen: Observed, layers: set[int]) -> Observed:
    of_layers = {
        name: table[table.layer.isin(layers)] if "layer" in table else table
        for name, table in seen.sweep.tables().items()
    }
    return replace(seen, sweep=Sweep(**of_layers))


def parts(tables: Tables, of: Callable[[Observed], Parts]) -> pd.DataFrame:
    """A table of the parts that `of` finds, for each model and text: see the module."""
    rows = {key: dict(of(seen)) for key, seen in observations(tables)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["model", "text"])


def between_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Means over the texts of each model and 95 % intervals between them, by Student's t.

    `table` has an index with the level `text`, and a column for each quantity. The result has a row for each
    quantity of what the other levels name: index (those levels, quantity), columns mean, low and high. Texts
    on which a quantity is NaN do not count for it; with fewer than two it has no row.

    >>> index = pd.MultiIndex.from_product([["one"], ["a", "b"]], names=["model", "text"])
    >>> between_texts(pd.DataFrame({"tight": [0.4, 0.6]}, index)).round(2).loc[("one", "tight")].tolist()
    [0.5, -0.77, 1.77]
    """
    levels = [name for name in table.index.names if name != "text"]
    long = table.rename_axis(columns="quantity").stack().dropna()
    rows = {
        key: student_interval(values)
        for key, values in long.groupby([*levels, "quantity"], sort=False)
        if len(values) > 1
    }
    index = pd.MultiIndex.from_tuples(list(rows), names=[*levels, "quantity"])
    return pd.DataFrame(list(rows.values()), index, columns=["mean", "low", "high"])


def part_numbers(table: pd.DataFrame) -> dict[str, object]:
    """Means over texts and 95 % intervals between them: the numbers of a claim that is judged by model.

    >>> index = pd.MultiIndex.from_product([["one"], ["a", "b"]], names=["model", "text"])
    >>> found = part_numbers(pd.DataFrame({"tight": [0.5, 0.5]}, index))
    >>> found["texts"], found["models"]
    (2, {'one': {'tight': {'mean': 0.5, 'low': 0.5, 'high': 0.5}}})
    """
    models: dict[str, dict[str, dict[str, float]]] = {name: {} for name in table.index.unique("model")}
    for (model, part), row in between_texts(table).iterrows():
        models[model][part] = row.to_dict()
    return {"texts": table.index.get_level_values("text").nunique(), "models": models}


# B1 and B2, at the declared length


def cluster_parts(tables: Tables) -> pd.DataFrame:
    """The parts of B1: shares of the pairs, before the rotation if not said otherwise.

    tight, mean cosines above 0.5 among keys and among queries; separated, silhouette above 0.5; explained,
    the mean share of the variance along the first component; opposed_before and opposed_after, mean cosine
    between keys and queries below 0.
    """
    return parts(tables, _of_clusters)


def _of_clusters(seen: Observed) -> Parts:
    before, after = (clusters.pairs(seen.sweep, seen.declared, stage) for stage in ("pre", "post"))
    return {
        "tight": float((before[["within_key", "within_query"]].min(axis=1) > 0.5).mean()),
        "separated": float((before.silhouette > 0.5).mean()),
        "explained": float(before[["explained_key", "explained_query"]].mean().mean()),
        "opposed_before": float((before.cosine < 0).mean()),
        "opposed_after": float((after.cosine < 0).mean()),
    }


def sink_parts(tables: Tables) -> pd.DataFrame:
    """The parts of B2, of layers without a window: shares of key heads, of pairs and of the last queries.

    short, the norm of token 0's key below half the mean of the others; sink_heads, token 0 has the largest
    score for most queries; first_or_recent, the share of the queries for which it or a recent token has.
    """
    return parts(tables, _of_sink)


def _of_sink(seen: Observed) -> Parts:
    table = clusters.sinks(without_windows(seen).sweep, seen.declared)
    return {
        "short": float((table.drop_duplicates(["layer", "key_head"]).norm_ratio < 0.5).mean()),
        "sink_heads": float((table.first_wins > 0.5).mean()),
        "first_or_recent": float((table.first_wins + table.recent_wins).mean()),
    }


# B3, B7 and B8, from the declared length to the longest


def of_rope(tables: Tables, of: Callable[[Observed], Parts]) -> pd.DataFrame:
    """`parts` of the layers without a window of the models with RoPE's spectrum, if measured beyond."""

    def found(seen: Observed) -> Parts:
        return of(without_windows(seen)) if seen.beyond else {}

    table = parts(tables, found)
    return table[table.index.get_level_values("model") != CONTROL]


def dispersal_parts(tables: Tables) -> pd.DataFrame:
    """The parts of B3, after the rotation if not said otherwise.

    keys, queries and silhouette: the shares of heads in which the mean cosine among keys, that among queries
    and the silhouette of the two fall from the declared length to the longest; by_rotation, by how much the
    mean of each falls, less twice its change before the rotation; faster, its fall per doubling beyond the
    declared length less that within. Of the last two the least of the three measures.
    """
    return of_rope(tables, _of_dispersal)


def _of_dispersal(seen: Observed) -> Parts:
    found: dict[str, float] = {}
    excess, faster = [], []
    for name, table, column, where in (
        ("keys", "heads", "mean_cosine", {"role": "key"}),
        ("queries", "heads", "mean_cosine", {"role": "query"}),
        ("silhouette", "pairs", "silhouette", {}),
    ):
        values = clusters.before_and_after(seen.sweep, table, column, **where)
        first, last, longest = seen.inside[0], seen.declared, seen.beyond[-1]
        change = {stage: (each[longest] - each[last]).mean() for stage, each in values.items()}
        after = values["post"]
        found[name] = float((after[longest] < after[last]).mean())
        excess.append(-change["post"] - 2 * abs(change["pre"]))
        within, beyond = (
            clusters.per_doubling(after, *span).mean() for span in ((first, last), (last, longest))
        )
        faster.append(within - beyond)
    return found | {"by_rotation": float(min(excess)), "faster": float(min(faster))}


def trend_parts(tables: Tables) -> pd.DataFrame:
    """The parts of B7, of the means over key heads of the ratio of first singular values and the stable rank.

    falls and rises, the least fall of the ratio and the least rise of the rank after the rotation from one
    length to the next; by_doubling and by_token, the ratio's fall per doubling, and per 1,000 tokens, from
    the declared length to the longest, less that in the last step up to the declared length.
    """
    return of_rope(tables, _of_trends)


def _of_trends(seen: Observed) -> Parts:
    ratio = clusters.ratios(seen.sweep).mean()
    rank = clusters.by_head(seen.sweep, "heads", "stable_rank", role="key", stage="post").mean()
    inside, beyond = (seen.inside[-2], seen.declared), (seen.declared, seen.beyond[-1])
    fall = {span: ratio[span[0]] - ratio[span[1]] for span in (inside, beyond)}
    by_doubling, by_token = (
        {span: fall[span] / width(*span) for span in fall}
        for width in (lambda a, b: np.log2(b / a), lambda a, b: (b - a) / 1_000)
    )
    return {
        "falls": float(-ratio.diff().max()),
        "rises": float(rank.diff().min()),
        "by_doubling": float(by_doubling[beyond] - by_doubling[inside]),
        "by_token": float(by_token[beyond] - by_token[inside]),
    }


def attention_parts(tables: Tables) -> pd.DataFrame:
    """The parts of B8, of means over pairs and the last queries of a length.

    steady, the least over the largest attention to token 0 up to the declared length; falls, its least fall
    from one length to the next from there on; lost, the share of it that is lost at the longest; score_within
    and score_beyond, the largest score at the declared length over that on the shortest input, and at the
    longest over that at the declared length.
    """
    return of_rope(tables, _of_attention)


def _of_attention(seen: Observed) -> Parts:
    attention, score = (
        clusters.last_queries(seen.sweep, column).mean() for column in ("sink_attention", "top_score")
    )
    inside, longest = attention[list(seen.inside)], seen.beyond[-1]
    beyond = [attention[a] - attention[b] for a, b in pairwise([seen.declared, *seen.beyond])]
    return {
        "steady": float(inside.min() / inside.max()),
        "falls": float(min(beyond)),
        "lost": float(1 - attention[longest] / attention[seen.declared]),
        "score_within": _times(score[seen.inside[0]], score[seen.declared]),
        "score_beyond": _times(score[seen.declared], score[longest]),
    }


# B9: what the spectrum that meets both criteria spares a model

EXTRAPOLATES = 0.1  # nats: a model that extrapolates to a length loses at most so much there


def extrapolation_parts(tables: Tables, losses: pd.DataFrame) -> pd.DataFrame:
    """The parts of B9's consequence, of `CONTROL` beside the same model with RoPE, beyond the trained length.

    `losses` is the table of the result `same_bytes`: model, text, context and nll, the mean loss of the same
    tokens with so many tokens of context, the shortest context the trained length. A model's rise is its loss
    with the longest context less that with the shortest. meeting_kept, 0.1 nats less the control's rise;
    other_lost, RoPE's rise less 0.1 nats; spared, the share of RoPE's rise that the control is spared;
    settled, how much more the ratio of first singular values falls from the trained length to the longest
    with RoPE than with the control.
    """
    by_context = losses.pivot(index=["model", "text"], columns="context", values="nll").sort_index(axis=1)
    rise = (by_context.iloc[:, -1] - by_context.iloc[:, 0]).unstack("text")
    fall = pd.Series({key: _fall_of_ratio(seen) for key, seen in observations(tables) if seen.beyond})
    fall = fall.unstack()[rise.columns]
    found = pd.DataFrame(
        {
            "meeting_kept": EXTRAPOLATES - rise.loc[CONTROL],
            "other_lost": rise.loc[SIBLING] - EXTRAPOLATES,
            "spared": 1 - rise.loc[CONTROL] / rise.loc[SIBLING],
            "settled": fall.loc[SIBLING] - fall.loc[CONTROL],
        }
    )
    return pd.concat({CONTROL: found}, names=["model", "text"])


def _fall_of_ratio(seen: Observed) -> float:
    ratio = clusters.ratios(seen.sweep).mean()
    return float(ratio[seen.declared] - ratio[seen.beyond[-1]])


def _times(earlier: float, later: float) -> float:
    """How many times the earlier number the later is; a rise from a number below 0 counts by its size."""
    return float(1 + (later - earlier) / abs(earlier))
