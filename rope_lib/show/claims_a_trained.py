"""Paper A's bounds on models that were trained for it: the experimental side of A2, A3 and A4.

The measurement is the kept result of experiment 1, which chapter 18 draws from and runs a part of again. The
claims of theory stay in `claims_a`: whether a formula says what it is said to say is one question, whether
models obey it another.
"""

import numpy as np

from .claims import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Finding

# The most trials that may speak against a bound which is said to hold, as a share of those it speaks of.
FEW = 0.1


def measure_bound(name):
    """Trials of experiment 1 that one bound says fail or work, and what they did, inside training and beyond."""
    from .bound_trials import BASE, WORKS, compared

    rows, head_dim, seeds = _trials()
    found = compared(rows, head_dim).set_index(["region", "bound"])
    numbers = {"seeds": seeds, "works_at": WORKS}
    for region in ("inside", "beyond"):
        own = found.loc[(region, name)]
        numbers |= {
            f"{region}_below": int(own.fails_right + own.fails_wrong),
            f"{region}_below_work": int(own.fails_wrong),
            f"{region}_above": int(own.works_right + own.works_wrong),
            f"{region}_above_fail": int(own.works_wrong),
            f"{region}_ranking": float(own.ranking),
            f"{region}_ranking_base": float(found.loc[(region, BASE)].ranking),
        }
    return numbers


def judge_bound(numbers):
    """A bound holds in training if, inside the trained length, at most a tenth of the models below it work and
    at most a tenth of those above it fail. It does not hold if more than half of those below it work. Between,
    or where those above it fail, there is a caveat; without models below it there is nothing to test.
    """
    below = _share(numbers["inside_below_work"], numbers["inside_below"])
    above = _share(numbers["inside_above_fail"], numbers["inside_above"])
    if below is None or above is None or above == 1:
        verdict = NOT_TESTABLE
    elif below > 0.5:
        verdict = REFUTED
    else:
        verdict = HOLDS if max(below, above) <= FEW else CAVEAT
    return Finding(
        verdict,
        (
            "Recall by models of 1 and 2 layers and 64 channels, {seeds} seeds, trained anew at each base; works "
            "means that {works_at:.0%} of the answers a quarter of the input back or more are found. Inside the "
            "trained length {inside_below_work} of {inside_below} trials below the bound work and "
            "{inside_above_fail} of {inside_above} above it fail; beyond it, {beyond_below_work} of {beyond_below} "
            "and {beyond_above_fail} of {beyond_above}. Told to order a model that works before one that fails, "
            "the bound is right in {inside_ranking:.0%} inside and {beyond_ranking:.0%} beyond; the base alone, "
            "which knows no length, in {inside_ranking_base:.0%} and {beyond_ranking_base:.0%}."
        ).format(**numbers),
    )


def measure_trained_depth():
    """What a second layer does to the smallest base that works, and to accuracy, in pairs of one seed."""
    from .bound_trials import (
        THRESHOLDS,
        demanded_factor,
        depth_differences,
        depth_factors,
        least_bases,
        mean_interval,
    )

    rows, head_dim, seeds = _trials()
    bound = measure_bound("depth (A4)")
    pairs = [depth_factors(least_bases(rows, threshold)) for threshold in THRESHOLDS]
    steps = np.concatenate([np.log2(each.factor) for each in pairs])
    drawn = np.concatenate([each.seed * 10_000 + each.trained for each in pairs])
    change = mean_interval(steps, drawn)
    differences = depth_differences(rows)
    inside = differences[differences.inside].groupby("base").difference.mean()
    demanded = demanded_factor("depth (A4)", int(rows.trained.max()), sorted(rows.layers.unique()), head_dim)
    return {
        "seeds": seeds,
        "demanded": demanded,
        "pairs": len(steps),
        "factor": 2 ** change[0],
        "factor_low": 2 ** change[1],
        "factor_high": 2 ** change[2],
        "worst_base": float(inside.idxmin()),
        "worst_difference": float(inside.min()),
        "inside_below": bound["inside_below"],
        "inside_below_work": bound["inside_below_work"],
    }


def judge_trained_depth(numbers):
    """A4 holds in training if the smallest base that works rises with depth, by no less than it demands as far
    as the interval tells, and at most a tenth of the models below its bound work inside the trained length. If
    only the direction is right there is a caveat. It does not hold if the rise is surely less than demanded;
    if the interval holds both no rise and the demanded one, the data cannot tell.
    """
    below = _share(numbers["inside_below_work"], numbers["inside_below"])
    rises = numbers["factor_low"] > 1
    enough = numbers["factor_high"] >= numbers["demanded"]
    if below is None or not (rises or not enough):
        verdict = NOT_TESTABLE
    elif rises:
        verdict = HOLDS if enough and below <= FEW else CAVEAT
    else:
        verdict = REFUTED
    return Finding(
        verdict,
        (
            "A second layer multiplies the smallest base that works by {factor:.1f} (95 % interval {factor_low:.1f} "
            "to {factor_high:.1f}; {pairs} pairs of models of one seed, {seeds} seeds), where A4 demands "
            "{demanded:.2f} and Men et al.'s bound, read layer by layer, no more than 1. At base {worst_base:,.0f} "
            "it changes accuracy inside the trained length by {worst_difference:+.2f}, the most of all bases. "
            "{inside_below_work} of {inside_below} trials below the depth bound work all the same."
        ).format(**numbers),
    )


def _trials():
    """The trials of the kept result, the size of a head, and how many seeds there are."""
    import tomllib

    from rope_lib.runs.grid import make_grid

    from .bound_trials import trials
    from .kept import kept

    tables, made = kept("which_bound")
    rows = trials(tables)
    head_dim = make_grid(tomllib.loads(made["inputs"]["grid"])).cells[0].values["model"]["head_dim"]
    return rows, head_dim, rows.seed.nunique()


def _share(count, total):
    return count / total if total else None


def _measure(name):
    return lambda: measure_bound(name)


CLAIMS = (
    Claim(
        "A2-trained",
        "A",
        "Aliasing, on trained models: those whose base is below L/2π fail at L tokens, those above it need not.",
        "Method, Figure 1; what it predicts of models is our reading",
        "stated",
        "18_which_bound",
        False,
        _measure("aliasing (A2)"),
        judge_bound,
    ),
    Claim(
        "A3-trained",
        "A",
        "DC stability, on trained models: those whose base is below L/arccos(ε) fail at L tokens.",
        "Method; what it predicts of models is our reading",
        "stated",
        "18_which_bound",
        False,
        _measure("stability (A3)"),
        judge_bound,
    ),
    Claim(
        "A4-trained",
        "A",
        "Depth, on trained models: the smallest base that works rises with the number of layers, as "
        "1/arccos(ε^(1/N)).",
        "Method; what it predicts of models is our reading",
        "stated",
        "18_which_bound",
        False,
        measure_trained_depth,
        judge_trained_depth,
    ),
)
