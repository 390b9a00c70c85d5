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
from .stats import pairwise_agreement, rank_agreement, spearman
from .wording import signed

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


def by_distance(distances: pd.DataFrame, length: int, temperature: str = "none") -> pd.DataFrame:
    """Accuracy of each system at one length by octave of the distance: a table of (system, seed) × octave.

    Raises ValueError for a length that was not measured.

    >>> from rope_lib.findings.kept import kept
    >>> found = by_distance(kept("spectra")[0]["distances"], 1024).groupby("system").mean()
    >>> found.loc["RoPE", [64, 128, 256, 512]].round(2).tolist()
    [0.91, 0.74, 0.33, 0.17]
    """
    rows = systems(distances[distances.length == length])
    if rows.empty:
        raise ValueError(f"length must be one of {sorted(set(distances.length))}, got {length}")
    rows = rows[rows.temperature == temperature]
    return rows.pivot(index=["system", "seed"], columns="octave", values="accuracy")


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


def next_byte_losses(*tables: pd.DataFrame, temperature: str = "none") -> pd.DataFrame:
    """Loss of the next byte in nats, from several kept summaries: a DataFrame of (system, seed) × length.

    Of a summary with several tasks, which the column `name` names, it takes the rows of `bytes`.

    >>> from rope_lib.findings.kept import kept
    >>> losses = next_byte_losses(kept("next_byte")[0]["summary"]).groupby("system").mean()
    >>> losses.loc["HalfRoPE"].round(2).to_dict()
    {64: 2.0, 128: 2.04, 256: 2.48, 512: 2.87, 1024: 3.16}
    """
    parts = [table[table.name == "bytes"] if "name" in table else table for table in tables]
    rows = systems(pd.concat(parts, ignore_index=True))
    rows = rows[rows.temperature == temperature]
    return rows.pivot(index=["system", "seed"], columns="length", values="nll")


def retained(accuracy: pd.DataFrame, trained: int) -> pd.DataFrame:
    """Accuracy at each length over that at the `trained` length: a DataFrame of the same shape.

    >>> retained(pd.DataFrame({64: [0.8], 128: [0.4]}), 64).values.tolist()
    [[1.0, 0.5]]
    """
    return accuracy.div(accuracy[trained], axis=0)


