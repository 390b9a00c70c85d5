"""What the controlled experiments found: kept tables of their cells, condensed, named, and compared.

`tables` are the kept ones: summary, distances, geometry and training, each with columns that identify the
cell: seed, and scaling, base, share, … of its spectrum as far as they vary. A *system* is a spectrum together
with the variant under which it was tested: YaRN is RoPE tested with another spectrum than in training.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rope_lib.train.config import TRAINED
from rope_lib.train.spectrum import Spectrum

# Systems by the scaling in training and the variant of the test. HighFreq and RoPE-ID are paper B's names.
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
# Axes whose last part is also a column of the tables: an input has a length of its own.
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


def condensed(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables of a sweep, see `runs.collect`, as they are kept: plain column names, answers by octave.

    The columns of the cells lose the names of their tables: `spectrum.base` becomes base, and
    `training.length`, to keep it apart from the length of an input, trained. Columns on the evaluation, which
    the columns variant and length repeat, are left out, and so are columns without a value. `distances` holds
    accuracy and the number of questions by octave of the distance: from 2^k up to, not including, 2^(k+1)
    tokens. It leaves out questions whose answer is not at one distance; next-byte loss has no answers at all.
    """
    kept = {name: _plain(tables[name]) for name in ("cells", "summary", "geometry", "training")}
    if "answers" in tables:
        kept["distances"] = _by_octave(_plain(tables["answers"]))
    return {name: table for name, table in kept.items() if len(table)}


def _by_octave(answers: pd.DataFrame) -> pd.DataFrame:
    answers = answers[answers.distance > 0]
    own = ["variant", "length", "example", "position", "distance", "nll", "correct"]
    cell = [name for name in answers.columns if name not in own]
    octave = 2 ** np.floor(np.log2(answers.distance)).astype(int)
    groups = answers.assign(octave=octave).groupby([*cell, "variant", "length", "octave"], dropna=False)
    return groups.correct.agg(accuracy="mean", questions="size").reset_index()


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    names = [name for name in table.columns if not name.startswith("evaluation.")]
    short = {name: PLAIN_NAMES.get(name, name.rpartition(".")[2]) for name in names}
    if len(set(short.values())) < len(short):
        raise ValueError(f"columns must differ in the last part of their names, got {', '.join(names)}")
    return table[names].rename(columns=short).dropna(axis="columns", how="all")


def systems(table: pd.DataFrame, names: Mapping[tuple[str, str], str] = SYSTEMS) -> pd.DataFrame:
    """The rows of `table` that `names` and `TEMPERATURES` name, with columns `system` and `temperature`.

    A temperature is a variant of the system that was trained; other variants have none.
    """
    hot = table.variant.isin(TEMPERATURES)
    asked = table.variant.where(~hot, TRAINED)
    own = [names.get(key) for key in zip(table.scaling, asked, strict=True)]
    found = table.assign(system=own, temperature=table.variant.map(TEMPERATURES).fillna("none"))
    return found[found.system.notna()]


def accuracies(summary: pd.DataFrame, temperature: str = "none") -> pd.DataFrame:
    """Accuracy of each system by length and seed: a frame of (system, seed) × length."""
    rows = systems(summary)
    rows = rows[rows.temperature == temperature]
    return rows.pivot(index=["system", "seed"], columns="length", values="accuracy")


def by_distance(distances: pd.DataFrame, length: int, temperature: str = "none") -> pd.DataFrame:
    """Accuracy of each system at one length by octave of the distance: a frame of (system, seed) × octave.

    Raises ValueError for a length that was not measured.
    """
    rows = systems(distances[distances.length == length])
    if rows.empty:
        raise ValueError(f"length must be one of {sorted(set(distances.length))}, got {length}")
    rows = rows[rows.temperature == temperature]
    return rows.pivot(index=["system", "seed"], columns="octave", values="accuracy")


def beyond(distances: pd.DataFrame, length: int, least: int, temperature: str = "none") -> pd.Series:
    """Accuracy of each system for answers at least `least` tokens back at one length: by system and seed.

    `least` is a power of two. Raises ValueError where no answer is so far back.
    """
    rows = systems(distances[(distances.length == length) & (distances.octave >= least)])
    if rows.empty:
        raise ValueError(f"least must be a distance that was asked at {length} tokens, got {least}")
    rows = rows[rows.temperature == temperature].assign(right=lambda each: each.accuracy * each.questions)
    sums = rows.groupby(["system", "seed"])[["right", "questions"]].sum()
    return (sums.right / sums.questions).rename("beyond")


def next_byte_losses(*tables: pd.DataFrame, temperature: str = "none") -> pd.DataFrame:
    """Loss of the next byte in nats, from several kept summaries: a frame of (system, seed) × length.

    Of a summary with several tasks, which the column `name` names, it takes the rows of `bytes`.
    """
    parts = [table[table.name == "bytes"] if "name" in table else table for table in tables]
    rows = systems(pd.concat(parts, ignore_index=True))
    rows = rows[rows.temperature == temperature]
    return rows.pivot(index=["system", "seed"], columns="length", values="nll")


def retained(accuracy: pd.DataFrame, trained: int) -> pd.DataFrame:
    """Accuracy at each length over that at the `trained` length: a frame of the same shape."""
    return accuracy.div(accuracy[trained], axis=0)


def differences(accuracy: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Accuracy of every other system minus that of `reference` with the same seed: a frame like `accuracy`.

    Systems of one seed get the same questions, and start from the same weights.
    """
    base = accuracy.xs(reference, level="system")
    others = accuracy.drop(index=reference, level="system")
    return others - base.reindex(others.index.get_level_values("seed")).to_numpy()


def criteria(
    scaling: str, *, trained: int, head_dim: int, base: float = 10_000.0, **parameters: float
) -> tuple[float, float]:
    """Paper B's criteria in numbers: (share of pairs that do not rotate, turns of the slowest that does).

    C1, a bound that does not vanish as the head grows, requires a share that does not rotate; C2, that the
    bound is reached in training, requires that the slowest rotating pair turns once. The turns are NaN if
    nothing rotates.

    >>> criteria("rope_id", trained=4096, head_dim=128)
    (0.5, 2.0)
    """
    inv_freq = np.array(Spectrum(scaling, base, parameters).at(trained, trained, head_dim).inv_freq)
    rotating = inv_freq[inv_freq > 0]
    turns = trained * rotating.min() / (2 * np.pi) if rotating.size else np.nan
    return float(np.mean(inv_freq == 0)), float(turns)


def geometries(geometry: pd.DataFrame, summary: pd.DataFrame, trained: int) -> pd.DataFrame:
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


def ablation(spectra: pd.DataFrame, ablations: pd.DataFrame) -> pd.DataFrame:
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


def along(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of `ablation` in which only the column `name` may differ from RoPE-ID's, sorted by it."""
    standard = {"share": 0.5, "shortest_period": 8.0, "turns": 2.0}
    if name not in standard:
        raise ValueError(f"name must be one of {', '.join(standard)}, got {name!r}")
    others = [other for other in standard if other != name]
    same = np.logical_and.reduce([table[other] == standard[other] for other in others])
    return table[same].sort_values(name, kind="stable")
