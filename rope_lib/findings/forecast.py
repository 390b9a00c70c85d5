"""The forecast of dispersal from a short input (`measure.forecast`), scored against long inputs.

The rule was written before any such forecast was scored. It is the book's own; no paper states it.

What is forecast is the stable rank of all keys of a key head on an input `TIMES` times as long as the one
that was read: 16,384 tokens from 1,024, and for models that read bytes and declare 256 of them 4,096 from
256. The short input is the beginning of the long one. Layers with a window count apart, and their cloud too
is that of all keys, though no query sees all of it. The error is |forecast - measured| / measured. Two
rivals know as much as the forecast: that nothing changes, and that the stable rank goes on as it grew over
the last doubling of the short input, by as much per doubling.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from . import stats

FORECAST, RIVALS = "forecast", ("no change", "trend")
TIMES = 16  # the long input over the short one
LARGEST = 0.15  # median error over the heads of a model that the forecast may make

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
    if (intervals.low > LARGEST).any():
        return REFUTED, intervals
    below = all((intervals[f"{rival}, high"] < 0).all() for rival in RIVALS)
    return (HOLDS if below and (intervals.high <= LARGEST).all() else IN_PART), intervals


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


def scored(forecasts: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Forecasts beside what was measured: a row for each (model, text, length, layer, head) that both have.

    `forecasts` are the kept keys of `forecast`, `measured` is as `measured_keys` makes it. Columns: read, the
    tokens of the short input; window; layers, "full" or "window"; measured, forecast, no change and trend,
    stable ranks; fsv_ratio and mean_cosine with `_measured`; rank_before, and drift, by how much of itself
    the stable rank before the rotation has grown since the short input.
    """
    both = forecasts.merge(measured, on=INDEX, suffixes=("", "_measured"), validate="one_to_one")
    doublings = np.log2(both.length / both.read)
    short = both.stable_rank_now * both.fsv_ratio_now**2  # the rotation keeps the sum of all squares
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


def errors_at(table: pd.DataFrame, times: int = TIMES) -> pd.DataFrame:
    """`relative_errors` at so many times the length of the short input, as `verdict` takes them."""
    errors = relative_errors(table).reset_index()
    return errors[errors.length == times * errors.read].drop(columns=["length", "read"])


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
