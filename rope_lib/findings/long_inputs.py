"""Summaries of the packaged model on inputs up to sixteen times its trained length: the kept `long_input`.

`tools/results.py long_input` made the tables: losses, keys and pairs are those of `measure.trials` with a
column `dtype` before the others, and `costs` has a row for each timed pass. Losses are in nats, lengths and
positions in tokens. An *octave* is named by the length at which it ends: that of 8,192 holds the positions
from 4,096 up to it. A mean over heads counts every head the same.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rope_lib.measure.tables import LOSS_BIN
from rope_lib.measure.text import text_sha256

from .kept import Tables, kept
from .wording import rounded_up

# The measures by which two measurements of the same rows are compared, each with its table.
COMPARED = {
    "nll": "losses",
    "stable_rank": "keys",
    "mean_cosine": "keys",
    "silhouette": "pairs",
    "sink_attention": "pairs",
}
_INDEX = ["intervention", "first", "length", "layer", "head"]


def of_dtype(tables: Tables, dtype: str) -> dict[str, pd.DataFrame]:
    """The losses, keys and pairs of one number type, a dict of DataFrames as `interventions` takes them.

    Raises ValueError for a type that was not measured.

    >>> sorted(of_dtype(kept("long_input")[0], "bfloat16")["losses"])
    ['first', 'intervention', 'nll']
    """
    there = tables["losses"].dtype.unique().tolist()
    if dtype not in there:
        raise ValueError(f"dtype must be one of {', '.join(there)}, got {dtype!r}")
    return {
        name: tables[name][tables[name].dtype == dtype].drop(columns="dtype")
        for name in ("losses", "keys", "pairs")
    }


def trial(tables: Tables, dtype: str, intervention: str = "unchanged") -> dict[str, pd.DataFrame]:
    """The losses, keys and pairs of one number type under one intervention, as `measure.trials.trial_tables`.

    Raises ValueError for a type that was not measured, or an intervention that was not tried in it.

    >>> sorted(trial(kept("long_input")[0], "float32", "clipped")["losses"])
    ['first', 'nll']
    """
    of_type = of_dtype(tables, dtype)
    there = of_type["losses"].intervention.unique().tolist()
    if intervention not in there:
        raise ValueError(f"intervention must be one of {', '.join(there)}, got {intervention!r}")
    return {
        name: table[table.intervention == intervention].drop(columns="intervention")
        for name, table in of_type.items()
    }


def octave_losses(losses: pd.DataFrame, lengths: Sequence[int], by: str = "intervention") -> pd.DataFrame:
    """Mean loss in the octave that ends at each of `lengths`: a DataFrame, names in `by` × lengths.

    NaN where an octave was not measured completely. Raises ValueError for a length that is not a multiple of
    twice `LOSS_BIN`, or that the losses do not reach.

    >>> losses = pd.DataFrame({"intervention": "none", "first": [0, 128, 256, 384], "nll": [4.0, 1, 2, 3]})
    >>> octave_losses(losses, [256, 512]).loc["none"].to_dict()
    {256: 1.0, 512: 2.5}
    """
    end = losses["first"].max() + LOSS_BIN
    wrong = [length for length in lengths if length % (2 * LOSS_BIN) or not 0 < length <= end]
    if wrong:
        raise ValueError(f"lengths must be multiples of {2 * LOSS_BIN} up to {end}, got {wrong[0]}")
    found = {}
    for length in lengths:
        inside = losses[(losses["first"] >= length // 2) & (losses["first"] < length)]
        octave = inside.groupby(by).nll.agg(["mean", "size"])
        found[length] = octave["mean"].where(octave["size"] == length // (2 * LOSS_BIN))
    return pd.DataFrame(found, index=losses[by].unique()).rename_axis(index=by, columns="length")


def loss_curve(losses: pd.DataFrame, start: int, parts: int = 4) -> pd.Series:
    """Loss for a logarithmic axis: means over `parts` equal parts of each octave from `start` on.

    `losses` has columns first and nll, in bins of `LOSS_BIN` tokens; no part is shorter than a bin. A Series
    by the geometric middle of each part; a part that was not measured to its end is left out.

    >>> losses = pd.DataFrame({"first": [0, 128, 256, 384, 512], "nll": [9.0, 1, 2, 4, 5]})
    >>> curve = loss_curve(losses, 128, parts=1)
    >>> curve.index.to_numpy().round().tolist(), curve.tolist()
    ([181.0, 362.0], [1.0, 3.0])
    """
    end = losses["first"].max() + LOSS_BIN
    losses = losses[losses["first"] >= start]
    octave = start * 2 ** np.floor(np.log2(losses["first"] / start))
    width = np.maximum(octave / parts, LOSS_BIN)
    begin = octave + (losses["first"] - octave) // width * width
    means = losses.assign(begin=begin, end=begin + width).groupby(["begin", "end"]).nll.mean().reset_index()
    means = means[means.end <= end]
    return pd.Series(means.nll.to_numpy(), np.sqrt(means.begin * means.end).to_numpy(), name="nll")


def means_by_length(tables: Tables) -> pd.DataFrame:
    """Means over heads at each length of one `trial`: a row for each length.

    Columns: stable_rank, mean_cosine and fsv_ratio (first singular value after the rotation over that before)
    of a head's keys as the last token sees them; before, the square of the first singular value before the
    rotation, divided by the number of tokens; silhouette of keys and queries; sink_attention, sink_score and
    largest_score of the last queries, the latter over all keys but token 0's.

    >>> means = means_by_length(trial(kept("long_input")[0], "float32"))
    >>> means.stable_rank.round(1).loc[[8_192, 131_072]].tolist()
    [2.5, 4.9]
    """
    keys, pairs = tables["keys"], tables["pairs"]
    keys = keys.assign(
        fsv_ratio=keys.first_singular_value / keys.first_singular_value_pre,
        before=keys.first_singular_value_pre**2 / keys.length,
    )
    of_keys = keys.groupby("length")[["stable_rank", "mean_cosine", "fsv_ratio", "before"]].mean()
    columns = ["silhouette", "sink_attention", "sink_score", "largest_score"]
    return of_keys.join(pairs.groupby("length")[columns].mean())


def sink_attention(pairs: pd.DataFrame, length: int, with_sink: pd.Series) -> pd.DataFrame:
    """Mean attention to token 0 of the heads with a sink (column True) and of the others, by intervention.

    `pairs` is of one number type; `with_sink` says for every (layer, head) whether it counts as one with a
    sink: a Series of booleans.

    >>> pairs = pd.DataFrame({"intervention": "none", "length": 8, "layer": 0, "head": [0, 1]})
    >>> with_sink = pd.Series([True, False], pd.MultiIndex.from_tuples([(0, 0), (0, 1)]))
    >>> sink_attention(pairs.assign(sink_attention=[0.5, 0.1]), 8, with_sink).loc["none"].to_dict()
    {False: 0.1, True: 0.5}
    """
    pairs = pairs[pairs.length == length].set_index(["layer", "head"])
    group = with_sink.loc[pairs.index].to_numpy()
    means = pairs.groupby(["intervention", group], sort=False).sink_attention.mean()
    return means.unstack().sort_index(axis=1)


def differences(first: Tables, second: Tables) -> pd.DataFrame:
    """How far two measurements of the same inputs differ: one row per measure, columns rows and largest.

    `first` and `second` are dicts of the tables losses, keys and pairs, both with a column intervention or
    both without. `rows` counts the rows that both have, and `largest` is the largest absolute difference
    among them: nats, directions, or shares. Raises ValueError where a table has no such row.
    """
    found = {}
    for measure, name in COMPARED.items():
        index = [column for column in _INDEX if column in first[name]]
        columns = [*index, measure]
        both = first[name][columns].merge(second[name][columns], on=index, validate="one_to_one")
        if both.empty:
            raise ValueError(f"{name} must share rows, got none that agree in {', '.join(index)}")
        apart = both[f"{measure}_x"] - both[f"{measure}_y"]
        found[measure] = {"rows": len(both), "largest": np.abs(apart.to_numpy(dtype=float)).max()}
    return pd.DataFrame.from_dict(found, orient="index").astype({"rows": int})


def begins_the_input(text: str) -> bool:
    """Whether the kept inputs begin with `text`: the text of the book differs between releases of Python.

    The long input continues after that text and so has a different hash; the kept result `interventions`,
    which was measured on the text alone, records which text it was.
    """
    return text_sha256(text) == kept("interventions")[1]["text_sha256"]


def facts(tables: Tables) -> dict[str, str]:
    """What the chapter on dispersal states of inputs up to sixteen times the trained length.

    `tables` are the kept `long_input`. Returns names of `glue` and their texts.
    """
    means = means_by_length(trial(tables, "float32"))
    lengths = means.index.tolist()
    off = lengths[-3]
    unchanged = tables["losses"][tables["losses"].intervention == "unchanged"]
    octaves = octave_losses(unchanged, lengths, by="dtype")
    found = {
        "apart": rounded_up((octaves.loc["bfloat16"] - octaves.loc["float32"]).abs().max(), 3),
        "off": f"{off:,}",
        "attention-off": rounded_up(means.sink_attention.loc[off:].max(), 4),
        "score": f"{means.largest_score[off]:.1f}",
        "score-longest": f"{means.largest_score[lengths[-1]]:.1f}",
    }
    return {f"dispersal-far-{name}": text for name, text in found.items()}
