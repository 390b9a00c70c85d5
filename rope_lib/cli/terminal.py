"""Tables in the terminal."""


def print_table(headings, rows, *, right=(), show_lines=False):
    """Print rows of text as a table that fits the terminal; into a pipe or a file, as wide as its content.

    `right` names the headings whose columns align right.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000 if not show_lines else 160)
    table = Table(box=None if not show_lines else _box(), show_lines=show_lines, pad_edge=False)
    for heading in headings:
        justify = "right" if heading in right else "left"
        table.add_column(heading.replace("_", " "), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _box():
    from rich import box

    return box.HEAVY_HEAD
