"""The table of a page's parameters says what its notebook says, and stands folded below the title."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document
from extensions import extension
from sphinx.errors import ExtensionError

PARAMETERS = "base = 10_000  # of the frequencies # in RoFormer\nlow, high = 1, [2, 3]  # limits"
CHECKS = (
    "from rope_lib.parameters import hold, whole\nhold(globals(), base=whole(2, low + 9))\nimport nothing"
)


@pytest.fixture
def parameter_table(root):
    return extension(root, "parameter_table")


def code(source, *tags):
    return {"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}, "outputs": []}


@pytest.fixture
def write(tmp_path):
    def written(*cells) -> Path:
        path = tmp_path / "notebooks" / "page.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"cells": list(cells)}), encoding="utf-8")
        return path

    return written


def test_names_defaults_meanings_and_ranges_are_read_from_the_notebook(parameter_table, write):
    found = parameter_table.parameters_of(write(code(PARAMETERS, "parameters"), code(CHECKS)))
    assert [(each.name, each.default, each.meaning, each.allowed) for each in found] == [
        ("base", "10_000", "of the frequencies # in RoFormer", "a whole number from 2 to 10"),
        ("low", "1", "limits", ""),
        ("high", "[2, 3]", "limits", ""),
    ]


def test_what_follows_the_checks_is_not_executed(parameter_table, write):
    _, checks = parameter_table.opening(write(code(PARAMETERS, "parameters"), code(CHECKS)))
    assert "import nothing" not in checks
    assert parameter_table.opening(write(code(PARAMETERS, "parameters"), code("1 / 0")))[1] == ""


def test_a_notebook_without_the_cell_is_refused(parameter_table, write):
    with pytest.raises(ExtensionError, match=r"page\.ipynb must have one code cell tagged parameters, got 0"):
        parameter_table.parameters_of(write(code(PARAMETERS)))


def test_the_table_stands_folded_below_the_title(parameter_table, write, tmp_path):
    write(code(PARAMETERS, "parameters"), code(CHECKS))
    page = new_document("page")
    page += nodes.section("", nodes.title("", "Title"), nodes.paragraph("", "The question."))
    builder = SimpleNamespace(get_relative_uri=lambda here, there: f"{there}.html")
    titles = {parameter_table.RERUN[0]: nodes.title("", "How to read")}
    page.settings.env = SimpleNamespace(
        srcdir=tmp_path, docname="notebooks/page", titles=titles, app=SimpleNamespace(builder=builder)
    )
    transform = parameter_table.ParameterTable(page)
    transform.run()
    _, opened, table, note, closed, question = page.children[0].children
    assert opened.astext().startswith(
        '<details class="parameters-fold"><summary>Parameters: <code>base</code>'
    )
    assert [cell.astext() for cell in table.findall(nodes.entry)][4:8] == [
        "base", "10_000", "of the frequencies # in RoFormer", "a whole number from 2 to 10",
    ]  # fmt: skip
    assert note.children[1]["refuri"] == "book/how_to_read.html#section-take-along"
    assert closed.astext() == "</details>"
    assert question.astext() == "The question."
