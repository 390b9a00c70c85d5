"""Numbers measured on another Python's text are run but not compared; all others are."""

import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from rope_lib.measure.text import reference_text, text_sha256

pytestmark = pytest.mark.slow  # each runs nbval in a kernel


def compare(folder, root, sha256):
    """Run nbval with the project's conftest on a notebook whose stored number is wrong."""
    stored = [(f"print('text sha256 {sha256}')", f"text sha256 {sha256}\n"), ("print(2)", "3\n")]
    cells = [
        new_code_cell(source, execution_count=count, outputs=[new_output("stream", name="stdout", text=text)])
        for count, (source, text) in enumerate(stored, 1)
    ]
    nbformat.write(new_notebook(cells=cells), folder / "measured.ipynb")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "conftest",
        "--nbval",
        "--nbval-current-env",
        "measured.ipynb",
    ]
    environment = os.environ | {"PYTHONPATH": str(root)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_wrong_number_on_this_text_is_refused(tmp_path, root):
    result = compare(tmp_path, root, text_sha256(reference_text())[:12])
    assert result.returncode == 1, result.stdout
    assert "1 failed, 1 passed" in result.stdout


@pytest.mark.slow
def test_numbers_on_another_text_are_not_compared_and_that_is_said(tmp_path, root):
    result = compare(tmp_path, root, "0" * 12)
    assert result.returncode == 0, result.stdout
    assert "measured.ipynb: run and asserted, its numbers not compared" in result.stdout
