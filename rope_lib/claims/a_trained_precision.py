"""A5 on trained models: models beyond the precision wall lose what they can do, those below it keep it.

The measurement is the kept result `precision`, which chapter 19 draws from and runs a part of again: models
of three tasks, each trained until it can do its task. Its rules stand in `experiments/precision.toml` and
were written before any of its cells was run. The rule before judged models of recall that had taken a fixed
number of steps, kept as `precision_fixed_steps`.
"""

from collections.abc import Mapping
from typing import Any

from rope_lib.findings.wording import ends, tested

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Earlier, Finding, Numbers, Row, Verdict

# A model withstands the rounding if it keeps this share of its accuracy above chance with exact angles.
KEPT = 0.9

# What a wall would make those beyond it lose, at the least, more than those below it.
MATTERS = 0.1


def measure_trained_wall() -> Numbers:
    """By task, what bases below A5's wall keep less what those beyond it keep; and both, by arithmetic.

    Under `before` the numbers that the earlier rule judges.
    """
    from rope_lib.findings import rivals, rounding
    from rope_lib.findings.kept import kept

    tables, provenance = kept("precision")
    plan = rounding.planned(provenance)
    rows, models = rounding.trials(tables, plan), rounding.trained_models(tables)
    own, tests = rounding.sides(rows), rounding.wall(rows, plan)
    return {
        "trained": plan.trained,
        "planned": len(plan.seeds),
        "unlearned": int((~models.learned).sum()),
        "harmed": len(rounding.harmed(rows)),
        "tasks": {
            rivals.TASK_NAMES[task]: test | {"sides": own.loc[task].to_dict("index") if test["seeds"] else {}}
            for task, test in tests.to_dict("index").items()
        },
        "before": measure_fixed_steps(),
    }


def judge_trained_wall(numbers: Numbers) -> Finding:
    """Written before any of these models was trained. In each task, what the bases below the wall keep of
    their accuracy above chance, less what those beyond it keep, at the worst shift and averaged over
    bfloat16, float16 and float32 angles, is one number for each seed; A5 predicts that it lies above 0, by
    Student's test at 5 %, adjusted for the number of tasks by Holm. The claim holds if so in all tasks, and
    if those below keep 90 % and those beyond less in each task and arithmetic. It holds with a caveat if the
    number lies above 0 in at least one task and below 0 in none. It does not hold if the number lies below 0
    in at least one task and above 0 in none, or if its 95 % interval ends below 0.1 in every task. It is not
    testable with fewer than four seeds in a task, if no base in any setting loses a tenth, or otherwise.
    """
    tasks = numbers["tasks"]
    outcomes = [own["outcome"] for own in tasks.values()]
    above, below = "above" in outcomes, "below" in outcomes
    walls = [
        side["beyond"] < KEPT <= side["below"] for own in tasks.values() for side in own["sides"].values()
    ]
    if "too few seeds" in outcomes or not numbers["harmed"]:
        verdict = NOT_TESTABLE
    elif set(outcomes) == {"above"} and all(walls):
        verdict = HOLDS
    elif above and not below:
        verdict = CAVEAT
    elif (below and not above) or all(own["high"] < MATTERS for own in tasks.values()):
        verdict = REFUTED
    else:
        verdict = NOT_TESTABLE
    counted = ends(own["seeds"] for own in tasks.values())
    return Finding(
        verdict,
        f"Models of 2 layers and 64 channels, trained on {numbers['trained']} tokens until they answer 99 % "
        f"of fresh questions ({numbers['unlearned']} did not), {counted} of {numbers['planned']} planned "
        "seeds. Share of the accuracy above chance that is kept below and beyond the wall, at the worst "
        "shift of all positions: " + "; ".join(_in_words(task, own) for task, own in tasks.items()) + ".",
    )


