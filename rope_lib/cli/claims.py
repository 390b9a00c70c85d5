"""`rope-lib claims`: the papers' claims, checked now."""

import sys

import click

from .options import json_option, needs, print_json


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@json_option
def claims(ids: tuple[str, ...], as_json: bool) -> None:
    """Check the papers' claims now and print the verdicts with their evidence.

    Without an ID every claim is checked; those that run the packaged model take some seconds each.

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
    rows = []
    with click.progressbar(chosen, label="Checking", file=sys.stderr) as progress:
        for claim in progress:
            try:
                with needs(f"checking {claim.id} needs", "models"):
                    finding = claim.check()
            except FileNotFoundError as error:
                raise click.ClickException(f"checking {claim.id}: {error}") from None
            rows.append(
                {
                    "id": claim.id,
                    "paper": claim.paper,
                    "statement": claim.statement,
                    "place": claim.place,
                    "standing": claim.standing,
                    "chapter": claim.chapter,
                    "verdict": finding.verdict,
                    "evidence": finding.evidence,
                }
            )
    if as_json:
        print_json(rows)
    else:
        from rope_lib.cli.terminal import print_table

        table = [
            (row["id"], f"{row['statement']} ({row['standing']})", row["verdict"], row["evidence"])
            for row in rows
        ]
        print_table(("", "claim", "verdict", "evidence"), table, show_lines=True)
