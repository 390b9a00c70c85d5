"""Experiment 5: which spectrum the ablations favor, and how it does where it was not chosen.

The choice is a function of the kept tables of `spectra` and `ablations`, under a rule that was written down
before the test was run (`experiments/better.toml`); the test is the kept result `better`. Scores are
accuracies, and losses of the next byte in nats.
"""

import numpy as np
import pandas as pd

from rope_lib.train.evaluate import TRAINED

from .spectra import SYSTEMS, ablation, criteria, systems

# The name under which the chosen band goes in tables and figures.
PROPOSAL = "quarter band"

# The spectrum that others are compared with, and the temperature that belongs to it.
REFERENCE, WARM = "RoPE-ID", "by position"

# What is asked with another spectrum than in training, told the length: it has no temperature of its own.
ORACLES = ("YaRN", "NTK")

# Scores that differ by no more are called alike: accuracy, or nats.
ALIKE = 0.02

BETTER, WORSE, SAME, UNDECIDED = "better", "worse", "alike", "undecided"

_BAND = ["share", "shortest_period", "turns"]

# Spectra of `spectra` that are no band: name → scaling and parameters, as they were trained.
_OTHERS = {
    "RoPE": ("default", {}),
    "HalfRoPE": ("half_rope", {}),
    "p-RoPE": ("p_rope", {"p": 0.75}),
    "HoPE": ("hope", {}),
    "NoPE": ("nope", {}),
}


def evidence(spectra, ablations, *, trained, head_dim, temperature=WARM):
    """What was trained before, with the criteria that it meets: one row for each spectrum, the best first.

    `spectra` and `ablations` are the kept tables `summary`. Columns: name; share, shortest_period and turns
    where the spectrum is a band; c1 (some pairs rest) and c2 (the slowest rotating pair turns once in
    `trained` tokens, which NoPE meets emptily); inside, the mean accuracy at `trained` tokens; beyond, that
    over the longer lengths that both results have; and worst, the least of `beyond` in any one seed.
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


def _band_name(share, shortest_period, turns):
    named = {(0.5, 8, 2): "RoPE-ID", (1, 8, 2): "HighFreq"}
    own = f"band: {share:g}, {shortest_period:g}, {turns:g}"
    return named.get((share, shortest_period, turns), own)


def proposal(table):
    """The row of `evidence` that the rule chooses: of the spectra that meet C1 and C2, the best beyond.

    Among equals it is the one whose worst seed is best. Raises ValueError where none meets both criteria.

    >>> rows = pd.DataFrame({"name": ["a", "b"], "c1": True, "c2": [False, True], "beyond": [0.9, 0.8]})
    >>> proposal(rows.assign(worst=0.5))["name"]
    'b'
    """
    met = table[table.c1 & table.c2]
    if met.empty:
        raise ValueError(f"table must hold a spectrum that meets C1 and C2, got {', '.join(table.name)}")
    return met.sort_values(["beyond", "worst"], ascending=False, kind="stable").iloc[0]


def scores(summary):
    """The kept summary of the test, one row for each model, way of asking and length.

    Columns: task, system, temperature, seed, length, stretch (the length over that of training) and score:
    accuracy, and for the task `bytes` the loss in nats. Variants that have no name here are left out.
    """
    rows = systems(summary, SYSTEMS | {("band", TRAINED): PROPOSAL})
    rows = rows.assign(
        task=rows.name,
        stretch=(rows.length / rows.trained).astype(int),
        score=rows.nll.where(rows.name == "bytes", rows.accuracy),
    )
    columns = ["task", "system", "temperature", "seed", "length", "stretch", "score"]
    return rows[columns].reset_index(drop=True)


def as_used(table):
    """The rows of `scores` with each system as it is meant to be used: with the temperature, or an oracle."""
    oracle = table.system.isin(ORACLES) & (table.temperature == "none")
    return table[oracle | (table.temperature == WARM)].reset_index(drop=True)


def beyond(table):
    """Mean score over the lengths beyond the trained one: a Series by task, system and seed."""
    far = table[table.stretch > 1]
    return far.groupby(["task", "system", "seed"], sort=False).score.mean()


def inside(table):
    """Score at the trained length: a Series by task, system and seed."""
    return table[table.stretch == 1].set_index(["task", "system", "seed"]).score


def gains(found, reference=REFERENCE):
    """How much better each other system is than `reference` with the same seed: a Series like `found`.

    `found` is a Series by task, system and seed. For `bytes`, whose scores are losses, less is better.
    Models of one seed start from the same weights where their tasks agree, and are asked the same questions.
    """
    base = found.xs(reference, level="system")
    others = found.drop(index=reference, level="system")
    task, _, seed = (others.index.get_level_values(level) for level in range(3))
    sign = np.where(task == "bytes", -1.0, 1.0)
    return (others - base.loc[list(zip(task, seed, strict=True))].to_numpy()) * sign


def judged(values):
    """What differences by seed amount to, by the rule that was written down before the test.

    Better (worse): ahead (behind) in every seed, and by more than `ALIKE` in the mean. Alike: no more than
    that apart in the mean. Else undecided.

    >>> judged([0.1, 0.2]), judged([-0.1, -0.2]), judged([-0.1, 0.1]), judged([-0.1, 0.3])
    ('better', 'worse', 'alike', 'undecided')
    """
    values = np.asarray(values, dtype=float)
    if abs(values.mean()) <= ALIKE:
        return SAME
    if (values > 0).all() or (values < 0).all():
        return BETTER if values.mean() > 0 else WORSE
    return UNDECIDED


def verdicts(gained, system=PROPOSAL):
    """`judged` of one system's gains for each task: a dict from tasks to words."""
    own = gained.xs(system, level="system")
    return {task: judged(values) for task, values in own.groupby(level="task", sort=False)}


def is_better(found, chosen_on=("recall",)):
    """Do `verdicts` call a system better? At a task that it was not chosen on, and worse at none of them.

    >>> is_better({"recall": "better", "order": "alike"}), is_better({"copy": "better", "order": "worse"})
    (False, False)
    >>> is_better({"recall": "worse", "copy": "better", "order": "undecided"})
    True
    """
    fresh = [word for task, word in found.items() if task not in chosen_on]
    return BETTER in fresh and WORSE not in fresh
