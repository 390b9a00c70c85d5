"""Experiment 5: which spectrum the ablations favor, and how it does on tests that it was not chosen on.

The choice is a function of the kept tables of `spectra` and `ablations`, under a rule that was written down
before the test was run (`experiments/better.toml`); the test is the kept result `better`. Scores are
accuracies, and losses of the next byte in nats.
"""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rope_lib.train.config import TRAINED

from .spectra import SYSTEMS, ablation, criteria, systems
from .wording import signed

# The name under which the chosen band goes in tables and figures.
PROPOSAL = "quarter band"

# The spectrum that others are compared with, and the temperature that belongs to it.
REFERENCE, WARM = "RoPE-ID", "by position"

# Tested with another spectrum than in training, set by the length; they have no temperature of their own.
ORACLES = ("YaRN", "NTK")

# Scores that differ by at most this are called alike: accuracy, or nats.
ALIKE = 0.02

BETTER, WORSE, SAME, UNDECIDED = "better", "worse", "alike", "undecided"

_BAND = ["share", "shortest_period", "turns"]

# Spectra of `spectra` that are not bands: name → scaling and parameters, as they were trained.
_OTHERS: dict[str, tuple[str, dict[str, float]]] = {
    "RoPE": ("default", {}),
    "HalfRoPE": ("half_rope", {}),
    "p-RoPE": ("p_rope", {"p": 0.75}),
    "HoPE": ("hope", {}),
    "NoPE": ("nope", {}),
}


def evidence(
    spectra: pd.DataFrame, ablations: pd.DataFrame, *, trained: int, head_dim: int, temperature: str = WARM
) -> pd.DataFrame:
    """The spectra trained before, with the criteria that each meets: one row for each, the best first.

    `spectra` and `ablations` are the kept tables `summary`. Columns: name; share, shortest_period and turns
    if the spectrum is a band; c1 (some pairs do not rotate) and c2 (the slowest rotating pair turns once in
    `trained` tokens, trivially true of NoPE); inside, the mean accuracy at `trained` tokens; beyond, the mean
    over the longer lengths that both results have; and worst, the smallest `beyond` of any seed.

    >>> from rope_lib.findings.kept import kept
    >>> parts = (kept(name)[0]["summary"] for name in ("spectra", "ablations"))
    >>> evidence(*parts, trained=128, head_dim=32).name.head(2).tolist()
    ['band: 0.25, 8, 2', 'HoPE']
    """
    bands = ablation(spectra, ablations)
    bands = bands.assign(name=[_band_name(*setting) for setting in bands[_BAND].itertuples(index=False)])
    others = systems(spectra)
    others = others[others.system.isin(_OTHERS)].assign(name=others.system)
    rows = pd.concat([bands, others], ignore_index=True)
    lengths = set(ablations.length) & set(spectra.length)
    rows = rows[(rows.temperature == temperature) & rows.length.isin(lengths)]
    found = []
    for name, own in rows.groupby("name"):
        band = {} if name in _OTHERS else own.iloc[0][_BAND].astype(float).to_dict()
        scaling, parameters = _OTHERS.get(name, ("band", band))
        resting, turns = criteria(scaling, trained=trained, head_dim=head_dim, **parameters)
        far = own[own.length > trained].groupby("seed").accuracy.mean()
        found.append(
            {"name": name, **(band or dict.fromkeys(_BAND, np.nan)), "c1": resting > 0, "c2": not turns < 1}
            | {"inside": own[own.length == trained].accuracy.mean(), "beyond": far.mean(), "worst": far.min()}
        )
    return pd.DataFrame(found).sort_values("beyond", ascending=False, kind="stable", ignore_index=True)


def _band_name(share: float, shortest_period: float, turns: float) -> str:
    named = {(0.5, 8.0, 2.0): "RoPE-ID", (1.0, 8.0, 2.0): "HighFreq"}
    own = f"band: {share:g}, {shortest_period:g}, {turns:g}"
    return named.get((share, shortest_period, turns), own)


def proposal(table: pd.DataFrame) -> pd.Series:
    """The row of `evidence` that the rule chooses: of the spectra that meet C1 and C2, the best beyond.

    Among equals it is the one whose worst seed is best. Raises ValueError if none meets both criteria.

    >>> rows = pd.DataFrame({"name": ["a", "b"], "c1": True, "c2": [False, True], "beyond": [0.9, 0.8]})
    >>> proposal(rows.assign(worst=0.5))["name"]
    'b'
    """
    met = table[table.c1 & table.c2]
    if met.empty:
        raise ValueError(f"table must hold a spectrum that meets C1 and C2, got {', '.join(table.name)}")
    return met.sort_values(["beyond", "worst"], ascending=False, kind="stable").iloc[0]


