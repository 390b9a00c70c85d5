"""Where the exercises stand, and their prose as plain Markdown: what pages and the zip for a class share."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import yaml

FOLDER = "book/exercises"
LABELED = re.compile(r"(?m)^\((chapter:[\w-]+)\)=\s*\n#+ (.+)$")


def sheet_files(root: Path) -> dict[str, Path]:
    """The files of exercises, by the names of their chapters."""
    return {file.stem: file for file in sorted((root / FOLDER).glob("*.md"))}


def chapter_titles(root: Path) -> dict[str, str]:
    """The titles of chapters and pages, by their labels."""
    titles = {}
    for file in sorted((root / "notebooks").glob("*.ipynb")):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        prose = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        titles |= dict(LABELED.findall("\n\n".join(prose)))
    for file in sorted((root / "book").glob("*.md")):
        titles |= dict(LABELED.findall(file.read_text(encoding="utf-8")))
    return titles


def macros(root: Path) -> dict[str, str]:
    """The macros of TeX that the book defines, by name."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return config["sphinx"]["config"]["mathjax3_config"]["tex"]["macros"]


def plain_prose(root: Path) -> Callable[[str], str]:
    """What turns prose of this book into plain Markdown."""
    from rope_lib.exercises.plain import plain

    return partial(plain, titles=chapter_titles(root), macros=macros(root))
