"""A6: the Goldilocks zone between the depth bound and the precision wall."""

import numpy as np

from rope_lib.models.case_studies import known_to_work
from rope_lib.theory.bounds import goldilocks_zone, precision_wall

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Earlier, Finding, Numbers, Row, Verdict
from .practice import REFUTING, judge_practice, measure_practice
from .settings import EPSILON

DEPTHS = (1, 8, 32, 80, 126)  # 126 layers are those of LLaMA-3.1 405B
ROUNDING = 1e-9  # relative: two ways to compute one length agree to this


def measure_edges() -> Numbers:
    """The longest context that leaves a base, found by halving, beside where the two bounds cross."""
    wall = float(precision_wall())
    searched = {layers: longest_by_search(layers) for layers in DEPTHS}
    crossing = {layers: wall * float(np.arccos(EPSILON ** (1 / layers))) for layers in DEPTHS}
    return {
        "epsilon": EPSILON,
        "mismatch": max(abs(searched[layers] / crossing[layers] - 1) for layers in DEPTHS),
        "longest": {str(layers): length for layers, length in searched.items()},
        "hypothetical_is_empty": bool(goldilocks_zone(1_000_000, epsilon=EPSILON, layers=32).is_empty),
    }


def longest_by_search(layers: int) -> float:
    """The longest context in tokens whose zone holds a base, by halving an interval 60 times.

    >>> round(longest_by_search(80))
    300361
    """
    low, high = 1.0, 1e9
    for _ in range(60):
        middle = (low + high) / 2
        empty = goldilocks_zone(middle, epsilon=EPSILON, layers=layers).is_empty
        low, high = (low, middle) if empty else (middle, high)
    return low


def judge_edges(numbers: Numbers) -> Finding:
    """The derivation is right if at every depth the longest context that leaves a base, found by search, is
    where the depth bound meets the precision wall, and no base is left for the paper's hypothetical model of
    a million tokens and 32 layers; right with a caveat if only the first; else wrong.
    """
    exact = numbers["mismatch"] <= ROUNDING
    longest = ", ".join(f"{length:,.0f} (N = {layers})" for layers, length in numbers["longest"].items())
    return Finding(
        HOLDS if exact and numbers["hypothetical_is_empty"] else CAVEAT if exact else REFUTED,
        (
            "The longest contexts that leave a base at ε = {epsilon} in float32, found by search, are "
            "{listed} tokens; W·arccos(ε^(1/N)) differs from them by {mismatch:.0e} at most, in relative "
            "terms. For a million tokens and 32 layers the zone is {state}."
        ).format(
            **numbers, listed=longest, state="empty" if numbers["hypothetical_is_empty"] else "not empty"
        ),
    )


def measure_zone() -> Numbers:
    """The zone as a rule that says which published models work, and where those lie that do.

    A base lies in the zone exactly if it passes every bound, which is the rule A7; a window counts.
    """
    works = known_to_work()
    pairs = [
        (base, goldilocks_zone(case.longest_distance, epsilon=EPSILON, layers=case.num_layers))
        for case, base in works
    ]
    hypothetical = goldilocks_zone(1_000_000, epsilon=EPSILON, layers=32)
    return {
        **measure_practice("A7"),
        "works": len(works),
        "below": sum(bool(base < zone.lower) for base, zone in pairs),
        "above": sum(bool(base >= zone.upper) for base, zone in pairs),
        "hypothetical_is_empty": bool(hypothetical.is_empty),
    }


def judge_zone(numbers: Numbers) -> Finding:
    """The zone holds in practice if, as a rule that accepts the bases inside it, it misjudges at most one
    case in twenty and fewer than the training length does, on both readings of the cases; a caveat if it
    only misjudges fewer. With fewer than ten cases nothing is tested.
    """
    finding = judge_practice(numbers)
    places = " Of {works} cases that work, {below} lie below their zone and {above} above it."
    return Finding(finding.verdict, finding.evidence + places.format(**numbers))


def judge_outside(numbers: Numbers) -> Verdict:
    """The rule until 2026-11-27."""
    outside = numbers["below"] + numbers["above"]
    return REFUTED if not numbers["hypothetical_is_empty"] else CAVEAT if outside else HOLDS


CLAIMS = (
    Claim(
        id="A6",
        statement="Goldilocks zone: feasible bases lie in [L/arccos(ε^(1/N)), 1/ε_mach).",
        place="Method",
        standing="stated",
        chapter="06_goldilocks_zone",
        in_short="exactly the intersection of its two sides; most models that work lie outside it",
        formula=Row(
            measure=measure_edges,
            judge=judge_edges,
            refuted_by={
                "epsilon": 0.95,
                "mismatch": 0.02,
                "longest": {"1": 2_600_000.0, "32": 480_000.0},
                "hypothetical_is_empty": True,
            },
        ),
        practice=Row(
            measure=measure_zone,
            judge=judge_zone,
            refuted_by={**REFUTING, "works": 9, "below": 3, "above": 1, "hypothetical_is_empty": True},
        ),
        history=(
            Earlier(
                until="2026-11-27",
                rule=(
                    "Refuted unless the zone of the hypothetical model of a million tokens is empty; a "
                    "caveat if models work outside their zone, else it holds."
                ),
                why=(
                    "It could refute on arithmetic only, and asked no case that fails. Now the arithmetic is "
                    "a row of its own, and the zone is asked to tell models that work from those that do not "
                    "better than the training length does."
                ),
                row="practice",
                judge=judge_outside,
            ),
        ),
    ),
)
