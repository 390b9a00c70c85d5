"""tools/notebooks.py refuses what it must, passes what is good, and nbval sees a changed number."""

import base64
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, writes

FIGURE = """
import matplotlib.pyplot as plt
figure, axes = plt.subplots(figsize=(2, 1))
axes.plot([0, 1, 4])
plt.show()
"""


@pytest.fixture
def tool(root):
    """The tool as a program of its own, which starts kernels."""

    def call(*arguments):
        command = [sys.executable, str(root / "tools" / "notebooks.py"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    return call


@pytest.fixture
def check(root, monkeypatch):
    """The tool's `check`, in this process: what it prints, and its exit status."""
    monkeypatch.syspath_prepend(root / "tools")
    main = importlib.import_module("notebooks").main

    def call(*paths):
        return CliRunner().invoke(main, ["check", *map(str, paths)])

    return call


def source_notebook():
    """A notebook as an editor leaves it: not run, and with things that do not belong in version control."""
    cells = [
        new_markdown_cell("# A fixture", id="title"),
        new_code_cell("base = 10_000", id="parameters", metadata={"tags": ["parameters"], "scrolled": True}),
        new_code_cell("from math import pi\nprint('horizon')\nprint(round(2 * pi * base))", id="horizon"),
        new_code_cell(
            "from myst_nb import glue\nglue('horizon', round(2 * pi * base, 1), display=False)", id="glued"
        ),
        new_code_cell(FIGURE, id="figure", metadata={"mystnb": {"image": {"alt": "A rising line"}}}),
    ]
    metadata = {"kernelspec": {"name": "mine", "display_name": "My kernel"}, "widgets": {"state": {}}}
    return new_notebook(cells=cells, metadata=metadata)


@pytest.fixture(scope="session")
def executed(tmp_path_factory, root) -> Path:
    """The fixture notebook as the tool's own `run` leaves it."""
    path = tmp_path_factory.mktemp("executed") / "good.ipynb"
    path.write_text(writes(source_notebook()), encoding="utf-8")
    subprocess.run([sys.executable, root / "tools" / "notebooks.py", "run", path], check=True, timeout=120)
    return path


@pytest.fixture
def edited(executed, tmp_path):
    """A copy of the executed notebook, changed by a function and stored in the same layout."""

    def edit(change) -> Path:
        notebook = json.loads(executed.read_text(encoding="utf-8"))
        change(notebook, {cell["id"]: cell for cell in notebook["cells"]})
        path = tmp_path / "edited.ipynb"
        path.write_text(
            json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        return path

    return edit


def test_executed_notebook_passes(tool, check, executed, edited):
    assert tool("check", executed).returncode == 0
    assert check(executed).exit_code == 0
    unchanged = edited(lambda notebook, cells: None)
    assert unchanged.read_bytes() == executed.read_bytes()  # so the offenses below come from the edits alone


def test_run_normalizes(executed):
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert [cell["id"] for cell in notebook["cells"]] == ["title", "parameters", "horizon", "glued", "figure"]
    assert notebook["cells"][1]["metadata"] == {"tags": ["parameters"]}
    assert notebook["cells"][2]["outputs"][0]["text"] == ["horizon\n", "62832\n"]


@pytest.mark.slow
def test_run_again_changes_nothing(tool, executed, tmp_path):
    again = shutil.copy(executed, tmp_path / "again.ipynb")
    os.utime(again, (1, 1))
    assert tool("run", again).returncode == 0
    assert again.read_bytes() == executed.read_bytes()
    assert again.stat().st_mtime == 1, "an unchanged notebook was written again"
    assert [file.name for file in tmp_path.iterdir()] == ["again.ipynb"], "a temporary file was left behind"


def error(notebook, cells):
    cells["horizon"]["outputs"] = [new_output("error", ename="ValueError", evalue="no", traceback=[])]


def standard_error(notebook, cells):
    cells["horizon"]["outputs"] += [new_output("stream", name="stderr", text=["Careful!\n"])]


def out_of_order(notebook, cells):
    cells["horizon"]["execution_count"], cells["glued"]["execution_count"] = 3, 2


def not_fresh(notebook, cells):
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] += 1


def not_run(notebook, cells):
    cells["figure"].update(execution_count=None, outputs=[])


def semicolon(notebook, cells):
    cells["horizon"]["source"] += ";"


def code_of(lines, *tags):
    """A change that gives a cell so many lines of code, which do nothing, and tags."""

    def lengthen(notebook, cells):
        cells["horizon"]["source"] = "\n".join(["pass"] * lines).splitlines(keepends=True)
        cells["horizon"]["metadata"] = {"tags": list(tags)} if tags else {}

    return lengthen


def no_parameters(notebook, cells):
    cells["parameters"]["metadata"] = {}


def two_parameters(notebook, cells):
    cells["glued"]["metadata"] = {"tags": ["parameters"]}


def parameters_in_prose(notebook, cells):
    cells["title"]["metadata"] = {"tags": ["parameters"]}
    cells["parameters"]["metadata"] = {}


def no_alt(notebook, cells):
    cells["figure"]["metadata"] = {}


def blank_alt(notebook, cells):
    cells["figure"]["metadata"]["mystnb"]["image"]["alt"] = " "


def caption_for_alt(notebook, cells):
    cells["figure"]["metadata"] = {"mystnb": {"figure": {"caption": "A line", "name": "fig-line"}}}


def figure_data(cells):
    return next(output["data"] for output in cells["figure"]["outputs"] if "image/png" in output["data"])


def large_image(notebook, cells):
    figure_data(cells)["image/png"] = base64.b64encode(bytes(100_001)).decode()


def large_drawing(notebook, cells):
    figure_data(cells)["image/svg+xml"] = "<svg>" + " " * 100_000 + "</svg>"


def glued_image(notebook, cells):
    data = figure_data(cells)
    data["application/papermill.record/image/png"] = data.pop("image/png")


def glued_again(notebook, cells):
    cells["figure"]["outputs"].append(cells["glued"]["outputs"][0])


def editor_metadata(notebook, cells):
    notebook["metadata"]["language_info"]["version"] = "3.11.2"


def invalid_id(notebook, cells):
    cells["horizon"]["id"] = "not valid!"


def repeated_id(notebook, cells):
    cells["glued"]["id"] = "horizon"


def no_notebook(notebook, cells):
    notebook["nbformat"] = 3


@pytest.mark.parametrize(
    ("change", "offense"),
    [
        (error, "cell 3 (horizon): error output: ValueError: no"),
        (standard_error, "cell 3 (horizon): text on standard error"),
        (out_of_order, "cell 3 (horizon): execution count 3, expected 2"),
        (not_fresh, "cell 2 (parameters): execution count 2, expected 1"),
        (not_run, "cell 5 (figure): execution count None, expected 4"),
        (semicolon, "cell 3 (horizon): ends in `;`"),
        (code_of(16), "cell 3 (horizon): 16 visible lines, at most 15 are allowed"),
        (code_of(16, "hide-output"), "cell 3 (horizon): 16 visible lines, at most 15 are allowed"),
        (code_of(41), "cell 3 (horizon): 41 lines, at most 40 are allowed"),
        (code_of(41, "hide-cell"), "cell 3 (horizon): 41 lines, at most 40 are allowed"),
        (code_of(41, "remove-input"), "cell 3 (horizon): 41 lines, at most 40 are allowed"),
        (no_parameters, "0 cells tagged `parameters`"),
        (two_parameters, "2 cells tagged `parameters`"),
        (parameters_in_prose, "cell 1 (title): tagged `parameters`, but it is not a code cell"),
        (no_alt, "cell 5 (figure): image without alt text"),
        (blank_alt, "cell 5 (figure): image without alt text"),
        (caption_for_alt, "cell 5 (figure): image without alt text"),
        (large_image, "cell 5 (figure): image/png of 100 kB"),
        (large_drawing, "cell 5 (figure): image/svg+xml of 100 kB"),
        (glued_image, "cell 5 (figure): glued image"),
        (glued_again, "cell 5 (figure): glues 'horizon' again, after cell 4 (glued)"),
        (editor_metadata, "not in normal form"),
        (invalid_id, "not in normal form"),
        (repeated_id, "not in normal form"),
        (no_notebook, "not a readable notebook"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_offense_is_refused(check, edited, change, offense):
    path = edited(change)
    result = check(path)
    assert result.exit_code == 1
    assert f"{path}: {offense}" in result.stdout


@pytest.mark.parametrize(
    "change",
    [code_of(15), *(code_of(40, tag) for tag in ("hide-cell", "hide-input", "remove-cell", "remove-input"))],
)
def test_a_cell_of_the_greatest_length_passes(check, edited, change):
    assert check(edited(change)).exit_code == 0


def test_garbage_and_nothing_are_refused(check, tmp_path):
    garbage = tmp_path / "garbage.ipynb"
    garbage.write_text('{"cells": [')
    assert "not a readable notebook" in check(garbage).stdout
    garbage.unlink()
    assert check(tmp_path).exit_code == 2  # no notebook at all is no pass


def test_run_leaves_a_failing_notebook_alone(tool, edited):
    def fail(notebook, cells):
        cells["horizon"]["source"] = "1 / 0"

    path = edited(fail)
    before = path.read_bytes()
    result = tool("run", path)
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stdout
    assert path.read_bytes() == before


@pytest.mark.slow
def test_run_shows_standard_error_and_does_not_store_it(tool, edited):
    def warn(notebook, cells):
        cells["parameters"]["source"] = "import warnings\nwarnings.warn('Careful!')\nbase = 10_000"

    path = edited(warn)
    result = tool("run", path)
    assert result.returncode == 1
    assert "Careful!" in result.stderr
    assert '"stderr"' not in path.read_text(encoding="utf-8")


def nbval(path: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider"]
    command += ["--rootdir", path.parent, path]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=path.parent)


def corrupt_print(notebook, cells):
    cells["horizon"]["outputs"][0]["text"] = ["horizon\n", "62833\n"]


def corrupt_glue(notebook, cells):
    cells["glued"]["outputs"][0]["data"]["application/papermill.record/text/plain"] = "62831.8"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "failed"),
    [(lambda *_: None, 0), (corrupt_print, 1), (corrupt_glue, 1)],
    ids=["unchanged", "printed", "glued"],
)
def test_nbval_sees_a_corrupted_number(edited, change, failed):
    """One changed digit in a stored output, printed or glued, fails the comparison; else all pass."""
    result = nbval(edited(change))
    assert result.returncode == failed, result.stdout
    expected = "1 failed, 3 passed" if failed else "4 passed"
    assert expected in result.stdout.splitlines()[-1]


@pytest.mark.slow
def test_nbval_sees_a_corrupted_number_in_a_chapter_of_the_book(root, tmp_path):
    """The same on a copy of a real chapter: the first digit that it stores in a table is changed."""
    chapter = json.loads((root / "notebooks" / "03_dc_stability.ipynb").read_text(encoding="utf-8"))
    stored = next(
        output["data"]
        for cell in chapter["cells"]
        for output in cell.get("outputs", [])
        if "text/markdown" in output.get("data", {})
    )
    text = "".join(stored["text/markdown"])
    stored["text/markdown"] = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), text, count=1)
    path = tmp_path / "chapter.ipynb"
    path.write_text(json.dumps(chapter), encoding="utf-8")
    result = nbval(path)
    assert result.returncode == 1, result.stdout
    assert "1 failed" in result.stdout.splitlines()[-1]
