"""Rows, paragraphs and tables in the terminal."""

import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence

import click

from rope_lib.runs.errors import printable

LABEL = 20  # columns of a row's label
_WIDEST = 100  # columns of a paragraph


def row(label: str, value: str, origin: str = "", *, columns: int) -> str:
    """A label, a value in at least so many columns, and where it comes from, dimmed.

    >>> row("base", "10,000", columns=24)
    '  base                10,000'
    """
    line = f"  {label:<{LABEL}}{value}"
    return f"{line:<{LABEL + columns + 2}}  {click.style(origin, dim=True)}" if origin else line


def text_width() -> int:
    """The columns that a paragraph may take in this terminal."""
    return min(shutil.get_terminal_size().columns, _WIDEST)


def wrapped(text: str) -> Iterator[str]:
    """A paragraph as indented lines."""
    yield from click.wrap_text(text, text_width(), initial_indent="  ", subsequent_indent="    ").splitlines()


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Collection[str] = (),
    show_lines: bool = False,
) -> None:
    """Print rows of text as a table that fits the terminal; in a pipe or a file it is as wide as its content.

    `right` names the headings whose columns align right; `show_lines` draws lines between the rows. Control
    characters are escaped.
    """
    from rich.box import HEAVY_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(width=160 if show_lines else 10_000, markup=False, emoji=False)
    table = Table(box=HEAVY_HEAD if show_lines else None, show_lines=show_lines, pad_edge=False)
    for heading in headings:
        name = heading.replace("_", " ")
        table.add_column(name, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*("\n".join(map(printable, cell.splitlines())) for cell in row))
    with console.capture() as printed:
        console.print(table)
    click.echo(printed.get(), nl=False)  # rich itself would answer a closed pipe with an exit of its own
