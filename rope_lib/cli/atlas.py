"""`rope-lib atlas`: published models with their verdicts."""

import sys
from dataclasses import asdict

import click

from rope_lib.runs.errors import one_line

from .options import InputError, Number, dtype_option, epsilon_option, json_option, print_json


@click.command()
@click.argument("filter", required=False, default="")
@click.option(
    "--sort", metavar="COLUMN", help="Sort by a column; a minus before its name reverses the order."
)
@click.option("--context", type=Number(int), help="Tokens to judge at.  [default: what each model declares]")
@epsilon_option
@dtype_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV and nothing else.")
def atlas(
    filter: str,
    sort: str | None,
    context: int | None,
    epsilon: float,
    dtype: str,
    as_json: bool,
    as_csv: bool,
) -> None:
    """List published models with the verdict of paper A's bounds on each.

    FILTER keeps the models whose name, id, architecture, scaling or verdict contains it. The last line is
    the record of these verdicts (with --json and --csv on standard error): how often they are wrong about
    published models of known behavior.

    \b
    Examples:
      rope-lib atlas qwen
      rope-lib atlas yarn --sort -context
      rope-lib atlas --csv > atlas.csv
    """
    from rope_lib.cli.atlas_rows import atlas_rows, print_csv, print_table
    from rope_lib.models.summary import record_sentence
    from rope_lib.models.track_record import track_record

    try:
        rows = atlas_rows(filter, sort, context=context, epsilon=epsilon, dtype=dtype)
    except ValueError as error:
        raise InputError(one_line(error)) from None
    if not rows:
        click.echo(f"No model of the atlas matches {filter!r}.", err=True)
    if as_json:
        print_json(rows)
    elif as_csv:
        print_csv(rows, sys.stdout)
    else:
        print_table(rows)
    if rows:
        line = record_sentence(asdict(track_record(epsilon, dtype)))
        click.echo(line, err=as_json or as_csv)
