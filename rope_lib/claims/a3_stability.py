"""A3: DC stability, the slowest oscillator keeps its similarity over the context."""

import numpy as np

from rope_lib.models.case_studies import known_to_work
from rope_lib.theory.bounds import stability_bound
from rope_lib.theory.oscillators import frequencies

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Earlier, Finding, Numbers, Row, Verdict
from .practice import practice
from .settings import EPSILON, HEAD_DIM

NEAR = 0.05  # by how much, in relative terms, the stated base may miss the true one and still be right


def measure_stability() -> Numbers:
    """The drift at the bound, for the stated frequency and for the slowest of the bank."""
    context = 4096
    base = float(stability_bound(context, EPSILON))
    works = known_to_work()
    return {
        "epsilon": EPSILON,
        "similarity_at_bound": float(np.cos(context / base)),
        "true_similarity": float(np.cos(context * frequencies(base, HEAD_DIM)[-1])),
        "stated_base": base,
        "true_base": float(stability_bound(context, EPSILON, head_dim=HEAD_DIM)),
        "works_in_violation": sum(
            base < float(stability_bound(case.longest_distance, EPSILON)) for case, base in works
        ),
    }


def judge_stability(numbers: Numbers) -> Finding:
    """The derivation is right if a base at the bound leaves exactly the similarity ε, and the base is that of
    the bank's slowest oscillator to within 5 %; right with a caveat if only the first; else wrong.
    """
    derived = abs(numbers["similarity_at_bound"] - numbers["epsilon"]) < 1e-12
    near = abs(numbers["true_base"] / numbers["stated_base"] - 1) <= NEAR
    return Finding(
        HOLDS if derived and near else CAVEAT if derived else REFUTED,
        (
            "At the bound an oscillator of frequency 1/base keeps a similarity of {similarity_at_bound:.2f}; "
            "the slowest of a bank of 64, which is faster, keeps {true_similarity:.2f}. For 4,096 tokens the "
            "stated base is {stated_base:,.0f}, that of the bank {true_base:,.0f}."
        ).format(**numbers),
    )


def judge_working_cases(numbers: Numbers) -> Verdict:
    """The rule until 2026-11-27: derived, and no case that works violates it."""
    derived = abs(numbers["similarity_at_bound"] - numbers["epsilon"]) < 1e-12
    return REFUTED if not derived else CAVEAT if numbers["works_in_violation"] else HOLDS


CLAIMS = (
    Claim(
        id="A3",
        statement=(
            "DC stability: the lowest mode keeps cosine similarity ε over the context, base ≥ L/arccos(ε)."
        ),
        place="Method",
        standing="stated",
        chapter="03_dc_stability",
        in_short="exact for one oscillator; it does not tell models that work from those that fail",
        formula=Row(
            measure=measure_stability,
            judge=judge_stability,
            refuted_by={
                "epsilon": 0.95,
                "similarity_at_bound": 0.8,
                "true_similarity": 0.75,
                "stated_base": 12_898.0,
                "true_base": 14_989.0,
                "works_in_violation": 0,
            },
        ),
        practice=practice("A3"),
        history=(
            Earlier(
                until="2026-11-27",
                rule=(
                    "Holds if the inequality is as derived and no published case that works violates it; a "
                    "caveat if some do."
                ),
                why=(
                    "It took formula and practice in one, and could refute on arithmetic only. Now the bound "
                    "is also asked to do better than the training length."
                ),
                row="formula",
                judge=judge_working_cases,
            ),
        ),
    ),
)
