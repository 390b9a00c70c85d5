"""What the controlled experiments found: kept tables of their cells, made small, named, and compared.

`tables` are those that `tools/results.py` keeps: summary, distances, geometry and training, each with
columns that tell the cell: seed, and of its spectrum scaling, base, share, … as far as they vary. A *system*
is a spectrum together with how it was asked: YaRN is RoPE asked with another spectrum than in training.
"""

import numpy as np
import pandas as pd

from rope_lib.train.evaluate import TRAINED
from rope_lib.train.spectrum import Spectrum

# Spectra by the scaling of training and the variant of asking. HighFreq and RoPE-ID are paper B's names.
SYSTEMS = {
    ("default", TRAINED): "RoPE",
    ("default", "yarn"): "YaRN",
    ("default", "yarn_no_factor"): "YaRN, no factor",
    ("default", "ntk"): "NTK",
    ("rope_id", TRAINED): "RoPE-ID",
    ("high_freq", TRAINED): "HighFreq",
    ("half_rope", TRAINED): "HalfRoPE",
    ("p_rope", TRAINED): "p-RoPE",
    ("hope", TRAINED): "HoPE",
    ("nope", TRAINED): "NoPE",
}
# Axes that the last part of their names would confuse with a column of the tables: an input's own length.
PLAIN_NAMES = {"training.length": "trained"}

TEMPERATURES = {TRAINED: "none", "query_temperature": "by position", "log_temperature": "by input"}

# Mean accuracy in percent on RULER at 16k tokens, four times the trained length. Paper B, second-hand.
RULER = pd.DataFrame(
    {
        "1B": {"RoPE": 0.03, "HighFreq": 2.37, "HalfRoPE": 0.0, "YaRN": 30.25, "RoPE-ID": 30.83},
        "3B": {"RoPE": 0.01, "HighFreq": 5.14, "HalfRoPE": 0.03, "YaRN": 40.14, "RoPE-ID": 42.0},
    }
)
RULER_STRETCH = 4  # 16k over the 4k of training


def condensed(tables):
    """The tables of a sweep, see `runs.collect`, as they are kept: plain column names, answers by octave.

    Columns of the cells lose their tables' names: `spectrum.base` becomes base, and `training.length`, which
    is no input's, trained. How a cell was asked, which the columns variant and length tell, goes, and so do
    columns without a value. `distances` holds accuracy and the number of questions by octave of the distance:
    from 2^k up to, not including, 2^(k+1) tokens. A question whose answer is at no one distance is not in it;
    next-byte loss has no answers at all.
    """
    kept = {name: _plain(tables[name]) for name in ("cells", "summary", "geometry", "training")}
    if "answers" in tables:
        kept["distances"] = _by_octave(_plain(tables["answers"]))
    return {name: table for name, table in kept.items() if len(table)}


def _by_octave(answers):
    answers = answers[answers.distance > 0]
    own = ["variant", "length", "example", "position", "distance", "nll", "correct"]
    cell = [name for name in answers.columns if name not in own]
    octave = 2 ** np.floor(np.log2(answers.distance)).astype(int)
    groups = answers.assign(octave=octave).groupby([*cell, "variant", "length", "octave"], dropna=False)
    return groups.correct.agg(accuracy="mean", questions="size").reset_index()


def _plain(table):
    names = [name for name in table.columns if not name.startswith("evaluation.")]
    short = {name: PLAIN_NAMES.get(name, name.rpartition(".")[2]) for name in names}
    if len(set(short.values())) < len(short):
        raise ValueError(f"columns must differ in the last part of their names, got {', '.join(names)}")
    return table[names].rename(columns=short).dropna(axis="columns", how="all")


def systems(table, names=SYSTEMS):
    """The rows of `table` that `names` and `TEMPERATURES` name, with columns `system` and `temperature`.

    A temperature is a variant of the system that was trained; what is asked otherwise has none.
    """
    hot = table.variant.isin(TEMPERATURES)
    asked = table.variant.where(~hot, TRAINED)
    own = [names.get(key) for key in zip(table.scaling, asked, strict=True)]
    found = table.assign(system=own, temperature=table.variant.map(TEMPERATURES).fillna("none"))
    return found[found.system.notna()]


def accuracies(summary, temperature="none"):
    """Accuracy of each system by length and seed: a frame of (system, seed) × length."""
    rows = systems(summary)
    rows = rows[rows.temperature == temperature]
    return rows.pivot(index=["system", "seed"], columns="length", values="accuracy")


def by_distance(distances, length, temperature="none"):
    """Accuracy of each system at one length by octave of the distance: a frame of (system, seed) × octave.

    Raises ValueError for a length that was not measured.
    """
    rows = systems(distances[distances.length == length])
    if rows.empty:
        raise ValueError(f"length must be one of {sorted(set(distances.length))}, got {length}")
    rows = rows[rows.temperature == temperature]
    return rows.pivot(index=["system", "seed"], columns="octave", values="accuracy")


