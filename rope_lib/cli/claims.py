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

        table = [
            (
                row["id"],
                f"{row['statement']} ({row['standing']})",
                row["verdict"] or NOT_CHECKED,
                row["evidence"],
            )
            for row in rows
        ]
        print_table(("", "claim", "verdict", "evidence"), table, show_lines=True)
    missing = [row["id"] for row in rows if row["verdict"] is None]
    if missing:
        raise click.ClickException(f"not checked, as an input is missing: {', '.join(missing)}")


def _row(claim: Claim) -> dict[str, Json]:
    """A claim with its finding; the verdict is None where something is missing, which the evidence names."""
    verdict: str | None
    try:
        finding = claim.check()
        verdict, evidence = finding.verdict, finding.evidence
    except ModuleNotFoundError as error:
        verdict, evidence = None, f"The package {error.name} is missing: install rope-lib[models]."
    except FileNotFoundError as error:
        verdict, evidence = None, one_line(error)
    return {
        "id": claim.id,
        "paper": claim.paper,
        "statement": claim.statement,
        "place": claim.place,
        "standing": claim.standing,
        "chapter": claim.chapter,
        "verdict": verdict,
        "evidence": evidence,
    }
