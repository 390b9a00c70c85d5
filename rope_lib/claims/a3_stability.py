"""A3: DC stability, the slowest oscillator keeps its similarity over the context."""

import numpy as np

from rope_lib.models.case_studies import known_to_work
from rope_lib.theory.bounds import stability_bound

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row
from .settings import EPSILON


def measure_stability() -> Numbers:
    """The drift at the bound, and the cases known to work although they violate it."""
    works = known_to_work()
    context = 4096
    return {
        "similarity_at_bound": float(np.cos(context / stability_bound(context, EPSILON))),
        "works": len(works),
        "works_in_violation": sum(
            base < float(stability_bound(case.context_length, EPSILON)) for case, base in works
        ),
    }


def judge_stability(numbers: Numbers) -> Finding:
    """The inequality must hold as derived; cases that work in violation of it refute its necessity."""
    derived = abs(numbers["similarity_at_bound"] - EPSILON) < 1e-12
    violated = numbers["works_in_violation"] > 0
    return Finding(
        REFUTED if not derived else CAVEAT if violated else HOLDS,
        (
            "At the bound the slowest mode keeps a similarity of {similarity_at_bound:.2f}. Of "
            "{works} cases known to work {works_in_violation} violate the bound."
        ).format(**numbers),
    )


CLAIMS = (
    Claim(
        id="A3",
        statement=(
            "DC stability: the lowest mode keeps cosine similarity ε over the context, base ≥ L/arccos(ε)."
        ),
        place="Method",
        standing="stated",
        chapter="03_dc_stability",
        in_short="exact for one oscillator; models that violate the bound work",
        practice=Row(
            measure=measure_stability,
            judge=judge_stability,
            refuted_by={
                "similarity_at_bound": 0.8,
                "works": 9,
                "works_in_violation": 0,
            },
        ),
    ),
)
