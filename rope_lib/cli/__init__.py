"""The command `rope-lib`: one module for each family of subcommands.

A subcommand imports what it needs when it runs, so that a quick one starts at once.
"""

import click

from rope_lib import __version__

from . import atlas, check, claims, report, train


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rope-lib")
def main() -> None:
    """The bounds, verdicts, claims and measurements of the book, from the command line.

    \b
    Tab completion, for this shell (bash; zsh and fish likewise):
      eval "$(_ROPE_LIB_COMPLETE=bash_source rope-lib)"
    """


for command in (
    check.check,
    atlas.atlas,
    check.bounds,
    claims.claims,
    report.report,
    train.train,
    train.sweep,
):
    main.add_command(command)
