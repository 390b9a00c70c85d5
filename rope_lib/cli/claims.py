"""`rope-lib claims`: the papers' claims, checked now."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from rope_lib.runs.errors import one_line

from .options import Json, json_option, print_json

if TYPE_CHECKING:
    from rope_lib.claims.claim import Claim

NOT_CHECKED = "not checked"


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@json_option
def claims(ids: tuple[str, ...], as_json: bool) -> None:
    """Check the papers' claims now and print the verdicts with their evidence.

    Without an ID every claim is checked; those that run the packaged model take some seconds each. Where a
    package, the model or a kept result is missing, the claim's row says so, the others are still checked, and
    the exit status is 1.

    \b
    Examples:
      rope-lib claims
      rope-lib claims A2 A5
      rope-lib claims --json A3
    """
    from rope_lib.claims import claims as all_claims

    known = {claim.id.casefold(): claim for claim in all_claims()}
    unknown = [name for name in ids if name.casefold() not in known]
    if unknown:
        names = ", ".join(claim.id for claim in known.values())
        raise click.BadParameter(f"{unknown[0]!r} is not a claim; known are {names}", param_hint="ID")
    chosen = [known[name.casefold()] for name in ids] or list(known.values())
    with click.progressbar(chosen, label="Checking", file=sys.stderr) as progress:
        rows = [_row(claim) for claim in progress]
    if as_json:
        print_json(rows)
    else:
        from .terminal import print_table

        print_table(("", "claim", "verdict", "evidence"), _lines(rows), show_lines=True)
    missing = [row["id"] for row in rows if row["verdict"] is None]
    if missing:
        raise click.ClickException(f"not checked, as an input is missing: {', '.join(missing)}")


def _row(claim: Claim) -> dict[str, Json]:
    """A claim with what its rows find; where something is missing, the verdict is None and it is named."""
    from rope_lib.claims.claim import ROWS, joined

    numbers, found = {}, dict.fromkeys(ROWS)
    for name, row in claim.rows.items():
        try:
            numbers[name] = row.measure()
            finding = row.judge(numbers[name])
            found[name] = {"verdict": finding.verdict, "evidence": finding.evidence}
        except ModuleNotFoundError as error:
            evidence = f"The package {error.name} is missing: install rope-lib[models]."
            found[name] = {"verdict": None, "evidence": evidence}
        except FileNotFoundError as error:
            found[name] = {"verdict": None, "evidence": one_line(error)}
    verdicts = {name: row["verdict"] for name, row in found.items() if row is not None}
    return {
        "id": claim.id,
        "paper": claim.paper,
        "statement": claim.statement,
        "place": claim.place,
        "standing": claim.standing,
        "chapter": claim.chapter,
        **found,
        "verdict": None if None in verdicts.values() else joined(verdicts),
        "history": [
            {
                "date": earlier.until,
                "rule": earlier.rule,
                "verdict": earlier.judge(numbers[earlier.row]) if earlier.row in numbers else None,
                "why": earlier.why,
            }
            for earlier in claim.history
        ],
    }


def _lines(rows: list[dict[str, Json]]) -> list[tuple[str, str, str, str]]:
    """The table for the terminal: a line for each claim, and one for each of its rows if it has several."""
    from rope_lib.claims.claim import ROWS

    lines = []
    for row in rows:
        tests = {name: row[name] for name in ROWS if row[name] is not None}
        claim = f"{row['statement']} ({row['standing']})"
        if len(tests) == 1:
            (test,) = tests.values()
            lines.append((row["id"], claim, test["verdict"] or NOT_CHECKED, test["evidence"]))
            continue
        lines.append((row["id"], claim, row["verdict"] or NOT_CHECKED, ""))
        lines += [
            ("", name, test["verdict"] or NOT_CHECKED, test["evidence"]) for name, test in tests.items()
        ]
    return lines
