"""The claims' verdicts in a table, as the README shows them."""

from collections.abc import Mapping

from .claim import Claim, Finding

START, END = "<!-- claims -->", "<!-- end of claims -->"


def summary(findings: Mapping[Claim, Finding]) -> str:
    """A Markdown table of claims with their verdicts, each in short.

    >>> from rope_lib.claims import claims
    >>> print(summary({claim: claim.check() for claim in claims()[:1]}))
    | claim | verdict | in short |
    | --- | --- | --- |
    | A1 | holds | RoPE is phase modulation; scores depend on relative position only |
    """
    rows = [f"| {claim.id} | {found.verdict} | {claim.in_short} |" for claim, found in findings.items()]
    return "\n".join(["| claim | verdict | in short |", "| --- | --- | --- |", *rows])


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