def differences(accuracy: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Accuracy of every other system minus that of `reference` with the same seed: a table like `accuracy`.

    Systems of one seed start from the same weights and answer the same questions.

    >>> index = pd.MultiIndex.from_product([["RoPE", "RoPE-ID"], [0]], names=["system", "seed"])
    >>> differences(pd.DataFrame({64: [0.5, 0.75]}, index), "RoPE").loc["RoPE-ID"].values.tolist()
    [[0.25]]
    """
    base = accuracy.xs(reference, level="system")
    others = accuracy.drop(index=reference, level="system")
    return others - base.reindex(others.index.get_level_values("seed")).to_numpy()


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


def classes(parameters: Mapping[str, Mapping[str, float]], *, trained: int, head_dim: int) -> pd.DataFrame:
    """The `criteria` of each trained spectrum and which of them it meets: one row for each system.

    `parameters` maps each scaling to the parameters that it was trained with. Columns: resting (a share of
    the pairs), turns (of the slowest rotating pair, NaN where nothing rotates) and meets: "C1", "C2",
    "C1 and C2" or "neither". Where nothing rotates, C2 is met vacuously.

    >>> classes({"default": {}, "rope_id": {}}, trained=4096, head_dim=128).meets.to_dict()
    {'RoPE': 'neither', 'RoPE-ID': 'C1 and C2'}
    """
    rows = {}
    for scaling, own in parameters.items():
        resting, turns = criteria(scaling, trained=trained, head_dim=head_dim, **own)
        met = [name for name, holds in (("C1", resting > 0), ("C2", not turns < 1)) if holds]
        rows[SYSTEMS[scaling, TRAINED]] = (resting, turns, " and ".join(met) or "neither")
    return pd.DataFrame.from_dict(rows, orient="index", columns=["resting", "turns", "meets"])


def against_ruler(ours: pd.Series) -> pd.DataFrame:
    """A score by system against paper B's `RULER`: one row for each size of the paper's models.

    Columns: correlation and chance, see `stats.rank_agreement`; same and of, see `stats.pairwise_agreement`.

    >>> against_ruler(RULER["1B"]).loc["1B", ["correlation", "same", "of"]].tolist()
    [1.0, 10.0, 10.0]
    """
    rows = [(*rank_agreement(ours, theirs), *pairwise_agreement(ours, theirs)) for _, theirs in RULER.items()]
    return pd.DataFrame(rows, RULER.columns, ["correlation", "chance", "same", "of"])


def geometries(
    geometry: pd.DataFrame, summary: pd.DataFrame, trained: int, temperature: str = "none"
) -> pd.DataFrame:
    """One row for each system, seed and length: accuracy beside means over layers, heads and inputs.

    Columns: accuracy, stable_rank, first_singular_ratio and sink_attention; and `retained`, `rank_growth` and
    `ratio_fall`, the first three over their values at the `trained` length.
    """
    keys = ["system", "seed", "length"]
    named = (systems(table) for table in (geometry, summary))
    of_heads, asked = (table[table.temperature == temperature] for table in named)
    measures = ["stable_rank", "first_singular_ratio", "sink_attention"]
    rows = asked.set_index(keys)[["accuracy"]].join(of_heads.groupby(keys)[measures].mean())
    start = rows.xs(trained, level="length").reindex(rows.index.droplevel("length"))
    rows["retained"] = rows.accuracy / start.accuracy.to_numpy()
    rows["rank_growth"] = rows.stable_rank / start.stable_rank.to_numpy()
    rows["ratio_fall"] = rows.first_singular_ratio / start.first_singular_ratio.to_numpy()
    return rows.reset_index()


def dispersed(tables: Tables, temperature: str) -> pd.DataFrame:
    """`geometries` at the longest inputs of the kept tables `spectra`: one row for each trained model.

    YaRN and NTK, under which a model is tested with another spectrum than it was trained with, are left out.
    """
    summary = tables["summary"]
    rows = geometries(tables["geometry"], summary, summary.length.min(), temperature)
    as_trained = [SYSTEMS[scaling, TRAINED] for scaling in summary.scaling.unique()]
    rows = rows[(rows.length == summary.length.max()) & rows.system.isin(as_trained)]
    return rows.reset_index(drop=True)


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


def facts(tables: Tables, *, head_dim: int) -> dict[str, str]:
    """The numbers of the chapter about recall, as it prints them, from the kept tables `spectra`.

    Accuracies are means over seeds unless a name says otherwise; *back* is the accuracy for answers at least
    two trained lengths back in the longest inputs.
    """
    summary = tables["summary"]
    plain, warm, by_input = (accuracies(summary, name) for name in TEMPERATURES.values())
    trained, longest = int(plain.columns[0]), int(plain.columns[-1])
    least = 2 * trained
    learned = plain[trained].unstack("seed")
    poor = learned.loc["RoPE-ID"].idxmin()
    means, gain = plain.groupby(level="system").mean(), _by_system((warm - plain)[longest].dropna())
    cold, hot = (beyond(tables["distances"], longest, least, name) for name in ("none", "by position"))
    back, back_warm = _by_system(cold), _by_system(hot)
    effect = cold.unstack("seed").loc["RoPE-ID"] - cold.unstack("seed").loc["RoPE"]
    at_end = dispersed(tables, "none")
    sinks = tables["geometry"].groupby(tables["geometry"].length > trained).sink_attention.max()
    found = {
        "seeds": f"{learned.shape[1]}",
        "least": f"{least}",
        "longest": f"{longest:,}",
        "high-freq": f"{means.loc['HighFreq', trained]:.2f}",
        "poor": f"{learned.loc['RoPE-ID', poor]:.2f}",
        "poor-seed": f"{poor}",
        "poor-nope": f"{learned.loc['NoPE'].min():.2f}",
        "rope": f"{means.loc['RoPE', trained]:.2f}",
        "rope-longest": f"{means.loc['RoPE', longest]:.2f}",
        "back-rope": f"{back['RoPE']:.2f}",
        "back-id": f"{back['RoPE-ID']:.2f}",
        "back-half": f"{back['HalfRoPE']:.2f}",
        "back-high": f"{back['HighFreq']:.2f}",
        "back-effect": ", ".join(f"{value:+.2f}" for value in effect),
        "back-rope-warm": f"{back_warm['RoPE']:.2f}",
        "verdict-id": f"{back_warm['RoPE-ID']:.2f}",
        "gain-nope": f"{gain['NoPE']:+.2f}",
        "gain-id": f"{gain['RoPE-ID']:+.2f}",
        "forms": f"{_by_system((warm - by_input)[longest].abs()).max():.2f}",
        "kept-least": f"{retained(warm, trained).loc['RoPE-ID', longest].min():.0%}",
        "hope-rest": f"{criteria('hope', trained=trained, head_dim=head_dim)[0]:.1%}",
        "rank-cold": signed(spearman(at_end.rank_growth, at_end.retained)),
        "sinks": f"{sinks[True]:.2f}",
        "sinks-inside": f"{sinks[False]:.2f}",
    }
    return {f"trained-{name}": text for name, text in found.items()}


def facts_of_ablations(spectra: pd.DataFrame, ablations: pd.DataFrame) -> dict[str, str]:
    """The numbers of the chapter about RoPE-ID's band with one number changed, as it prints them.

    `spectra` and `ablations` are the kept tables `summary`. All are tested with the temperature; *kept* is
    accuracy at the longest inputs over that at the trained length.
    """
    table = ablation(spectra, ablations)
    table = table[table.temperature == "by position"]
    trained, longest = int(table.length.min()), int(table.length.max())

    def asked(name: str, value: float) -> tuple[pd.Series, pd.Series]:
        """Accuracy by seed where one number of the band is `value`: at the trained length, at the longest."""
        rows = along(table, name)
        pivoted = rows[rows[name] == value].pivot(index="seed", columns="length", values="accuracy")
        return pivoted[trained], pivoted[longest]

    smallest = along(table, "share").share.min()
    found = {
        "share": f"{smallest:.0%}",
        "share-least": f"{asked('share', smallest)[1].min():.2f}",
        "share-half": f"{asked('share', 0.5)[1].mean():.2f}",
        "share-all": f"{asked('share', 1.0)[1].mean():.2f}",
        "quarter": f"{asked('turns', 0.25)[0].min():.2f}",
    }
    changed: dict[str, tuple[str, float]] = {
        "own": ("turns", 2),
        "many": ("turns", 8),
        "fast": ("shortest_period", 2),
        "slow": ("shortest_period", 32),
    }
    for label, (name, value) in changed.items():
        found[label] = f"{asked(name, value)[0].mean():.2f}"
    for label, (name, value) in {"quarter": ("turns", 0.25), **changed}.items():
        inside, end = asked(name, value)
        found[f"{label}-kept"] = f"{(end / inside).mean():.0%}"
    return {f"trained-{name}": text for name, text in found.items()}


def facts_of_text(loss: pd.DataFrame, warm: pd.DataFrame, meets: pd.Series) -> dict[str, str]:
    """The numbers of the chapter about the next byte of real text, as it prints them: losses in nats.

    `loss` and `warm` are `next_byte_losses` without a temperature and with it; `meets` says of each trained
    spectrum which criteria it meets: a column of `classes`.
    """
    start, middle, end = loss.columns[0], loss.columns[2], loss.columns[-1]
    means = loss.groupby(level="system").mean()
    near = means[start].drop(["NoPE", "HighFreq"])
    rises = (loss[end] - loss[start]).unstack("seed").loc[meets.index]
    turned = meets.str.contains("C2")
    rising, others = rises[turned], rises[~turned]
    ruler = against_ruler(-means[middle])
    helped = (means[end] - _by_system(warm[end])).dropna()
    found = {
        "seeds": f"{rises.shape[1]}",
        "near-least": f"{near.min():.2f}",
        "near-most": f"{near.max():.2f}",
        "high-near": f"{means.loc['HighFreq', start]:.2f}",
        "nope-near": f"{means.loc['NoPE', start]:.2f}",
        "turned-most": f"{rising.mean(axis=1).max():.2f}",
        "missing-least": f"{others.mean(axis=1).min():.2f}",
        "crossed": f"{(rising.max() > others.min()).sum()}",
        "high-end": f"{means.loc['HighFreq', end]:.2f}",
        "half-end": f"{means.loc['HalfRoPE', end]:.2f}",
        "id-end": f"{means.loc['RoPE-ID', end]:.2f}",
        "rope-end": f"{means.loc['RoPE', end]:.2f}",
        "yarn-end": f"{means.loc['YaRN', end]:.2f}",
        "end": f"{end:,}",
        "ruler": " and ".join(f"{value:+.1f}" for value in ruler.correlation),
        "ruler-chance": " and ".join(f"{value:.2f}" for value in ruler.chance),
        "ruler-pairs": " and ".join(f"{row.same} of {row.of}" for row in ruler.itertuples()),
        "helped": f"{helped.drop('NoPE').max():.2f}",
        "nope-hurt": f"{-helped['NoPE']:.2f}",
    }
    return {f"trained-bytes-{name}": text for name, text in found.items()}


def _by_system(values: pd.Series) -> pd.Series:
    return values.groupby(level="system").mean()
