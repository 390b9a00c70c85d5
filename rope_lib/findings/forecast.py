"""The forecast of dispersal from a short input (`measure.forecast`), scored against long inputs.

The rule was written before any such forecast was scored. It is the book's own; no paper states it.

What is forecast is the stable rank of all keys of a key head on an input `TIMES` times as long as the one
that was read: 16,384 tokens from 1,024, and for models that read bytes and declare 256 of them 4,096 from
256. The short input is the beginning of the long one. Layers with a window count apart, and their cloud too
is that of all keys, though no query sees all of it. The error is |forecast - measured| / measured. Two
rivals know as much as the forecast: that nothing changes, and that the stable rank goes on as it grew over
the last doubling of the short input, by as much per doubling.

Gemma 3 270M was measured to 8,192 tokens only, and is forecast from 512. The rule does not name these
lengths: its forecast is an addition (`ADDED`), scored in the same way and part of no verdict.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rope_lib.measure.tables import Sweep

from . import stats
from .wording import minus

FORECAST, RIVALS = "forecast", ("no change", "trend")
TIMES = 16  # the long input over the short one
LARGEST = 0.15  # median error over the heads of a model that the forecast may make
ADDED = ("Gemma 3 270M",)  # outside the rule, which names other lengths

INDEX = ["model", "text", "length", "layer", "head"]

HOLDS, IN_PART, REFUTED = "holds", "holds in part", "refuted"


def verdict(errors: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """What the errors say of the forecast, one of "holds", "holds in part" and "refuted", and the intervals.

    `errors` has a row for each model, kind of layers ("full", or "window" for those that see a window) and
    text, and columns forecast, no change and trend: medians of the relative error over heads. Intervals are
    Student's, 95 %, between texts. The forecast holds if for every model and kind of layers the upper end of
    its error is at most `LARGEST` and its error is below that of both rivals, paired by text, by more than
    the interval of the difference. It is refuted if the lower end of its error exceeds `LARGEST` for any of
    them. Else it holds in part.

    The second value has a row for each (model, layers): error, low, high; and for each rival the difference
    forecast - rival, as "less than NAME" with its upper end, "NAME, high".

    >>> rows = [("a", "full", f"text {n}", 0.05 + n / 100, 0.4, 0.3) for n in range(5)]
    >>> columns = ["model", "layers", "text", "forecast", "no change", "trend"]
    >>> verdict(pd.DataFrame(rows, columns=columns))[0]
    'holds'
    """
    rows = {where: _interval_row(part) for where, part in errors.groupby(["model", "layers"], sort=False)}
    intervals = pd.DataFrame.from_dict(rows, orient="index").rename_axis(["model", "layers"])
    return decided(intervals), intervals


def decided(intervals: pd.DataFrame) -> str:
    """The first value of `verdict`, from the second.

    >>> row = {"low": 0.02, "high": 0.04, "no change, high": -0.2, "trend, high": -0.1}
    >>> decided(pd.DataFrame([row])), decided(pd.DataFrame([row | {"trend, high": 0.01}]))
    ('holds', 'holds in part')
    """
    if (intervals.low > LARGEST).any():
        return REFUTED
    below = all((intervals[f"{rival}, high"] < 0).all() for rival in RIVALS)
    return HOLDS if below and (intervals.high <= LARGEST).all() else IN_PART


def _interval_row(part: pd.DataFrame) -> Mapping[str, float]:
    error, low, high = stats.student_interval(part[FORECAST])
    found = {"error": error, "low": low, "high": high}
    for rival in RIVALS:
        difference, _, upper = stats.student_interval(part[FORECAST] - part[rival])
        found |= {f"less than {rival}": difference, f"{rival}, high": upper}
    return found


def measured_keys(heads: pd.DataFrame) -> pd.DataFrame:
    """The keys of long inputs as the forecast has them, from a table of `Sweep.heads` of several models.

    `heads` has the columns model and text before those of `measure.tables.Sweep.heads`. A row for each
    (model, text, length, layer, head): stable_rank, mean_cosine and fsv_ratio after the rotation, and
    rank_before, the stable rank before it.
    """
    keys = heads[heads.role == "key"].set_index(INDEX)
    before, after = (keys[keys.stage == stage] for stage in ("pre", "post"))
    ratio = after.first_singular_value / before.first_singular_value
    found = after[["stable_rank", "mean_cosine"]].assign(fsv_ratio=ratio, rank_before=before.stable_rank)
    return found.reset_index()


def measured_far(keys: pd.DataFrame, model: str, text: str) -> pd.DataFrame:
    """As `measured_keys`, from the keys of one model on one text that `measure.tables.trial_tables` makes."""
    ratio = keys.first_singular_value / keys.first_singular_value_pre
    # The rotation keeps the sum of all squares, which is the stable rank times the first one.
    found = keys.assign(model=model, text=text, fsv_ratio=ratio, rank_before=keys.stable_rank * ratio**2)
    return found[[*INDEX, "stable_rank", "mean_cosine", "fsv_ratio", "rank_before"]]


def scored(forecasts: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Forecasts beside what was measured: a row for each of them whose length was measured.

    `forecasts` are the kept keys of `forecast`, from one or several lengths of the short input; `measured` is
    as `measured_keys` makes it. Columns: read, the tokens of the short input; window; layers, "full" or
    "window"; measured, forecast, no change and trend, stable ranks; fsv_ratio and mean_cosine with
    `_measured`; rank_before, and drift, by how much of itself the stable rank before the rotation has grown
    since the short input.
    """
    both = forecasts.merge(measured, on=INDEX, suffixes=("", "_measured"), validate="many_to_one")
    doublings = np.log2(both.length / both.read)
    short = both.stable_rank_now * both.fsv_ratio_now**2
    return both.assign(
        layers=np.where(both.window.isna(), "full", "window"),
        measured=both.stable_rank_measured,
        forecast=both.stable_rank,
        drift=both.rank_before / short - 1,
        **{
            "no change": both.stable_rank_now,
            "trend": both.stable_rank_now + doublings * (both.stable_rank_now - both.stable_rank_half),
        },
    )


