"""A2 and A3 on trained models: with a base below the bound, a model fails.

The measurement is the kept result `least_base`, of models that learned until they could do their task, which
chapter 18 draws from and runs a part of again. An earlier experiment, of models that took a fixed number of
steps, is judged by the rules of its day, which stand in the history. Whether a formula is right about an
oscillator is one question, and whether models obey it another: the formulas have claims of their own.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Earlier, Finding, Numbers, Row, Verdict

if TYPE_CHECKING:
    import pandas as pd

# A bound that holds may be contradicted by at most this share of the trials about which it says something.
FEW = 0.1

# The smallest base that works may differ from the one demanded by at most this factor.
NEAR = 2

# A laxer definition: a model works if it answers this share of all questions, most about the near past.
LAX = 0.5

# From the worst to the best: several budgets of training steps give the worst verdict that one of them gives.
WORST_FIRST = (REFUTED, CAVEAT, HOLDS)


def measure_learned(bound: str, name: str) -> Numbers:
    """What models do that learned until they could, and beside it what `measure_bound` finds.

    `converged` holds, by trained length, whether every base below the bound fails in copy or look back
    (`all_fail`), whether every base of at least half of it suffices in all tasks (`suffices`), and by task
    the models below the bound and how many of them learned; `smallest` is the smallest base of the grid.
    """
    from rope_lib.findings.kept import kept
    from rope_lib.findings.learned import BOUNDS, NAMES, counts, judged, models, whole

    rows = whole(models(kept("least_base")[0]))
    found = counts(rows)
    lengths = {}
    for length, says in judged(found, bound).items():
        demanded = float(BOUNDS[bound](length))
        below = rows[(rows.trained == length) & (rows.base < demanded)]
        lengths[f"{length}"] = {
            **says,
            "demanded": demanded,
            "seeds": int(found.xs(length, level="trained").seeds.min()),
            "tasks": {
                text: {
                    "models": int((below.task == task).sum()),
                    "learned": int(below[below.task == task].learned.sum()),
                }
                for task, text in NAMES.items()
            },
        }
    own = {"converged": lengths, "smallest": float(rows.base.min()), "limit": int(rows.steps.max())}
    return {**own, **measure_bound(name)}


def judge_learned(numbers: Numbers) -> Finding:
    """Written before any of these models was trained. A base suffices in a task at a length if all seeds but
    at most one learn to answer 99 % of fresh questions within the limit of steps, and fails if at most one
    does. The bound does not hold on trained models if, at some trained length, every base of at least half of
    it suffices in all tasks. It holds if every base below it fails, in copy or in look back, at both lengths.
    Otherwise there is a caveat. A length with fewer than four seeds at any base is not judged.
    """
    lengths = numbers["converged"]
    if not lengths:
        return Finding(NOT_TESTABLE, "No trained length has four seeds at every base yet.")
    if any(each["suffices"] for each in lengths.values()):
        verdict = REFUTED
    elif len(lengths) > 1 and all(each["all_fail"] for each in lengths.values()):
        verdict = HOLDS
    else:
        verdict = CAVEAT
    parts = [
        "At {length} tokens ({seeds} seeds) the bound asks for {demanded:.1f}; of the models below it "
        "{tasks} learned.".format(
            length=length,
            tasks=", ".join(
                f"{each['learned']} of {each['models']} in {task}" for task, each in own["tasks"].items()
            ),
            **{name: own[name] for name in ("seeds", "demanded")},
        )
        for length, own in lengths.items()
    ]
    head = (
        "Models of 2 layers and 64 channels that train until they answer 99 % of fresh questions of the "
        f"trained length and then for as many steps again, at most {numbers['limit']:,}; bases from "
        f"{numbers['smallest']:g}."
    )
    return Finding(verdict, " ".join([head, *parts]))


def measure_bound(name: str) -> Numbers:
    """What models do below and above a bound, by the steps of their training: see `_budget`.

    `pooled` are the numbers of all models together, each at its longest training, which mixes two budgets of
    steps: the rule until 2026-11-27 judged those. `first` is the name of the budget of the first experiment.
    """
    from rope_lib.findings.kept import kept
    from rope_lib.findings.which_bound import WORKS, kept_budgets, late_losses, trained_longest

    budgets, head_dim = kept_budgets()
    (_, first), (_, longer) = budgets
    late = [late_losses(kept("which_bound")[0]["training"])]
    again = kept("which_bound_longer")[0]["training"]
    late.append(late_losses(again.assign(trained=int(longer.trained.iloc[0]))))
    return {
        "works_at": WORKS,
        "budgets": {
            f"{steps:,}": _budget(rows, name, head_dim, losses)
            for (steps, rows), losses in zip(budgets, late, strict=True)
        },
        "first": f"{budgets[0][0]:,}",
        "pooled": _budget(trained_longest(first, longer), name, head_dim, late[0]),
    }


def _budget(rows: "pd.DataFrame", name: str, head_dim: int, losses: "pd.DataFrame") -> Numbers:
    """What models that took as many steps do below and above a bound, within training and beyond it.

    `ratio` is the median over seeds, trained lengths and depths of the smallest base that works at the
    trained length over the one demanded there. `cells` are the counterexamples: trained lengths, depths and
    bases below the bound at which every seed works at the trained length, with `least`, the accuracy of the
    worst seed, and the columns of `losses`, see `which_bound.late_losses`; `lowest` is the smallest of their
    bases over the one demanded.
    """
    from rope_lib.findings.least_base import least_over_demanded
    from rope_lib.findings.which_bound import BASE, compared, counterexamples

    found = compared(rows, head_dim).set_index(["region", "bound"])
    lax = compared(rows, head_dim, LAX, "accuracy").set_index(["region", "bound"]).loc[("inside", name)]
    against = counterexamples(rows, name, head_dim)
    ratios = least_over_demanded(rows, name, head_dim).ratio
    numbers = {
        "seeds": rows.seed.nunique(),
        "ratio": float(ratios.median()),
        "ratio_low": float(ratios.min()),
        "ratio_high": float(ratios.max()),
        "lax_below_work": int(lax.fails_wrong),
        "cells": against[["trained", "layers", "base", "least"]].merge(losses).to_dict(orient="records"),
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


def judge_budget(numbers: Numbers) -> Verdict:
    """A bound does not hold on trained models if there is a base below it at which every seed works at the
    trained length. It holds if there is none, at most a tenth of the trials below it work within the trained
    length, also if half of all questions are enough, and the smallest base that works is at most twice what
    it demands. Otherwise there is a caveat. Without trials below it, or where no base works, nothing is
    tested.
    """
    below = numbers["inside_below"]
    few = all(numbers[name] <= FEW * below for name in ("inside_below_work", "lax_below_work"))
    if not below or np.isnan(numbers["ratio"]):
        return NOT_TESTABLE
    if numbers["cells"]:
        return REFUTED
    return HOLDS if few and numbers["ratio"] <= NEAR else CAVEAT


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The worst of the verdicts, leaving out those that are not testable, if others are."""
    return next((verdict for verdict in WORST_FIRST if verdict in verdicts), NOT_TESTABLE)


