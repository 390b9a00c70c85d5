"""Which bound on the base predicts failure? The kept tables of experiment 1 against every bound.

A *trial* is one trained model, tested on inputs of one length. The bounds are those of `theory.bounds` and
`theory.rivals`; each gives a trial a *margin*: 1 or more where the bound says that the model works, below 1
where it says that the model fails. So the same statistics apply to every bound: how often it is right, and
how well it ranks the models.

At one length the margin of every bound on the base rises with the base, so that all of them rank the models
in the same order. They differ in how they depend on length and depth, and in their constants.
"""

import functools
import itertools
import tomllib
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rope_lib.runs.grid import make_grid
from rope_lib.theory.bounds import aliasing_bound, stability_bound
from rope_lib.theory.rivals import liu_critical_dimension, liu_extrapolation_limit, men_minimum_base

from .kept import Tables, kept
from .stats import best_constant, calibration, ranking

EPSILON = 0.95  # the similarity to keep, as reported second-hand for paper A

# A model works if it finds this share of the answers; the other thresholds show what depends on the choice.
WORKS = 0.7
THRESHOLDS = (0.5, 0.7, 0.9)

# Answers at least length / FAR tokens back show that a model reaches over the whole input.
FAR = 4

MODEL = ["seed", "trained", "layers", "base"]  # the columns that identify a trained model

_men = functools.cache(men_minimum_base)  # each call searches for about a second

# Bounds on the base, as functions of length, layers and head_dim. Paper A's approximate the lowest frequency
# by 1/base, as the paper does.
Demand: TypeAlias = Callable[[int, int, int], float]
DEMANDS: dict[str, Demand] = {
    "aliasing (A2)": lambda length, layers, head_dim: float(aliasing_bound(length)),
    "stability (A3)": lambda length, layers, head_dim: float(stability_bound(length, EPSILON)),
    "depth (A4)": lambda length, layers, head_dim: float(stability_bound(length, EPSILON, layers=layers)),
    "Men et al.": lambda length, layers, head_dim: _men(int(length), head_dim),
}
LIU = "Liu et al."
SEEN = "no longer than training"
UNTURNED = "share of pairs not turned"
BASE = "the base alone"


def trials(tables: Tables) -> pd.DataFrame:
    """One row for each trained model and length: MODEL, length, accuracy, far and inside.

    `accuracy` is of all questions, `far` of those whose answer lies at least a quarter of the length back;
    both between 0 and 1. `inside`: the input is no longer than those of training.
    """
    keys = [*MODEL, "length"]
    back = tables["distances"][tables["distances"].octave * FAR >= tables["distances"].length]
    back = back.assign(right=back.accuracy * back.questions).groupby(keys)[["right", "questions"]].sum()
    rows = tables["summary"].set_index(keys)[["accuracy"]]
    rows = rows.assign(far=back.right / back.questions).reset_index()
    return rows.assign(inside=rows.length <= rows.trained)


def trials_at(tables: Tables, trained: int) -> pd.DataFrame:
    """`trials` of a grid in which every model learned from `trained` tokens, so that no column says so."""
    return trials({name: tables[name].assign(trained=trained) for name in ("summary", "distances")})


def kept_budgets() -> tuple[tuple[tuple[int, pd.DataFrame], ...], int]:
    """The trials of the kept results by the steps of training: (((steps, rows), …), head_dim).

    Models that took different numbers of steps are different evidence: nothing should be counted over both.

    >>> budgets, _ = kept_budgets()
    >>> [(steps, len(rows)) for steps, rows in budgets]
    [(400, 480), (1200, 90)]
    """
    (tables, made), (again, made_again) = kept("which_bound"), kept("which_bound_longer")
    first, second = (
        make_grid(tomllib.loads(each["inputs"]["grid"])).cells[0].values for each in (made, made_again)
    )
    longer = trials_at(again, second["training"]["length"])
    found = (first["training"]["steps"], trials(tables)), (second["training"]["steps"], longer)
    return found, first["model"]["head_dim"]


