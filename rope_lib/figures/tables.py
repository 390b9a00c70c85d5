"""Tables that a reader sees, in Markdown and in HTML."""

import re
from html import escape

from .style import count

# A cell of numbers: digits with separators, a sign, an exponent, a percent sign; or a dash for none.
_NUMBER = re.compile(r"[-–+−]?[\d,.]*\d(e[-+]?\d+)?\s?%?|–")


def markdown(rows, headings):
    """A markdown table of text cells, for a notebook to display: plain, stable, and it scrolls on a phone.

    `rows` is an iterable of sequences as long as `headings`; a column of numbers is aligned to the
    right. Raises ValueError for a row of another length.

    >>> print(markdown([["fp32", "2.86"]], ["angles", "loss"]).data)
    | angles | loss |
    | --- | ---: |
    | fp32 | 2.86 |
    """
    from IPython.display import Markdown

    rows = [[str(cell) for cell in row] for row in rows]
    for row in rows:
        if len(row) != len(headings):
            raise ValueError(f"rows must have {len(headings)} cells each, got {len(row)}: {row!r}")
    rule = ["---:" if all(map(_NUMBER.fullmatch, column)) else "---" for column in zip(*rows, strict=True)]
    lines = [headings, rule or ["---"] * len(headings), *rows]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def lookup(rows):
    """Rows as one HTML table of class `lookup`, which the book makes sortable and filterable.

    `rows` are dicts with the same keys, the headings; the first column heads its row. Values are texts;
    numbers, an int with every digit and a float in short; None for none; or a text with the number that it
    sorts by. Numbers carry their value in `data-order`, so that 128,000 sorts as a number, and None below
    them all. Raises ValueError for no rows.

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


def _lookup_row(values):
    name, *others = values
    return f'<tr><th scope="row">{escape(name)}</th>{"".join(map(_lookup_cell, others))}</tr>'


def _lookup_cell(value):
    if value is None:
        return '<td class="number" data-order="-1">–</td>'
    if isinstance(value, int | float):
        rounded = round(value)
        text = f"{rounded:,}" if isinstance(value, int) else count(rounded)
        return f'<td class="number" data-order="{rounded}">{text}</td>'
    text, order = value if isinstance(value, tuple) else (value, None)
    attribute = "" if order is None else f' data-order="{order:g}"'
    return f"<td{attribute}>{escape(text)}</td>"
