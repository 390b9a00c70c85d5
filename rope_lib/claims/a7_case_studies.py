"""A7: the verdicts on deployed models against their observed behavior, and against every heuristic."""

from functools import partial

from rope_lib.models.case_studies import case_studies
from rope_lib.models.heuristics import TRAINING_LENGTH, base_in_proportion, errors, rules
from rope_lib.models.verdicts import disagreements

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Earlier, Finding, Numbers, Row, Verdict
from .practice import TOLERANCES
from .settings import EPSILON

# Heuristics that somebody who knew nothing of paper A could go by.
HEURISTICS = ("Men et al.", "Liu et al.", "NTK", TRAINING_LENGTH)
PROPORTION = "base ∝ context"


def measure_cases() -> Numbers:
    """How many cases the verdicts misjudge, under three readings, beside every heuristic.

    A heuristic that does not apply to all cases is compared on those to which it applies.
    """
    known = [case for case in case_studies() if case.observed != "unknown"]
    readings = {
        "known": known,
        "scored": [case for case in known if case.ruler is not None],
        "decided": [case for case in known if case.observed != "degrades"],
    }
    numbers: dict[str, object] = {}
    for reading, cases in readings.items():
        numbers[reading] = len(cases)
        numbers[f"{reading}_wrong"], numbers[f"{reading}_rival"] = disagreements(cases, epsilon=EPSILON)
    race = {}
    own = rules(EPSILON)
    proportion = partial(base_in_proportion, others=known)
    for name, heuristic in ({name: own[name] for name in HEURISTICS} | {PROPORTION: proportion}).items():
        answers = [heuristic(case) for case in known]
        applies = [i for i, answer in enumerate(answers) if answer is not None]
        cases = [known[i] for i in applies]
        race[name] = {
            "cases": len(cases),
            "wrong": sum(errors(cases, [answers[i] for i in applies])[1:]),
            "paper": sum(errors(cases, [own["A7"](case) for case in cases])[1:]),
        }
    scan = [disagreements(known, epsilon=each)[0] for each in TOLERANCES]
    return {**numbers, "race": race, "least": min(scan), "most": max(scan)}


def judge_cases(numbers: Numbers) -> Finding:
    """A7 holds if the verdicts match every case; a caveat if they beat the training length under every
    reading, and every heuristic on the cases to which it applies.
    """
    readings = ("known", "scored", "decided")
    wrong = [numbers[f"{reading}_wrong"] for reading in readings]
    better = [numbers[f"{reading}_wrong"] < numbers[f"{reading}_rival"] for reading in readings]
    ahead = [found["paper"] < found["wrong"] for found in numbers["race"].values()]
    raced = ", ".join(
        f"{name} {found['wrong']} of {found['cases']} (the paper {found['paper']})"
        for name, found in numbers["race"].items()
    )
    return Finding(
        HOLDS if not any(wrong) else CAVEAT if all(better) and all(ahead) else REFUTED,
        (
            "On Table 1 as reconstructed and cases added, the verdict 'stable' and the observation 'works' "
            "disagree in {known_wrong} of {known} cases of known behavior, where a rule that only compares "
            "the length with that of training errs in {known_rival}; in {scored_wrong} against "
            "{scored_rival} of the {scored} that a benchmark scored; and in {decided_wrong} against "
            "{decided_rival} of the {decided} that clearly work or fail. Over tolerances from 0.01 to 0.99 "
            "the paper errs {least} to {most} times in the {known}. Errors of each heuristic: {raced}. "
            "Training lengths are mostly from memory, and the paper's own table was not available."
        ).format(**numbers, raced=raced),
    )


def judge_against_training_length(numbers: Numbers) -> Verdict:
    """The rule until 2026-11-27."""
    readings = ("known", "scored", "decided")
    wrong = [numbers[f"{reading}_wrong"] for reading in readings]
    better = [numbers[f"{reading}_wrong"] < numbers[f"{reading}_rival"] for reading in readings]
    return HOLDS if not any(wrong) else CAVEAT if all(better) else REFUTED


CLAIMS = (
    Claim(
        id="A7",
        statement=(
            "The verdicts on deployed models match their observed behavior, retrofits included, better than "
            "empirical heuristics do."
        ),
        place="Abstract and summary; the table itself is reconstructed",
        standing="stated",
        chapter="08_case_studies",
        in_short="the verdicts do not match known behavior better than the length of training does",
        practice=Row(
            measure=measure_cases,
            judge=judge_cases,
            refuted_by={
                "known": 20,
                "known_wrong": 4,
                "known_rival": 5,
                "scored": 20,
                "scored_wrong": 4,
                "scored_rival": 5,
                "decided": 20,
                "decided_wrong": 4,
                "decided_rival": 5,
                "race": {
                    "Men et al.": {"cases": 20, "wrong": 7, "paper": 4},
                    "NTK": {"cases": 14, "wrong": 2, "paper": 3},
                },
                "least": 3,
                "most": 8,
            },
        ),
        history=(
            Earlier(
                until="2026-11-27",
                rule=(
                    "Holds if the verdicts match every case; a caveat if they beat the training length under "
                    "every reading."
                ),
                why="It left out the empirical heuristics that the claim names: NTK, Men et al., Liu et al.",
                row="practice",
                judge=judge_against_training_length,
            ),
        ),
    ),
)
