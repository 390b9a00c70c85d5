"""What each cut of paper B's chain restores of a loss, or does to it: shares of the damage between texts.

`tables` are those of `results/mechanism`: losses and heads, with columns model, text, kind (the input that is
too long: `long` or `gap`), input (that, or `within`), intervention, dose and draw. The *damage* is the loss
of the same tokens beyond the declared length less that inside. A cut beyond *restores* a share of it, one
inside *does* a share of it. `measure.mechanism` says how both are measured.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .kept import Tables
from .stats import Interval, student_interval
from .wording import minus

CASE = ["model", "kind"]
SHORT = {"SmolLM2-135M": "smollm2", "Gemma 3 270M": "gemma", "byte RoPE": "rope", "byte RoPE-ID": "rope-id"}
LEAST_DAMAGE = 0.5  # nats: a model that loses less has not failed
LEAST_SINK = 0.1  # mean attention to token 0 inside: with less there is no sink to outbid
# What is done inside the declared length; everything else is done beyond it.
INSIDE = ("sink_lowered", "sink_gone", "warmed")
RANKED = ("dispersed", "overlapping", "outbidding")  # how the heads of a dose are chosen, but at random

LABELS: Mapping[str, str] = {
    "clipped": "all distances clipped",
    "far": "all far keys lowered",
    "unmatched": "unmatched far keys lowered",
    "matched": "matched far keys lowered",
    "unmatched_removed": "unmatched far keys removed",
    "matched_removed": "matched far keys removed",
    "capped": "other scores capped (99 %)",
    "capped_at_most": "other scores capped (largest)",
    "sink_returned": "sink's attention returned, by head",
    "sink_fixed": "sink's attention returned, by query",
    "cooled": "entropy as inside",
    "sink_lowered": "sink's attention as beyond",
    "sink_gone": "sink masked",
    "warmed": "entropy as beyond",
}


def losses(tables: Tables) -> pd.DataFrame:
    """Mean loss over stretches: rows (model, kind, text), columns (input, intervention, dose, draw)."""
    where = ["input", "intervention", "dose", "draw"]
    table = tables["losses"].assign(input=lambda t: np.where(t["input"] == "within", "within", "beyond"))
    return table.pivot_table("loss", [*CASE, "text"], where, observed=True)


def damages(tables: Tables) -> pd.DataFrame:
    """Columns healthy, broken and damage, nats, by (model, kind, text)."""
    found = losses(tables)
    healthy, broken = (found[each, "unchanged", -1, 0] for each in ("within", "beyond"))
    return pd.DataFrame({"healthy": healthy, "broken": broken, "damage": broken - healthy})


def shares(tables: Tables) -> pd.DataFrame:
    """Share of the damage that each intervention restores, or inside does: (model, kind, text) × (…, draw).

    Columns are (intervention, dose, draw). 1 restores, or inside does, all of it.
    """
    found, damage = losses(tables), damages(tables)
    inside, beyond = found["within"], found["beyond"]
    done = inside.sub(damage.healthy, axis=0).div(damage.damage, axis=0)
    restored = (-beyond).add(damage.broken, axis=0).div(damage.damage, axis=0)
    both = pd.concat([done, restored], axis=1)
    return both.drop(columns="unchanged", level=0)


def sink_back(tables: Tables) -> pd.DataFrame:
    """Of the attention to token 0 that is lost beyond, the share that returns.

    (model, kind, text) × intervention. Attention is the mean over all heads that are observed.
    """
    sink = attention(tables)
    lost = sink["within", "unchanged"] - sink["beyond", "unchanged"]
    return sink["beyond"].sub(sink["beyond", "unchanged"], axis=0).div(lost, axis=0).drop(columns="unchanged")


def attention(tables: Tables, column: str = "sink_attention") -> pd.DataFrame:
    """Mean over heads of a column of the table of heads: (model, kind, text) × (input, intervention)."""
    heads = tables["heads"]
    where = np.where(heads["input"] == "within", "within", "beyond")
    return heads.assign(input=where).pivot_table(column, [*CASE, "text"], ["input", "intervention"])


def at_doses(tables: Tables) -> pd.DataFrame:
    """Share of the damage restored by clipping distances in some heads: one row for each case, text and dose.

    Columns: model, kind, text, intervention (how the heads are chosen), dose (key heads), share, the mean
    over draws.
    """
    wanted = shares(tables).stack([0, 1, 2], future_stack=True).rename("share").dropna().reset_index()
    chosen = wanted[wanted.intervention.isin([*RANKED, "random"])]
    return chosen.groupby([*CASE, "text", "intervention", "dose"], as_index=False).share.mean()


def above_random(tables: Tables, ranked: str = "dispersed") -> pd.Series:
    """What the chosen heads restore more than as many at random, mean over doses: by (model, kind, text)."""
    by_dose = at_doses(tables).pivot_table("share", [*CASE, "text", "dose"], "intervention")
    if not {ranked, "random"} <= set(by_dose):
        return pd.Series(dtype=float)
    return (by_dose[ranked] - by_dose["random"]).dropna().groupby([*CASE, "text"]).mean()


def links(tables: Tables) -> dict[str, dict[str, Any]]:
    """The numbers by which the chain is judged, by model and kind of input with two texts or more.

    For each: damage (nats), sink (mean attention to token 0 inside) and shares, an interval by name.
    """
    damage, sink = damages(tables).damage, attention(tables)["within", "unchanged"]
    restored, back = shares(tables), sink_back(tables)
    found = {}
    for case, own in restored.groupby(CASE):
        columns = {name: own[name, -1, 0] for name in LABELS if (name, -1, 0) in own}
        columns |= {"sink_back": back.loc[case, "unmatched"]} if "unmatched" in back else {}
        doses = above_random(tables)
        if case in doses.droplevel("text").index:
            columns["dispersed"] = doses.loc[case]
        between = {name: column.dropna() for name, column in columns.items()}
        if len(own) > 1:
            found[", ".join(case)] = {
                "damage": float(damage.loc[case].mean()),
                "sink": float(sink.loc[case].mean()),
                "shares": {name: student_interval(each) for name, each in between.items() if len(each) > 1},
            }
    return found


# Links of the chain, by the share that decides each.
LINKS: Mapping[str, str] = {
    "dispersed": "the most dispersed heads do more of the damage than others",
    "unmatched": "far unmatched keys do it",
    "matched": "(far matched keys do it)",
    "sink_back": "unmatched keys outbid the sink",
    "sink_returned": "the loss of the sink does harm, beyond",
    "sink_lowered": "… and inside",
    "cooled": "(attention spread over more keys does it)",
}
OF_THE_SINK = ("sink_back", "sink_returned", "sink_lowered")


def link_rows(tables: Tables, words: Mapping[str, Mapping[str, str]]) -> list[list[str]]:
    """The chain as a table: a row for each of `LINKS`, its name first, then a cell for each case that fails.

    A cell holds the share that decides the link, with its interval; "no sink" where there is none to lose.
    `words` says, by case and link, in a word whether it bears the link out.
    """
    found = {case: each for case, each in links(tables).items() if each["damage"] >= LEAST_DAMAGE}
    rows = []
    for name, link in LINKS.items():
        row = [link]
        for case, each in found.items():
            if name in OF_THE_SINK and each["sink"] < LEAST_SINK:
                row.append("no sink")
            elif name in each["shares"]:
                said = words.get(case, {}).get(name, "")
                row.append(
                    f"{said}: {interval(each['shares'][name])}" if said else interval(each["shares"][name])
                )
            else:
                row.append("–")
        rows.append(row)
    return rows


def failing(tables: Tables) -> list[str]:
    """The cases of `link_rows`, as figures name them, in its order."""
    failed = (case for case, each in links(tables).items() if each["damage"] >= LEAST_DAMAGE)
    return [named(_split(case)) for case in failed]


def summary(tables: Tables, case: tuple[str, str]) -> pd.DataFrame:
    """One row for each intervention on one (model, kind): means over texts and the interval of its share.

    Columns: share, low, high; loss, sink_attention, largest_score, entropy, silhouette. The first two rows
    are the unchanged model inside and beyond, without a share.
    """
    means = {"loss": losses(tables).loc[case].mean()}
    columns = ("sink_attention", "largest_score", "entropy", "silhouette")
    means |= {column: attention(tables, column).loc[case].mean() for column in columns}
    between = shares(tables).loc[case]
    rows = {}
    for name in ("inside", "unchanged", *LABELS):
        intervention = "unchanged" if name == "inside" else name
        where = "within" if name in ("inside", *INSIDE) else "beyond"
        if (where, intervention, -1, 0) not in means["loss"].index:
            continue
        share: Interval = (np.nan, np.nan, np.nan)
        if name in LABELS:
            share = student_interval(between[name, -1, 0])
        row = dict(zip(("share", "low", "high"), share, strict=True))
        row["loss"] = means["loss"][where, intervention, -1, 0]
        rows[name] = row | {column: means[column][where, intervention] for column in columns}
    return pd.DataFrame(rows).T


def interval(share: Interval) -> str:
    """A share and its interval in percent, as the prose writes them.

    >>> interval((0.512, -0.031, 0.9))
    '51 % (−3 to 90)'
    """
    value, low, high = (round(100 * each) for each in share)  # of integers none is −0
    return minus(f"{value} % ({low} to {high})")


def intervals(tables: Tables) -> dict[str, pd.DataFrame]:
    """`summary`'s share, low and high of every case with two texts or more, by the name of the case."""
    cases = damages(tables).groupby(CASE).size()
    return {
        named(case): summary(tables, case)[["share", "low", "high"]].dropna().astype(float)
        for case in cases[cases > 1].index
    }