def late_losses(training: pd.DataFrame) -> pd.DataFrame:
    """The loss at the end of training, by trained, layers and base: mean over seeds, in nats.

    `training` is a kept table with a row for each step. `last` is over the last tenth of the steps, `before`
    over the tenth before: a loss that still falls there has not settled.

    >>> steps = pd.DataFrame({"trained": 64, "layers": 1, "base": 8, "step": range(20), "loss": 1.0})
    >>> late_losses(steps.assign(loss=2 - steps.step / 20)).values.round(3).tolist()
    [[64.0, 1.0, 8.0, 1.175, 1.075]]
    """
    steps = int(training.step.max()) + 1
    tenth = training.assign(tenth=training.step * 10 // steps)
    found = tenth.groupby(["trained", "layers", "base", "tenth"]).loss.mean().unstack("tenth")
    return found[[8, 9]].set_axis(["before", "last"], axis=1).reset_index()


def trained_longest(rows: pd.DataFrame, longer: pd.DataFrame) -> pd.DataFrame:
    """The trials, with those of models trained again for more steps, `longer`, in place of the first ones.

    >>> rows = pd.DataFrame({"seed": 0, "trained": 64, "layers": 1, "base": [4, 8], "length": 64, "far": 0.1})
    >>> trained_longest(rows, rows[1:].assign(far=0.9)).far.tolist()
    [0.1, 0.9]
    """
    both = pd.concat([rows, longer], ignore_index=True)
    return both.drop_duplicates([*MODEL, "length"], keep="last", ignore_index=True)


def demands(length: int, layers: int, head_dim: int) -> dict[str, float]:
    """The smallest base that each bound demands for inputs of `length` tokens: a dict by the bound's name.

    >>> {name: round(base) for name, base in demands(128, 2, 32).items()}
    {'aliasing (A2)': 20, 'stability (A3)': 403, 'depth (A4)': 568, 'Men et al.': 1218}
    """
    return {name: demand(length, layers, head_dim) for name, demand in DEMANDS.items()}


def margins(rows: pd.DataFrame, head_dim: int, at: str = "length") -> pd.DataFrame:
    """The margin of each trial under each bound: a DataFrame, one column per bound, 1 where it is just met.

    For bounds on the base it is the base over the one demanded for the length `at`: "length", the length of
    the input, or "trained", the trained length. For Liu et al. it is their limit for the model as trained,
    over the length of the input. A last column, the trained length over that of the input, ignores the base.
    Raises ValueError for another `at`.

    >>> rows = pd.DataFrame({"trained": [64], "layers": [2], "base": [100.0], "length": [128]})
    >>> margins(rows, 32)[["aliasing (A2)", "Men et al.", "no longer than training"]].round(2).values.tolist()
    [[4.91, 0.08, 0.5]]
    """
    lengths = {"length": rows.length, "trained": rows.trained}
    if at not in lengths:
        raise ValueError(f"at must be length or trained, got {at!r}")
    places = list(zip(lengths[at], rows.layers, strict=True))
    asked = {place: demands(*place, head_dim) for place in dict.fromkeys(places)}
    found = {name: rows.base / [asked[place][name] for place in places] for name in DEMANDS}
    limit = liu_extrapolation_limit(rows.trained, head_dim, rows.base, rows.base)
    return pd.DataFrame(found | {LIU: limit / rows.length, SEEN: rows.trained / rows.length}, rows.index)


def orders(rows: pd.DataFrame, head_dim: int) -> pd.DataFrame:
    """Two more ways to rank trials, neither with a threshold: a DataFrame with one column for each.

    The base alone, which a bound must beat to add anything about length or depth; and the share of pairs that
    did not complete a turn in training, from Liu et al.'s critical dimension.

    >>> orders(pd.DataFrame({"trained": [64], "base": [100.0]}), 32).values.tolist()
    [[100.0, 0.4375]]
    """
    turned = liu_critical_dimension(rows.trained, head_dim, rows.base) / head_dim
    return pd.DataFrame({BASE: rows.base, UNTURNED: 1 - turned}, rows.index)


def counterexamples(
    rows: pd.DataFrame, name: str, head_dim: int, threshold: float = WORKS, measure: str = "far"
) -> pd.DataFrame:
    """Bases below a bound at which every seed works at the trained length: rows with trained, layers, base.

    `ratio` is the base over the one demanded, `least` the accuracy of the worst seed. One lucky model is not
    a counterexample; a base at which every seed works is.

    >>> ((_, rows), (_, longer)), head_dim = kept_budgets()
    >>> found = counterexamples(trained_longest(rows, longer), "aliasing (A2)", head_dim)
    >>> found[["trained", "layers", "base"]].values.tolist(), found.ratio.round(2).tolist()
    ([[64, 1, 8]], [0.79])
    """
    asked = rows[rows.length == rows.trained]
    asked = asked.assign(ratio=margins(asked, head_dim)[name])
    worst = asked.groupby(["trained", "layers", "base", "ratio"])[measure].min().rename("least").reset_index()
    return worst[(worst.ratio < 1) & (worst.least >= threshold)].reset_index(drop=True)


def depth_differences(rows: pd.DataFrame, measure: str = "far") -> pd.DataFrame:
    """What a second layer changes: one row for each seed, base, trained and length, with `difference`.

    It is the accuracy with the larger depth minus that with the smaller. Models of one seed answer the same
    questions. Raises ValueError unless there are two depths.

    >>> rows = pd.DataFrame({"seed": 0, "trained": 64, "base": 16, "length": 64, "layers": [1, 2]})
    >>> depth_differences(rows.assign(inside=True, far=[0.75, 0.5])).difference.tolist()
    [-0.25]
    """
    depths = sorted(rows.layers.unique().tolist())
    if len(depths) != 2:
        raise ValueError(f"layers must take two values, got {depths}")
    keys = ["seed", "trained", "base", "length", "inside"]
    pairs = rows.pivot(index=keys, columns="layers", values=measure)
    return (pairs[depths[1]] - pairs[depths[0]]).rename("difference").reset_index()


def models(rows: pd.DataFrame) -> NDArray[np.int64]:
    """The number of each trial's trained model: trials of one model are not independent of each other.

    >>> models(pd.DataFrame({"seed": [0, 0, 1], "trained": 64, "layers": 1, "base": 16})).tolist()
    [0, 0, 1]
    """
    return rows.groupby(MODEL).ngroup().to_numpy()


def compared(
    rows: pd.DataFrame, head_dim: int, threshold: float = WORKS, measure: str = "far", at: str = "length"
) -> pd.DataFrame:
    """Every bound against what happened: one row for each region and bound.

    The regions are "inside" and "beyond" the trained length. Columns: those of `stats.calibration`; ranking,
    see `stats.ranking`; factor and best, see `stats.best_constant`. The orders without a threshold (see
    `orders`) have NaN in all columns that need one.

    >>> ((_, rows), _), head_dim = kept_budgets()
    >>> found = compared(rows, head_dim).set_index(["region", "bound"])
    >>> found.ranking.loc["beyond"].round(2)[["aliasing (A2)", "Men et al.", "the base alone"]].tolist()
    [0.93, 0.94, 0.89]
    """
    every = margins(rows, head_dim, at).join(orders(rows, head_dim))
    found = []
    for (region, chosen), name in itertools.product(regions(rows).items(), every.columns):
        works, margin = rows[chosen][measure] >= threshold, every[chosen][name]
        row = {"region": region, "bound": name, "ranking": ranking(works, margin)}
        if name not in (BASE, UNTURNED):
            factor, best = best_constant(works, margin)
            row |= calibration(works, margin) | {"factor": factor, "best": best}
        found.append(row)
    return pd.DataFrame(found)


def regions(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Which trials lie inside the trained length and which beyond it: a dict of Boolean masks."""
    return {"inside": rows.inside, "beyond": ~rows.inside}


# What chapter 18 states; the rest of it is in `least_base`
