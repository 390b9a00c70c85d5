"""Matched against unmatched pairs: what stands above the sink, within the declared length and beyond it.

`tables` are those of `results/matched` (see `measure.matched_scores`), one row for each model, text and head:

`heads`  induction and previous: for how many of the queries of a repeated random string that partner has the
         largest score of all but token 0 and the most recent keys.
`pairs`  by length, context, kind and pair: means over pairs.
`keys`   by length and context: means over queries.
`moved`  by kind and distance: means over pairs whose vectors are turned to that distance.

A head is a *match head* of a kind if its share in `heads`, averaged over the texts, is at least `STRONG`. The
share compares a partner with the other keys, never with the sink, and does not look at an angle.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from .stats import student_interval
from .wording import signed

Tables: TypeAlias = Mapping[str, pd.DataFrame]
Numbers: TypeAlias = dict[str, Any]

STRONG = 0.5
KINDS = ("induction", "previous")  # of match heads, and of pairs in natural text
HEAD = ["model", "layer", "head"]
RIGHT = (80.0, 100.0)  # degrees between which a pair counts as orthogonal; above, it is opposed
FEWEST = 4  # match heads that a model must have to be judged


def match_heads(heads: pd.DataFrame) -> pd.DataFrame:
    """The match heads: one row for each model, layer, head and kind, with its mean `share` over the texts.

    >>> table = pd.DataFrame({"model": "m", "text": ["a", "b"], "layer": 0, "head": 1})
    >>> match_heads(table.assign(induction=[0.4, 0.8], previous=0.1)).kind.tolist()
    ['induction']
    """
    means = heads.groupby(HEAD)[list(KINDS)].mean().rename_axis(columns="kind")
    shares = means.stack().rename("share").reset_index()
    return shares[shares.share >= STRONG].reset_index(drop=True)


def angles(cosines: pd.Series) -> pd.Series:
    """Cosines as angles in degrees.

    >>> angles(pd.Series([0.0, 1.0])).tolist()
    [90.0, 0.0]
    """
    return np.degrees(np.arccos(cosines.clip(-1, 1)))


def condensed(tables: Tables) -> dict[str, pd.DataFrame]:
    """The tables without what no finding needs: of induction and previous pairs those of match heads only.

    The argmax and the sink stay for every head, and so do `heads` and `keys`.

    >>> heads = pd.DataFrame({"model": "m", "text": "a", "layer": 0, "head": [0, 1]})
    >>> pairs = heads.assign(kind="induction near")
    >>> tables = {"heads": heads.assign(induction=[0.9, 0.1], previous=0.0), "pairs": pairs, "moved": pairs}
    >>> condensed(tables)["pairs"]["head"].tolist()
    [0]
    """
    match = pd.MultiIndex.from_frame(match_heads(tables["heads"])[[*HEAD, "kind"]])

    def needed(rows: pd.DataFrame) -> pd.DataFrame:
        own = pd.MultiIndex.from_frame(rows[HEAD].assign(kind=base_kind(rows.kind)))
        return rows[own.isin(match) | ~base_kind(rows.kind).isin(KINDS)].reset_index(drop=True)

    return {
        name: needed(table) if name in ("pairs", "moved") else table.reset_index(drop=True)
        for name, table in tables.items()
    }


def base_kind(kinds: pd.Series) -> pd.Series:
    """What kinds of pairs are called without "near" and "far", which tell where a planted string stands.

    >>> base_kind(pd.Series(["induction far", "argmax"])).tolist()
    ['induction', 'argmax']
    """
    return kinds.str.partition(" ")[0]


def of_match_heads(tables: Tables) -> pd.DataFrame:
    """The rows of `pairs` of natural text in heads that match by their kind, with `margin` over the sink.

    An induction head counts with induction pairs, a head of previous tokens with those; one that is both
    counts with both.
    """
    pairs = tables["pairs"].assign(margin=lambda rows: rows.score - rows.sink)
    return pairs.merge(match_heads(tables["heads"]).drop(columns="share"), on=[*HEAD, "kind"])


def last_inside(tables: Tables) -> dict[str, int]:
    """The longest measured length within the declared one, by model; a model without one is left out."""
    keys = tables["keys"]
    within = keys[keys.length <= keys.declared]
    return {name: int(length) for name, length in within.groupby("model", sort=False).length.max().items()}


def inside(tables: Tables) -> dict[str, Numbers]:
    """What B2-matched is judged by, for each model with at least `FEWEST` match heads.

    All at the longest length within the declared one, each length in its whole context. `length`, `heads`;
    `angle` and `angle_unmatched`, degrees, means over the heads; `orthogonal`, the share of heads whose mean
    angle of matched pairs lies in `RIGHT`, and `opposed`, whose mean angle of unmatched pairs lies above it;
    `margin` with its interval between texts `margin_low`, `margin_high`, and `margin_unmatched` with
    `unmatched_low`, `unmatched_high`; `above`, the share of heads with a positive margin of matched pairs,
    and `below`, with a negative one of unmatched pairs.
    """
    rows = of_match_heads(tables)
    found: dict[str, Numbers] = {}
    for name, length in last_inside(tables).items():
        own = rows[(rows.model == name) & (rows.length == length) & (rows.context == length)]
        means = own.groupby([*HEAD, "kind", "pair"])[["cosine_post", "margin"]].mean().unstack("pair")
        means = means.dropna()
        if len(means) < FEWEST:
            continue
        turned = {pair: angles(means["cosine_post"][pair]) for pair in ("matched", "unmatched")}
        numbers: Numbers = {
            "length": length,
            "heads": len(means),
            "angle": float(turned["matched"].mean()),
            "angle_unmatched": float(turned["unmatched"].mean()),
            "orthogonal": float(turned["matched"].between(*RIGHT).mean()),
            "opposed": float((turned["unmatched"] > RIGHT[1]).mean()),
            "above": float((means["margin"]["matched"] > 0).mean()),
            "below": float((means["margin"]["unmatched"] < 0).mean()),
        }
        for pair, prefix in (("matched", "margin"), ("unmatched", "unmatched")):
            mean, low, high = over_texts(own[own.pair == pair], "margin")
            numbers |= {f"{prefix}_low": low, f"{prefix}_high": high}
            numbers["margin" if pair == "matched" else "margin_unmatched"] = mean
        found[name] = numbers
    return found


def over_texts(rows: pd.DataFrame, column: str) -> tuple[float, float, float]:
    """The mean of a column over heads, and its interval between texts: (mean, low, high).

    Of a single text the interval is unknown: low and high are NaN.
    """
    means = rows.groupby("text")[column].mean().dropna()
    if len(means) < 2:
        return float(means.mean()), float("nan"), float("nan")
    return student_interval(means)


def sink_heads(tables: Tables) -> pd.DataFrame:
    """The heads whose sink outbids all unmatched keys for most queries at the longest length inside.

    One row for each model, layer and head: `wins`, the mean over texts of the share of queries whose largest
    unmatched score exceeds the sink's, below one half.
    """
    keys, lengths = tables["keys"], pd.Series(last_inside(tables), name="length")
    rows = keys[(keys.length == keys.model.map(lengths)) & (keys.context == keys.length)]
    wins = rows.groupby(HEAD).top_wins.mean().rename("wins").reset_index()
    return wins[wins.wins < 0.5].reset_index(drop=True)


def changes(tables: Tables) -> pd.DataFrame:
    """What more context changes for the same queries: one row for each head, text and length.

    From the shortest context to the whole input before those queries: `top`, of the largest unmatched score;
    `top_same`, the same over the keys that the shorter context has as well; `top_drawn`, over as many
    keys drawn from all; `sink_score`; and `unmatched_score`, of the mean.
    """
    keys = tables["keys"].set_index(["model", "text", "layer", "head", "length"])
    short, whole = keys[keys.context < keys.index.get_level_values("length")], keys
    whole = whole[whole.context == whole.index.get_level_values("length")].loc[short.index]
    columns = ["sink_score", "unmatched_score"]
    found = whole[columns] - short[columns]
    for column in ("top", "top_same", "top_drawn"):
        found[column] = whole[column] - short.top
    return found.assign(context=short.context, declared=short.declared).reset_index()


def by_head(tables: Tables) -> pd.DataFrame:
    """Angles at the longest length within the declared one, in natural text: a row for each head and pair.

    Columns are those of a match head with `pair`, `angle` in degrees, of the mean cosine over pairs and
    texts, and `margin` over the sink.
    """
    rows, lengths = of_match_heads(tables), pd.Series(last_inside(tables))
    own = rows[(rows.length == rows.model.map(lengths)) & (rows.context == rows.length)]
    means = own.groupby([*HEAD, "kind", "pair"], sort=False)[["cosine_post", "margin"]].mean().reset_index()
    return means.assign(angle=angles(means.cosine_post)).drop(columns="cosine_post")


def by_length(tables: Tables) -> pd.DataFrame:
    """Margins over the sink by length, each length in its whole context: one row for each model and kind.

    `where` is "natural", "near" or "far" (planted strings; all three in match heads) or "argmax" (all heads);
    `margin` is the mean over heads with its interval between texts `low` and `high`, NaN for a single text;
    `above` the mean share of pairs that exceed the sink, and `angle` that of the mean cosine, in degrees.
    """
    found = []
    for key, rows in _placed(tables).groupby(["model", "where", "pair", "length"], sort=False):
        mean, low, high = over_texts(rows, "margin")
        angle = float(angles(pd.Series([over_texts(rows, "cosine_post")[0]]))[0])
        found.append((*key, mean, low, high, over_texts(rows, "above")[0], angle))
    columns = ["model", "where", "pair", "length", "margin", "low", "high", "above", "angle"]
    return pd.DataFrame(found, columns=columns).sort_values(["where", "pair", "length"], kind="stable")


def gaps(tables: Tables) -> pd.DataFrame:
    """By how much matched scores exceed unmatched ones: a row for each model, `where` (`by_length`), length.

    `gap` is the mean over heads of the difference of the two means, with its interval between texts.
    """
    keys = ["model", "where", "length", "text"]
    means = _placed(tables).groupby([*keys, "pair"], sort=False).score.mean().unstack("pair")
    by_text = (means.matched - means.unmatched).rename("gap").reset_index()
    found = [
        (*key, *over_texts(rows, "gap"))
        for key, rows in by_text.groupby(["model", "where", "length"], sort=False)
    ]
    return pd.DataFrame(found, columns=["model", "where", "length", "gap", "low", "high"])


def _placed(tables: Tables) -> pd.DataFrame:
    """The rows of `pairs` of match heads, and of the argmax in all, in whole contexts: `where`, `margin`."""
    pairs = tables["pairs"]
    pairs = pairs[pairs.context == pairs.length]
    pairs = pairs.assign(margin=pairs.score - pairs.sink, base=base_kind(pairs.kind))
    match = match_heads(tables["heads"]).rename(columns={"kind": "base"})[[*HEAD, "base"]]
    own = pd.concat([pairs.merge(match, on=[*HEAD, "base"]), pairs[pairs.base == "argmax"]])
    where = own.kind.str.partition(" ")[2].where(own.base.isin(KINDS), "argmax").replace("", "natural")
    return own.assign(where=where)


def bids(tables: Tables) -> pd.DataFrame:
    """What unmatched keys and the sink bid, by length, over all heads: a row for each model, length, measure.

    Measures are `top_wins`, the share of queries whose largest unmatched score exceeds the sink's,
    `sink_attention`, `unmatched_attention` and `unmatched_score`, each length in its whole context; and the
    changes that more context makes for the same queries, `top`, `top_same`, `top_drawn` and `sink_score` (see
    `changes`). `mean` is over heads, with its interval between texts `low` and `high`, NaN for a single text.
    """
    keys = tables["keys"]
    whole = keys[keys.context == keys.length]
    parts = {
        "top_wins sink_attention unmatched_attention unmatched_score": whole,
        "top top_same top_drawn sink_score": changes(tables),
    }
    found = [
        (*key, measure, *over_texts(rows, measure))
        for measures, table in parts.items()
        for key, rows in table.groupby(["model", "length"], sort=False)
        for measure in measures.split()
    ]
    return pd.DataFrame(found, columns=["model", "length", "measure", "mean", "low", "high"])


def past_declared(tables: Tables) -> dict[str, Numbers]:
    """What happens to unmatched keys and to the sink, for each model measured beyond its declared length.

    A model none of whose heads has a sink, by `sink_heads`, is left out: nobody outbids what is not there.
    `inside` and `beyond`, the longest length within the declared one and of all, and `context`, the shortest;
    `heads`, with a sink that outbids (see `sink_heads`); `outbid`, the share of them whose `top_wins` passes
    one half beyond; `turned`, the share whose mean unmatched score is negative inside and positive beyond;
    `mean_inside`, `mean_beyond`, that score; and over the same queries, from the shortest context to all of
    it (see `changes`), `rise`, of the largest unmatched score, with its interval between texts `rise_low`,
    `rise_high`, `rise_same`, `rise_drawn` and `sink_change`; `rise_inside`, the same within the declared
    length, NaN without one.
    """
    keys, changed, sinks = tables["keys"], changes(tables), sink_heads(tables)
    found: dict[str, Numbers] = {}
    for name, last in last_inside(tables).items():
        longest = int(keys[keys.model == name].length.max())
        chosen = sinks[sinks.model == name][HEAD]
        if longest == last or not len(chosen):
            continue
        own = keys[(keys.model == name) & (keys.context == keys.length)].merge(chosen, on=HEAD)
        means = own.groupby(["length", *HEAD])[["top_wins", "unmatched_score"]].mean()
        then, now = means.loc[last], means.loc[longest]
        more = changed[(changed.model == name) & (changed.length == longest)].merge(chosen, on=HEAD)
        within = changed[(changed.model == name) & (changed.length == last)].merge(chosen, on=HEAD)
        rise, low, high = over_texts(more, "top")
        found[name] = {
            "heads": len(chosen),
            "inside": last,
            "beyond": longest,
            "context": int(more.context.min()),
            "outbid": float((now.top_wins > 0.5).mean()),
            "turned": float(((then.unmatched_score < 0) & (now.unmatched_score > 0)).mean()),
            "mean_inside": float(then.unmatched_score.mean()),
            "mean_beyond": float(now.unmatched_score.mean()),
            "rise": rise,
            "rise_low": low,
            "rise_high": high,
            "rise_same": over_texts(more, "top_same")[0],
            "rise_drawn": over_texts(more, "top_drawn")[0],
            "rise_inside": over_texts(within, "top")[0] if len(within) else float("nan"),
            "sink_change": over_texts(more, "sink_score")[0],
        }
    return found


def beyond(tables: Tables) -> dict[str, Numbers]:
    """What B8-unmatched is judged by: `past_declared`, of the models whose RoPE is plain."""
    return {name: found for name, found in past_declared(tables).items() if name != WITHOUT_SLOW_PAIRS}


def facts(tables: Tables) -> dict[str, str]:
    """What the chapter's prose states, by name: `matched-` and, where it is of one model, `SHORT` of it.

    Of each model what `inside`, `past_declared`, `by_length` and `bids` find, as far as it was
    measured; angles in degrees, intervals between texts in parentheses.
    """
    said = {
        "matched-models": str(tables["keys"].model.nunique()),
        "matched-texts": str(tables["keys"].text.nunique()),
        "matched-strong": f"{STRONG:.0%}",
    }
    last, curves, offers = last_inside(tables), by_length(tables), bids(tables)
    heads, found, apart = match_heads(tables["heads"]), inside(tables), gaps(tables)
    for name, length in last.items():
        own = {
            "texts": str(tables["keys"][tables["keys"].model == name].text.nunique()),
            "heads": str(int((heads.model == name).sum())),
            "inside": f"{length:,}",
        }
        own["sinks"] = str(int((sink_heads(tables).model == name).sum()))
        rows = tables["keys"][tables["keys"].model == name]
        longest = rows.length.max()
        own["longest"] = f"{longest:,}"
        own["longest-texts"] = str(rows[rows.length == longest].text.nunique())
        for row in curves[curves.model == name].itertuples():
            place = f"{row.where}-{row.pair}-{row.length}"
            own[place] = _with_interval(row.margin, row.low, row.high)
            own |= {f"{place}-above": f"{row.above:.0%}", f"{place}-angle": f"{row.angle:.0f}°"}
        for row in apart[apart.model == name].itertuples():
            own[f"gap-{row.where}-{row.length}"] = _with_interval(row.gap, row.low, row.high)
        for row in offers[offers.model == name].itertuples():
            digits = "percent" if row.measure in SHARES else "score"
            own[f"{row.measure}-{row.length}"] = _as(digits, row.mean)
        own |= {key: _said(key, value) for key, value in found.get(name, {}).items() if key in _SAID}
        said |= {f"matched-{SHORT[name]}-{key}": value for key, value in own.items()}
    for name, numbers in past_declared(tables).items():
        interval = _with_interval(numbers["rise"], numbers["rise_low"], numbers["rise_high"])
        own = {key: _said(key, value) for key, value in numbers.items() if key in _SAID} | {"rise": interval}
        own |= {"beyond": f"{numbers['beyond']:,}"}
        said |= {f"matched-{SHORT[name]}-{key}": value for key, value in own.items()}
    return said


# The models in the names of facts.
SHORT = {"SmolLM2-135M": "smollm2", "Gemma 3 270M": "gemma", "byte RoPE": "rope", "byte RoPE-ID": "rope-id"}
SHARES = ("top_wins", "sink_attention", "unmatched_attention")  # of the measures of `bids`
# The model of `measure.subjects` that is built not to overlap: the claim about plain RoPE is not about it.
WITHOUT_SLOW_PAIRS = "byte RoPE-ID"
_SAID = {
    **dict.fromkeys(("angle", "angle_unmatched"), "degrees"),
    **dict.fromkeys(("orthogonal", "opposed", "above", "below", "outbid", "turned"), "percent"),
    **dict.fromkeys(("mean_inside", "mean_beyond", "rise_same", "rise_drawn"), "score"),
    **dict.fromkeys(("rise_inside", "sink_change"), "score"),
}


def _said(key: str, value: float) -> str:
    return _as(_SAID[key], value)


def _as(kind: str, value: float) -> str:
    return {"degrees": f"{value:.0f}°", "percent": f"{value:.0%}", "score": signed(value, 1)}[kind]


def _with_interval(mean: float, low: float, high: float) -> str:
    if np.isnan(low):
        return signed(mean, 1)
    return f"{signed(mean, 1)} ({signed(low, 1)} to {signed(high, 1)})"
