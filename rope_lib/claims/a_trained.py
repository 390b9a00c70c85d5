"""Paper A's bounds on models that were trained for it: the experimental side of A2, A3 and A4.

The measurement is the kept result of experiment 1, which chapter 18 draws from and runs a part of again. The
claims of theory stay in `claims_a`: whether a formula says what it is said to say is one question, whether
models obey it another.
"""

import numpy as np

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Finding

# The most trials that may speak against a bound which is said to hold, as a share of those it speaks of.
FEW = 0.1

# By how much the smallest base that works may differ from the one demanded.
NEAR = 2

# A laxer meaning of what it is to work: half of all questions, of which most are about the near past.
LAX = {"threshold": 0.5, "measure": "accuracy"}


def measure_bound(name):
    """What models do below and above a bound, each as it was trained longest, within training and beyond.

    `ratio` is the median over seeds, trained lengths and depths of the smallest base that works at the
    trained length over the one demanded there. `counterexamples` are bases below the bound at which every
    seed works at the trained length; `lowest` is the smallest of them over the one demanded.
    """
    from rope_lib.findings.least_base import least_over_demanded
    from rope_lib.findings.which_bound import BASE, WORKS, compared, counterexamples, trained_longest

    rows, longer, head_dim = _trials()
    rows = trained_longest(rows, longer)
    found = compared(rows, head_dim).set_index(["region", "bound"])
    lax = compared(rows, head_dim, **LAX).set_index(["region", "bound"]).loc[("inside", name)]
    against = counterexamples(rows, name, head_dim)
    ratios = least_over_demanded(rows, name, head_dim).ratio
    numbers = {
        "seeds": rows.seed.nunique(),
        "works_at": WORKS,
        "ratio": float(ratios.median()),
        "ratio_low": float(ratios.min()),
        "ratio_high": float(ratios.max()),
        "lax_below_work": int(lax.fails_wrong),
        "counterexamples": len(against),
        "lowest": float(against.ratio.min()) if len(against) else float("nan"),
    }
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
    """A bound does not hold on trained models if there is a base below it at which every seed works at the
    trained length. It holds if there is none, at most a tenth of the trials below it work within the trained
    length, also if half of all questions are enough, and the smallest base that works is at most twice what
    it demands. Otherwise there is a caveat. Without trials below it, or where no base works, nothing is
    tested.
    """
    below = numbers["inside_below"]
    few = all(numbers[name] <= FEW * below for name in ("inside_below_work", "lax_below_work"))
    if not below or np.isnan(numbers["ratio"]):
        verdict = NOT_TESTABLE
    elif numbers["counterexamples"]:
        verdict = REFUTED
    else:
        verdict = HOLDS if few and numbers["ratio"] <= NEAR else CAVEAT
    down = ", down to {lowest:.2f} times the one demanded" if numbers["counterexamples"] else ""
    return Finding(
        verdict,
        (
            "Recall by models of 1 and 2 layers and 64 channels, {seeds} seeds; one works if it finds "
            "{works_at:.0%} of the answers that lie a quarter of the input back or more. Of trained lengths, "
            "depths and bases below the bound, {counterexamples} work with every seed at the trained "
            f"length{down}. The smallest base that works there is "
            "{ratio:.2f} times the one demanded ({ratio_low:.2f} to {ratio_high:.2f}). Within the trained "
            "length {inside_below_work} of {inside_below} trials below the bound work ({lax_below_work} if "
            "half of all questions are enough) and {inside_above_fail} of {inside_above} above it fail; "
            "beyond, {beyond_below_work} of {beyond_below} work and {beyond_above_fail} of {beyond_above} "
            "fail. It puts a model that works above one that fails with probability {inside_ranking:.2f} and "
            "{beyond_ranking:.2f}, the base alone with {inside_ranking_base:.2f} and "
            "{beyond_ranking_base:.2f}."
        ).format(**numbers),
    )