def named(case: tuple[str, str]) -> str:
    """A model and a kind of input, as figures name them: the kind where it is not a gap.

    >>> named(("byte RoPE", "gap")), named(("byte RoPE", "long"))
    ('byte RoPE', 'byte RoPE, long input')
    """
    model, kind = case
    return model if kind == "gap" else f"{model}, long input"


def _split(case: str) -> tuple[str, str]:
    model, _, kind = case.rpartition(", ")
    return model, kind


# The three readings of which a chapter makes one again: input and intervention by name.
READINGS: Mapping[str, tuple[str, str]] = {
    "inside": ("within", "unchanged"),
    "beyond": ("beyond", "unchanged"),
    "unmatched lowered": ("beyond", "unmatched"),
}


def kept_loss(tables: Tables, model: str, text: str, reading: str) -> float:
    """The kept mean loss of one of `READINGS`, with a gap."""
    where, intervention = READINGS[reading]
    return float(losses(tables).loc[(model, "gap", text)][where, intervention, -1, 0])


WAYS: Mapping[str, str] = {
    "outbidding": "largest rise of scores",
    "overlapping": "most overlap",
    "dispersed": "most dispersed",
    "random": "at random",
}


def responses(tables: Tables, case: tuple[str, str]) -> pd.DataFrame:
    """Mean share of the damage restored: index dose, the share of the key heads; columns as in `WAYS`.

    All heads are the intervention `clipped`, the same in every way.
    """
    own = at_doses(tables)
    model, kind = case
    own = own[(own.model == model) & (own.kind == kind)]
    found = own.pivot_table("share", "dose", "intervention").rename(columns=WAYS)
    rows = tables["heads"]
    heads = rows[(rows.model == model) & (rows.kind == kind)][["layer", "key_head"]].drop_duplicates()
    found.loc[len(heads)] = float(shares(tables).loc[case]["clipped", -1, 0].mean())
    found.index = found.index / len(heads)
    return found[[way for way in WAYS.values() if way in found]].sort_index()


