"""A6: the Goldilocks zone between the depth bound and the precision wall."""

from rope_lib.models.case_studies import known_to_work
from rope_lib.theory.bounds import goldilocks_zone

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row
from .settings import EPSILON


def measure_zone() -> Numbers:
    """Where the cases known to work lie: below, inside or above their zone."""
    works = known_to_work()
    pairs = [
        (base, goldilocks_zone(case.context_length, epsilon=EPSILON, layers=case.num_layers))
        for case, base in works
    ]
    hypothetical = goldilocks_zone(1_000_000, epsilon=EPSILON, layers=32)
    return {
        "works": len(works),
        "below": sum(bool(base < zone.lower) for base, zone in pairs),
        "above": sum(bool(base >= zone.upper) for base, zone in pairs),
        "hypothetical_is_empty": bool(hypothetical.is_empty),
    }


def judge_zone(numbers: Numbers) -> Finding:
    """A6 follows from its two sides; models that work outside the zone show that it is not necessary."""
    outside, empty = numbers["below"] + numbers["above"], numbers["hypothetical_is_empty"]
    return Finding(
        REFUTED if not empty else CAVEAT if outside else HOLDS,
        (
            "For a million tokens and 32 layers the zone is {state}. Of {works} cases known to work "
            "{below} lie below their zone and {above} above it."
        ).format(**numbers, state="empty" if empty else "not empty"),
    )


CLAIMS = (
    Claim(
        id="A6",
        statement="Goldilocks zone: feasible bases lie in [L/arccos(ε^(1/N)), 1/ε_mach).",
        place="Method",
        standing="stated",
        chapter="06_goldilocks_zone",
        in_short="the zone is as good as its two sides; models work below it and above it",
        practice=Row(
            measure=measure_zone,
            judge=judge_zone,
            refuted_by={
                "works": 9,
                "hypothetical_is_empty": False,
                "below": 0,
                "above": 0,
            },
        ),
    ),
)