def judge_bound(numbers: Numbers) -> Finding:
    """Models that took as many steps are judged together, by `judge_budget`, and never with others. The bound
    says that a model below it fails, however long it is trained: so its verdict is the worst that a budget of
    steps gives. It holds if it does in every budget that tests it, and does not if it fails in one.
    """
    budgets = numbers["budgets"]
    verdicts = {steps: judge_budget(each) for steps, each in budgets.items()}
    parts = [
        f"After {steps} steps the bound {_verb(verdicts[steps])}: {_evidence(each)}"
        for steps, each in budgets.items()
    ]
    alone = [cell | {"steps": steps} for steps, each in budgets.items() for cell in each["cells"]]
    single = _single(alone[0]) if len(alone) == 1 else ""
    head = (
        "Recall by models of 1 and 2 layers and 64 channels; one works if it finds "
        f"{numbers['works_at']:.0%} of the answers that lie a quarter of the input back or more."
    )
    return Finding(worst(list(verdicts.values())), " ".join([head, *parts, single]).strip())


def _verb(verdict: Verdict) -> str:
    return verdict if verdict != NOT_TESTABLE else "is not tested"


def _evidence(numbers: Numbers) -> str:
    """One sentence or two on the models of one budget."""
    down = f", down to {numbers['lowest']:.2f} times the one demanded" if numbers["cells"] else ""
    ranking = (
        ""
        if np.isnan(numbers["inside_ranking"])
        else (
            " It puts a model that works above one that fails with probability {inside_ranking:.2f} within "
            "it, the base alone with {inside_ranking_base:.2f}."
        ).format(**numbers)
    )
    return (
        f"of trained lengths, depths and bases below the bound, {len(numbers['cells'])} work with all "
        f"{numbers['seeds']} seeds at the trained length{down}. The smallest base that works there is "
        "{ratio:.2f} times the one demanded ({ratio_low:.2f} to {ratio_high:.2f}). Within the trained length "
        "{inside_below_work} of {inside_below} trials below the bound work ({lax_below_work} if half of all "
        "questions are enough) and {inside_above_fail} of {inside_above} above it fail; beyond, "
        "{beyond_below_work} of {beyond_below} and {beyond_above_fail} of {beyond_above}."
    ).format(**numbers) + ranking


def _single(cell: Numbers) -> str:
    """What a refutation by one counterexample rests on."""
    return (
        "The refutation is this one cell of the grid, {depth}, base {base:g}, {trained} tokens, {steps} "
        "steps: its worst seed finds {least:.0%}, and its loss was {before:.3f} nats in the last tenth but "
        "one of the steps and {last:.3f} in the last."
    ).format(depth="one layer" if cell["layers"] == 1 else f"{cell['layers']} layers", **cell)


