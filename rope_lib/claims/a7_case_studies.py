"""A7: the verdicts on deployed models against their observed behavior."""

from rope_lib.models.case_studies import case_studies
from rope_lib.models.verdicts import disagreements

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row
from .settings import EPSILON


def measure_cases() -> Numbers:
    """How many cases the verdicts misjudge, and how many the training length does, under three readings."""
    known = [case for case in case_studies() if case.observed != "unknown"]
    scored = [case for case in known if case.ruler is not None]
    decided = [case for case in known if case.observed != "degrades"]
    numbers = {}
    for reading, cases in (("known", known), ("scored", scored), ("decided", decided)):
        numbers[reading] = len(cases)
        numbers[f"{reading}_wrong"], numbers[f"{reading}_rival"] = disagreements(cases, epsilon=EPSILON)
    return numbers


def judge_cases(numbers: Numbers) -> Finding:
    """A7 holds if the verdicts match what is observed and beat a simple rule under every reading."""
    readings = ("known", "scored", "decided")
    wrong = [numbers[f"{reading}_wrong"] for reading in readings]
    better = [numbers[f"{reading}_wrong"] < numbers[f"{reading}_rival"] for reading in readings]
    return Finding(
        HOLDS if not any(wrong) else CAVEAT if all(better) else REFUTED,
        (
            "On Table 1 as reconstructed and cases added, the verdict 'stable' and the observation 'works' "
            "disagree in {known_wrong} of {known} cases of known behavior, where a rule that only compares "
            "the length with that of training errs in {known_rival}; in {scored_wrong} against "
            "{scored_rival} of the {scored} that a benchmark scored; and in {decided_wrong} against "
            "{decided_rival} of the {decided} that clearly work or fail. Training lengths are mostly from "
            "memory, and the paper's own table was not available."
        ).format(**numbers),
    )


CLAIMS = (
    Claim(
        id="A7",
        statement=(
            "The verdicts on deployed models match their observed behavior, retrofits included, better than "
            "empirical heuristics do."
        ),
        place="Abstract and summary; the table itself is reconstructed",
        standing="stated",
        chapter="07_case_studies",
        in_short="the verdicts do not match known behavior better than the length of training does",
        practice=Row(
            measure=measure_cases,
            judge=judge_cases,
            refuted_by={
                "known": 20,
                "known_wrong": 4,
                "known_rival": 4,
                "scored": 20,
                "scored_wrong": 4,
                "scored_rival": 4,
                "decided": 20,
                "decided_wrong": 4,
                "decided_rival": 4,
            },
        ),
    ),
)
