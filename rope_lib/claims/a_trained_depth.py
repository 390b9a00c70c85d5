"""A4 on trained models: the smallest base that works rises with the number of layers.

The measurement is the kept result of experiment 1, see `a_trained_bounds`.
"""

from typing import TYPE_CHECKING

import numpy as np

from .a_trained_bounds import FEW, worst
from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Earlier, Finding, Numbers, Row, Verdict

if TYPE_CHECKING:
    import pandas as pd


def measure_trained_depth() -> Numbers:
    """What a second layer does to the smallest base that works, by seed, within the trained length.

    `budgets` holds the numbers of `_budget` by the steps of training. `difference` and `difference_longer`
    are about the models that were trained twice, for the usual steps and for three times as many: the
    accuracy with two layers minus that with one, after each. `pooled_below` and `pooled_below_work` count
    each model at its longest training, which mixes the two: the rule until 2026-11-27 judged those. `first`
    is the name of the budget of the first experiment.
    """
    from rope_lib.findings.least_base import demanded_factor
    from rope_lib.findings.which_bound import depth_differences, kept_budgets, trained_longest

    budgets, head_dim = kept_budgets()
    (_, rows), (_, longer) = budgets
    after = depth_differences(longer[longer.length == longer.trained])
    before = depth_differences(rows[rows.length == rows.trained])
    before = before.merge(after, on=["seed", "trained", "base"], suffixes=("", "_longer"))
    pooled = _budget(trained_longest(rows, longer), head_dim)
    depths = sorted(rows.layers.unique())
    return {
        "demanded": demanded_factor("depth (A4)", int(rows.trained.max()), depths, head_dim),
        "budgets": {f"{steps:,}": _budget(each, head_dim) for steps, each in budgets},
        "first": f"{budgets[0][0]:,}",
        "difference": float(before.difference.mean()),
        "difference_longer": float(before.difference_longer.mean()),
        "pooled_below": pooled["inside_below"],
        "pooled_below_work": pooled["inside_below_work"],
    }


def _budget(rows: "pd.DataFrame", head_dim: int) -> Numbers:
    """What a second layer does in models that took as many steps, within the trained length.

    `factor` is that on the smallest base that works, with its 95 % interval, over `pairs` of models of one
    seed at three thresholds; NaN where fewer than two pairs tell one. `inside_below` trials lie below the
    depth bound, of which `inside_below_work` work.
    """
    import pandas as pd

    from rope_lib.findings.least_base import depth_factors, least_bases
    from rope_lib.findings.stats import calibration, mean_interval
    from rope_lib.findings.which_bound import THRESHOLDS, WORKS, margins

    inside = rows[rows.inside]
    told = calibration(inside.far >= WORKS, margins(inside, head_dim)["depth (A4)"])
    pairs = pd.concat([depth_factors(least_bases(inside, each)) for each in THRESHOLDS])
    change = (np.nan,) * 3
    if len(pairs) > 1:
        change = mean_interval(np.log2(pairs.factor), pairs.seed * 1_000 + pairs.trained)
    return {
        "seeds": rows.seed.nunique(),
        "pairs": len(pairs),
        "factor": 2 ** change[0],
        "factor_low": 2 ** change[1],
        "factor_high": 2 ** change[2],
        "inside_below": told["fails_right"] + told["fails_wrong"],
        "inside_below_work": told["fails_wrong"],
    }


def judge_budget(numbers: Numbers, demanded: float) -> Verdict:
    """A4 holds if the smallest base that works rises with depth by an interval that reaches the rise demanded
    and at most a tenth of the trials below the bound work. If the base rises but another condition fails,
    there is a caveat. The claim does not hold if the interval allows no rise and does not reach the one
    demanded. If it allows both, or no pair tells a factor, or no trial lies below the bound, the data cannot
    tell.
    """
    rises, enough = numbers["factor_low"] > 1, numbers["factor_high"] >= demanded
    below = numbers["inside_below"]
    if not below or np.isnan(numbers["factor"]) or (enough and not rises):
        return NOT_TESTABLE
    if not rises:
        return REFUTED
    return HOLDS if enough and numbers["inside_below_work"] <= FEW * below else CAVEAT