def _in_words(task: str, own: Mapping[str, Any]) -> str:
    """What is kept in a task on either side of each wall, and the test of the difference."""
    if not own["seeds"]:
        return f"{task} has no whole seed"
    listed = ", ".join(
        f"{side['below']:z.2f} and {side['beyond']:z.2f} in {arithmetic}"
        for arithmetic, side in own["sides"].items()
    ).replace("-", "−")
    return f"{task} {listed} {tested(own)}"


# The earlier rule, and what it judges: recall by models that had taken a fixed number of steps

# Two mean shares count as alike if they differ by at most this much.
ALIKE = 0.02


def measure_fixed_steps() -> Numbers:
    """What models below and beyond the wall keep, at the worst shift, in each arithmetic that has both."""
    from rope_lib.findings.kept import kept
    from rope_lib.findings.rounding_before import sides_of_wall, trials

    table = trials(kept("precision_fixed_steps")[0]["summary"])
    return {"sides": sides_of_wall(table).to_dict(orient="index")}


def judge_fixed_steps(numbers: Numbers) -> Verdict:
    """The rule until 2026-11-28: a wall in the base would show as models beyond it that lose more than a
    tenth of their accuracy and models below it that do not, in every arithmetic. A caveat if in some
    arithmetic those beyond it at least lose more than those below; not testable if no model loses a tenth.
    """
    sides = list(numbers["before"]["sides"].values())
    walls = [side["beyond"] < KEPT <= side["below"] for side in sides]
    more = [side["beyond"] < side["below"] - ALIKE for side in sides]
    unharmed = all(min(side["beyond"], side["below"]) >= KEPT for side in sides)
    return NOT_TESTABLE if unharmed else HOLDS if all(walls) else CAVEAT if any(more) else REFUTED


def _side(below: float, beyond: float) -> dict[str, float]:
    return {"shift": 60_016, "below": below, "beyond": beyond, "beyond_at_start": 1.0, "start_low": 1.0}


_REFUTING_TASK = {  # a possible result in one task: those below the wall lose more
    "seeds": 5,
    "mean": -0.3,
    "low": -0.4,
    "high": -0.2,
    "chance": 0.001,
    "outcome": "below",
    "sides": {name: _side(0.5, 0.8) for name in ("bfloat16", "float16", "float32")},
}


CLAIMS = (
    Claim(
        id="A5-trained",
        statement=(
            "Precision wall, on models trained at each base: the phase increment 1/base must exceed machine "
            "epsilon, base < 1/ε_mach."
        ),
        place="not in the paper as far as we know: what A5 predicts of trained models is our reading",
        standing="reconstructed",
        chapter="19_precision_by_intervention",
        in_short=(
            "in look back all bases fail at one position, in recall the lowest loses most; too few models "
            "learned copy to judge it"
        ),
        consequence=Row(
            measure=measure_trained_wall,
            judge=judge_trained_wall,
            refuted_by={
                "trained": 32,
                "planned": 5,
                "unlearned": 0,
                "harmed": 20,
                "tasks": dict.fromkeys(("recall", "look back", "copy"), _REFUTING_TASK),
                "before": {
                    "sides": {
                        "bfloat16": {"wall": 128.0, "below": 0.5, "beyond": 0.9, "beyond_at_start": 1.0},
                        "float32": {"wall": 8388608.0, "below": 0.9, "beyond": 1.0, "beyond_at_start": 1.0},
                    }
                },
            },
            needs=("results",),
        ),
        history=(
            Earlier(
                until="2026-11-28",
                rule=(
                    "On recall by models of a fixed 400 steps, three seeds, accuracy itself: holds if in "
                    "every arithmetic the models beyond the wall lose more than a tenth at their worst shift "
                    "and those below it do not; a caveat if in some arithmetic those beyond lose more; else "
                    "does not hold."
                ),
                why=(
                    "The models of the lowest base had not finished learning, and recall can be answered by "
                    "content, so that a lost position cost little. There was no test of the differences "
                    "either. The present rule was written before any of the models that it judges was "
                    "trained."
                ),
                row="consequence",
                judge=judge_fixed_steps,
            ),
        ),
    ),
)
