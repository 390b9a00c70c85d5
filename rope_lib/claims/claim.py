"""The papers' claims as objects: what is stated, how it is tested, and what the tests find.

A claim is tested in up to three rows:

``formula``      is the derivation right?
``consequence``  does the mechanism that it names occur in a model, at the strength that it states?
``practice``     does it predict which models work, better than the simplest rival?

A row has two parts that can be run: `measure` produces numbers and `judge` turns numbers into a finding.
Keeping them apart shows that a check can fail: each row carries numbers that would refute it, and the tests
hand `judge` numbers for every verdict that it can reach. `joined` makes one verdict of the rows, by the same
rule for every claim. The book's page of claims, the README's table, the command `rope-lib claims` and the
tests read the same objects.

Neither paper's full text was available. `standing` says how each statement is known: `stated` by the paper's
own abstract, summary or code; `second-hand` from reports of its text by others; `reconstructed` by us, from
its formulas or as what its statement predicts.
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

ROWS = ("formula", "consequence", "practice")


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


Rule = Callable[[Numbers], Finding]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One of the tests of a claim: a measurement, and the rule that judges it."""

    measure: Callable[[], Numbers]
    judge: Rule  # which its docstring states
    refuted_by: Numbers = field(hash=False)  # a possible result of the measurement that refutes the claim
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A rule that judged a claim before the present ones, with the verdict that it gives on today's data."""

    until: str  # the day of the change, as 2026-11-25
    rule: str
    why: str  # it was changed
    row: str  # the row whose numbers it judges: one of ROWS
    judge: Callable[[Numbers], Verdict]


def joined(verdicts: Mapping[str, Verdict]) -> Verdict:
    """One verdict from those of a claim's rows, by row.

    A claim holds if every row that could be tested holds. It does not hold as stated if its formula does not,
    or if no other row that could be tested holds, be it with a caveat; without any such row the formula
    decides alone. In all other cases it holds with a caveat. Rows that are not testable count for nothing;
    if no row is testable, nor is the claim.

    >>> joined({"formula": HOLDS, "consequence": REFUTED, "practice": CAVEAT})
    'holds with a caveat'
    >>> joined({"formula": HOLDS, "consequence": REFUTED, "practice": NOT_TESTABLE})
    'does not hold as stated'
    """
    tested = {row: verdict for row, verdict in verdicts.items() if verdict != NOT_TESTABLE}
    if not tested:
        return NOT_TESTABLE
    if set(tested.values()) == {HOLDS}:
        return HOLDS
    others = [verdict for row, verdict in tested.items() if row != "formula"]
    if tested.get("formula") == REFUTED or (others and set(others) == {REFUTED}):
        return REFUTED
    return CAVEAT


@dataclass(frozen=True)
class Findings:
    """What the rows of a claim find, and the verdict that they give together."""

    rows: Mapping[str, Finding]
    earlier: tuple[Verdict, ...] = ()  # by each rule of the claim's history, in its order

    @property
    def verdict(self) -> Verdict:
        """The joined verdict, one of `VERDICTS`."""
        return joined({name: finding.verdict for name, finding in self.rows.items()})


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One statement of a paper with the rows that test it.

    Raises ValueError for a claim without a row.

    >>> claim = Claim(
    ...     id="A9",
    ...     statement="Two and two make five.",
    ...     place="nowhere",
    ...     standing="reconstructed",
    ...     chapter="01_oscillator_bank",
    ...     in_short="they make four",
    ...     formula=Row(
    ...         measure=lambda: {"sum": 2 + 2},
    ...         judge=lambda found: Finding(HOLDS if found["sum"] == 5 else REFUTED, "It is {sum}."),
    ...         refuted_by={"sum": 4},
    ...     ),
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
    formula: Row | None = None
    consequence: Row | None = None
    practice: Row | None = None
    history: tuple[Earlier, ...] = ()  # the oldest first

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError(f"{self.id} must have at least one of the rows {', '.join(ROWS)}, got none")

    @property
    def paper(self) -> str:
        """The paper's letter, A or B."""
        return place_of(self.id)[0]

    @property
    def rows(self) -> dict[str, Row]:
        """The rows that the claim has, by name, in the order of `ROWS`."""
        return {name: row for name in ROWS if (row := getattr(self, name)) is not None}

    def check(self) -> Findings:
        """Measure and judge every row, and by every earlier rule.

        Raises what a `measure` raises where something that it needs is missing.
        """
        numbers = {name: row.measure() for name, row in self.rows.items()}
        return Findings(
            {name: row.judge(numbers[name]) for name, row in self.rows.items()},
            tuple(earlier.judge(numbers[earlier.row]) for earlier in self.history),
        )


# The paper, the number of the claim in it and, where a part of it is tested on its own, a word: A2 is the
# formula as theory tests it, A2-trained what it predicts about models trained for the purpose, B2-matched
# what stands behind B2 in pairs that match.
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
