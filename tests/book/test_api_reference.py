"""The API reference: what it reads from the library, what it writes, and the links in a built book."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from extensions import extension
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, writes

THEORY = '''
"""The theory.

``bounds``   what a base
             must be.
"""
from .bounds import smallest_base
'''

BOUNDS = '''
"""Bounds: `smallest_base` of a `Zone`, and `missing`."""

from dataclasses import dataclass, field
from functools import cached_property

import click
import numpy as np

LIMIT = 3


def smallest_base(context: "np.ndarray | int", *, epsilon: float = 0.95) -> np.ndarray:
    """Smallest base, see `Zone.width()`.
    >>> smallest_base(1)
    2

    Columns, then a list:

    `first`, `second`  what they are,
                       in two lines
    `third`            another

        indented = code
    """


def undocumented(): ...


def _private():
    """Nobody's business."""


@click.command()
def command():
    """Help."""


@dataclass(frozen=True)
class Zone:
    """Bases, as of `numpy`."""

    lower: float
    upper: float = 1.0
    known: dict = field(default_factory=dict)

    @cached_property
    def width(self) -> "Zone | None":
        """How wide."""

    def holds(self, base, /, other: Zone = None) -> bool:
        """Whether `lower` is met."""

    @staticmethod
    def of(base):
        """Made of a base."""


class Rule:
    """Has an `__init__`."""

    def __init__(self, name):
        """Not shown."""
