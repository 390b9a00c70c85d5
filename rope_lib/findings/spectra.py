"""What the controlled experiments found: the kept tables of their cells, condensed and compared.

`tables` are the kept ones: summary, distances, geometry and training, each with columns that identify the
cell: seed, and scaling, base, share, … of its spectrum as far as they vary. A *system* is a spectrum together
with the variant under which it was tested: YaRN is RoPE tested with another spectrum than in training.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rope_lib.train.config import TRAINED
from rope_lib.train.spectrum import Spectrum

from .kept import Tables

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
# Axes that need another short name: the last part of theirs is taken, here by the length of an input.
PLAIN_NAMES = {"training.length": "trained"}

TEMPERATURES = {TRAINED: "none", "query_temperature": "by position", "log_temperature": "by input"}

# RoPE-ID's band as it was trained: the share of pairs that rotate, the period of the fastest in tokens, and
# the turns that the slowest makes in the trained length.
ROPE_ID = {"share": 0.5, "shortest_period": 8.0, "turns": 2.0}

# Mean accuracy in percent on RULER at 16k tokens, four times the trained length. Paper B, second-hand.
RULER = pd.DataFrame(
    {
        "1B": {"RoPE": 0.03, "HighFreq": 2.37, "HalfRoPE": 0.0, "YaRN": 30.25, "RoPE-ID": 30.83},
        "3B": {"RoPE": 0.01, "HighFreq": 5.14, "HalfRoPE": 0.03, "YaRN": 40.14, "RoPE-ID": 42.0},
    }
)
RULER_STRETCH = 4  # 16k over the 4k of training


# The tables of a sweep that are kept as they are.
CONDENSED = ("cells", "ended", "summary", "geometry", "training")


def condensed(tables: Tables) -> dict[str, pd.DataFrame]:
    """The tables of a sweep, see `runs.collect`, as they are kept: plain column names, answers by octave.

    The columns of the cells lose the names of their tables: `spectrum.base` becomes base. `training.length`
    becomes trained, so that it differs from the length of an input. Columns on the evaluation, which repeat
    the columns variant and length, are left out, and so are empty columns. `distances` holds the accuracy and
    the number of questions by octave of the distance, from 2^k up to, but not including, 2^(k+1) tokens. It
    leaves out questions whose answer is not at one distance, and next-byte losses have no answers at all.
    """
    kept = {name: _plain(tables[name]) for name in CONDENSED if name in tables}
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

    >>> rows = pd.DataFrame({"scaling": ["rope_id", "default"], "variant": ["query_temperature", "ntk"]})
    >>> systems(rows)[["system", "temperature"]].values.tolist()
    [['RoPE-ID', 'by position'], ['NTK', 'none']]
    """
    hot = table.variant.isin(TEMPERATURES)
    asked = table.variant.where(~hot, TRAINED)
    own = [names.get(key) for key in zip(table.scaling, asked, strict=True)]
    found = table.assign(system=own, temperature=table.variant.map(TEMPERATURES).fillna("none"))
    return found[found.system.notna()]


def accuracies(summary: pd.DataFrame, temperature: str = "none") -> pd.DataFrame:
    """Accuracy of each system by length and seed: a DataFrame of (system, seed) × length.

    >>> from rope_lib.findings.kept import kept
    >>> accuracies(kept("spectra")[0]["summary"]).groupby("system").mean().loc["RoPE-ID"].round(2).to_dict()
    {128: 0.94, 256: 0.94, 512: 0.91, 1024: 0.87, 2048: 0.79}
    """
    rows = systems(summary)
    rows = rows[rows.temperature == temperature]
    return rows.pivot(index=["system", "seed"], columns="length", values="accuracy")


def beyond(distances: pd.DataFrame, length: int, least: int, temperature: str = "none") -> pd.Series:
    """Accuracy of each system for answers at least `least` tokens back at one length: by system and seed.

    `least` is a power of two. Raises ValueError where no answer is so far back.

    >>> from rope_lib.findings.kept import kept
    >>> found = beyond(kept("spectra")[0]["distances"], 1024, 128).groupby("system").mean()
    >>> found[["RoPE", "RoPE-ID"]].round(2).tolist()
    [0.4, 0.82]
    """
    rows = systems(distances[(distances.length == length) & (distances.octave >= least)])
    if rows.empty:
        raise ValueError(f"least must be a distance that was tested at {length} tokens, got {least}")
    rows = rows[rows.temperature == temperature].assign(right=lambda each: each.accuracy * each.questions)
    sums = rows.groupby(["system", "seed"])[["right", "questions"]].sum()
    return (sums.right / sums.questions).rename("beyond")


