"""The smallest base with which trained models work, compared with what the bounds demand.

`rows` are the trials of `which_bound`. A model *works* at a length where the share of answers that it finds
passes a threshold. Between two bases of the grid the smallest one that works is interpolated.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from rope_lib.theory.arguments import Floats
from rope_lib.theory.bounds import allowed_drift
from rope_lib.theory.oscillators import frequencies

from .stats import mean_interval, slope
from .which_bound import DEMANDS, EPSILON, WORKS, demands


def least_bases(rows: pd.DataFrame, threshold: float = WORKS, measure: str = "far") -> pd.DataFrame:
    """The smallest base with which a model works: one row for each seed, trained, layers and length.

    Further columns: `least`, the base at which the measure passes the threshold, interpolated linearly in
    the logarithm of the base; `censored`, "low" where even the smallest base works (`least` is then that
    base, and the true value may be smaller), "high" where no base works (`least` is NaN), else ""; and
    `monotone`, whether every larger base works too.

    >>> rows = pd.DataFrame({"seed": 0, "trained": 64, "layers": 1, "length": 64, "base": [4.0, 16.0, 64.0]})
    >>> least_bases(rows.assign(far=[0.2, 0.6, 0.8])).round(6)[["least", "censored"]].values.tolist()
    [[32.0, '']]
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


def least_over_demanded(
    rows: pd.DataFrame, name: str, head_dim: int, threshold: float = WORKS, measure: str = "far"
) -> pd.DataFrame:
    """The smallest base that works at the trained length, over the one that a bound demands there.

    One row for each seed, trained and layers, with `ratio`. A necessary bound that is just strict enough has
    ratios near 1; a bound far above what models need has small ones. Where even the smallest base of the grid
    works, the true ratio may be smaller than the one given; a model that works with no base has NaN.

    >>> rows = pd.DataFrame({"seed": 0, "trained": 64, "layers": 1, "length": 64, "base": [4.0, 16.0, 64.0]})
    >>> least_over_demanded(rows.assign(far=[0.2, 0.6, 0.8]), "aliasing (A2)", 32).ratio.round(2).tolist()
    [3.14]
    """
    least = least_bases(rows[rows.length == rows.trained], threshold, measure)
    places = zip(least.trained, least.layers, strict=True)
    needed = [DEMANDS[name](length, layers, head_dim) for length, layers in places]
    return least.assign(ratio=least.least / needed)


def demand_slope(name: str, lengths: Sequence[int], layers: int, head_dim: int) -> float:
    """The power of the length with which a bound on the base grows: the slope of log base over log length.

    >>> round(demand_slope("stability (A3)", [32, 1024], 1, 32), 3)
    1.0
    """
    needed = [DEMANDS[name](length, layers, head_dim) for length in lengths]
    return slope(lengths, needed)


def least_slopes(least: pd.DataFrame) -> pd.DataFrame:
    """The power of the length with which the smallest base that works grows, by seed, trained and layers.

    `least` is a table of `least_bases`, of which only the rows that are not censored count. Further columns:
    `slope`, NaN for fewer than two lengths, and `lengths`, the number of lengths.

    >>> least = pd.DataFrame({"seed": 0, "trained": 64, "layers": 1, "length": [64, 128], "censored": ""})
    >>> least_slopes(least.assign(least=[10.0, 40.0])).slope.round(6).tolist()
    [2.0]
    """
    found = []
    for keys, part in least.groupby(["seed", "trained", "layers"]):
        known = part[part.censored == ""]
        found.append((*keys, slope(known.length, known.least), len(known)))
    return pd.DataFrame(found, columns=["seed", "trained", "layers", "slope", "lengths"])


def inside_slopes(least: pd.DataFrame) -> pd.Series:
    """The power of the trained length with which the smallest working base grows, by seed and layers.

    `least` is a table of `least_bases`. Pairs with a censored member are left out. Raises ValueError unless
    there are two trained lengths.

    >>> least = pd.DataFrame({"seed": 0, "layers": 1, "length": [64, 128], "least": [10.0, 20.0]})
    >>> inside_slopes(least.assign(trained=least.length, censored="")).round(6).tolist()
    [1.0]
    """
    trained = sorted(least.trained.unique().tolist())
    if len(trained) != 2:
        raise ValueError(f"least must have two trained lengths, got {trained}")
    known = least[(least.length == least.trained) & (least.censored == "")]
    pairs = known.pivot(index=["seed", "layers"], columns="trained", values="least").reindex(columns=trained)
    return np.log(pairs[trained[1]] / pairs[trained[0]]).dropna() / np.log(trained[1] / trained[0])


def beyond_slopes(least: pd.DataFrame) -> pd.Series:
    """`least_slopes` from the trained length on, where they are known: one number for each trained model."""
    return least_slopes(least[least.length >= least.trained]).slope.dropna()


