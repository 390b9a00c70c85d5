"""The case studies against the rules that judge them: what each accepts and rejects, and how models behave.

A rule answers whether a case works (see `models.heuristics`). Bounds on the rotation look at the longest
distance that a layer sees, so that a window counts; rules on training look at the context.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rope_lib.models.case_studies import RULER_THRESHOLD, CaseStudy
from rope_lib.models.heuristics import (
    TRAINING_LENGTH,
    Rule,
    base_in_proportion,
    depth,
    errors,
    implied_tolerance,
    rules,
)
from rope_lib.models.verdicts import disagreements
from rope_lib.theory.bounds import aliasing_bound, stability_bound
from rope_lib.theory.rivals import liu_extrapolation_limit, men_first_negative

VERDICT = "paper A's verdict"
PROPORTION = "base ∝ context"

# The rules of the chapter, by the part of a glue name that stands for each.
RULES = {
    "a2": "A2 aliasing",
    "a3": "A3 stability",
    "a4": "A4 depth",
    "a4-stated": "A4 depth, stated base",
    "verdict": VERDICT,
    "men": "Men et al.",
    "liu": "Liu et al.",
    "ntk": "NTK",
    "proportion": PROPORTION,
    "trained": TRAINING_LENGTH,
}
HEURISTICS = ("Men et al.", "Liu et al.", "NTK", PROPORTION, TRAINING_LENGTH)

Answers = Mapping[str, Sequence[bool | None]]  # by the name of a rule, one for each case


def answers(cases: Sequence[CaseStudy], epsilon: float) -> Answers:
    """What every rule of `RULES` says of each case, at a tolerance `epsilon`; None where it does not apply.

    >>> from rope_lib.models.case_studies import case_studies
    >>> llama = [case for case in case_studies() if case.model == "LLaMA-2 7B"]
    >>> [name for name, said in answers(llama, 0.95).items() if said == [False]]
    ['A3 stability', 'A4 depth', 'A4 depth, stated base', "paper A's verdict", 'Men et al.']
    """
    own = rules(epsilon)
    named: dict[str, Rule] = {
        "A2 aliasing": own["A2"],
        "A3 stability": own["A3"],
        "A4 depth": own["A4"],
        "A4 depth, stated base": lambda case: depth(replace(case, effective_base=case.base), epsilon),
        VERDICT: own["A7"],
        **{name: own[name] for name in ("Men et al.", "Liu et al.", "NTK")},
        PROPORTION: partial(base_in_proportion, others=cases),
        TRAINING_LENGTH: own[TRAINING_LENGTH],
    }
    return {name: [rule(case) for case in cases] for name, rule in named.items()}


def scoreboard(cases: Sequence[CaseStudy], said: Answers) -> pd.DataFrame:
    """How each rule judges `cases` of known behavior: one row for each name in `said`, columns of counts.

    `cases`, those that the rule applies to; `rejects_works`, the rejected that work; `accepts_degrades` and
    `accepts_fails`, the accepted that degrade and that fail; `errors`, the three together; `paper`, the
    errors of paper A's verdict, which `said` must hold, on the same cases.

    >>> from rope_lib.models.case_studies import case_studies
    >>> llama, longer = [case for case in case_studies() if case.model == "LLaMA-1 7B"]
    >>> llama.observed, longer.observed
    ('works', 'fails')
    >>> scoreboard([llama, longer], {VERDICT: [False, False], "half": [None, True]}).loc["half"].to_dict()
    {'cases': 1, 'rejects_works': 0, 'accepts_degrades': 0, 'accepts_fails': 1, 'errors': 1, 'paper': 0}
    """
    rows = {}
    for name, own in said.items():
        applies = [i for i, answer in enumerate(own) if answer is not None]
        judged = [cases[i] for i in applies]
        accepted = [cases[i].observed for i in applies if own[i]]
        _, wrongly, rejected = errors(judged, [own[i] for i in applies])
        rows[name] = {
            "cases": len(applies),
            "rejects_works": rejected,
            "accepts_degrades": accepted.count("degrades"),
            "accepts_fails": accepted.count("fails"),
            "errors": wrongly + rejected,
            "paper": sum(errors(judged, [said[VERDICT][i] for i in applies])[1:]),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def decided(cases: Iterable[CaseStudy]) -> list[CaseStudy]:
    """The cases that clearly work or fail: those that degrade are left out."""
    return [case for case in cases if case.observed in ("works", "fails")]


def margins(cases: Sequence[CaseStudy], epsilon: float) -> dict[str, NDArray[np.float64]]:
    """How far each rule lets a case go, over how far the case goes: 1 or more where the rule accepts it.

    By the names of `RULES` but the stated base and the verdict, which no one number decides. NaN where a rule
    does not apply, infinite where it forbids nothing.
    """

    def of(name: str, case: CaseStudy) -> float:
        base, seen = case.effective_base, case.longest_distance
        if name == TRAINING_LENGTH:
            return np.nan if case.train_length is None else case.train_length / case.context_length
        if base is None:
            return np.nan
        if name == "A2 aliasing":
            return base / float(aliasing_bound(seen))
        if name == "A3 stability":
            return base / float(stability_bound(seen, epsilon))
        if name == "A4 depth":
            return base / float(stability_bound(seen, epsilon, layers=case.num_layers))
        if name == "Men et al.":
            first = men_first_negative(base, case.head_dim, limit=2_000_000)
            return np.inf if first is None else (first - 1) / seen
        if case.pretrain_base is None or case.pretrain_length is None:
            return np.nan
        if name == "Liu et al.":
            before = case.pretrain_length, case.head_dim, case.pretrain_base
            return float(liu_extrapolation_limit(*before, base)) / seen
        share = (
            case.head_dim - 2
        ) / case.head_dim  # NTK: s times the length needs s^(d/(d-2)) times the base
        return float(case.pretrain_length * (base / case.pretrain_base) ** share / case.context_length)

    names = [name for name in RULES.values() if name not in ("A4 depth, stated base", VERDICT, PROPORTION)]
    return {name: np.array([of(name, case) for case in cases]) for name in names}


def scan(cases: Sequence[CaseStudy], tolerances: Iterable[float]) -> pd.DataFrame:
    """The errors of paper A's verdict at each tolerance: columns epsilon, known and decided.

    `known` are all cases, where one that degrades does not work; `decided` are those that work or fail.

    >>> from rope_lib.models.case_studies import case_studies
    >>> llama = [case for case in case_studies() if case.model == "LLaMA-2 7B"]
    >>> scan(llama, [0.5, 0.95]).to_dict(orient="list")
    {'epsilon': [0.5, 0.95], 'known': [1, 1], 'decided': [1, 1]}
    """
    readings = {"known": list(cases), "decided": decided(cases)}
    rows = [
        {"epsilon": each}
        | {name: disagreements(chosen, epsilon=each)[0] for name, chosen in readings.items()}
        for each in tolerances
    ]
    return pd.DataFrame(rows)


def implied(cases: Iterable[CaseStudy]) -> pd.DataFrame:
    """The tolerance at which each case that works lies on A3 and on A4: the lowest on A4 first.

    Columns: case, distance (the longest that a layer sees, in tokens), a3 and a4. A bound with a tolerance
    above the implied one rejects the case, so the strongest counterexamples come first.
    """
    rows = [
        {
            "case": f"{case.model} at {case.context_length:,}",
            "distance": case.longest_distance,
            "a3": implied_tolerance(case),
            "a4": implied_tolerance(case, layers=case.num_layers),
        }
        for case in cases
        if case.observed == "works" and case.effective_base is not None
    ]
    return pd.DataFrame(rows).sort_values("a4", kind="stable", ignore_index=True)


def facts(
    cases: Sequence[CaseStudy], *, epsilon: float, wall: float, tolerances: Sequence[float]
) -> dict[str, str]:
    """The numbers of the chapter's text, by their glue names.

    `cases` are those of known behavior, `wall` is the precision wall on the base.
    """
    count = {behavior: sum(case.observed == behavior for case in cases) for behavior in BEHAVIORS}
    beyond = [case for case in cases if (case.effective_base or 0) >= wall]
    past = [case for case in cases if case.context_length > (case.train_length or np.inf)]
    texts = {
        "cases-threshold": f"{RULER_THRESHOLD}",
        "cases-known": f"{len(cases)}",
        "cases-decided": f"{len(decided(cases))}",
        "cases-models": f"{len({case.model for case in cases})}",
        "cases-memory": f"{sum(case.confidence == 'memory' for case in cases)}",
        **{f"cases-{behavior}": f"{number}" for behavior, number in count.items()},
        "cases-wall-works": f"{sum(case.observed == 'works' for case in beyond)}",
        "cases-wall-fails": f"{sum(case.observed == 'fails' for case in beyond)}",
        "cases-past-works": f"{sum(case.observed == 'works' for case in past)}",
    }
    scores = scoreboard(cases, answers(cases, epsilon))
    for key, name in RULES.items():
        score = scores.loc[name]
        texts |= {
            f"cases-{key}-cases": f"{score.cases}",
            f"cases-{key}-rejected": f"{score.rejects_works}",
            f"cases-{key}-degraded": f"{score.accepts_degrades}",
            f"cases-{key}-failed": f"{score.accepts_fails}",
            f"cases-{key}-errors": f"{score.errors}",
            f"cases-{key}-paper": f"{score.paper}",
        }
    return texts | _facts_of_tolerances(cases, tolerances)


BEHAVIORS = ("works", "degrades", "fails")


def _facts_of_tolerances(cases: Sequence[CaseStudy], tolerances: Sequence[float]) -> dict[str, str]:
    """Errors of the verdict over all tolerances, and the tolerances that working cases imply."""
    scanned, lowest = scan(cases, tolerances), implied(cases)
    least = lowest.set_index("case")
    texts: dict[str, str] = {}
    for reading, chosen in (("known", list(cases)), ("decided", decided(cases))):
        own, rival = scanned[reading], disagreements(chosen)[1]
        texts |= {
            f"cases-scan-{reading}-least": f"{own.min()}",
            f"cases-scan-{reading}-most": f"{own.max()}",
            f"cases-scan-{reading}-rival": f"{rival}",
        }
    return texts | {
        "cases-scan-from": f"{min(tolerances):g}",
        "cases-scan-to": f"{max(tolerances):g}",
        "cases-strongest": str(lowest.case[0]),
        "cases-strongest-a4": f"{lowest.a4[0]:.3f}",
        "cases-lowest-a3": f"{least.a3.min():.3f}",
        "cases-below-half": f"{int((least.a4 < 0.5).sum())}",
    }