'''

CHAPTER = """
%matplotlib inline
import numpy as np
from rope_lib.theory import bounds
from rope_lib.theory import smallest_base as smallest
from rope_lib.theory.bounds import LIMIT
smallest(bounds.Zone)
"""

CONFIG = """
title: Fixture
only_build_toc_files: true
execute: {execute_notebooks: "off"}
sphinx:
  local_extensions: {api_reference: book/_ext}
"""
TOC = """
format: jb-book
root: book/library
chapters:
  - file: notebooks/01_chapter
  - glob: book/api/*
"""


@pytest.fixture(scope="module")
def api(root):
    return extension(root, "api_reference")


@pytest.fixture
def book(tmp_path):
    """A library of one floor with one module, a command, and a chapter."""
    files = {
        "rope_lib/__init__.py": '"""The library."""',
        "rope_lib/theory/__init__.py": THEORY,
        "rope_lib/theory/bounds.py": BOUNDS,
        "rope_lib/theory/_hidden.py": '"""Private."""\ndef f():\n    """Hidden."""',
        "rope_lib/cli/__init__.py": '"""The command."""',
        "rope_lib/cli/main.py": '"""Its parts."""',
        "book/library.md": "# The library",
        "_config.yml": CONFIG,
        "_toc.yml": TOC,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.strip() + "\n", encoding="utf-8")
    cells = [
        new_markdown_cell(
            "# A chapter with `smallest`\n\nHere `smallest()`, [`smallest`](https://example.org), `LIMIT`."
        ),
        new_code_cell(CHAPTER),
        new_markdown_cell("## The end"),
    ]
    notebook = new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_chapter.ipynb").write_text(writes(notebook))
    return tmp_path


@pytest.fixture
def library(api, book):
    return api.Library.read(book)


# What is read


def test_what_is_public_is_documented_and_nothing_else(library):
    module = library.modules["rope_lib.theory.bounds"]
    assert [(entry.kind, entry.name) for entry in module.entries] == [
        ("function", "smallest_base"), ("class", "Zone"), ("class", "Rule"),
    ]  # fmt: skip
    assert [(each.kind, each.name) for each in module.entries[1].members] == [
        ("property", "width"), ("method", "holds"), ("method", "of"),
    ]  # fmt: skip
    assert "rope_lib.theory._hidden" not in library.modules
    assert library.floors == ["theory"]  # the command documents itself


def test_signatures_are_as_written(library):
    function, zone, rule = library.modules["rope_lib.theory.bounds"].entries
    assert function.parameters == "(context: 'np.ndarray | int', *, epsilon: float=0.95) -> np.ndarray"
    assert zone.parameters == "(lower: float, upper: float = 1.0, known: dict = ...)"
    assert [each.parameters for each in zone.members] == [
        "", "(base, /, other: Zone=None) -> bool", "(base)",
    ]  # fmt: skip
    assert rule.parameters == "(name)"


def test_names_mean_the_nearest_that_there_is(library):
    bounds, theory = library.modules["rope_lib.theory.bounds"], library.modules["rope_lib.theory"]
    assert library.meant("Zone", bounds) == "rope_lib.theory.bounds.Zone"
    assert library.meant("Zone.width", bounds) == "rope_lib.theory.bounds.Zone.width"
    assert library.meant("bounds.Zone", bounds) == "rope_lib.theory.bounds.Zone"
    assert library.meant("theory.bounds", bounds) == "rope_lib.theory.bounds"
    assert library.meant("bounds", theory) == "rope_lib.theory.bounds"
    assert library.meant("smallest_base", theory) == "rope_lib.theory.bounds.smallest_base"
    # Nor what has no page: the package itself, and its command.
    for name in (
        "missing",
        "numpy",
        "np",
        "LIMIT",
        "undocumented",
        "_private",
        "rope_lib",
        "cli",
        "cli.main",
    ):
        assert library.meant(name, bounds) is None


def test_a_chapter_uses_what_it_imports_and_what_it_reads_off_a_module(library, api, book):
    assert library.used_by(api.code_of(book / "notebooks" / "01_chapter.ipynb")) == {
        "smallest": "rope_lib.theory.bounds.smallest_base",
        "bounds.Zone": "rope_lib.theory.bounds.Zone",
    }


# What is written

PAGE = """
# rope_lib.theory

```{py:module} rope_lib.theory
```

The theory.

- {py:obj}`bounds <rope_lib.theory.bounds>`: what a base
  must be.

## theory.bounds
"""

ENTRY = """
`````{py:function} smallest_base(context: 'np.ndarray | int', *, epsilon: float=0.95) -> np.ndarray

Smallest base, see {py:obj}`Zone.width() <rope_lib.theory.bounds.Zone.width>`.

```pycon
>>> smallest_base(1)
2
```

Columns, then a list:

- `first`, `second`: what they are,
  in two lines
- `third`: another

    indented = code

Used in {doc}`chapter 1 </notebooks/01_chapter>`, {doc}`/notebooks/claims`.
`````
"""


def test_a_page_is_markdown(library, api):
    chapters = {"rope_lib.theory.bounds.smallest_base": ["notebooks/01_chapter", "notebooks/claims"]}
    text = str(api.Page(library, "theory", chapters))
    assert text.startswith(PAGE.lstrip())
    assert ENTRY in text
    assert "Bounds: {py:obj}`smallest_base <rope_lib.theory.bounds.smallest_base>` of a" in text
    assert "and `missing`." in text
    assert "````{py:method} holds(base, /, other: ~rope_lib.theory.bounds.Zone=None) -> bool\n" in text


def test_pages_that_stay_the_same_are_not_touched_and_others_go(library, api, book):
    api.write_pages(book, library, {})
    page, stray = book / "book" / "api" / "theory.md", book / "book" / "api" / "show.md"
    before = page.stat().st_mtime_ns
    stray.write_text("# Of a folder that is gone\n")
    api.write_pages(book, library, {})
    assert page.stat().st_mtime_ns == before
    assert not stray.exists()
    api.write_pages(
        book, library, {"notebooks/01_chapter": {"smallest": "rope_lib.theory.bounds.smallest_base"}}
    )
    assert "chapter 1" in page.read_text(encoding="utf-8")


# The library itself


@pytest.fixture(scope="module")
def whole(api, root):
    return api.Library.read(root)


def test_every_folder_of_the_library_has_a_page_with_all_its_functions(whole, api, root):
    folders = {path.parent.name for path in (root / "rope_lib").glob("*/__init__.py")}
    alone = {path.stem for path in (root / "rope_lib").glob("[a-z]*.py")}  # modules outside of any folder
    assert set(whole.floors) == folders - set(api.LEFT_OUT) | alone
    for floor in whole.floors:
        text = str(api.Page(whole, floor, {}))
        for file in (root / "rope_lib" / floor).rglob("*.py"):
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
                    shown = re.search(rf"{{py:(function|class)}} {node.name}(\(|$)", text, re.MULTILINE)
                    assert bool(shown) or node.name.startswith("_"), f"{file}: {node.name}"


def test_the_table_of_contents_takes_every_page_and_the_configuration_the_extension(api, root):
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    pages = [each for part in toc["parts"] for each in part["chapters"]]
    [library] = [each for each in pages if each.get("file") == "book/library"]
    assert library["sections"] == [{"glob": f"{api.FOLDER}/*"}]
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    assert config["sphinx"]["local_extensions"]["api_reference"] == "book/_ext"
    assert f"/{api.FOLDER}/" in (root / ".gitignore").read_text(encoding="utf-8").split()


def test_every_chapter_of_the_book_uses_the_library(whole, api, root):
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        assert whole.used_by(api.code_of(notebook)) or "rope_lib" not in json.dumps(api.code_of(notebook))


# A book


@pytest.mark.slow
def test_a_book_is_linked_both_ways_without_a_warning(book, root):
    (book / "book" / "_ext").mkdir()
    for name in ("api_reference.py", "docstrings.py"):
        (book / "book" / "_ext" / name).write_bytes((root / "book" / "_ext" / name).read_bytes())
    settings = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    config = yaml.safe_load(CONFIG)
    taken = ("add_module_names", "nitpick_ignore_regex", "python_maximum_signature_line_length")
    config["sphinx"]["config"] = {name: settings[name] for name in taken}
    (book / "_config.yml").write_text(yaml.safe_dump(config))
    command = [Path(sys.executable).with_name("jupyter-book"), "build", book, "-W", "-n", "--keep-going"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    html = book / "_build" / "html"
    theory = (html / "book" / "api" / "theory.html").read_text(encoding="utf-8")
    assert 'id="rope_lib.theory.bounds.smallest_base"' in theory
    assert 'href="../../notebooks/01_chapter.html"' in theory
    chapter = (html / "notebooks" / "01_chapter.html").read_text(encoding="utf-8")
    place = "../book/api/theory.html#rope_lib.theory.bounds."
    assert chapter.count(f'href="{place}smallest_base"') == 2  # in the text, and in the list at the end
    assert chapter.count(f'href="{place}Zone"') == 1
    assert "<h2>The library in this chapter" in chapter
    assert chapter.count('href="#the-library-in-this-chapter"') >= 2  # the page's own contents name it too
