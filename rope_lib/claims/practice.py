"""The practice row of paper A's bounds: do they tell published models that work from those that do not?"""

from functools import partial

import numpy as np

from rope_lib.models.case_studies import case_studies, known_to_work
from rope_lib.models.heuristics import TRAINING_LENGTH, errors, implied_tolerance, rules

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Finding, Numbers, Row
from .settings import EPSILON

FEW = 0.05  # the share of the cases that a rule may misjudge and still hold
ENOUGH = 10  # cases that a reading must have

# The tolerances ε over which a rule's errors are counted: nobody but the paper's reporters says 0.95.
TOLERANCES = tuple(np.round(np.arange(0.01, 1.0, 0.01), 2).tolist())


def measure_practice(name: str) -> Numbers:
    """The errors of a rule and of the training length, on two readings of the case studies.

    `known` are all cases of known behavior, where one that degrades does not work; `decided` are those that
    work or fail. Both rules are counted on the cases to which both apply. `least` and `most` are the rule's
    errors on the known cases over all tolerances ε. For A3 and A4 `implied` names the models that work at the
    lowest tolerances, the strongest counterexamples first.
    """
    known = [case for case in case_studies() if case.observed != "unknown"]
    numbers: dict[str, int] = {}
    for reading, cases in (("known", known), ("decided", [c for c in known if c.observed != "degrades"])):
        answers, rival = ([rules(EPSILON)[rule](case) for case in cases] for rule in (name, TRAINING_LENGTH))
        both = [i for i, pair in enumerate(zip(answers, rival, strict=True)) if None not in pair]
        judged, accepted, rejected = errors([cases[i] for i in both], [answers[i] for i in both])
        _, rival_accepted, rival_rejected = errors([cases[i] for i in both], [rival[i] for i in both])
        numbers |= {
            reading: judged,
            f"{reading}_accepted": accepted,
            f"{reading}_rejected": rejected,
            f"{reading}_rival": rival_accepted + rival_rejected,
        }
    scan = [sum(errors(known, [rules(each)[name](case) for case in known])[1:]) for each in TOLERANCES]
    return {**numbers, "least": min(scan), "most": max(scan), "implied": _implied(name)}


def _implied(name: str) -> dict[str, float]:
    """The lowest tolerance at which each model works, the three lowest: see `implied_tolerance`."""
    if name not in ("A3", "A4"):
        return {}
    lowest: dict[str, float] = {}
    for case, _ in known_to_work():
        epsilon = implied_tolerance(case, layers=case.num_layers if name == "A4" else 1)
        lowest[case.model] = min(epsilon, lowest.get(case.model, 1.0))
    return dict(sorted(lowest.items(), key=lambda item: item[1])[:3])


def judge_practice(numbers: Numbers) -> Finding:
    """The bound holds in practice if on both readings it misjudges at most one case in twenty and fewer than
    the training length does; a caveat if it only misjudges fewer. With fewer than ten cases nothing is
    tested.
    """
    readings = ("known", "decided")
    wrong = {each: numbers[f"{each}_accepted"] + numbers[f"{each}_rejected"] for each in readings}
    better = all(wrong[each] < numbers[f"{each}_rival"] for each in readings)
    few = all(wrong[each] <= FEW * numbers[each] for each in readings)
    lowest = ", ".join(f"{model} {epsilon:.3f}" for model, epsilon in numbers["implied"].items())
    implied = f" Models that work lie on the bound at a tolerance of: {lowest}." if lowest else ""
    span = f" ({numbers['least']} to {numbers['most']} over tolerances from 0.01 to 0.99)"
    span = span if numbers["least"] < numbers["most"] else ""  # no tolerance in the bound
    verdict = HOLDS if better and few else CAVEAT if better else REFUTED
    return Finding(
        NOT_TESTABLE if min(numbers[each] for each in readings) < ENOUGH else verdict,
        (
            "Of {decided} published cases that work or fail it accepts {decided_accepted} that fail and "
            "rejects {decided_rejected} that work; a rule that compares the context with the longest "
            "training sequence errs in {decided_rival}. Counting cases that degrade as failures, it errs in "
            "{wrong} of {known}{span}, training length in {known_rival}.{lowest}"
        ).format(**numbers, wrong=wrong["known"], span=span, lowest=implied),
    )


# Numbers by which a bound is no better than the training length.
REFUTING = {
    "known": 31,
    "known_accepted": 8,
    "known_rejected": 4,
    "known_rival": 10,
    "decided": 22,
    "decided_accepted": 3,
    "decided_rejected": 2,
    "decided_rival": 4,
    "least": 11,
    "most": 14,
    "implied": {"LLaMA-2 70B": 0.917},
}


def practice(name: str) -> Row:
    """The practice row of the rule with that name in `models.heuristics.rules`."""
    return Row(measure=partial(measure_practice, name), judge=judge_practice, refuted_by=REFUTING)
