"""The command `rope-lib`, as a shell calls it."""

from click.testing import CliRunner

from rope_lib.cli import main


def run(*arguments):
    """What `rope-lib` with these arguments prints, and its exit status."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])
