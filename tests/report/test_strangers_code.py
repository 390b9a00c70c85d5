"""No command runs a file of the folder that it is started in, of the model's folder, or of the output's."""

import os
import shutil
import subprocess
import sys

import pytest
from strangers import QUICK, SLOW, command_in, importable, left, plant, stranger_folder

from rope_lib.runs.children import children_inherit


@pytest.fixture(scope="module")
def planted(saved, tmp_path_factory):
    """A stranger's folder with a model, a text and experiments, where all is written too; the marks."""
    scratch = tmp_path_factory.mktemp("stranger")
    return stranger_folder(scratch / "folder", scratch / "marks", saved("llama")), scratch / "marks"


def test_every_name_that_this_process_imported_is_planted():
    imported = {name.partition(".")[0] for name in sys.modules}
    assert {"torch", "transformers", "json", "rope_lib"} <= imported & set(importable())


@pytest.mark.parametrize("how", [["-m", "json.tool", "-h"], ["-c", "import json, queue, numpy"]])
def test_a_python_that_is_started_imports_nothing_of_the_current_folder(how, tmp_path, monkeypatch):
    plant(tmp_path / "folder", tmp_path / "marks", ["json", "queue", "numpy", "startup"])
    monkeypatch.chdir(tmp_path / "folder")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "nowhere", ""]))  # an empty entry is that folder
    command = [sys.executable, *how]
    subprocess.run(command, capture_output=True, check=False)
    assert left(tmp_path / "marks")  # the attack works
    shutil.rmtree(tmp_path / "marks")
    (tmp_path / "marks").mkdir()
    with children_inherit({}):
        assert os.environ["PYTHONPATH"] == str(tmp_path / "folder" / "nowhere")
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, left(tmp_path / "marks")) == (0, []), run.stderr
    assert os.environ["PYTHONPATH"] == os.pathsep.join(["", "nowhere", ""])


@pytest.mark.parametrize(("options", "status"), [(["-m"], 2), (["-P", "-m"], 0)], ids=["m", "P-m"])
def test_python_m_runs_nothing_of_its_folder_or_tells_how_to(options, status, tmp_path, root):
    """Python imports `types` and more from there before the library can say anything: no habit to teach."""
    plant(tmp_path / "folder", tmp_path / "marks", ["click", "json", "numpy", "signal"])
    ended = subprocess.run(
        [sys.executable, *options, "rope_lib", "bounds", "--context", "8192"], cwd=tmp_path / "folder",
        env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (ended.returncode, left(tmp_path / "marks")) == (status, []), ended.stderr
    assert ended.stderr.count("\n") == (status != 0)


@pytest.mark.parametrize(
    "arguments",
    [
        *(pytest.param(each, id=name) for name, each in QUICK.items()),
        *(pytest.param(each, id=name, marks=pytest.mark.slow) for name, each in SLOW.items()),
    ],
)
def test_no_command_runs_a_file_of_its_folder(arguments, planted, root, tmp_path):
    folder, marks = planted
    run = command_in(folder, *arguments, root=root, scratch=tmp_path)
    assert (run.returncode, left(marks)) == (0, []), run.stderr
