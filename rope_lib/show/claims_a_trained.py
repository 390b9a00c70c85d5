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
    """Trials of experiment 1 that a bound says fail or work, and what they did, in training and beyond."""
    from .bound_trials import BASE, WORKS, compared

    rows, head_dim = _trials()
    found = compared(rows, head_dim).set_index(["region", "bound"])
    numbers = {"seeds": rows.seed.nunique(), "works_at": WORKS}
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
    return numbers | {"factor": float(found.loc[("inside", name)].factor)}


def judge_bound(numbers):
    """A bound holds on trained models if, within the trained length, at most a tenth of the trials below it
    work and at most a tenth of those above it fail. It does not hold if more than half of those below it
    work. In between there is a caveat. Without trials below it, or where none above it works, nothing is
    tested.
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
            "Recall by models of 1 and 2 layers and 64 channels, {seeds} seeds; one works if it finds "
            "{works_at:.0%} of the answers that lie a quarter of the input back or more. Within the trained "
            "length {inside_below_work} of {inside_below} trials below the bound work, {inside_above_fail} "
            "of {inside_above} above it fail, and its constant would be best {factor:.2g} times as large. "
            "Beyond, {beyond_below_work} of {beyond_below} work and {beyond_above_fail} of {beyond_above} "
            "fail. It puts a model that works above one that fails with probability {inside_ranking:.2f} and "
            "{beyond_ranking:.2f}, the base alone with {inside_ranking_base:.2f} and "
            "{beyond_ranking_base:.2f}."
        ).format(**numbers),
    )


def measure_trained_depth():
    """What a second layer does to the smallest base that works, by seed, within the trained length.

    `difference` is that of accuracy at the bases that were also trained longer, `difference_longer` what is
    left of it after that.
    """
    import pandas as pd

    from .bound_trials import (
        THRESHOLDS,
        demanded_factor,
        depth_differences,
        depth_factors,
        least_bases,
        mean_interval,
        trials,
    )
    from .kept import kept

    rows, head_dim = _trials()
    bound = measure_bound("depth (A4)")
    inside = rows[rows.inside]
    pairs = pd.concat([depth_factors(least_bases(inside, threshold)) for threshold in THRESHOLDS])
    change = mean_interval(np.log2(pairs.factor), pairs.seed * 1_000 + pairs.trained)
    long = int(rows.trained.max())
    again = kept("which_bound_longer")[0]
    again = trials({name: again[name].assign(trained=long) for name in ("summary", "distances")})
    before, after = (
        depth_differences(each[(each.trained == long) & (each.length == long)]) for each in (rows, again)
    )
    before = before[before.base.isin(after.base)]
    return {
        "seeds": rows.seed.nunique(),
        "demanded": demanded_factor("depth (A4)", long, sorted(rows.layers.unique()), head_dim),
        "pairs": len(pairs),
        "factor": 2 ** change[0],
        "factor_low": 2 ** change[1],
        "factor_high": 2 ** change[2],
        "difference": float(before.difference.mean()),
        "difference_longer": float(after.difference.mean()),
        "inside_below": bound["inside_below"],
        "inside_below_work": bound["inside_below_work"],
    }


def judge_trained_depth(numbers):
    """A4 holds on trained models if, within the trained length, the smallest base that works rises with
    depth, by as much as it demands as far as the interval tells; if at least half of what depth costs
    outlasts three times the steps; and if at most a tenth of the trials below the bound work. If the base
    rises, but not all of this is so, there is a caveat. The claim does not hold if the rise is surely less
    than demanded. If the interval holds both no rise and the demanded one, the data cannot tell.
    """
    below = _share(numbers["inside_below_work"], numbers["inside_below"])
    rises = numbers["factor_low"] > 1
    enough = numbers["factor_high"] >= numbers["demanded"]
    lasting = numbers["difference_longer"] <= numbers["difference"] / 2 < 0
    if below is None or (enough and not rises):
        verdict = NOT_TESTABLE
    elif rises:
        verdict = HOLDS if enough and lasting and below <= FEW else CAVEAT
    else:
        verdict = REFUTED
    return Finding(
        verdict,
        (
            "Within the trained length a second layer multiplies the smallest base that works by "
            "{factor:.2f} ({factor_low:.2f} to {factor_high:.2f}; {pairs} pairs of models, {seeds} seeds, "
            "three thresholds); A4 demands {demanded:.2f}. At two bases above the aliasing bound it changes "
            "accuracy by {difference:+.2f}, and after three times the steps by {difference_longer:+.2f}. "
            "{inside_below_work} of {inside_below} trials below the depth bound work."
        ).format(**numbers),
    )


def _trials():
    """The trials of the kept result, and the size of a head."""
    import tomllib

    from rope_lib.runs.grid import make_grid

    from .bound_trials import trials
    from .kept import kept

    tables, made = kept("which_bound")
    head_dim = make_grid(tomllib.loads(made["inputs"]["grid"])).cells[0].values["model"]["head_dim"]
    return trials(tables), head_dim


def _share(count, total):
    return count / total if total else None


def _measure(name):
    return lambda: measure_bound(name)


CLAIMS = (
    Claim(
        "A2-trained",
        "A",
        "Aliasing, on trained models: with a base below L/2π a model fails at L tokens.",
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
        "DC stability, on trained models: with a base below L/arccos(ε) a model fails at L tokens.",
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
