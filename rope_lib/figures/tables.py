"""Tables that a reader sees, in Markdown and in HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, TypeAlias

from .style import count

if TYPE_CHECKING:
    from IPython.display import Markdown

# A value of a lookup table: a text, a number, None for none, or a text with the number that it sorts by.
Value: TypeAlias = str | int | float | tuple[str, float] | None

# A cell with a number: digits with separators, a sign, an exponent, a percent sign; or a dash for none.
_NUMBER = re.compile(r"[-–+−]?[\d,.]*\d(e[-+]?\d+)?\s?%?|–")


def markdown(rows: Iterable[Sequence[object]], headings: Sequence[str]) -> Markdown:
    """A Markdown table for a notebook to display; its text is stable, and it scrolls on a phone.

    `rows` is an iterable of sequences as long as `headings`; a column of numbers aligns right. Raises
    ValueError for a row of another length.

    >>> print(markdown([["fp32", "2.86"]], ["angles", "loss"]).data)
    | angles | loss |
    | --- | ---: |
    | fp32 | 2.86 |
    """
    from IPython.display import Markdown

    cells = [[str(cell) for cell in row] for row in rows]
    for row in cells:
        if len(row) != len(headings):
            raise ValueError(f"rows must have {len(headings)} cells each, got {len(row)}: {row!r}")
    rule = ["---:" if all(map(_NUMBER.fullmatch, column)) else "---" for column in zip(*cells, strict=True)]
    lines = [headings, rule or ["---"] * len(headings), *cells]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def lookup(rows: Sequence[Mapping[str, Value]]) -> str:
    """Rows as one HTML table of class `lookup`, which the book makes sortable and filterable.

    `rows` are dicts with the same keys, the headings; the first value is the heading of its row. A value is a
    text, an int (every digit is shown), a float (abbreviated), None, or a pair of a text and the number that
    it sorts by. Numbers carry their value in `data-order`, so that 128,000 sorts as a number, and None sorts
    below all of them. Raises ValueError for no rows.

    >>> print(lookup([{"model": "a<b", "context": 4096, "base": 1e6}]))
    <table class="lookup">
    <thead><tr><th scope="col">model</th><th scope="col">context</th><th scope="col">base</th></tr></thead>
    <tbody>
    <tr><th scope="row">a&lt;b</th><td class="number" data-order="4096">4,096</td>\
<td class="number" data-order="1000000">1M</td></tr>
    </tbody>
    </table>
    """
    if not rows:
        raise ValueError("rows must hold at least one row, got none")
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in rows[0])
    body = "\n".join(_lookup_row(list(row.values())) for row in rows)
    return f'<table class="lookup">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>'


def _lookup_row(values: Sequence[Value]) -> str:
    name, *others = values
    return f'<tr><th scope="row">{escape(str(name))}</th>{"".join(map(_lookup_cell, others))}</tr>'


def _lookup_cell(value: Value) -> str:
    if value is None:
        return '<td class="number" data-order="-1">–</td>'
    if isinstance(value, int | float):
        rounded = round(value)
        text = f"{rounded:,}" if isinstance(value, int) else count(rounded)
        return f'<td class="number" data-order="{rounded}">{text}</td>'
    text, order = value if isinstance(value, tuple) else (value, None)
    attribute = "" if order is None else f' data-order="{order:g}"'
    return f"<td{attribute}>{escape(text)}</td>"