def scores(summary: pd.DataFrame) -> pd.DataFrame:
    """The kept summary of the test, one row for each model, variant and length.

    Columns: task, system, temperature, seed, length, stretch (the length over that of training) and score:
    accuracy, and for the task `bytes` the loss in nats. Variants without a name in `SYSTEMS` are left out.

    >>> from rope_lib.findings.kept import kept
    >>> sorted(set(scores(kept("better")[0]["summary"]).task))
    ['bytes', 'common_words', 'copy', 'order', 'recall']
    """
    rows = systems(summary, SYSTEMS | {("band", TRAINED): PROPOSAL})
    rows = rows.assign(
        task=rows.name,
        stretch=(rows.length / rows.trained).astype(int),
        score=rows.nll.where(rows.name == "bytes", rows.accuracy),
    )
    columns = ["task", "system", "temperature", "seed", "length", "stretch", "score"]
    return rows[columns].reset_index(drop=True)


def as_used(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `scores` with each system as meant to be used: with a temperature, or as an oracle."""
    oracle = table.system.isin(ORACLES) & (table.temperature == "none")
    return table[oracle | (table.temperature == WARM)].reset_index(drop=True)


def beyond(table: pd.DataFrame) -> pd.Series:
    """Mean score over the lengths beyond the trained one: a Series by task, system and seed."""
    far = table[table.stretch > 1]
    return far.groupby(["task", "system", "seed"], sort=False).score.mean()


def means_by_system(found: pd.Series) -> pd.Series:
    """Means over seeds of a Series by task, system and seed: a Series by task and system.

    >>> from rope_lib.findings.kept import kept
    >>> used = as_used(scores(kept("better")[0]["summary"]))
    >>> means_by_system(beyond(used))["recall"][["RoPE", "RoPE-ID", "quarter band"]].round(2).tolist()
    [0.72, 0.67, 0.97]
    """
    return found.groupby(level=["task", "system"]).mean()


def inside(table: pd.DataFrame) -> pd.Series:
    """Score at the trained length: a Series by task, system and seed."""
    return table[table.stretch == 1].set_index(["task", "system", "seed"]).score


def gains(found: pd.Series, reference: str = REFERENCE) -> pd.Series:
    """How much better each other system is than `reference` with the same seed: a Series like `found`.

    `found` is a Series by task, system and seed. For `bytes`, whose scores are losses, less is better.
    Models of one seed and task start from the same weights and answer the same questions.
    """
    base = found.xs(reference, level="system")
    others = found.drop(index=reference, level="system")
    task, _, seed = (others.index.get_level_values(level) for level in range(3))
    sign = np.where(task == "bytes", -1.0, 1.0)
    return (others - base.loc[list(zip(task, seed, strict=True))].to_numpy()) * sign


def judged(values: ArrayLike) -> str:
    """The verdict on differences by seed, by the rule that was written down before the test.

    Better (worse): ahead (behind) in every seed, and by more than `ALIKE` on average. Alike: at most that far
    apart on average. Otherwise undecided.

    >>> judged([0.1, 0.2]), judged([-0.1, -0.2]), judged([-0.1, 0.1]), judged([-0.1, 0.3])
    ('better', 'worse', 'alike', 'undecided')
    """
    apart = np.asarray(values, dtype=float)
    if abs(apart.mean()) <= ALIKE:
        return SAME
    if (apart > 0).all() or (apart < 0).all():
        return BETTER if apart.mean() > 0 else WORSE
    return UNDECIDED


def verdicts(gained: pd.Series, system: str = PROPOSAL) -> dict[str, str]:
    """The verdict of `judged` on one system's gains, by task.

    >>> from rope_lib.findings.kept import kept
    >>> found = verdicts(gains(beyond(as_used(scores(kept("better")[0]["summary"])))))
    >>> found["recall"], found["order"]
    ('better', 'undecided')
    """
    own = gained.xs(system, level="system")
    return {task: judged(values) for task, values in own.groupby(level="task", sort=False)}


def is_better(found: Mapping[str, str], chosen_on: Collection[str] = ("recall",)) -> bool:
    """Whether a system is better at some task that it was not chosen on, and worse at no such task.

    >>> is_better({"recall": "better", "order": "alike"}), is_better({"copy": "better", "order": "worse"})
    (False, False)
    >>> is_better({"recall": "worse", "copy": "better", "order": "undecided"})
    True
    """
    fresh = [word for task, word in found.items() if task not in chosen_on]
    return BETTER in fresh and WORSE not in fresh


# What chapter 20 states


def facts(choice: pd.DataFrame, table: pd.DataFrame) -> dict[str, str]:
    """The numbers of the chapter, as it prints them, from the `evidence` and the test's `scores`.

    Scores are means over seeds of systems as they are used, unless a name says otherwise: accuracies, and for
    the task `bytes` losses in nats.
    """
    used = as_used(table)
    found = _facts_of_choice(choice) | _facts_of_scores(used) | _facts_of_text(used[used.task == "bytes"])
    return {f"better-{name}": text for name, text in (found | _facts_of_gains(table)).items()}


def _facts_of_choice(table: pd.DataFrame) -> dict[str, str]:
    favored = proposal(table)
    both = table[table.c1 & table.c2].reset_index(drop=True)
    return {
        "spectra": f"{len(table)}",
        "both": f"{len(both)}",
        "share": f"{favored.share:.0%}",
        "period": f"{favored.shortest_period:g}",
        "turns": f"{favored.turns:g}",
        "favored": f"{favored.beyond:.3f}",
        "second": f"{both.beyond[1]:.3f}",
        "own": f"{table.set_index('name').beyond[REFERENCE]:.3f}",
        "alike": f"{ALIKE:g}",
    }


def _facts_of_scores(used: pd.DataFrame) -> dict[str, str]:
    near, far = means_by_system(inside(used)), means_by_system(beyond(used))
    at = used.groupby(["task", "system", "stretch"]).score.mean()
    copying = inside(used).xs("copy", level="task")
    copied = copying.drop(index="NoPE", level="system")
    farther = used[used.stretch > 1].groupby("task").score
    recall = used[used.task == "recall"].set_index(["system", "seed", "stretch"]).score.unstack()
    kept = recall.div(recall[1], axis=0).groupby(level="system").min()
    numbers = {
        "recall-near": near["recall", PROPOSAL],
        "recall-near-id": near["recall", REFERENCE],
        "recall-far": far["recall", PROPOSAL],
        "recall-far-id": far["recall", REFERENCE],
        "order-rope": near["order", "RoPE"],
        "order-id": near["order", REFERENCE],
        "order-nope": near["order", "NoPE"],
        "order-band": near["order", PROPOSAL],
        "order-id-4": at["order", REFERENCE, 4],
        "order-band-4": at["order", PROPOSAL, 4],
        "order-id-16": at["order", REFERENCE, 16],
        "order-band-16": at["order", PROPOSAL, 16],
        "order-yarn-16": at["order", "YaRN", 16],
        "copy-nope": near["copy", "NoPE"],
        "copy-least": copied.min(),
        "copy-most": copied.max(),
        "copy-beyond": farther.max()["copy"],
        "words-least": farther.min()["common_words"],
    }
    shares = {
        "kept-id": kept.loc[REFERENCE, 16],
        "kept-id-4": kept.loc[REFERENCE, 4],
        "kept-band": kept.loc[PROPOSAL, 16],
    }
    texts = {name: f"{value:.2f}" for name, value in numbers.items()}
    return texts | {name: f"{value:.0%}" for name, value in shares.items()}


def _facts_of_gains(table: pd.DataFrame) -> dict[str, str]:
    """Gains over the reference beyond the trained length, with the temperature and (*cold*) without it."""
    used = as_used(table)
    gained, learned = gains(beyond(used)), means_by_system(gains(inside(used)))
    cold = means_by_system(gains(beyond(table[table.temperature == "none"])))
    found = {"gain-learned": f"{learned['recall', PROPOSAL]:+.2f}"}
    for task, word in verdicts(gained).items():
        found[f"word-{task}"] = word
        found[f"gain-{task}"] = signed(means_by_system(gained)[task, PROPOSAL])
        found[f"cold-{task}"] = signed(cold[task, PROPOSAL])
    return found | {f"hope-{task}": word for task, word in verdicts(gained, "HoPE").items()}


def _facts_of_text(used: pd.DataFrame) -> dict[str, str]:
    loss = used.pivot_table(index="system", columns="length", values="score")
    start, end = loss.iloc[:, 0], loss.iloc[:, -1]
    numbers = {
        "loss-apart": start.max() - start.min(),
        "loss-start": start[REFERENCE],
        "loss-id": end[REFERENCE],
        "loss-band": end[PROPOSAL],
        "loss-hope": end["HoPE"],
        "loss-rope": end["RoPE"],
        "loss-yarn": end["YaRN"],
    }
    found = {name: f"{value:.2f}" for name, value in numbers.items()}
    return found | {"bytes-longest": f"{loss.columns[-1]:,}"}
