"""The book never shows stale output: an edit to the library alone executes the notebooks again."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from extensions import extension
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, writes

CONFIG = """
title: Fixture
only_build_toc_files: true
execute: {execute_notebooks: cache}
sphinx:
  local_extensions: {execution_cache: book/_ext}
"""

CELL = """
import sys
sys.path.insert(0, '..')
from rope_lib import value
print(f'The value is {value}.')
"""


@pytest.fixture
def book(tmp_path, root):
    """A book of one notebook that prints a number of a tiny library, with the real extension."""
    for folder in ("notebooks", "rope_lib", "results", "book/_ext"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(root / "book" / "_ext" / "execution_cache.py", tmp_path / "book" / "_ext")
    (tmp_path / "_config.yml").write_text(CONFIG)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: notebooks/page\n")
    for file in ("requirements.txt", "pyproject.toml"):
        (tmp_path / file).write_text("")
    (tmp_path / "rope_lib" / "__init__.py").write_text("value = 1\n")
    cells = [new_markdown_cell("# Page"), new_code_cell(CELL)]
    (tmp_path / "notebooks" / "page.ipynb").write_text(writes(new_notebook(cells=cells)))
    return tmp_path


def build(book) -> tuple[str, bool]:
    """The page's HTML, and whether the notebook was executed for it."""
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", book, "-W", "-n", "--keep-going"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    log = result.stdout + result.stderr
    return (book / "_build/html/notebooks/page.html").read_text(), "Executing notebook" in log


def caches(book) -> list[str]:
    return [folder.name for folder in (book / "_build" / ".jupyter_cache").iterdir()]


@pytest.mark.slow
def test_output_follows_the_library(book):
    page, executed = build(book)
    assert "The value is 1." in page
    assert executed
    first = caches(book)
    assert len(first) == 1

    page, executed = build(book)
    assert "The value is 1." in page
    assert not executed, "nothing changed, and the notebook was executed again"

    (book / "rope_lib" / "__init__.py").write_text("value = 2\n")
    page, executed = build(book)
    assert "The value is 2." in page
    assert "The value is 1." not in page
    assert executed
    assert len(caches(book)) == 1, "the cache of the earlier library is still there"
    assert caches(book) != first


@pytest.fixture
def cache_key(root):
    return extension(root, "execution_cache").cache_key


@pytest.mark.parametrize(
    "file",
    [
        "rope_lib/__init__.py",
        "rope_lib/models/atlas.csv",
        "results/run.json",
        "requirements.txt",
        "pyproject.toml",
    ],
)
def test_key_covers(book, cache_key, file):
    before = cache_key(book)
    path = book / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("changed = True\n")
    assert cache_key(book) != before
    path.unlink()
    path.with_name("renamed").write_text("changed = True\n")
    assert cache_key(book) != before


def test_key_ignores_what_python_leaves_behind(book, cache_key):
    before = cache_key(book)
    (book / "rope_lib" / "__pycache__").mkdir()
    (book / "rope_lib" / "__pycache__" / "__init__.cpython-311.pyc").write_bytes(b"\0")
    assert cache_key(book) == before
