"""A4 on trained models: the smallest base that works rises with the number of layers.

The measurement is the kept result of experiment 1, see `a_trained_bounds`.
"""

import numpy as np

from .a_trained_bounds import FEW
from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Finding, Numbers, Row


def measure_trained_depth() -> Numbers:
    """What a second layer does to the smallest base that works, by seed, within the trained length.

    All models are compared after the same number of steps. `difference` and `difference_longer` are about
    those that were also trained for three times as many: the accuracy with two layers minus that with one,
    after the usual steps and after three times as many.
    """
    import pandas as pd

    from rope_lib.findings.least_base import demanded_factor, depth_factors, least_bases
    from rope_lib.findings.stats import calibration, mean_interval
    from rope_lib.findings.which_bound import (
        THRESHOLDS,
        WORKS,
        depth_differences,
        kept_trials,
        margins,
        trained_longest,
    )

    name = "depth (A4)"
    rows, longer, head_dim = kept_trials()
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


def judge_trained_depth(numbers: Numbers) -> Finding:
    """A4 holds on trained models if, within the trained length, the smallest base that works rises with
    depth by an interval that reaches the rise demanded; if at least half of what depth costs remains after
    three times the steps; and if at most a tenth of the trials below the bound work. If the base rises but
    another condition fails, there is a caveat. The claim does not hold if the interval allows no rise and
    does not reach the one demanded. If it allows both, or no trial lies below the bound, the data cannot
    tell.
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


CLAIMS = (
    Claim(
        id="A4-trained",
        statement=(
            "Depth, on trained models: the smallest base that works rises with the number of layers, as "
            "1/arccos(ε^(1/N))."
        ),
        place="Method; what it predicts of models is our reading",
        standing="stated",
        chapter="18_which_bound",
        in_short=(
            "after equal steps a second layer needs a larger base within training; models below the bound "
            "work"
        ),
        practice=Row(
            measure=measure_trained_depth,
            judge=judge_trained_depth,
            refuted_by={
                "seeds": 3,
                "demanded": 1.41,
                "pairs": 20,
                "factor": 1.5,
                "factor_low": 0.6,
                "factor_high": 1.2,
                "difference": -0.2,
                "difference_longer": -0.15,
                "inside_below": 40,
                "inside_below_work": 2,
            },
            needs=("results",),
        ),
    ),
)
