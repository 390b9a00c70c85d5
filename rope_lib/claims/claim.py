"""The papers' claims as objects: what is stated, how it is tested, and what the test finds.

A claim has two parts that can be run: `measure` produces numbers and `judge` turns numbers into a finding.
Keeping them apart shows that a check can fail: each claim carries numbers that would refute it, and the tests
hand `judge` numbers for every verdict that it can reach. The book's page of claims, the README's table, the
command `rope-lib claims` and the tests read the same objects.

Neither paper's full text was available. `standing` says how each statement is known: `stated` by the
abstract or summary, `second-hand` from reports of the text, `reconstructed` from its formulas.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Verdict = Literal["holds", "holds with a caveat", "does not hold as stated", "not testable here"]
Standing = Literal["stated", "second-hand", "reconstructed"]
Need = Literal["model", "results"]  # the packaged model, which takes some seconds; kept tables

# What a check measures: numbers by name, or groups of them.
Numbers = Mapping[str, Any]

HOLDS: Verdict = "holds"
CAVEAT: Verdict = "holds with a caveat"
REFUTED: Verdict = "does not hold as stated"
NOT_TESTABLE: Verdict = "not testable here"
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Finding:
    """A verdict, one of `VERDICTS`, and the evidence for it in one or two sentences with the numbers.

    Raises ValueError for another verdict.
    """

    verdict: Verdict
    evidence: str

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict must be one of {', '.join(VERDICTS)}, got {self.verdict!r}")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One statement of a paper with the check that tests it.

    >>> claim = Claim(
    ...     id="A9",
    ...     statement="Two and two make five.",
    ...     place="nowhere",
    ...     standing="reconstructed",
    ...     chapter="01_oscillator_bank",
    ...     in_short="they make four",
    ...     measure=lambda: {"sum": 2 + 2},
    ...     judge=lambda numbers: Finding(HOLDS if numbers["sum"] == 5 else REFUTED, "The sum is {sum}."),
    ...     refuted_by={"sum": 4},
    ... )
    >>> claim.check().verdict
    'does not hold as stated'
    """

    id: str  # see `place_of`
    statement: str
    place: str  # where it stands in the paper, as far as we know
    standing: Standing
    chapter: str  # the notebook that derives and measures it
    in_short: str  # what was found, in one line
    measure: Callable[[], Numbers]
    judge: Callable[[Numbers], Finding]  # the rule, which its docstring states
    refuted_by: Numbers = field(hash=False)  # a possible result of the measurement that refutes the claim
    needs: tuple[Need, ...] = ()

    @property
    def paper(self) -> str:
        """The paper's letter, A or B."""
        return place_of(self.id)[0]

    def check(self) -> Finding:
        """Measure and judge. Raises what `measure` raises where something that it needs is missing."""
        return self.judge(self.measure())


# The paper, the number of the claim in it and, where the claim is tested on models trained for the purpose, a
# word such as "-trained": A2 is the formula as theory tests it, A2-trained what it predicts about models.
_ID = re.compile(r"([A-Z])(\d+)(?:-([a-z]+))?")


def place_of(name: str) -> tuple[str, int, str]:
    """The sort key of a claim's id: by paper, by number, the claim of theory first.

    Raises ValueError for a name that is not a claim's id.

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
