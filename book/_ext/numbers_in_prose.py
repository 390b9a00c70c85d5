"""Numbers in prose that come from somewhere, so that none is typed in.

{stated}`cases-known`                     what a notebook glued under that name, from its stored outputs
{worked}`stability_bound(4_096); ,.0f`    an expression and the format of its value, worked out when the page
                                          is read; it may use numpy as np and functions of rope_lib.theory
"""

import ast
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxRole

MINUS = re.compile(r"(?<![\w.])-(?=\d)")  # of a negative number, for which there is a sign of its own
RECORD = "application/papermill.record/"  # under which glue() hides a value
THEORY = ("bounds", "dispersal", "oscillators", "precision", "rivals")  # modules of rope_lib.theory


def glued(notebook: Path) -> dict[str, str]:
    """The texts that an executed notebook glued, by their names."""
    return _glued(notebook, notebook.stat().st_mtime_ns)


@cache
def _glued(notebook: Path, changed: int) -> dict[str, str]:
    found = {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            text = output.get("data", {}).get(f"{RECORD}text/plain")
            if name and text:
                found[name] = str(ast.literal_eval("".join(text)))
    return found


def stated(name: str, root: Path) -> tuple[str, Path]:
    """The value that one of the notebooks states under a name, and that notebook.

    Raises ExtensionError if none does, or more than one.
    """
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    holders = [notebook for notebook in notebooks if name in glued(notebook)]
    if len(holders) != 1:
        raise ExtensionError(f"one notebook must glue {name!r}, got {[file.stem for file in holders]}")
    return MINUS.sub("−", glued(holders[0])[name]), holders[0]


@cache
def names() -> Mapping[str, object]:
    """What an expression may use: numpy as np, and the public functions of the modules in `THEORY`."""
    from importlib import import_module

    import numpy as np

    known: dict[str, object] = {"np": np, "__builtins__": {}}
    for module in map(import_module, (f"rope_lib.theory.{name}" for name in THEORY)):
        known |= {
            name: value
            for name, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", "") == module.__name__ and name[0] != "_"
        }
    return known


def worked(text: str) -> str:
    """The value of `expression; format`, written in that format of Python's.

    Raises ExtensionError for a text that is not of this form or cannot be worked out.
    """
    expression, _, form = (part.strip() for part in text.rpartition(";"))
    if not expression or not form:
        raise ExtensionError(f"a worked number must be `expression; format`, got {text!r}")
    try:
        value = eval(expression, dict(names()))
        return MINUS.sub("−", format(getattr(value, "item", lambda: value)(), form))
    except Exception as error:
        raise ExtensionError(f"{expression!r} cannot be worked out: {error}") from error


class Stated(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        value, notebook = stated(self.text, Path(self.env.srcdir))
        self.env.note_dependency(str(notebook))
        return [nodes.Text(value)], []


class Worked(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        return [nodes.Text(worked(self.text))], []


def setup(app) -> dict:
    app.add_role("stated", Stated())
    app.add_role("worked", Worked())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
