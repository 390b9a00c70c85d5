"""What the subcommands share: types of arguments, options, errors, and how they print."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import click
from click.shell_completion import CompletionItem

from rope_lib.runs.errors import one_line, printable

Json: TypeAlias = Any  # what JSON can hold: numbers, strings, lists, dicts


NOT_UNDERSTOOD = 3  # the exit status where a key that may bear on rotation was not understood


class InputError(click.ClickException):
    """Input that cannot be judged: one line on standard error, exit status 2."""

    exit_code = 2


class Number(click.ParamType):
    """A number that may be written with commas or underscores between its digits."""

    name = "number"

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        if not isinstance(value, str):
            return value
        try:
            return self.kind(value.replace(",", ""))
        except ValueError:
            kind = "a whole number" if self.kind is int else "a number"
            name = param.opts[0] if param else self.name
            raise InputError(f"{name} must be {kind}, got {value!r}") from None


class DType(click.ParamType):
    """The name of a floating-point type that the theory knows."""

    name = "dtype"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from rope_lib.theory.bounds import SIGNIFICAND_BITS

        names = [name for name in SIGNIFICAND_BITS if name.startswith(incomplete)]
        return [CompletionItem(name) for name in names]


class Lengths(click.ParamType):
    """Whole numbers, separated by commas."""

    name = "lengths"

    def convert(
        self, value: str | list[int], param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        if not isinstance(value, str):
            return value
        try:
            return [int(part) for part in value.split(",")]
        except ValueError:
            message = f"--lengths must be whole numbers separated by commas, got {value!r}"
            raise InputError(message) from None


epsilon_option = click.option(
    "--epsilon", type=Number(float), default=0.95, show_default=True,
    help="Cosine similarity that the slowest oscillator must keep.",
)  # fmt: skip
dtype_option = click.option(
    "--dtype", type=DType(), default="float32", show_default=True, help="Number type of the angles."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
download_option = click.option(
    "--download", is_flag=True, help="Fetch the config of a Hugging Face id that is not cached."
)
strict_option = click.option(
    "--strict", is_flag=True, help="Refuse a file with a key that may bear on rotation, not understood."
)
scheduler_option = click.option(
    "--scheduler", metavar="ADDRESS", help="Use the workers of a running Dask cluster, which you trust."
)

force_option = click.option(
    "--force", is_flag=True, help="Write even where DIR holds other files, which are kept as DIR.old."
)


@contextmanager
def needs(what: str, extra: str) -> Iterator[None]:
    """Turn a missing package into one line that names it and the extra to install, exit status 1."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"{what} the package {error.name}: install rope-lib[{extra}]"
        raise click.ClickException(message) from None


@contextmanager
def workers_errors() -> Iterator[None]:
    """Turn what ends a sweep into one line and an exit status."""
    try:
        yield
    except ConnectionError as error:
        raise click.ClickException(one_line(error)) from None
    except (ValueError, OSError) as error:
        raise InputError(one_line(error)) from None


def say(line: str) -> None:
    """Write a line on the progress to standard error; control characters of names in it are escaped."""
    click.echo(printable(line), err=True)


def print_path(*parts: str | os.PathLike[str]) -> None:
    """Print the path of a result, on one line of printable characters."""
    click.echo(printable(os.path.join(*parts)))


def refuse_not_understood(keys: Mapping[str, Mapping[str, Json]]) -> None:
    """Raise InputError with the keys of each model, by its name, that were not understood, if there are any.

    >>> refuse_not_understood({"a model": {}})
    """
    from rope_lib.models.checks import listed

    lines = [f"{name}: {listed(own)}" for name, own in keys.items() if own]
    if lines:
        raise InputError(f"not understood, and may bear on rotation: {'; '.join(lines)}")


def conclude(found: Json, lines: Callable[[Json], Iterable[str]], *, as_json: bool, status: int) -> None:
    """Print what a command found, as JSON or as the `lines` made of it, and exit with `status`."""
    if as_json:
        print_json(found)
    else:
        print_lines(lines(found))
    click.get_current_context().exit(status)


def print_json(found: Json) -> None:
    """Print a value as indented JSON in UTF-8, whatever the locale.

    What a terminal would act on instead of showing it (control characters, marks that turn the direction of a
    text) and halves of surrogate pairs are escaped as JSON escapes them. Raises ValueError for a number that
    is not finite.
    """
    import json

    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    if not text.replace("\n", "").isprintable():
        shown = (char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)
        text = "".join(shown)
    click.echo(text.encode("utf-8"))


def print_lines(lines: Iterable[str]) -> None:
    """Print styled lines, without colors where standard output is no terminal or NO_COLOR is set."""
    for line in lines:
        click.echo(line, color=False if os.environ.get("NO_COLOR") else None)