def facts(tables: Tables) -> dict[str, str]:
    """What the chapter on the mechanism states: names of `glue` and their texts."""
    found: dict[str, str] = {}
    sink, loss = attention(tables), damages(tables)
    for case, each in links(tables).items():
        model, kind = _split(case)
        short = f"{SHORT[model]}-{kind}"
        own = sink.loc[model, kind]
        found |= {
            f"{short}-texts": f"{len(own)}",
            f"{short}-healthy": f"{loss.loc[model, kind].healthy.mean():.2f}",
            f"{short}-broken": f"{loss.loc[model, kind].broken.mean():.2f}",
            f"{short}-damage": f"{each['damage']:.2f}",
            f"{short}-sink": f"{each['sink']:.3f}",
            f"{short}-sink-beyond": f"{own['beyond', 'unchanged'].mean():.3f}",
        }
        for name, share in each["shares"].items():
            found[f"{short}-{name}".replace("_", "-")] = interval(share)
        for ranked in RANKED:
            more = above_random(tables, ranked)
            if not more.empty and (model, kind) in more.droplevel("text").index:
                found[f"{short}-{ranked}-over-random"] = interval(student_interval(more.loc[model, kind]))
        for way, column in responses(tables, (model, kind)).items():
            for dose, share in column.dropna().items():
                name = f"{short}-{way}-{100 * dose:.0f}".replace(" ", "-")
                found[name] = minus(f"{round(100 * share)} %")
    return {f"mechanism-{name}": text for name, text in found.items()}
