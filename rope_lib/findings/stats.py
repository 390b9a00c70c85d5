"""Statistics that several chapters use: correlations, intervals, and how well a margin predicts success."""

import itertools
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from scipy.stats import t as student

from rope_lib.theory.arguments import Floats

# An estimate and the interval around it: (value, low, high).
Interval: TypeAlias = tuple[float, float, float]


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation, NaN if one of the two does not vary.

    >>> spearman([1, 2, 3, 4], [1, 4, 9, 16])
    1.0
    """
    return _correlation(rankdata(x), rankdata(y))


def partial_spearman(x: ArrayLike, y: ArrayLike, given: ArrayLike) -> float:
    """Rank correlation of `x` and `y` given `given`: the correlation of the residuals of the ranks.

    The residuals are those of straight lines in the ranks of `given`. NaN if one of the three does not vary.

    >>> x = [2, 1, 4, 3]
    >>> round(spearman(x, [1, 2, 3, 4]), 2), round(partial_spearman(x, [20, 10, 40, 30], [1, 2, 3, 4]), 2)
    (0.6, 1.0)
    """
    ranks = rankdata(given)
    return _correlation(*(_residuals(rankdata(values), ranks) for values in (x, y)))


def clustered_interval(
    statistic: Callable[..., float],
    columns: Sequence[ArrayLike],
    clusters: ArrayLike,
    *,
    draws: int = 2_000,
    seed: int = 0,
) -> Interval:
    """`statistic(*columns)` and its 95 % interval over the choice of clusters: (value, low, high).

    A bootstrap that draws whole clusters with replacement: rows of one cluster (such as the heads of one
    layer, which share their inputs) are not independent observations. `columns` are arrays as long as
    `clusters`, the label of each row's cluster. Raises ValueError for other lengths or a single cluster.

    >>> clustered_interval(np.mean, [[1.0, 1.0, 4.0]], [0, 0, 1])
    (2.0, 1.0, 4.0)
    """
    arrays, labels = [np.asarray(column) for column in columns], np.asarray(clusters)
    if any(len(array) != len(labels) for array in arrays) or len(np.unique(labels)) < 2:
        lengths = [len(array) for array in arrays]
        raise ValueError(
            f"columns must be as long as the {len(labels)} clusters' labels, of 2 clusters or "
            f"more, got lengths {lengths} and {len(np.unique(labels))} clusters"
        )
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    random, drawn = np.random.default_rng(seed), []
    for choice in random.integers(0, len(members), (draws, len(members))):
        rows = np.concatenate([members[index] for index in choice])
        drawn.append(statistic(*(array[rows] for array in arrays)))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(statistic(*arrays)), float(low), float(high)


def mean_interval(values: ArrayLike, clusters: ArrayLike, *, draws: int = 2_000, seed: int = 0) -> Interval:
    """Mean of `values` and its 95 % interval over the choice of clusters: (mean, low, high).

    With few clusters the interval tends to be too narrow: show the clusters beside it.

    >>> mean_interval([1.0, 1.0, 1.0], [0, 1, 2])
    (1.0, 1.0, 1.0)
    """
    return clustered_interval(np.mean, [np.asarray(values, float)], clusters, draws=draws, seed=seed)


def bootstrap_interval(values: ArrayLike, *, draws: int = 2_000, seed: int = 0) -> Interval:
    """Mean of one number per head and its 95 % interval over the choice of heads: (mean, low, high).

    A bootstrap that draws heads with replacement.

    >>> bootstrap_interval([0.5, 0.5])
    (0.5, 0.5, 0.5)
    """
    values = np.asarray(values, dtype=float)
    drawn = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def student_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Mean of paired differences and Student's interval for it: (mean, low, high).

    With three seeds the interval reaches 2.5 standard deviations to either side. Raises ValueError for fewer
    than 2 differences.

    >>> tuple(round(each, 2) for each in student_interval([0.1, 0.2, 0.3]))
    (0.2, -0.05, 0.45)
    """
    values = np.asarray(values, dtype=float)
    if values.size < 2:
        raise ValueError(f"values must be at least 2 differences, got {values.size}")
    half = student.ppf((1 + level) / 2, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def student_p(values: ArrayLike) -> float:
    """How likely a mean of paired differences this far from 0 is by chance: Student's test, two-sided.

    Differences that do not vary have 1 if all are 0, else 0. Raises ValueError for fewer than 2 differences.

    >>> round(student_p([0.1, 0.2, 0.3]), 3), student_p([0.0, 0.0]), student_p([1.0, 1.0])
    (0.074, 1.0, 0.0)
    """
    values = np.asarray(values, dtype=float)
    if values.size < 2:
        raise ValueError(f"values must be at least 2 differences, got {values.size}")
    error = values.std(ddof=1) / np.sqrt(values.size)
    if error == 0:
        return float(values.mean() == 0)
    return float(2 * student.sf(abs(values.mean()) / error, values.size - 1))


def above_chance(accuracy: pd.Series, chance: pd.Series) -> pd.Series:
    """Accuracy on a scale from 0, for guessing, to 1, where every answer is right.

    >>> above_chance(pd.Series([1.0, 0.5, 0.25]), pd.Series([0.5, 0.5, 0.5])).tolist()
    [1.0, 0.0, -0.5]
    """
    return (accuracy - chance) / (1 - chance)


def holm(chances: ArrayLike) -> Floats:
    """Probabilities by chance, adjusted for their number by Holm's method; in the order given.

    The smallest of m counts m times, the next m - 1 times, and none less than one before it. To call those
    below 5 % real is wrong about any of them at most 5 % of the time. Source: Holm 1979.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    chances = np.asarray(chances, dtype=float)
    order = np.argsort(chances, kind="stable")
    adjusted = np.maximum.accumulate(chances[order] * np.arange(chances.size, 0, -1))
    found = np.empty_like(chances)
    found[order] = np.minimum(adjusted, 1.0)
    return found


def least_told(number: int, *, level: float = 0.05, sides: int = 2) -> float:
    """The smallest rank correlation of `number` names that chance reaches at most at `level`; NaN for none.

    Of five names only +1 (and -1) is told on two sides.

    >>> least_told(5), round(least_told(5, sides=1), 6), least_told(3)
    (1.0, 0.9, nan)
    """
    ranks = range(number)
    found = np.array([spearman(order, ranks) for order in itertools.permutations(ranks)])
    told = [value for value in np.unique(found.round(12)) if np.mean(found >= value - 1e-9) * sides <= level]
    return float(min(told, default=np.nan))


def effect_size(values: ArrayLike) -> np.float64:
    """Mean of paired differences over their standard deviation, NaN if they do not vary.

    >>> effect_size([0.1, 0.2, 0.3]).round(6).item(), effect_size([0.0, 0.0]).item()
    (2.0, nan)
    """
    values = np.asarray(values, dtype=float)
    spread = values.std(ddof=1)
    return values.mean() / spread if spread > 0 else np.float64(np.nan)


def calibration(works: ArrayLike, margin: ArrayLike) -> dict[str, float]:
    """How often a margin predicts correctly: a dict of counts and shares of trials.

    `works` says which trials work; `margin` is at least 1 where the bound predicts that they do. The counts
    `fails_right` and `fails_wrong` are of predicted failures that fail or work, `works_right` and
    `works_wrong` of predicted successes that work or fail. `wrong_below` is the share of predicted failures
    that work, `wrong_above` the share of predicted successes that fail; NaN if there are none. `balanced` is
    the mean of the shares of working and of failing trials that are predicted correctly: 0.5 by chance, NaN
    if all work or all fail.

    >>> found = calibration(np.array([True, True, False]), np.array([0.5, 2.0, 0.5]))
    >>> found["fails_right"], found["fails_wrong"], found["wrong_below"], found["balanced"]
    (1, 1, 0.5, 0.75)
    """
    works, said = np.asarray(works, dtype=bool), np.asarray(margin) >= 1
    counts = {
        "fails_right": int(np.sum(~said & ~works)),
        "fails_wrong": int(np.sum(~said & works)),
        "works_right": int(np.sum(said & works)),
        "works_wrong": int(np.sum(said & ~works)),
    }
    correct = _share(counts["works_right"], works.sum()), _share(counts["fails_right"], (~works).sum())
    return counts | {
        "wrong_below": _share(counts["fails_wrong"], (~said).sum()),
        "wrong_above": _share(counts["works_wrong"], said.sum()),
        "balanced": float(np.mean(correct)),
    }


def best_constant(works: ArrayLike, margin: ArrayLike) -> tuple[float, float]:
    """The factor on a bound that best separates success from failure, and how well: (factor, balanced).

    A bound with the right order and a wrong constant is as good as any once it is multiplied by this factor.
    Among factors that do equally well it is the geometric middle. (NaN, NaN) if all work or all fail.

    >>> best_constant([False, False, True], [1.0, 10.0, 1000.0])
    (100.0, 1.0)
    """
    works, margin = np.asarray(works, dtype=bool), np.asarray(margin, dtype=float)
    if works.all() or not works.any():
        return np.nan, np.nan
    values = np.unique(margin)
    between = np.sqrt(values[1:] * values[:-1])
    tried = np.array([values[0] / 2, *between, values[-1] * 2])
    scores = np.array([calibration(works, margin / factor)["balanced"] for factor in tried])
    best = tried[scores >= scores.max() - 1e-12]
    return float(np.sqrt(best[0] * best[-1])), float(scores.max())


def ranking(works: ArrayLike, margin: ArrayLike) -> float:
    """The chance that a model that works has a larger margin than one that fails; ties count half.

    The area under the ROC curve: 0.5 for an uninformative order; the constant of a bound does not matter. NaN
    if all work or all fail.

    >>> ranking(np.array([False, True, True]), np.array([1.0, 2.0, 0.5]))
    0.5
    """
    works, ranks = np.asarray(works, dtype=bool), rankdata(margin)
    positive, negative = works.sum(), (~works).sum()
    if not positive or not negative:
        return np.nan
    return float((ranks[works].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _residuals(values: Floats, given: Floats) -> Floats:
    """The residuals of a straight line in `given` that is fitted to `values`."""
    x, y = given - given.mean(), values - values.mean()
    scale = x @ x
    return y - x * (x @ y) / scale if scale > 0 else np.full_like(y, np.nan)


def _correlation(x: Floats, y: Floats) -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x @ x) * (y @ y))
    return float((x @ y) / scale) if scale > 0 else float("nan")


def _share(count: int, total: int) -> float:
    return float(count / total) if total else np.nan
