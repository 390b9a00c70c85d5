"""The tables of the book: Markdown for a notebook, and the lookup table that a browser sorts and filters."""

import re
from dataclasses import replace

import pytest

from rope_lib import figures, findings
from rope_lib.figures.tables import markdown


def test_a_table_with_a_ragged_row_is_refused():
    with pytest.raises(ValueError, match=r"rows must have 2 cells each, got 1: \['x'\]"):
        markdown([["x"]], ["a", "b"])


@pytest.fixture(scope="module")
def entries():
    return findings.atlas.entries()


def by_name(entries, name):
    return next(entry for entry in entries if entry.model.name == name)


def table(rows):
    return figures.tables.lookup(findings.atlas.lookup_rows(rows))


def test_the_table_has_every_model_once_and_no_ragged_row(entries):
    html = table(entries)
    names = re.findall(r'<th scope="row">(.*?)</th>', html)
    starred = [entry.model.name + "*" * (entry.model.confidence == "memory") for entry in entries]
    assert names == starred
    rows = re.findall(r"<tr><th scope=\"row\">.*", html)
    assert {row.count("<td") for row in rows} == {len(findings.atlas.lookup_rows(entries)[0]) - 1}
    assert html.count('scope="col"') == len(findings.atlas.lookup_rows(entries)[0])


def test_numbers_sort_as_numbers_and_a_missing_one_below_them(entries):
    html = table([by_name(entries, "Llama 3.1 8B")])
    assert '<td class="number" data-order="131072">131,072</td>' in html
    assert '<td class="number" data-order="4000000">4M</td>' in html
    unrotated = next(entry for entry in entries if entry.worst is None)
    assert '<td class="number" data-order="-1">–</td>' in table([unrotated])


def test_text_is_escaped(entries):
    entry = by_name(entries, "Llama 3 8B")
    forged = replace(entry, model=replace(entry.model, name="<b>", source="a & b"))
    html = table([forged])
    assert "&lt;b&gt;" in html
    assert "a &amp; b" in html
    assert "<b>" not in html


def test_a_window_is_told_where_it_decides(entries):
    assert "32, window 4,096" in table([by_name(entries, "Mistral 7B v0.1")])
