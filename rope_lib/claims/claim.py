"""The papers' claims as objects: what is stated, how it is tested, and what the test finds.

A claim has two parts that can be run: `measure` produces numbers and `judge` turns numbers into a finding.
Keeping them apart shows that a check can fail: the tests hand `judge` numbers that would support or refute
the claim. The book's page of claims, the command `rope-lib claims` and the tests read the same objects.

Neither paper's full text was available. `standing` says how each statement is known: `stated` by the
abstract or summary, `second-hand` from reports of the text, `reconstructed` from its formulas.
"""

import re
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

    id: str  # see `place_of`
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


# A paper, the number of a claim in it and, where the claim is tested on models trained for it, "-trained" or
# another word: A2 is the formula as theory tests it, A2-trained what it predicts of models.
_ID = re.compile(r"([A-Z])(\d+)(?:-([a-z]+))?")


def place_of(name):
    """Where the claim of that id stands among all: by paper, by number, the claim of theory first.

    >>> sorted(["B1", "A10", "A2-trained", "A2"], key=place_of)
    ['A2', 'A2-trained', 'A10', 'B1']
    >>> place_of("A2 trained")
    Traceback (most recent call last):
    ValueError: id must be a letter and a number, perhaps with a word after a dash, got 'A2 trained'
    """
    found = _ID.fullmatch(name)
    if found is None:
        raise ValueError(f"id must be a letter and a number, perhaps with a word after a dash, got {name!r}")
    paper, number, kind = found.groups()
    return paper, int(number), kind or ""
