"""A2 and A3 on trained models: with a base below the bound, a model fails.

The measurement is the kept result of experiment 1, which chapter 18 draws from and runs a part of again.
Whether a formula is right about an oscillator is one question, and whether models obey it another: the
formulas have claims of their own.
"""

from collections.abc import Callable

import numpy as np

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Finding, Numbers, Row

# A bound that holds may be contradicted by at most this share of the trials about which it says something.
FEW = 0.1

# The smallest base that works may differ from the one demanded by at most this factor.
NEAR = 2

# A laxer definition: a model works if it answers this share of all questions, most about the near past.
LAX = 0.5


def measure_bound(name: str) -> Numbers:
    """What models do below and above a bound, within training and beyond it, each at its longest training.

    `ratio` is the median over seeds, trained lengths and depths of the smallest base that works at the
    trained length over the one demanded there. `counterexamples` are bases below the bound at which every
    seed works at the trained length; `lowest` is the smallest of them over the one demanded.
    """
    from rope_lib.findings.least_base import least_over_demanded
    from rope_lib.findings.which_bound import (
        BASE,
        WORKS,
        compared,
        counterexamples,
        kept_trials,
        trained_longest,
    )

    rows, longer, head_dim = kept_trials()
    rows = trained_longest(rows, longer)
    found = compared(rows, head_dim).set_index(["region", "bound"])
    lax = compared(rows, head_dim, LAX, "accuracy").set_index(["region", "bound"]).loc[("inside", name)]
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


def judge_bound(numbers: Numbers) -> Finding:
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


def _measure(name: str) -> Callable[[], Numbers]:
    return lambda: measure_bound(name)


# At a base that is 0.8 of the one demanded every seed works.
_REFUTING = {
    "seeds": 3,
    "works_at": 0.7,
    "ratio": 1.2,
    "ratio_low": 0.9,
    "ratio_high": 1.8,
    "lax_below_work": 3,
    "counterexamples": 1,
    "lowest": 0.8,
    "inside_below": 40,
    "inside_below_work": 2,
    "inside_above": 80,
    "inside_above_fail": 4,
    "inside_ranking": 0.98,
    "inside_ranking_base": 0.9,
    "beyond_below": 90,
    "beyond_below_work": 5,
    "beyond_above": 100,
    "beyond_above_fail": 70,
    "beyond_ranking": 0.8,
    "beyond_ranking_base": 0.7,
}

CLAIMS = (
    Claim(
        id="A2-trained",
        statement="Aliasing, on trained models: with a base below L/2π a model fails at L tokens.",
        place="Method, Figure 1; what it predicts of models is our reading",
        standing="stated",
        chapter="18_which_bound",
        in_short=(
            "just below the bound models learn late, not never; beyond their training most fail above it too"
        ),
        practice=Row(
            measure=_measure("aliasing (A2)"),
            judge=judge_bound,
            refuted_by=_REFUTING,
            needs=("results",),
        ),
    ),
    Claim(
        id="A3-trained",
        statement="DC stability, on trained models: with a base below L/arccos(ε) a model fails at L tokens.",
        place="Method; what it predicts of models is our reading",
        standing="stated",
        chapter="18_which_bound",
        in_short="models work far below the bound; above it, within training, none fails",
        practice=Row(
            measure=_measure("stability (A3)"),
            judge=judge_bound,
            refuted_by={**_REFUTING, "counterexamples": 9, "lowest": 0.1, "inside_below_work": 39},
            needs=("results",),
        ),
    ),
)
