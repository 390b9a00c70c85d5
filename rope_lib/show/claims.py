"""The papers' claims as objects: what is stated, how it is tested, and what the test finds.

A claim has two parts that can be run: `measure` produces numbers and `judge` turns numbers into a finding.
Keeping them apart shows that a check can fail: the tests hand `judge` numbers that would support or refute
the claim. The book's page of claims, the command `rope-lib claims` and the tests read the same objects.

Neither paper's full text was available. `standing` says how each statement is known: `stated` by the
abstract or summary, `second-hand` from reports of the text, `reconstructed` from its formulas.
"""

from collections.abc import Callable
from dataclasses import dataclass

HOLDS = "holds"
CAVEAT = "holds with a caveat"
REFUTED = "does not hold as stated"
NOT_TESTABLE = "not testable here"
VERDICTS = (HOLDS, CAVEAT, REFUTED, NOT_TESTABLE)


@dataclass(frozen=True)
class Finding:
    """A verdict, one of `VERDICTS`, and the evidence for it in one or two sentences with the numbers."""

    verdict: str
    evidence: str

    def __post_init__(self):
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict must be one of {', '.join(VERDICTS)}, got {self.verdict!r}")


@dataclass(frozen=True)
class Claim:
    """One statement of a paper with the check that tests it."""

    id: str
    paper: str
    statement: str
    place: str  # where it stands in the paper, as far as we know
    standing: str  # stated, second-hand or reconstructed
    chapter: str  # the notebook that derives and measures it
    needs_model: bool  # the check loads the packaged model, which takes some seconds
    measure: Callable[[], dict]
    judge: Callable[[dict], Finding]

    def check(self):
        """Measure and judge; returns a `Finding`."""
        return self.judge(self.measure())


def claims():
    """All claims, in the papers' order.

    >>> [claim.id for claim in claims()][:3]
    ['A1', 'A2', 'A3']
    >>> claims()[0].check().verdict
    'holds'
    """
    from . import claims_a, claims_a_precision, claims_b, claims_b_models, claims_b_trained

    of_b = claims_b.CLAIMS + claims_b_models.CLAIMS + claims_b_trained.CLAIMS
    of_a = claims_a.CLAIMS + claims_a_precision.CLAIMS
    return of_a + tuple(sorted(of_b, key=lambda claim: int(claim.id[1:])))