def measure_trained_depth():
    """What a second layer does to the smallest base that works, by seed, within the trained length.

    Of models that all had the same steps; `longer` is about those that were also trained for three times as
    many: accuracy of two layers minus that of one, before and after.
    """
    import pandas as pd

    from rope_lib.findings.least_base import demanded_factor, depth_factors, least_bases
    from rope_lib.findings.stats import calibration, mean_interval
    from rope_lib.findings.which_bound import (
        THRESHOLDS,
        WORKS,
        depth_differences,
        margins,
        trained_longest,
    )

    name = "depth (A4)"
    rows, longer, head_dim = _trials()
    inside = trained_longest(rows, longer).query("inside")
    told = calibration(inside.far >= WORKS, margins(inside, head_dim)[name])
    pairs = pd.concat([depth_factors(least_bases(rows[rows.inside], each)) for each in THRESHOLDS])
    change = mean_interval(np.log2(pairs.factor), pairs.seed * 1_000 + pairs.trained)
    after = depth_differences(longer[longer.length == longer.trained])
    before = depth_differences(rows[rows.length == rows.trained])
    before = before.merge(after, on=["seed", "trained", "base"], suffixes=("", "_longer"))
    return {
        "seeds": rows.seed.nunique(),
        "demanded": demanded_factor(name, int(rows.trained.max()), sorted(rows.layers.unique()), head_dim),
        "pairs": len(pairs),
        "factor": 2 ** change[0],
        "factor_low": 2 ** change[1],
        "factor_high": 2 ** change[2],
        "difference": float(before.difference.mean()),
        "difference_longer": float(before.difference_longer.mean()),
        "inside_below": told["fails_right"] + told["fails_wrong"],
        "inside_below_work": told["fails_wrong"],
    }


def judge_trained_depth(numbers):
    """A4 holds on trained models if, within the trained length, the smallest base that works rises with
    depth, by as much as it demands as far as the interval tells; if at least half of what depth costs
    outlasts three times the steps; and if at most a tenth of the trials below the bound work. If the base
    rises, but not all of this is so, there is a caveat. The claim does not hold if the rise is surely less
    than demanded. If the interval holds both no rise and the demanded one, the data cannot tell.
    """
    below = numbers["inside_below"]
    few = numbers["inside_below_work"] <= FEW * below
    rises = numbers["factor_low"] > 1
    enough = numbers["factor_high"] >= numbers["demanded"]
    lasting = numbers["difference_longer"] <= numbers["difference"] / 2 < 0
    if not below or (enough and not rises):
        verdict = NOT_TESTABLE
    elif rises:
        verdict = HOLDS if enough and lasting and few else CAVEAT
    else:
        verdict = REFUTED
    return Finding(
        verdict,
        (
            "Within the trained length a second layer multiplies the smallest base that works by "
            "{factor:.2f} ({factor_low:.2f} to {factor_high:.2f}; {pairs} pairs of models, {seeds} seeds, "
            "three thresholds); A4 demands {demanded:.2f}. At the bases that were trained again it changes "
            "accuracy by {difference:+.2f}, and after three times the steps by {difference_longer:+.2f}. "
            "{inside_below_work} of {inside_below} trials below the depth bound work."
        ).format(**numbers),
    )


def _trials():
    """The trials of experiment 1, those of its models that were trained again, and the size of a head."""
    import tomllib

    from rope_lib.findings.kept import kept
    from rope_lib.findings.which_bound import trials, trials_at
    from rope_lib.runs.grid import make_grid

    (tables, made), (again, made_again) = kept("which_bound"), kept("which_bound_longer")
    first, second = (
        make_grid(tomllib.loads(each["inputs"]["grid"])).cells[0].values for each in (made, made_again)
    )
    longer = trials_at(again, second["training"]["length"])
    return trials(tables), longer, first["model"]["head_dim"]


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