def relative_errors(table: pd.DataFrame) -> pd.DataFrame:
    """Medians over heads of the relative error of the stable rank, by model, layers, text and length.

    `table` is `scored`; a column for the forecast and each rival.
    """
    rules = [FORECAST, *RIVALS]
    errors = (table[rules].div(table.measured, axis=0) - 1).abs()
    where = ["model", "layers", "text", "length"]
    return pd.concat([table[[*where, "read"]], errors], axis=1).groupby([*where, "read"], sort=False).median()


def sixteenfold(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `scored` that forecast `TIMES` times the length: of each model the longest such input."""
    there = table[table.length == TIMES * table.read]
    return there[there.length == there.groupby("model").length.transform("max")]


def of_the_rule(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `sixteenfold` that the rule names: all but those of the models `ADDED`."""
    rows = sixteenfold(table)
    return rows[~rows.model.isin(ADDED)]


def errors_by_text(rows: pd.DataFrame) -> pd.DataFrame:
    """`relative_errors` of `sixteenfold` or of a part of it, as `verdict` takes them."""
    return relative_errors(rows).reset_index().drop(columns=["length", "read"])


def by_layer(keys: pd.DataFrame, length: int) -> pd.DataFrame:
    """Means over the key heads of each layer on an input of `length` tokens, of the keys that a query sees.

    `keys` is that table of a `measure.forecast.Forecast`, with rows at `length` and at every window below
    it: of a layer with a window these are the ones that count. A row for each layer: window, keys (how many
    of them a query sees at most), and the measures, each with the column of `_now`.

    >>> keys = pd.DataFrame({"layer": [0, 0, 1], "head": 0, "length": [8, 4, 8], "window": [4.0, 4.0, None]})
    >>> by_layer(keys.assign(stable_rank=[3.0, 2.0, 5.0]), 8)[["keys", "stable_rank"]].values.tolist()
    [[4.0, 2.0], [8.0, 5.0]]
    """
    seen = keys.window.fillna(length).clip(upper=length)
    rows = keys[keys.length == seen].drop(columns="head").rename(columns={"length": "keys"})
    return rows.groupby("layer").mean()


def typical_head(sweep: Sweep, short: int, long: int) -> pd.DataFrame:
    """The clouds of the key head whose stable rank at `long` is nearest the median over a model's key heads.

    Rows of `sweep.clouds` of that head at both lengths, with a column stable_rank: that of its keys at the
    length and stage of the row. Of two heads as near, the one of the earlier layer.
    """
    keys = sweep.heads[(sweep.heads.role == "key") & sweep.heads.length.isin([short, long])]
    ranks = keys[(keys.length == long) & (keys.stage == "post")].set_index(["layer", "head"]).stable_rank
    layer, head = (ranks - ranks.median()).abs().idxmin()
    of_head = ["length", "layer", "head", "stage"]
    clouds = sweep.clouds[sweep.clouds.length.isin([short, long])]
    rows = clouds[(clouds.layer == layer) & (clouds["head"] == head)]
    return rows.merge(keys[[*of_head, "stable_rank"]], on=of_head, validate="many_to_one")


# Where it fails


def by_length(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of `scored`, averaged over key heads: by length, the mean over texts and its interval.

    `table` is of one model and one kind of layers. Columns middle, low and high (Student's, 95 %, between
    texts; with one text all three are the same).
    """
    means = table.groupby(["length", "text"])[column].mean().unstack()
    rows = {length: _between(texts) for length, texts in means.iterrows()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["middle", "low", "high"])


def _between(values: pd.Series) -> stats.Interval:
    values = values.dropna()
    return (values.iloc[0],) * 3 if len(values) == 1 else stats.student_interval(values)


def by_tokens_read(table: pd.DataFrame) -> pd.DataFrame:
    """The error of `scored` forecasts of one length by the number of tokens read: (model, layers) × read.

    Of each model the length is that of `of_the_rule`. Medians over heads, means over texts.
    """
    ends = of_the_rule(table).groupby("model").length.first()
    errors = relative_errors(table[table.length == table.model.map(ends)])[FORECAST]
    return errors.groupby(["model", "layers", "read"], sort=False).mean().unstack("read")


def of_other_texts(forecasts: pd.DataFrame, measured: pd.DataFrame) -> pd.Series:
    """The error of forecasts, by (model, layers), where the short input is of another text than the long one.

    `forecasts` and `measured` are as `scored` takes them. Medians over heads, and then means over all ordered
    pairs of different texts.
    """
    texts = measured.text.unique()
    pairs = []
    for read in texts:
        others = [measured[measured.text == text] for text in texts if text != read]
        of_read = forecasts[forecasts.text == read]
        for other in others:
            table = of_the_rule(scored(of_read.assign(text=other.text.iloc[0]), other))
            pairs.append(relative_errors(table)[FORECAST].groupby(["model", "layers"], sort=False).mean())
    return pd.concat(pairs).groupby(["model", "layers"], sort=False).mean()


def of_heads(table: pd.DataFrame) -> pd.DataFrame:
    """What goes with the errors of single heads, by (model, layers), from `of_the_rule`.

    Columns: large, the share of heads and texts with an error above `LARGEST`; with_drift, the rank
    correlation of measured over forecast with `drift`, over heads and texts; drift, the median of its size;
    signed, the median of forecast over measured less 1.
    """
    ratio = table.forecast / table.measured
    rows = {}
    for where, part in table.assign(ratio=ratio).groupby(["model", "layers"], sort=False):
        rows[where] = {
            "large": float(((part.ratio - 1).abs() > LARGEST).mean()),
            "with_drift": stats.spearman(1 / part.ratio, part.drift),
            "drift": float(part.drift.abs().median()),
            "signed": float((part.ratio - 1).median()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["model", "layers"])


def silhouettes(pairs: pd.DataFrame, measured: pd.DataFrame, model: str, text: str) -> pd.DataFrame:
    """The silhouette of keys and queries of each query head, forecast and measured, on one text.

    `pairs` are the kept ones of `forecast`, `measured` is that table of `measure.tables.trial_tables`.
    Columns: length, layer, head, silhouette and silhouette_measured.
    """
    own = pairs[(pairs.model == model) & (pairs.text == text)]
    heads = ["length", "layer", "head"]
    return own[[*heads, "silhouette"]].merge(
        measured[[*heads, "silhouette"]], on=heads, suffixes=("", "_measured"), validate="one_to_one"
    )


# What the chapter states


def facts(
    forecasts: pd.DataFrame, geometry: pd.DataFrame, far: pd.DataFrame, pairs: pd.DataFrame
) -> dict[str, str]:
    """What the chapter on dispersal states of the forecast: names of `glue` and their texts.

    `forecasts` are the kept keys of `forecast` and `geometry` the kept heads that they are held against;
    `far` is `scored` of one model on the longest input there is, and `pairs` its `silhouettes` there.
    """
    measured = measured_keys(geometry)
    table = scored(forecasts, measured)
    errors = errors_by_text(of_the_rule(table))
    found, intervals = verdict(errors)
    worst, texts = intervals.error.idxmax(), errors.groupby("model").text.nunique()
    rivals = pd.DataFrame({name: intervals.error - intervals[f"less than {name}"] for name in RIVALS})
    beaten = (intervals[[f"{name}, high" for name in RIVALS]] >= 0).any(axis=1)
    read, heads = by_tokens_read(table), of_heads(of_the_rule(table))
    others = of_other_texts(forecasts, measured)
    steady = heads.large.idxmax()
    facts = {
        "verdict": found,
        "limit": f"{LARGEST:.0%}",
        "times": f"{TIMES}",
        "texts-least": f"{texts.min()}",
        "texts-most": f"{texts.max()}",
        "models": f"{errors.model.nunique()}",
        "cases": f"{len(intervals)}",
        "best": f"{intervals.error.min():.1%}",
        "worst": f"{intervals.error[worst]:.1%}",
        "highest": f"{intervals.high.max():.1%}",
        "worst-case": _named(worst),
        "no-change": f"{rivals['no change'][~beaten].min():.0%}",
        "trend": f"{rivals.trend[~beaten].min():.0%}",
        "beaten": " and ".join(map(_named, intervals.index[beaten])) or "no model",
        "beaten-error": f"{intervals.error[beaten].max():.1%}",
        "beaten-rival": f"{rivals[beaten].min(axis=None):.1%}",
        "fewest": f"{int(read.columns.min())}",
        "fewest-worst": f"{read[read.columns.min()].max():.1%}",
        "others-worst": f"{others.max():.1%}",
        "others-case": _named(others.idxmax()),
        "large": f"{heads.large.max():.0%}",
        "large-case": _named(steady),
        "drift-low": minus(f"{heads.with_drift.min():.2f}"),
        "drift-high": minus(f"{heads.with_drift.max():.2f}"),
    }
    facts |= _facts_of_own_keys(table) | _facts_far_out(far, pairs) | _facts_of_the_added(table)
    return {f"forecast-{name}": text for name, text in facts.items()}


def _named(case: tuple[str, str]) -> str:
    model, layers = case
    return f"the layers of {model} with a window" if layers == "window" else model


def _facts_of_the_added(table: pd.DataFrame) -> dict[str, str]:
    """Of the models outside the rule, by kind of layers: the error, its upper end, what it goes with."""
    rows = sixteenfold(table)
    rows = rows[rows.model.isin(ADDED)]
    if rows.empty:
        return {}
    errors = errors_by_text(rows)
    drift = of_heads(rows).with_drift.droplevel("model")
    facts = {f"added-{layers}-with-drift": minus(f"{value:.2f}") for layers, value in drift.items()}
    for (_, layers), row in verdict(errors)[1].iterrows():
        facts |= {
            f"added-{layers}": f"{row.error:.1%}",
            f"added-{layers}-high": f"{row.high:.1%}",
            f"added-{layers}-no-change": f"{row.error - row['less than no change']:.1%}",
        }
    return facts


def _facts_of_own_keys(table: pd.DataFrame) -> dict[str, str]:
    """How far keys before the rotation of the long input itself lead, and those of the short one."""
    rule = of_the_rule(table)
    own = table[
        (table.read == table.length) & table.model.map(rule.groupby("model").length.first()).eq(table.length)
    ]
    names = own.model.unique()
    of_own, of_short = (relative_errors(rows[rows.model.isin(names)])[FORECAST] for rows in (own, rule))
    return {
        "own-models": " and ".join(names),
        "own": f"{of_own.groupby('model').mean().max():.1%}",
        "own-short": f"{of_short.groupby('model').mean().max():.1%}",
    }


def _facts_far_out(far: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, str]:
    last, first = far.length.max(), TIMES * far.read.iloc[0]
    errors = relative_errors(far)[FORECAST].droplevel(["model", "layers", "text", "read"])
    means = far.groupby("length")[["measured", FORECAST, "no change", "trend"]].mean()
    overlap = pairs.groupby("length")[["silhouette", "silhouette_measured"]].mean().loc[last]
    return {
        "far-read": f"{far.read.iloc[0]:,}",
        "far-length": f"{last:,}",
        "far-times": f"{last // far.read.iloc[0]}",
        "far-error": f"{errors[last]:.1%}",
        "far-first": f"{first:,}",
        "far-first-error": f"{errors[first]:.1%}",
        "far-now": f"{means['no change'][last]:.2f}",
        "far-forecast": f"{means[FORECAST][last]:.2f}",
        "far-measured": f"{means.measured[last]:.2f}",
        "far-trend": f"{means.trend[last]:.2f}",
        "far-over": f"{means[FORECAST][last] / means.measured[last] - 1:.0%}",
        "far-silhouette": f"{overlap.silhouette:.2f}",
        "far-silhouette-measured": f"{overlap.silhouette_measured:.2f}",
    }
