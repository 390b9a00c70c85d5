"""Rules that say whether a published model works at a length: paper A's bounds, and what stands against them.

A rule takes a case study and answers True (it works), False (it does not) or None (the rule does not apply).
Bounds on the rotation look at the longest distance that a layer sees, so a window counts; rules on training
look at the context.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import TypeAlias

import numpy as np

from ..theory.bounds import aliasing_bound, precision_wall, stability_bound
from ..theory.rivals import liu_extrapolation_limit, men_first_negative
from .case_studies import CaseStudy
from .verdicts import classify

Rule: TypeAlias = Callable[[CaseStudy], bool | None]

TRAINING_LENGTH = "training length"  # the simplest rival, which knows nothing of RoPE


def aliasing(case: CaseStudy) -> bool | None:
    """A2: the base is at least L/2π."""
    return _at_least(case, float(aliasing_bound(case.longest_distance)))


def stability(case: CaseStudy, epsilon: float) -> bool | None:
    """A3: the base is at least L/arccos ε."""
    return _at_least(case, float(stability_bound(case.longest_distance, epsilon)))


def depth(case: CaseStudy, epsilon: float) -> bool | None:
    """A4: the base is at least L/arccos(ε^(1/N))."""
    return _at_least(case, float(stability_bound(case.longest_distance, epsilon, layers=case.num_layers)))


def wall(case: CaseStudy) -> bool | None:
    """A5: the base is below float32's wall, 2^23; angles are computed in float32."""
    return None if case.effective_base is None else case.effective_base < float(precision_wall())


def stable(case: CaseStudy, epsilon: float) -> bool | None:
    """A7: the verdict of all bounds together, in float32, is `stable`."""
    if case.effective_base is None:
        return None
    verdict = classify(case.effective_base, case.longest_distance, case.num_layers, epsilon=epsilon)
    return str(verdict) == "stable"


def men(case: CaseStudy) -> bool | None:
    """Men et al. (2405.14591): the sum of the bank's cosines is not negative at any distance."""
    if case.effective_base is None:
        return None
    first = _first_negative(case.effective_base, case.head_dim)
    return first is None or case.longest_distance < first


def liu(case: CaseStudy) -> bool | None:
    """Liu et al. (2310.05209): no channel is new that had not completed a turn in pretraining."""
    if case.effective_base is None or case.pretrain_base is None or case.pretrain_length is None:
        return None
    before = case.pretrain_length, case.head_dim, case.pretrain_base
    return case.longest_distance <= float(liu_extrapolation_limit(*before, case.effective_base))


def ntk(case: CaseStudy) -> bool | None:
    """The NTK rule: s times the pretraining length needs a base s^(d/(d-2)) times as large."""
    if case.effective_base is None or case.pretrain_base is None or case.pretrain_length is None:
        return None
    stretch = case.context_length / case.pretrain_length
    needed = case.pretrain_base * float(stretch ** (case.head_dim / (case.head_dim - 2)))
    return case.effective_base >= needed


def training_length(case: CaseStudy) -> bool | None:
    """The context is no longer than the longest training sequence."""
    return None if case.train_length is None else case.context_length <= case.train_length


def rules(epsilon: float) -> dict[str, Rule]:
    """Every rule that needs no other cases, by name, at a tolerance `epsilon`; the rivals come last.

    >>> from rope_lib.models.case_studies import case_studies
    >>> llama = next(case for case in case_studies() if case.model == "LLaMA-2 7B")
    >>> {name: rule(llama) for name, rule in rules(0.95).items() if not rule(llama)}
    {'A3': False, 'A4': False, 'A7': False, 'Men et al.': False}
    """
    return {
        "A2": aliasing,
        "A3": partial(stability, epsilon=epsilon),
        "A4": partial(depth, epsilon=epsilon),
        "A5": wall,
        "A7": partial(stable, epsilon=epsilon),
        "Men et al.": men,
        "Liu et al.": liu,
        "NTK": ntk,
        TRAINING_LENGTH: training_length,
    }


def base_in_proportion(case: CaseStudy, others: Iterable[CaseStudy]) -> bool | None:
    """The base grows with the context: base ≥ c·L, with the c that errs least on models other than this one.

    Of several such c the smallest ratio base/L at which a case works is taken.
    """
    if case.effective_base is None:
        return None
    ratios = [
        (other.effective_base / other.longest_distance, other.observed == "works")
        for other in others
        if other.model != case.model and other.effective_base is not None
    ]
    constants = sorted(ratio for ratio, works in ratios if works)
    if not constants:
        return None
    errors = [sum((ratio >= constant) != works for ratio, works in ratios) for constant in constants]
    return case.effective_base / case.longest_distance >= constants[int(np.argmin(errors))]


def errors(cases: Sequence[CaseStudy], answers: Sequence[bool | None]) -> tuple[int, int, int]:
    """`(cases that the rule applies to, accepted that do not work, rejected that work)`.

    >>> from rope_lib.models.case_studies import case_studies
    >>> cases = [case for case in case_studies() if case.model == "LLaMA-1 7B"]
    >>> errors(cases, [False, None])
    (1, 0, 1)
    """
    judged = [
        (answer, case.observed == "works")
        for case, answer in zip(cases, answers, strict=True)
        if answer is not None
    ]
    accepted = sum(answer and not works for answer, works in judged)
    rejected = sum(works and not answer for answer, works in judged)
    return len(judged), accepted, rejected


def implied_tolerance(case: CaseStudy, *, layers: int = 1) -> float:
    """The ε at which a case lies exactly on the bound: cos(L/base)^N, or 0 from a quarter turn on.

    `layers` is N: 1 for A3, the number of layers for A4. Raises ValueError for a case without a known base.

    >>> from rope_lib.models.case_studies import case_studies
    >>> llama = next(case for case in case_studies() if case.model == "LLaMA-2 70B")
    >>> round(implied_tolerance(llama), 3), round(implied_tolerance(llama, layers=80), 4)
    (0.917, 0.001)
    """
    if case.effective_base is None:
        raise ValueError(f"{case.model} must have a known base")
    drift = case.longest_distance / case.effective_base
    return float(np.cos(drift) ** layers) if drift < np.pi / 2 else 0.0


def _at_least(case: CaseStudy, bound: float) -> bool | None:
    return None if case.effective_base is None else case.effective_base >= bound


@lru_cache(maxsize=256)
def _first_negative(base: float, head_dim: int) -> int | None:
    return men_first_negative(base, head_dim, limit=2_000_000)
