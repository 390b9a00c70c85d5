"""Which bound on the base predicts failure? Experiment 1, its kept tables set against every bound.

A *trial* is one trained model asked at one length. Bounds are those of `theory.bounds` and `theory.rivals`;
each becomes a *margin* of a trial: above 1 where the bound says that the model works, below 1 where it says
that it fails. So one rule tells of every bound how often it is right, and whether at least its order is.

At one length the margin of every bound on the base rises with the base: there they all order models alike.
Only what they make of the length and of the depth tells them apart, and the constant with which they divide.
"""

import functools
import itertools
import tomllib

import numpy as np
import pandas as pd

from rope_lib.runs.grid import make_grid
from rope_lib.theory.bounds import aliasing_bound, stability_bound
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.rivals import liu_critical_dimension, liu_extrapolation_limit, men_minimum_base

from .kept import kept
from .stats import best_constant, calibration, ranking, slope

EPSILON = 0.95  # the similarity to keep, as reported second-hand for paper A

# The share of answers that a model which works must find, and others to see what hangs on it.
WORKS = 0.7
THRESHOLDS = (0.5, 0.7, 0.9)

# Answers that lie at least this share of the length back show that a model reaches over the whole of it.
FAR = 4

MODEL = ["seed", "trained", "layers", "base"]  # what tells a trained model of the experiment

_men = functools.cache(men_minimum_base)  # a scan of a second

# Bounds on the base, as functions of length, layers and head_dim. Paper A's take 1/base for the lowest
# frequency, as the paper does.
DEMANDS = {
    "aliasing (A2)": lambda length, layers, head_dim: float(aliasing_bound(length)),
    "stability (A3)": lambda length, layers, head_dim: float(stability_bound(length, EPSILON)),
    "depth (A4)": lambda length, layers, head_dim: float(stability_bound(length, EPSILON, layers=layers)),
    "Men et al.": lambda length, layers, head_dim: _men(int(length), head_dim),
}
LIU = "Liu et al."
SEEN = "no longer than training"
UNTURNED = "share of pairs not turned"
BASE = "the base alone"


def trials(tables):
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


def trials_at(tables, trained):
    """`trials` of a grid in which all models learned from inputs of `trained` tokens, which no axis tells."""
    return trials({name: tables[name].assign(trained=trained) for name in ("summary", "distances")})


def kept_trials():
    """The trials of the kept results: (rows of `trials`, rows of `trials_at`, head_dim).

    The second are those of models that were trained again for three times as many steps.
    """
    (tables, made), (again, made_again) = kept("which_bound"), kept("which_bound_longer")
    first, second = (
        make_grid(tomllib.loads(each["inputs"]["grid"])).cells[0].values for each in (made, made_again)
    )
    longer = trials_at(again, second["training"]["length"])
    return trials(tables), longer, first["model"]["head_dim"]


def trained_longest(rows, longer):
    """Trials in which models that were trained again for more steps, `longer`, replace their own."""
    both = pd.concat([rows, longer], ignore_index=True)
    return both.drop_duplicates([*MODEL, "length"], keep="last", ignore_index=True)


def demands(length, layers, head_dim):
    """The smallest base that each bound demands for inputs of `length` tokens: a dict by its name.

    >>> {name: round(base) for name, base in demands(128, 2, 32).items()}
    {'aliasing (A2)': 20, 'stability (A3)': 403, 'depth (A4)': 568, 'Men et al.': 1218}
    """
    return {name: demand(length, layers, head_dim) for name, demand in DEMANDS.items()}


def margins(rows, head_dim, at="length"):
    """By how much each trial passes each bound: a frame with a column for each, 1 where it is just met.

    For bounds on the base, the base over what is demanded for the length `at`: "length", that of the input,
    or "trained". For Liu et al., their limit of the model as trained over the length of the input. Besides:
    the trained length over that of the input, which knows no base at all.
    """
    lengths = {"length": rows.length, "trained": rows.trained}
    if at not in lengths:
        raise ValueError(f"at must be length or trained, got {at!r}")
    places = list(zip(lengths[at], rows.layers, strict=True))
    asked = {place: demands(*place, head_dim) for place in dict.fromkeys(places)}
    found = {name: rows.base / [asked[place][name] for place in places] for name in DEMANDS}
    limit = liu_extrapolation_limit(rows.trained, head_dim, rows.base, rows.base)
    return pd.DataFrame(found | {LIU: limit / rows.length, SEEN: rows.trained / rows.length}, rows.index)


def orders(rows, head_dim):
    """Two more ways to order trials, without a constant that would divide them: a frame alike.

    The base alone, which a bound must beat to have said something of length or depth; and the share of pairs
    that did not complete a turn in training, from Liu et al.'s critical dimension.
    """
    turned = liu_critical_dimension(rows.trained, head_dim, rows.base) / head_dim
    return pd.DataFrame({BASE: rows.base, UNTURNED: 1 - turned}, rows.index)


def half_turn(base, head_dim):
    """The distance at which the slowest pair has made half a turn, in tokens: π over the lowest frequency.

    >>> round(half_turn(16, 32), 1)
    42.3
    """
    return float(np.pi / frequencies(base, head_dim)[-1])


