"""The smallest base with which trained models work, compared with what the bounds demand.

`rows` are the trials of `which_bound`. A model *works* at a length where the share of answers that it finds
passes a threshold. Between two bases of the grid the smallest one that works is interpolated.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rope_lib.theory.arguments import Floats

from .stats import mean_interval
from .which_bound import DEMANDS, WORKS, compared, depth_differences
from .wording import signed


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


def depth_facts(rows: pd.DataFrame, again: pd.DataFrame, *, head_dim: int) -> dict[str, str]:
    """The numbers of the chapter about a second layer, as it prints them.

    `rows` are the trials of the grid, `again` those of models that were trained again for more steps, at one
    length. `factor`: how much larger the smallest base that works is with two layers, within the trained
    length; `asked`: what A4 demands; `before` and `after`: the difference in accuracy at base 32.
    """
    factors = inside_factors(least_bases(rows))
    middle, low, high = factor_interval(factors)
    trained, depths = int(again.trained.iloc[0]), sorted(rows.layers.unique().tolist())
    inside = [each[(each.length == trained) & (each.trained == trained)] for each in (rows, again)]
    before, after = (depth_differences(each[each.base == 32]).difference.mean() for each in inside)
    below = compared(rows, head_dim).set_index(["region", "bound"]).loc[("inside", "depth (A4)")]
    return {
        "which-factor": f"{middle:.1f} ({low:.1f} to {high:.1f})",
        "which-asked": f"{demanded_factor('depth (A4)', trained, depths, head_dim):.2f}",
        "which-depth-before-32": signed(before),
        "which-depth-after-32": signed(after),
        "which-a4-inside-below": f"{below.fails_right + below.fails_wrong:.0f}",
        "which-a4-inside-below-work": f"{below.fails_wrong:.0f}",
    }
