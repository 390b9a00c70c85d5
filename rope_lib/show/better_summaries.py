"""Experiment 5: which spectrum the ablations favor, and how it does where it was not chosen.

The choice is a function of the kept tables of `spectra` and `ablations`, under a rule that was written down
before the test was run; the test is the kept result `better`, whose tables have a column for the task.
"""

import itertools
import math

import numpy as np
import pandas as pd

from rope_lib.train.evaluate import TRAINED

from .experiment_summaries import SYSTEMS, TEMPERATURES, ablation, criteria, systems

# The name under which the chosen band goes in tables and figures.
PROPOSAL = "quarter band"

# What `ablation` calls the temperature that belongs to RoPE-ID, under which systems are chosen and compared.
WARM = "by position"

# What was trained in `spectra` and has no band of its own: name → scaling and parameters.
_RIVALS = {
    "RoPE": ("default", {}),
    "HalfRoPE": ("half_rope", {}),
    "p-RoPE": ("p_rope", {"p": 0.75}),
    "HoPE": ("hope", {}),
    "NoPE": ("nope", {}),
}


def evidence(spectra, ablations, *, trained, head_dim, temperature=WARM):
    """What was trained so far, with the criteria that it meets: one row for each spectrum, the best first.

    `spectra` and `ablations` are the kept tables `summary`. Columns: name; share, shortest_period and turns
    where the spectrum is a band; c1 (some pairs rest) and c2 (the slowest rotating pair turns once in
    `trained` tokens, which NoPE meets emptily); inside, the mean accuracy at `trained` tokens; beyond, that
    over all longer lengths that both results have; and worst, the least of `beyond` in any one seed.
    """
    bands = ablation(spectra, ablations)
    bands = bands[bands.temperature == temperature]
    lengths = sorted(set(ablations.length) & set(spectra.length))
    others = systems(spectra)
    others = others[(others.temperature == temperature) & others.system.isin(_RIVALS)]
    named = bands.assign(name=[f"band {s:g}, {p:g}, {t:g}" for s, p, t in _settings(bands)])
    rows = pd.concat([named, others.assign(name=others.system)], ignore_index=True)
    rows = rows[rows.length.isin(lengths)]
    found = []
    for name, own in rows.groupby("name", sort=False):
        setting = own[["share", "shortest_period", "turns"]].iloc[0] if name not in _RIVALS else None
        scaling, parameters = ("band", dict(setting)) if setting is not None else _RIVALS[name]
        resting, turns = criteria(scaling, trained=trained, head_dim=head_dim, **parameters)
        far = own[own.length > trained].groupby("seed").accuracy.mean()
        found.append(
            {"name": name, "share": np.nan, "shortest_period": np.nan, "turns": np.nan}
            | ({} if setting is None else dict(setting))
            | {"c1": resting > 0, "c2": not turns < 1}
            | {"inside": own[own.length == trained].accuracy.mean(), "beyond": far.mean(), "worst": far.min()}
        )
    return pd.DataFrame(found).sort_values("beyond", ascending=False, kind="stable", ignore_index=True)


def proposal(table):
    """The row of `evidence` that the rule chooses: of the spectra that meet C1 and C2, the best beyond.

    The rule: the highest mean accuracy beyond the trained length; among equals the one whose worst seed is
    best, and then the one with fewer rotating pairs. Raises ValueError where none meets both criteria.

    >>> rows = pd.DataFrame({"name": ["a", "b"], "c1": True, "c2": [False, True], "beyond": [0.9, 0.8]})
    >>> proposal(rows.assign(worst=0.5, share=0.5))["name"]
    'b'
    """
    met = table[table.c1 & table.c2]
    if met.empty:
        raise ValueError(f"table must hold a spectrum that meets C1 and C2, got {', '.join(table.name)}")
    order = met.sort_values(["beyond", "worst", "share"], ascending=[False, False, True], kind="stable")
    return order.iloc[0]


def _settings(bands):
    return bands[["share", "shortest_period", "turns"]].itertuples(index=False)