def half_turns_made(least: pd.DataFrame, head_dim: int) -> pd.Series:
    """Half turns of the slowest pair within the trained length at the smallest base that works there.

    The median over seeds, by trained and layers.

    >>> least = pd.DataFrame({"seed": [0], "trained": 64, "layers": 1, "length": 64, "least": 10.0})
    >>> half_turns_made(least.assign(censored=""), 32).round(1).to_dict()
    {(64, 1): 2.4}
    """
    known = least[(least.length == least.trained) & (least.censored == "")]
    slowest = [frequencies(base, head_dim)[-1] for base in known.least]
    made = known.assign(made=known.length * slowest / np.pi)
    return made.groupby(["trained", "layers"]).made.median()


def depth_factors(least: pd.DataFrame) -> pd.DataFrame:
    """The factor by which a second layer multiplies the smallest base that works: rows with `factor`.

    `least` is a table of `least_bases`. Pairs with a censored member, which only bound the factor, are left
    out.

    >>> least = pd.DataFrame({"seed": 0, "trained": 64, "layers": [1, 2], "length": 64, "censored": ""})
    >>> depth_factors(least.assign(least=[10.0, 30.0])).factor.tolist()
    [3.0]
    """
    depths = sorted(least.layers.unique().tolist())
    known = least[least.censored == ""]
    pairs = known.pivot(index=["seed", "trained", "length"], columns="layers", values="least")
    pairs = pairs.reindex(columns=depths).dropna()
    return (pairs[depths[1]] / pairs[depths[0]]).rename("factor").reset_index()


def demanded_factor(name: str, length: int, layers: Sequence[int], head_dim: int) -> float:
    """The factor by which a bound on the base rises from the smaller to the larger of two depths.

    >>> [round(demanded_factor(name, 128, (1, 2), 32), 2) for name in ("depth (A4)", "Men et al.")]
    [1.41, 1.0]
    """
    shallow, deep = (DEMANDS[name](length, each, head_dim) for each in layers)
    return deep / shallow


def inside_factors(least: pd.DataFrame) -> pd.DataFrame:
    """`depth_factors` at lengths up to the trained one."""
    factors = depth_factors(least)
    return factors[factors.length <= factors.trained]


def factor_interval(factors: pd.DataFrame) -> tuple[float, float, float]:
    """Geometric mean of `depth_factors` and its 95 % interval over the choice of seed and trained length."""
    clusters = factors.seed * 1_000 + factors.trained
    middle, low, high = mean_interval(np.log2(factors.factor), clusters)
    return 2**middle, 2**low, 2**high


def _crossing(bases: Floats, values: Floats, first: int, threshold: float) -> float:
    """The base, just below the `first` that works, at which a line in log base passes the threshold."""
    low, high = values[first - 1], values[first]
    share = (threshold - low) / (high - low)
    return float(bases[first - 1] ** (1 - share) * bases[first] ** share)


# What chapter 18 states of it


def facts(rows: pd.DataFrame, *, head_dim: int) -> dict[str, str]:
    """The numbers of the chapter about the smallest base that works, as it prints them.

    Medians over seeds unless a name says otherwise; bases are demanded for as many layers as the deepest
    models have. Raises ValueError unless there are two trained lengths and two depths.
    """
    least = least_bases(rows)
    trained, depths = (sorted(rows[name].unique().tolist()) for name in ("trained", "layers"))
    at_training = least[least.length == least.trained].groupby(["trained", "layers"]).least.median()
    made, inside, factors = half_turns_made(least, head_dim), inside_slopes(least), inside_factors(least)
    one, two = (inside.xs(layers, level="layers").median() for layers in depths)
    middle, low, high = factor_interval(factors)
    found = {
        "slope-one": f"{one:.1f}",
        "slope-two": f"{two:.1f}",
        "slope-men": f"{demand_slope('Men et al.', trained, depths[-1], head_dim):.1f}",
        "slope-beyond": f"{beyond_slopes(least).median():.1f}",
        "allowed": f"{allowed_drift(EPSILON) / np.pi:.1f}",
        "factor": f"{middle:.1f} ({low:.1f} to {high:.1f})",
        "factor-median": f"{factors.factor.median():.1f}",
        "asked": f"{demanded_factor('depth (A4)', trained[-1], depths, head_dim):.2f}",
    }
    for (length, layers), base in at_training.items():
        found[f"least-{length}-{layers}"] = f"{base:.0f}"
        found[f"made-{length}-{layers}"] = f"{made[length, layers]:.1f}"
    for length in trained:
        found |= _facts_of_demands(length, demands(length, depths[-1], head_dim))
    return {f"which-{name}": text for name, text in found.items()}


def _facts_of_demands(length: int, demanded: Mapping[str, float]) -> dict[str, str]:
    names = {"aliasing": "aliasing (A2)", "stability": "stability (A3)", "men": "Men et al."}
    return {f"{short}-{length}": f"{demanded[name]:.0f}" for short, name in names.items()}