def least_bases(rows, threshold=WORKS, measure="far"):
    """The smallest base with which a model works: one row for each seed, trained, layers and length.

    Columns besides: `least`, between the two bases of the grid where the measure passes the threshold, by a
    straight line in the logarithm of the base; `censored`, "low" where the smallest base works already (the
    least is then that base, and the true one may be smaller), "high" where no base does (NaN), else "";
    and `monotone`: every larger base works as well.
    """
    found = []
    for keys, part in rows.groupby(["seed", "trained", "layers", "length"]):
        part = part.sort_values("base")
        bases, values = part.base.to_numpy(float), part[measure].to_numpy()
        passed = values >= threshold
        if not passed.any():
            least, censored, monotone = np.nan, "high", True
        else:
            first = int(passed.argmax())
            censored, monotone = "" if first else "low", bool(passed[first:].all())
            least = bases[0] if first == 0 else _crossing(bases, values, first, threshold)
        found.append((*keys, least, censored, monotone))
    columns = ["seed", "trained", "layers", "length", "least", "censored", "monotone"]
    return pd.DataFrame(found, columns=columns)


def counterexamples(rows, name, head_dim, threshold=WORKS, measure="far"):
    """Bases below a bound at which every seed works at the trained length: rows with trained, layers, base.

    `ratio` is the base over the one demanded, `least` the accuracy of the worst seed. One lucky model is no
    counterexample; a base at which all of them work is.
    """
    asked = rows[rows.length == rows.trained]
    asked = asked.assign(ratio=margins(asked, head_dim)[name])
    worst = asked.groupby(["trained", "layers", "base", "ratio"])[measure].min().rename("least").reset_index()
    return worst[(worst.ratio < 1) & (worst.least >= threshold)].reset_index(drop=True)


def least_over_demanded(rows, name, head_dim, threshold=WORKS, measure="far"):
    """The smallest base that works at the trained length over the one that a bound demands there: rows.

    One for each seed, trained and layers, with `ratio`. A bound that is necessary and just strict enough has
    ratios near 1; one that models far below it do without has small ones. Where the smallest base of the grid
    works already the ratio is at most the one given; a model that works with no base has NaN.
    """
    least = least_bases(rows[rows.length == rows.trained], threshold, measure)
    places = zip(least.trained, least.layers, strict=True)
    needed = [DEMANDS[name](length, layers, head_dim) for length, layers in places]
    return least.assign(ratio=least.least / needed)


def demand_slope(name, lengths, layers, head_dim):
    """By which power of the length a bound on the base grows: the slope of a line through their logarithms.

    >>> round(demand_slope("stability (A3)", [32, 1024], 1, 32), 3)
    1.0
    """
    needed = [DEMANDS[name](length, layers, head_dim) for length in lengths]
    return slope(lengths, needed)


def least_slopes(least):
    """By which power of the length the smallest base that works grows: a row for each seed, trained, layers.

    `least` is a table of `least_bases`; of it only what lies inside the grid of bases counts. Columns
    besides: `slope`, NaN for fewer than two lengths, and `lengths`, how many there are.
    """
    found = []
    for keys, part in least.groupby(["seed", "trained", "layers"]):
        known = part[part.censored == ""]
        found.append((*keys, slope(known.length, known.least), len(known)))
    return pd.DataFrame(found, columns=["seed", "trained", "layers", "slope", "lengths"])


def depth_differences(rows, measure="far"):
    """What a second layer changes: one row for each seed, base, trained and length, with `difference`.

    Accuracy with the larger of two depths minus that with the smaller, of models of one seed, which are asked
    the same questions. Raises ValueError unless there are two depths.
    """
    depths = sorted(rows.layers.unique().tolist())
    if len(depths) != 2:
        raise ValueError(f"layers must be of two kinds, got {depths}")
    keys = ["seed", "trained", "base", "length", "inside"]
    pairs = rows.pivot(index=keys, columns="layers", values=measure)
    return (pairs[depths[1]] - pairs[depths[0]]).rename("difference").reset_index()


def depth_factors(least):
    """By which factor a second layer multiplies the smallest base that works: rows with `factor`.

    `least` is a table of `least_bases`. Pairs of which either is censored are left out: of them only a bound
    on the factor is known.
    """
    depths = sorted(least.layers.unique().tolist())
    known = least[least.censored == ""]
    pairs = known.pivot(index=["seed", "trained", "length"], columns="layers", values="least")
    pairs = pairs.reindex(columns=depths).dropna()
    return (pairs[depths[1]] / pairs[depths[0]]).rename("factor").reset_index()


def demanded_factor(name, length, layers, head_dim):
    """By which factor a bound on the base rises from the smaller to the larger of two depths.

    >>> [round(demanded_factor(name, 128, (1, 2), 32), 2) for name in ("depth (A4)", "Men et al.")]
    [1.41, 1.0]
    """
    shallow, deep = (DEMANDS[name](length, each, head_dim) for each in layers)
    return deep / shallow


def models(rows):
    """A number for each trial that tells its trained model: trials of one model are no independent ones."""
    return rows.groupby(MODEL).ngroup().to_numpy()


def compared(rows, head_dim, threshold=WORKS, measure="far", at="length"):
    """Every bound against what happened: one row for each region and bound, with all of `calibration`.

    Regions are "inside" and "beyond" training; `ranking`, `factor` and `best` are those of `ranking` and
    `best_constant`. Orders without a constant have NaN for what needs one.
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


def regions(rows):
    """Which trials lie inside the training length, and which beyond it: a dict of masks."""
    return {"inside": rows.inside, "beyond": ~rows.inside}


def _crossing(bases, values, first, threshold):
    """The base at which a line in its logarithm passes the threshold, before the `first` that works."""
    low, high = values[first - 1], values[first]
    share = (threshold - low) / (high - low)
    return float(bases[first - 1] ** (1 - share) * bases[first] ** share)
