"""Statistics that several chapters state: correlations, intervals, and how well a margin tells success."""

import itertools

import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as student


def spearman(x, y):
    """Spearman's rank correlation, NaN where one of the two does not vary.

    >>> spearman([1, 2, 3, 4], [1, 4, 9, 16])
    1.0
    """
    return _correlation(rankdata(x), rankdata(y))


def partial_spearman(x, y, given):
    """Rank correlation of `x` and `y` at equal ranks of `given`: what each has beyond a line in them.

    NaN where one of the three does not vary.
    """
    ranks = rankdata(given)
    return _correlation(*(_residuals(rankdata(values), ranks) for values in (x, y)))


def rank_agreement(ours, theirs):
    """Spearman's correlation of two Series over the names that both have, and how often chance does as well.

    Chance: the share of all orders of `ours` whose correlation is at least as high. Ties count half a rank.

    >>> theirs = pd.Series([1, 2, 3, 4], ["a", "b", "c", "d"])
    >>> rank_agreement(theirs * 2, theirs)
    (1.0, 0.041666666666666664)
    """
    names = theirs.index.intersection(ours.index)
    x, y = ours[names].to_numpy(), theirs[names].to_numpy()
    found = spearman(x, y)
    orders = [spearman(np.array(order), y) for order in itertools.permutations(x)]
    return found, float(np.mean(np.array(orders) >= found - 1e-12))


def pairwise_agreement(ours, theirs):
    """Of the pairs of names that both Series have, how many stand in the same order: (number, of how many).

    >>> pairwise_agreement(pd.Series({"a": 1, "b": 3, "c": 2}), pd.Series({"a": 1, "b": 2, "c": 3}))
    (2, 3)
    """
    names = theirs.index.intersection(ours.index)
    pairs = list(itertools.combinations(names, 2))
    same = sum((ours[a] - ours[b]) * (theirs[a] - theirs[b]) > 0 for a, b in pairs)
    return int(same), len(pairs)


def clustered_interval(statistic, columns, clusters, *, draws=2_000, seed=0):
    """`statistic(*columns)` and its 95 % interval if other clusters had been drawn: (value, low, high).

    A bootstrap that draws whole clusters with replacement: rows of one cluster (the heads of one layer, whose
    inputs they share) are no independent observations. `columns` are arrays as long as `clusters`. Raises
    ValueError where they are not, or for a single cluster.
    """
    columns, clusters = [np.asarray(column) for column in columns], np.asarray(clusters)
    if any(len(column) != len(clusters) for column in columns) or len(np.unique(clusters)) < 2:
        lengths = [len(column) for column in columns]
        raise ValueError(
            f"columns must be as long as the {len(clusters)} clusters' labels, of 2 clusters or "
            f"more, got lengths {lengths} and {len(np.unique(clusters))} clusters"
        )
    members = [np.flatnonzero(clusters == cluster) for cluster in np.unique(clusters)]
    random, drawn = np.random.default_rng(seed), []
    for choice in random.integers(0, len(members), (draws, len(members))):
        rows = np.concatenate([members[index] for index in choice])
        drawn.append(statistic(*(column[rows] for column in columns)))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(statistic(*columns)), float(low), float(high)


def mean_interval(values, clusters, *, draws=2_000, seed=0):
    """Mean of `values` and its 95 % interval if other clusters had been drawn: (mean, low, high).

    Few clusters give an interval that is too narrow rather than too wide; draw them beside it.

    >>> mean_interval([1.0, 1.0, 1.0], [0, 1, 2])
    (1.0, 1.0, 1.0)
    """
    return clustered_interval(np.mean, [np.asarray(values, float)], clusters, draws=draws, seed=seed)


def bootstrap_interval(values, *, draws=2_000, seed=0):
    """Mean of one number per head, and the 95 % interval of that mean if other such heads had been drawn.

    A bootstrap: heads are drawn anew with replacement. Returns (mean, low, high).

    >>> bootstrap_interval([0.5, 0.5])
    (0.5, 0.5, 0.5)
    """
    values = np.asarray(values, dtype=float)
    drawn = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def student_interval(values, level=0.95):
    """Mean of paired differences and Student's interval for it: (mean, low, high). Raises for fewer than 2.

    With three seeds the interval reaches 2.5 standard deviations to either side.

    >>> tuple(round(each, 2) for each in student_interval([0.1, 0.2, 0.3]))
    (0.2, -0.05, 0.45)
    """
    values = np.asarray(values, dtype=float)
    if values.size < 2:
        raise ValueError(f"values must be at least 2 differences, got {values.size}")
    half = student.ppf((1 + level) / 2, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def effect_size(values):
    """Mean of paired differences over their standard deviation, NaN where they do not vary.

    >>> effect_size([0.1, 0.2, 0.3]).round(6).item(), effect_size([0.0, 0.0]).item()
    (2.0, nan)
    """
    values = np.asarray(values, dtype=float)
    spread = values.std(ddof=1)
    return values.mean() / spread if spread > 0 else np.float64(np.nan)


def slope(lengths, bases):
    """The slope of the line through log base against log length, NaN for fewer than two lengths."""
    x, y = np.log(np.asarray(lengths, float)), np.log(np.asarray(bases, float))
    keep = np.isfinite(y)
    return float(np.polyfit(x[keep], y[keep], 1)[0]) if np.unique(x[keep]).size > 1 else np.nan


def calibration(works, margin):
    """How often a margin is right: a dict of counts and shares, of trials as booleans and numbers.

    The four counts: `fails_right` and `fails_wrong`, where the bound says fail and the model fails or works;
    `works_right` and `works_wrong`, likewise. `wrong_below` is the share that works of those said to fail,
    `wrong_above` the share that fails of those said to work; NaN for none. `balanced`: the mean of the shares
    of working and of failing models that are told rightly, 0.5 by chance; NaN where all work or all fail.

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
    told = _share(counts["works_right"], works.sum()), _share(counts["fails_right"], (~works).sum())
    return counts | {
        "wrong_below": _share(counts["fails_wrong"], (~said).sum()),
        "wrong_above": _share(counts["works_wrong"], said.sum()),
        "balanced": float(np.mean(told)),
    }


def best_constant(works, margin):
    """The factor on a bound at which it tells works from fails best, and how well: (factor, balanced).

    A bound with the wrong constant and the right order does as well as any once it is multiplied by it. Of
    factors that do equally well the geometric middle. (NaN, NaN) where all work or all fail.

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


def ranking(works, margin):
    """The chance that a model which works has the larger margin than one that fails; ties count half.

    The area under the ROC curve: 0.5 for an order that knows nothing, whatever the constant of the bound. NaN
    where all work or all fail.

    >>> ranking(np.array([False, True, True]), np.array([1.0, 2.0, 0.5]))
    0.5
    """
    works, ranks = np.asarray(works, dtype=bool), rankdata(margin)
    positive, negative = works.sum(), (~works).sum()
    if not positive or not negative:
        return np.nan
    return float((ranks[works].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _residuals(values, given):
    """What `values` have beyond a straight line in `given`."""
    x, y = given - given.mean(), values - values.mean()
    scale = x @ x
    return y - x * (x @ y) / scale if scale > 0 else np.full_like(y, np.nan)


def _correlation(x, y):
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x @ x) * (y @ y))
    return float((x @ y) / scale) if scale > 0 else float("nan")


def _share(count, total):
    return float(count / total) if total else np.nan
