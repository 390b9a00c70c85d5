"""What the subcommands share: their types of arguments, their errors, and how they print."""

import os
import sys
from contextlib import contextmanager

import click

from rope_lib.runs.errors import one_line


class InputError(click.ClickException):
    """Input that cannot be judged: one line on standard error, exit status 2."""

    exit_code = 2


class Number(click.ParamType):
    """A number that may be written with commas or underscores between its digits."""

    name = "number"

    def __init__(self, kind):
        self.kind = kind

    def convert(self, value, param, ctx):
        if isinstance(value, self.kind):
            return value
        try:
            return self.kind(value.replace(",", ""))
        except ValueError:
            kind = "a whole number" if self.kind is int else "a number"
            raise InputError(f"{param.opts[0]} must be {kind}, got {value!r}") from None


class DType(click.ParamType):
    """The name of a floating-point type; the theory says which it knows."""

    name = "dtype"

    def shell_complete(self, ctx, param, incomplete):
        from rope_lib.theory.bounds import SIGNIFICAND_BITS

        names = [name for name in SIGNIFICAND_BITS if name.startswith(incomplete)]
        return [click.shell_completion.CompletionItem(name) for name in names]


class Lengths(click.ParamType):
    """Whole numbers with commas between them."""

    name = "lengths"

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        try:
            return [int(part) for part in value.split(",")]
        except ValueError:
            message = f"--lengths must be whole numbers with commas between them, got {value!r}"
            raise InputError(message) from None


epsilon_option = click.option(
    "--epsilon", type=Number(float), default=0.95, show_default=True,
    help="Cosine similarity that the slowest oscillator must keep.",
)  # fmt: skip
dtype_option = click.option(
    "--dtype", type=DType(), default="float32", show_default=True, help="Number type of the angles."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
scheduler_option = click.option(
    "--scheduler", metavar="ADDRESS", help="Use the workers of a Dask cluster that runs already."
)


@contextmanager
def workers_errors():
    """What ends a sweep, in one line and by its exit status."""
    try:
        yield
    except ConnectionError as error:
        raise click.ClickException(one_line(error)) from None
    except (ValueError, OSError) as error:
        raise InputError(one_line(error)) from None
    except KeyboardInterrupt:
        say("Stopped. What was finished is kept; the same command goes on.")
        sys.exit(130)


def say(line):
    click.echo(line, err=True)


def print_json(found):
    import json

    click.echo(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))


def print_lines(lines):
    """Styled lines, without their colors where standard output is no terminal or NO_COLOR is set."""
    for line in lines:
        click.echo(line, color=False if os.environ.get("NO_COLOR") else None)
