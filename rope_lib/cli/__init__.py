"""The command `rope-lib`: one module for each family of subcommands.

A subcommand imports what it needs when it runs, so that a quick one starts at once.
"""

import click

from rope_lib import __version__

from . import atlas, check, claims, compare, extend, forecast, report, train
from .guard import Guarded


@click.group(cls=Guarded, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rope-lib")
def main() -> None:
    """The bounds, verdicts, claims and measurements of the book, from the command line.

    \b
    Exit status:
      0    a result
      1    something failed: a package or a claim's input is missing, a cell or a model failed, a disk is full
           (compare: also where the two differ)
      2    input or options that cannot be judged or run
      3    a verdict that may not stand: a key that may bear on rotation was not understood
      130  interrupted; report, train and sweep go on when the same command is run again
      141  what reads the output closed it
    ROPE_LIB_TRACEBACK=1 shows where an unexpected error arose.

    \b
    Tab completion, for this shell (bash; zsh and fish likewise):
      eval "$(_ROPE_LIB_COMPLETE=bash_source rope-lib)"
    """


for command in (
    check.check,
    compare.compare,
    atlas.atlas,
    check.bounds,
    extend.extend,
    claims.claims,
    report.report,
    forecast.forecast,
    train.train,
    train.sweep,
):
    main.add_command(command)