def judge_earlier(numbers: Numbers) -> Verdict:
    """The rule until 2026-11-27, 21:29: that of `judge_bound`."""
    return judge_bound(numbers).verdict


def judge_pooled(numbers: Numbers) -> Verdict:
    """The rule from 2026-11-25 to 2026-11-27: `judge_budget`, on each model at its longest training."""
    return judge_budget(numbers["pooled"])


def judge_shares(numbers: Numbers) -> Verdict:
    """The rule until 2026-11-25: at most a tenth of the trials below work and a tenth of those above fail."""
    first = numbers["budgets"][numbers["first"]]
    below, above = first["inside_below"], first["inside_above"]
    if not below or not above or first["inside_above_fail"] == above:
        return NOT_TESTABLE
    works, fails = first["inside_below_work"] / below, first["inside_above_fail"] / above
    return REFUTED if works > 0.5 else HOLDS if max(works, fails) <= FEW else CAVEAT


HISTORY = (
    Earlier(
        until="2026-11-25",
        rule=(
            "Written before the data were whole: holds if, within the trained length, at most a tenth of the "
            "trials below the bound work and at most a tenth of those above it fail; does not hold if more "
            "than half of those below it work; otherwise a caveat. It judged the models of 400 steps."
        ),
        why=(
            "Once models trained for three times the steps were there, a base below a bound at which every "
            "seed works was to refute it, as a counterexample does elsewhere. This was tightened after the "
            "data had been seen."
        ),
        row="practice",
        judge=judge_shares,
    ),
    Earlier(
        until="2026-11-27",
        rule=(
            "The present rule for one budget of steps, applied to all models together, each at its longest "
            "training: 400 steps for most, 1,200 for some."
        ),
        why="It pooled evidence from two budgets of steps. This too was changed with the data in view.",
        row="practice",
        judge=judge_pooled,
    ),
    Earlier(
        until="2026-11-27, 21:29",
        rule=(
            "Recall by models of 1 and 2 layers after 400 or 1,200 steps, each budget judged apart. The "
            "bound does not hold if at a base below it every seed works at the trained length; it holds if "
            "at most a tenth of the trials below it work and the smallest base that works is at most twice "
            "the one demanded; otherwise a caveat. The worst verdict of the budgets counts."
        ),
        why=(
            "Models that took as many steps had not learned as much: what looked like a bound moved with the "
            "steps. And recall asks for contents, not for places. The present rule and its experiment were "
            "written before their data."
        ),
        row="practice",
        judge=judge_earlier,
    ),
)

# At a base that is 0.8 of the one demanded every seed works.
_REFUTING_BUDGET = {
    "seeds": 3,
    "ratio": 1.2,
    "ratio_low": 0.9,
    "ratio_high": 1.8,
    "lax_below_work": 3,
    "cells": [{"trained": 64, "layers": 1, "base": 8, "least": 0.85, "before": 0.2, "last": 0.19}],
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
_OBEYING_BUDGET = {**_REFUTING_BUDGET, "cells": [], "lowest": float("nan")}
_BELOW = {"models": 24, "learned": 24}
_REFUTING = {
    "converged": {
        "32": {
            "all_fail": False,
            "suffices": True,
            "demanded": 5.1,
            "seeds": 8,
            "tasks": {"recall": _BELOW, "look back": _BELOW, "copy": _BELOW},
        },
    },
    "smallest": 1.2,
    "limit": 3_000,
    "works_at": 0.7,
    "budgets": {"400": _OBEYING_BUDGET, "1,200": _REFUTING_BUDGET},
    "first": "400",
    "pooled": _REFUTING_BUDGET,
}

CLAIMS = (
    Claim(
        id="A2-trained",
        statement="Aliasing, on trained models: with a base below L/2π a model fails at L tokens.",
        place="not in the paper as far as we know: what A2 predicts of models is our reading",
        standing="reconstructed",
        chapter="18_which_bound",
        in_short=(
            "models learn at bases below the bound, two tasks of three down to a base of 1.2; a small base "
            "makes that slow"
        ),
        practice=Row(
            measure=partial(measure_learned, "A2", "aliasing (A2)"),
            judge=judge_learned,
            refuted_by=_REFUTING,
            needs=("results",),
        ),
        history=HISTORY,
    ),
    Claim(
        id="A3-trained",
        statement="DC stability, on trained models: with a base below L/arccos(ε) a model fails at L tokens.",
        place="not in the paper as far as we know: what A3 predicts of models is our reading",
        standing="reconstructed",
        chapter="18_which_bound",
        in_short="models learn far below the bound; a small base makes that slow, not impossible",
        practice=Row(
            measure=partial(measure_learned, "A3", "stability (A3)"),
            judge=judge_learned,
            refuted_by={
                **_REFUTING,
                "budgets": {
                    steps: {**_REFUTING_BUDGET, "lowest": 0.1, "inside_below_work": 39}
                    for steps in ("400", "1,200")
                },
            },
            needs=("results",),
        ),
        history=HISTORY,
    ),
)