def retained(accuracy: pd.DataFrame, trained: int) -> pd.DataFrame:
    """Accuracy at each length over that at the `trained` length: a DataFrame of the same shape.

    >>> retained(pd.DataFrame({64: [0.8], 128: [0.4]}), 64).values.tolist()
    [[1.0, 0.5]]
    """
    return accuracy.div(accuracy[trained], axis=0)


def criteria(
    scaling: str, *, trained: int, head_dim: int, base: float = 10_000.0, **parameters: float
) -> tuple[float, float]:
    """Paper B's criteria in numbers: (share of pairs that do not rotate, turns of the slowest that does).

    C1, a bound that does not vanish as the head grows, requires that some pairs do not rotate; C2, that the
    bound is reached in training, requires that the slowest rotating pair completes a turn. The turns are NaN
    if nothing rotates.

    >>> criteria("rope_id", trained=4096, head_dim=128)
    (0.5, 2.0)
    """
    inv_freq = np.array(Spectrum(scaling, base, parameters).at(trained, trained, head_dim).inv_freq)
    rotating = inv_freq[inv_freq > 0]
    turns = trained * rotating.min() / (2 * np.pi) if rotating.size else np.nan
    return float(np.mean(inv_freq == 0)), float(turns)


def ablation(spectra: pd.DataFrame, ablations: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of bands that differ from RoPE-ID's in one number, with RoPE-ID and HighFreq of `spectra`.

    One row for each setting, seed, length and temperature, with columns share, shortest_period and turns.

    >>> from rope_lib.findings.kept import kept
    >>> table = ablation(*(kept(name)[0]["summary"] for name in ("spectra", "ablations")))
    >>> sorted(set(table.share))
    [0.25, 0.375, 0.5, 0.625, 0.75, 1.0]
    """
    own = ablations.assign(temperature=ablations.variant.map(TEMPERATURES))
    named = systems(spectra[spectra.scaling.isin(["rope_id", "high_freq"])])
    share = named.scaling.map({"rope_id": ROPE_ID["share"], "high_freq": 1.0})
    named = named.assign(share=share, turns=ROPE_ID["turns"])
    columns = ["share", "shortest_period", "turns", "seed", "length", "temperature", "accuracy", "nll"]
    both = pd.concat([named[columns], own[columns]], ignore_index=True)
    return both[both.temperature != "by input"].reset_index(drop=True)


def along(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of `ablation` in which only the column `name` may differ from RoPE-ID's, sorted by it."""
    if name not in ROPE_ID:
        raise ValueError(f"name must be one of {', '.join(ROPE_ID)}, got {name!r}")
    others = [other for other in ROPE_ID if other != name]
    same = np.logical_and.reduce([table[other] == ROPE_ID[other] for other in others])
    return table[same].sort_values(name, kind="stable")


# What chapter 17 states


def facts_of_ablations(spectra: pd.DataFrame, ablations: pd.DataFrame) -> dict[str, str]:
    """The numbers of the chapter about the share of rotating pairs, as it prints them.

    `spectra` and `ablations` are the kept tables `summary`. Accuracies at the longest inputs, with the
    temperature: of the worst seed with the smallest share, of the mean with half and with all pairs.
    """
    table = along(ablation(spectra, ablations), "share")
    table = table[(table.temperature == "by position") & (table.length == table.length.max())]
    accuracy = table.groupby("share").accuracy
    smallest = table.share.min()
    return {
        "trained-share": f"{smallest:.0%}",
        "trained-share-least": f"{accuracy.min()[smallest]:.2f}",
        "trained-share-half": f"{accuracy.mean()[0.5]:.2f}",
        "trained-share-all": f"{accuracy.mean()[1.0]:.2f}",
    }