def judge_trained_depth(numbers: Numbers) -> Finding:
    """Models that took as many steps are judged together, by `judge_budget`, and never with others; the
    verdict is the worst that a budget of steps gives. A4 holds only if, besides, at least half of what depth
    costs remains after three times the steps; else there is a caveat.
    """
    budgets = numbers["budgets"]
    verdicts = {steps: judge_budget(each, numbers["demanded"]) for steps, each in budgets.items()}
    verdict = worst(list(verdicts.values()))
    if verdict == HOLDS and not _lasts(numbers):
        verdict = CAVEAT
    parts = [
        f"After {steps} steps ({verdicts[steps]}) {_factor(each)}; "
        "{inside_below_work} of {inside_below} trials below the depth bound work.".format(**each)
        for steps, each in budgets.items()
    ]
    change = (
        "A4 demands a factor of {demanded:.2f}. At the bases that were trained twice the second layer "
        "changes accuracy by {difference:+.2f}, and by {difference_longer:+.2f} after three times the steps."
    )
    return Finding(verdict, " ".join([*parts, change.format(**numbers)]))


def _lasts(numbers: Numbers) -> bool:
    """Whether at least half of what depth costs remains after more steps."""
    return bool(numbers["difference_longer"] <= numbers["difference"] / 2 < 0)


def _factor(numbers: Numbers) -> str:
    if np.isnan(numbers["factor"]):
        return "no two pairs of models tell what a second layer does to the smallest base that works"
    return (
        "a second layer multiplies the smallest base that works within the trained length by {factor:.2f} "
        "({factor_low:.2f} to {factor_high:.2f}; {pairs} pairs of models, {seeds} seeds, three thresholds)"
    ).format(**numbers)


def judge_pooled(numbers: Numbers) -> Verdict:
    """The rule until 2026-11-27: the factor after the usual steps, trials below at the longest training."""
    first = numbers["budgets"][numbers["first"]]
    below = {"inside_below": numbers["pooled_below"], "inside_below_work": numbers["pooled_below_work"]}
    verdict = judge_budget({**first, **below}, numbers["demanded"])
    return CAVEAT if verdict == HOLDS and not _lasts(numbers) else verdict


_RISELESS = {
    "seeds": 3,
    "pairs": 20,
    "factor": 1.0,
    "factor_low": 0.6,
    "factor_high": 1.2,
    "inside_below": 40,
    "inside_below_work": 2,
}

CLAIMS = (
    Claim(
        id="A4-trained",
        statement=(
            "Depth, on trained models: the smallest base that works rises with the number of layers, as "
            "1/arccos(ε^(1/N))."
        ),
        place="not in the paper as far as we know: what A4 predicts of models is our reading",
        standing="reconstructed",
        chapter="18_which_bound",
        in_short=(
            "after equal steps a second layer needs a larger base within training; models below the bound "
            "work"
        ),
        practice=Row(
            measure=measure_trained_depth,
            judge=judge_trained_depth,
            refuted_by={
                "demanded": 1.41,
                "budgets": {"400": _RISELESS, "1,200": _RISELESS},
                "first": "400",
                "difference": -0.2,
                "difference_longer": -0.15,
                "pooled_below": 40,
                "pooled_below_work": 2,
            },
            needs=("results",),
        ),
        history=(
            Earlier(
                until="2026-11-27",
                rule=(
                    "Written before the data were whole: the factor after 400 steps by the present rule for "
                    "one budget, with the trials below the bound counted at the longest training of each "
                    "model; holds only if half of what depth costs remains after three times the steps."
                ),
                why="It counted trials of two budgets of steps together.",
                row="practice",
                judge=judge_pooled,
            ),
        ),
    ),
)