def beyond(distances, length, least, temperature="none"):
    """Accuracy of each system for answers at least `least` tokens back at one length: by system and seed.

    `least` is a power of two. Raises ValueError where no answer is so far back.
    """
    rows = systems(distances[(distances.length == length) & (distances.octave >= least)])
    if rows.empty:
        raise ValueError(f"least must be a distance that was asked at {length} tokens, got {least}")
    rows = rows[rows.temperature == temperature].assign(right=lambda each: each.accuracy * each.questions)
    sums = rows.groupby(["system", "seed"])[["right", "questions"]].sum()
    return (sums.right / sums.questions).rename("beyond")


def next_byte_losses(*tables, temperature="none"):
    """Loss of the next byte, in nats, by system, seed and length, from several kept summaries: a frame alike.

    Of a summary with several tasks, told by a column `name`, the rows of bytes count.
    """
    parts = [table[table.name == "bytes"] if "name" in table else table for table in tables]
    rows = systems(pd.concat(parts, ignore_index=True))
    rows = rows[rows.temperature == temperature]
    return rows.pivot(index=["system", "seed"], columns="length", values="nll")


def retained(accuracy, trained):
    """Accuracy at each length over that at the `trained` length, both in excess of nothing: a frame alike."""
    return accuracy.div(accuracy[trained], axis=0)


def differences(accuracy, reference):
    """Accuracy of every other system minus that of `reference` with the same seed: a frame alike.

    Systems of one seed are asked the same questions, and start from the same weights.
    """
    base = accuracy.xs(reference, level="system")
    others = accuracy.drop(index=reference, level="system")
    return others - base.reindex(others.index.get_level_values("seed")).to_numpy()


def criteria(scaling, *, trained, head_dim, base=10_000.0, **parameters):
    """Paper B's criteria in numbers: (share of pairs at rest, turns of the slowest rotating pair).

    C1, a bound that does not fade with the size of the head, needs a share at rest; C2, that the bound is
    reached in training, needs that the slowest rotating pair turns once. NaN turns where nothing rotates.

    >>> criteria("rope_id", trained=4096, head_dim=128)
    (0.5, 2.0)
    """
    inv_freq = np.array(Spectrum(scaling, base, parameters).at(trained, trained, head_dim).inv_freq)
    rotating = inv_freq[inv_freq > 0]
    turns = trained * rotating.min() / (2 * np.pi) if rotating.size else np.nan
    return float(np.mean(inv_freq == 0)), float(turns)


def geometries(geometry, summary, trained):
    """One row for each system, seed and length: accuracy beside means over layers, heads and inputs.

    Columns: accuracy, stable_rank, first_singular_ratio and sink_attention; and `retained`, `rank_growth` and
    `ratio_fall`, the first three over their values at the `trained` length.
    """
    keys = ["system", "seed", "length"]
    of_heads, asked = (table[table.temperature == "none"] for table in (systems(geometry), systems(summary)))
    measures = ["stable_rank", "first_singular_ratio", "sink_attention"]
    rows = asked.set_index(keys)[["accuracy"]].join(of_heads.groupby(keys)[measures].mean())
    start = rows.xs(trained, level="length").reindex(rows.index.droplevel("length"))
    rows["retained"] = rows.accuracy / start.accuracy.to_numpy()
    rows["rank_growth"] = rows.stable_rank / start.stable_rank.to_numpy()
    rows["ratio_fall"] = rows.first_singular_ratio / start.first_singular_ratio.to_numpy()
    return rows.reset_index()


def ablation(spectra, ablations):
    """Accuracy of the band with one number changed, RoPE-ID and HighFreq of `spectra` among its settings.

    One row for each setting, seed, length and temperature, with columns share, shortest_period and turns.
    """
    own = ablations.assign(temperature=ablations.variant.map(TEMPERATURES))
    named = systems(spectra[spectra.scaling.isin(["rope_id", "high_freq"])])
    share = named.scaling.map({"rope_id": 0.5, "high_freq": 1.0})
    named = named.assign(share=share, turns=2.0)
    columns = ["share", "shortest_period", "turns", "seed", "length", "temperature", "accuracy", "nll"]
    both = pd.concat([named[columns], own[columns]], ignore_index=True)
    return both[both.temperature != "by input"].reset_index(drop=True)


def along(table, name):
    """The rows of `ablation` in which only the column `name` may differ from RoPE-ID's, sorted by it."""
    standard = {"share": 0.5, "shortest_period": 8.0, "turns": 2.0}
    if name not in standard:
        raise ValueError(f"name must be one of {', '.join(standard)}, got {name!r}")
    others = [other for other in standard if other != name]
    same = np.logical_and.reduce([table[other] == standard[other] for other in others])
    return table[same].sort_values(name, kind="stable")
