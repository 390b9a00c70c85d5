"""tools/classroom.py: what the zips for a class hold, and that the students' runs with nothing else."""

import importlib
import subprocess
import sys
import zipfile

import nbformat
import pytest
from click.testing import CliRunner

RUNS_THE_CODE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import rope_lib
assert rope_lib.__file__.startswith(sys.argv[1]), rope_lib.__file__
namespace = {}
for cell in json.load(open(sys.argv[2]))["cells"]:
    if cell["cell_type"] == "code":
        try:
            exec("".join(cell["source"]), namespace)
        except NotImplementedError as error:
            print(f"not written: {error}")
"""


@pytest.fixture
def classroom(monkeypatch, root):
    monkeypatch.syspath_prepend(root / "tools")
    return importlib.import_module("classroom")


@pytest.fixture
def without_a_wheel(classroom, monkeypatch):
    def tiny_wheel(root, folder):
        (folder / "a-1-py3-none-any.whl").write_bytes(b"")
        return folder / "a-1-py3-none-any.whl"

    monkeypatch.setattr(classroom, "build_wheel", tiny_wheel)


def names(file):
    with zipfile.ZipFile(file) as archive:
        return {name.partition("/")[2] for name in archive.namelist()}


def test_three_zips_and_no_solution_in_the_students(classroom, without_a_wheel, tmp_path):
    done = CliRunner().invoke(classroom.main, ["01_oscillator_bank", "--to", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert names(tmp_path / "rope-exercises.zip") == {
        "README.md", "LICENSE", "requirements.txt", "a-1-py3-none-any.whl",
        "exercises/01_oscillator_bank.ipynb",
    }  # fmt: skip
    assert "solutions/01_oscillator_bank.ipynb" in names(tmp_path / "rope-solutions.zip")
    assert "source/01_oscillator_bank/01_oscillator_bank.ipynb" in names(tmp_path / "rope-nbgrader.zip")
    [sheet] = classroom.sheets(("01_oscillator_bank",))
    with zipfile.ZipFile(tmp_path / "rope-exercises.zip") as archive:
        text = archive.read("rope-exercises/exercises/01_oscillator_bank.ipynb").decode()
    handed_out = "\n".join(cell.source for cell in nbformat.reads(text, 4).cells)
    assert not [item.label for item in sheet.exercises if item.answer.text.splitlines()[0] in handed_out]


def test_a_chapter_without_exercises_is_refused_in_one_line(classroom, tmp_path):
    done = CliRunner().invoke(classroom.main, ["99_nowhere", "--to", str(tmp_path)])
    assert done.exit_code == 1
    assert done.output.startswith("Error: CHAPTER must be one of 01_oscillator_bank, ")
    assert done.output.endswith("got '99_nowhere'\n")


@pytest.mark.slow
def test_the_students_zip_runs_in_an_empty_folder(classroom, tmp_path):
    done = CliRunner().invoke(classroom.main, ["01_oscillator_bank", "--to", str(tmp_path)])
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(tmp_path / "rope-exercises.zip") as archive:
        archive.extractall(tmp_path)
    [wheel] = (tmp_path / "rope-exercises").glob("*.whl")
    with zipfile.ZipFile(wheel) as library:
        library.extractall(tmp_path / "installed")
        assert any(name.endswith(".parquet") for name in library.namelist())
    (tmp_path / "empty").mkdir()
    notebook = tmp_path / "rope-exercises" / "exercises" / "01_oscillator_bank.ipynb"
    command = [sys.executable, "-I", "-c", RUNS_THE_CODE, str(tmp_path / "installed"), str(notebook)]
    run = subprocess.run(command, cwd=tmp_path / "empty", capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("not written: Hint: ") == 2
