"""The parameters of a page that is a notebook, in a fold at its top: name, default, meaning, allowed values.

All of it is read from the notebook itself: names, defaults and meanings from its cell tagged `parameters`, a
parameter to a line with a comment; the allowed values from the calls of `rope_lib.parameters.hold` at the top
of the code cell after it, which refuse others when it runs.
"""

import ast
import io
import json
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform

FOLDER = "notebooks/"
NOTE = "The text is written for the defaults. ", " says how to run the page with others."
RERUN = "book/how_to_read", "#section-take-along"


@dataclass(frozen=True)
class Parameter:
    name: str
    default: str  # as the notebook writes it
    meaning: str
    allowed: str  # empty where the notebook does not say


def code_cells(notebook: Path) -> list[dict]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def parameters_cell(notebook: Path) -> int:
    """The place of the cell tagged `parameters` among the code cells of a notebook."""
    tagged = [
        place
        for place, cell in enumerate(code_cells(notebook))
        if "parameters" in cell["metadata"].get("tags", [])
    ]
    if len(tagged) != 1:
        raise ExtensionError(f"{notebook.name} must have one code cell tagged parameters, got {len(tagged)}")
    return tagged[0]


def is_hold(statement: ast.stmt) -> bool:
    called = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(called, ast.Call) and isinstance(called.func, ast.Name) and called.func.id == "hold"


def opening(notebook: Path) -> tuple[str, str]:
    """The code of a notebook's parameters, and what follows up to its last check of them; "" for none."""
    place = parameters_cell(notebook)
    source, *after = ("".join(cell["source"]) for cell in code_cells(notebook)[place : place + 2])
    statements = ast.parse(after[0]).body if after else []
    checks = [index for index, statement in enumerate(statements) if is_hold(statement)]
    checked = statements[: checks[-1] + 1] if checks else []
    return source, "\n".join(map(ast.unparse, checked))


def allowed_values(notebook: Path) -> dict[str, str]:
    """What each parameter must be, in words, by its name, at the default values of the others."""
    source, checks = opening(notebook)
    values: dict[str, object] = {}
    exec(source, values)
    found = {}
    for statement in ast.parse(checks).body:
        if is_hold(statement):
            for each in statement.value.keywords:
                found[each.arg] = eval(ast.unparse(each.value), values).allowed
        else:
            exec(ast.unparse(statement), values)
    return found


def comments(source: str) -> Mapping[int, str]:
    """The comment of each line of code, by the number of the line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {each.start[0]: each.string.lstrip("# ") for each in tokens if each.type == tokenize.COMMENT}


def parameters_of(notebook: Path) -> list[Parameter]:
    """The parameters of a notebook in their order; those of one line share its comment."""
    source, _ = opening(notebook)
    meanings, allowed = comments(source), allowed_values(notebook)
    found = []
    for statement in ast.parse(source).body:
        target, value = statement.targets[0], statement.value
        pairs = (
            zip(target.elts, value.elts, strict=True) if isinstance(target, ast.Tuple) else [(target, value)]
        )
        for name, default in pairs:
            written = ast.get_source_segment(source, default)
            meaning = meanings.get(statement.end_lineno, "")
            found.append(Parameter(name.id, written, meaning, allowed.get(name.id, "")))
    return found


def table(parameters: list[Parameter]) -> nodes.table:
    headings = ("parameter", "default", "meaning", "must be")
    rows = [
        [nodes.literal("", each.name), nodes.literal("", each.default), each.meaning, each.allowed]
        for each in parameters
    ]
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in headings), cols=len(headings))
    group += nodes.thead("", row(headings))
    group += nodes.tbody("", *map(row, rows))
    return nodes.table("", group, classes=["parameters"])


def row(cells) -> nodes.row:
    filled = (cell if isinstance(cell, nodes.Node) else nodes.Text(cell) for cell in cells)
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in filled))


class ParameterTable(SphinxPostTransform):
    default_priority = 189  # before the head of a chapter, which then stands above it
    formats = ("html",)

    def run(self, **kwargs) -> None:
        notebook = Path(self.env.srcdir) / f"{self.env.docname}.ipynb"
        title = next(iter(self.document.findall(nodes.title)), None)
        if title is None or not self.env.docname.startswith(FOLDER) or not notebook.is_file():
            return
        found = parameters_of(notebook)
        names = ", ".join(f"<code>{each.name}</code>" for each in found)
        page, anchor = RERUN
        address = self.app.builder.get_relative_uri(self.env.docname, page) + anchor
        link = nodes.reference("", self.env.titles[page].astext(), refuri=address, internal=True)
        opened = f'<details class="parameters-fold"><summary>Parameters: {names}</summary>'
        fold = [
            nodes.raw("", opened, format="html"),
            table(found),
            nodes.paragraph("", "", nodes.Text(NOTE[0]), link, nodes.Text(NOTE[1])),
            nodes.raw("", "</details>", format="html"),
        ]
        at = title.parent.index(title) + 1
        title.parent[at:at] = fold


def setup(app) -> dict:
    app.add_post_transform(ParameterTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
