"""The claims' verdicts in a table, as the README shows them."""

from collections.abc import Mapping

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, ROWS, Claim, Findings, Verdict

START, END = "<!-- claims -->", "<!-- end of claims -->"

IN_SHORT: Mapping[Verdict, str] = {HOLDS: "yes", CAVEAT: "partly", REFUTED: "no", NOT_TESTABLE: "untested"}
ABSENT = "–"  # a row that a claim does not have


def summary(findings: Mapping[Claim, Findings]) -> str:
    """A Markdown table of claims with their verdicts, each in short.

    >>> from rope_lib.claims import claims
    >>> print(summary({claim: claim.check() for claim in claims() if claim.id == "B5"}))
    | claim | formula | consequence | practice | verdict | in short |
    | --- | --- | --- | --- | --- | --- |
    | B5 | yes | – | – | holds | the Frobenius norm stays |
    """
    head = ["claim", *ROWS, "verdict", "in short"]
    rows = [[claim.id, *row_words(found), found.verdict, claim.in_short] for claim, found in findings.items()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def row_words(found: Findings) -> list[str]:
    """The verdicts of a claim's rows in one word each, in the order of `ROWS`."""
    return [IN_SHORT[found.rows[name].verdict] if name in found.rows else ABSENT for name in ROWS]


def with_summary(text: str, table: str) -> str:
    """A Markdown text with `table` between the marks `START` and `END`, in place of what was there.

    Raises ValueError for a text without the marks.

    >>> with_summary(f"Verdicts:\\n\\n{START}\\nold\\n{END}\\n", "new").splitlines()[3:6]
    ['', 'new', '']
    """
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"text must hold the lines {START} and {END}, in this order")
    return f"{before}{START}\n\n{table}\n\n{END}{after}"
