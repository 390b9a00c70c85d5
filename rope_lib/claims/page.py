"""The claims as HTML, for the book's page of them: a table at a glance, and the evidence behind folds."""

import re
from collections.abc import Mapping
from html import escape

from .claim import ROWS, Claim, Findings
from .summary import row_words


def glance(findings: Mapping[Claim, Findings]) -> str:
    """A table with a line for each claim, which links to its evidence below.

    >>> from rope_lib.claims import claims
    >>> "#claim-B5" in glance({claim: claim.check() for claim in claims() if claim.id == "B5"})
    True
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in ("claim", "statement", *ROWS, "verdict"))
    lines = "".join(_line(claim, found) for claim, found in findings.items())
    return f'<table class="claims"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'


def _line(claim: Claim, found: Findings) -> str:
    cells = [
        f'<a href="#{anchor(claim)}">{escape(claim.id)}</a>',
        typeset(claim.statement),
        *row_words(found),
        f"<strong>{escape(found.verdict)}</strong>",
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def evidence(findings: Mapping[Claim, Findings]) -> str:
    """For each claim a fold with what its rows found, where it stands, and how its rule has changed."""
    return "\n".join(_fold(claim, found) for claim, found in findings.items())


def anchor(claim: Claim) -> str:
    """The place of a claim on the page: `claim-A2` for A2."""
    return f"claim-{claim.id}"


def typeset(text: str) -> str:
    """A text as HTML, its powers raised and its indices lowered.

    >>> typeset("base ≥ L/arccos(ε^(1/N)), base < 1/ε_mach")
    'base ≥ L/arccos(ε<sup>1/N</sup>), base &lt; 1/ε<sub>mach</sub>'
    """
    raised = re.sub(r"\^\(([^()]+)\)", r"<sup>\1</sup>", escape(text))
    return re.sub(r"(?<=\w)_(\w+)", r"<sub>\1</sub>", raised)


def _fold(claim: Claim, found: Findings) -> str:
    title = f"<strong>{escape(claim.id)}, {escape(found.verdict)}.</strong> {escape(claim.in_short)}"
    rows = "".join(
        f"<dt>{name}: {escape(row.verdict)}</dt><dd>{escape(row.evidence)}</dd>"
        for name, row in found.rows.items()
    )
    number = int(claim.chapter.partition("_")[0])
    place = (
        f"<p>In the paper: {escape(claim.place)} ({escape(claim.standing)}). Tested in "
        f'<a href="{escape(claim.chapter)}.html">chapter {number}</a>. '
        f'<a href="#{anchor(claim)}">Link to this claim</a>.</p>'
    )
    return (
        f"<details><summary>{title}</summary>"
        f'<p id="{anchor(claim)}"><em>{typeset(claim.statement)}</em></p>'
        f"<dl>{rows}</dl>{place}{_history(claim, found)}</details>"
    )


def _history(claim: Claim, found: Findings) -> str:
    """The earlier rules, with what each says of today's data; empty where there is none."""
    lines = "".join(
        f"<li>Until {escape(earlier.until)}: {escape(earlier.rule)} On today's data this rule gives "
        f"<strong>{escape(verdict)}</strong>. Why it was changed: {escape(earlier.why)}</li>"
        for earlier, verdict in zip(claim.history, found.earlier, strict=True)
    )
    return f"<p>Earlier rules:</p><ul>{lines}</ul>" if lines else ""
