"""The grids of experiments are configs that can be run, and what is kept of them is what they would give."""

import os
import subprocess
import sys
import tomllib

import pandas as pd
import pytest

from rope_lib.findings.kept import RESULTS, kept
from rope_lib.runs.experiments import KINDS
from rope_lib.runs.grid import make_grid, read_grid
from rope_lib.runs.store import read_provenance
from rope_lib.train.config import Config
from rope_lib.train.run import run, run_cell

GRIDS = ("spectra", "ablations", "precision", "which_bound", "which_bound_longer", "better", "next_byte")
KEPT = [name for name in GRIDS if (RESULTS / name).exists()]
TINY = {
    "model": {"layers": 1, "width": 8, "heads": 1, "head_dim": 4},
    "task": {"name": "recall", "parameters": {"pairs": 2, "queries": 1}},
    "training": {"steps": 2, "batch": 2, "length": 16},
    "evaluation": {"lengths": [16], "examples": 2, "geometry": 1},
}


@pytest.mark.parametrize("size", ["default", "full"])
@pytest.mark.parametrize("name", GRIDS)
def test_the_cells_of_a_grid_can_be_run(root, name, size):
    grid = read_grid(root / "experiments" / f"{name}.toml", size)
    assert grid.kind in KINDS
    chosen = grid.cells[:: max(1, len(grid.cells) // 24)]  # a thousand cells differ little in what they hold
    for cell in chosen:
        config = Config.from_dict({key: value for key, value in cell.values.items() if key != "device"})
        assert config.training.length in config.evaluation.lengths
    assert {cell.values.get("device") for cell in grid.cells} == ({None} if size == "default" else {"cuda"})


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_belongs_to_the_grid_that_is_here(root, name):
    now = read_grid(root / "experiments" / f"{name}.toml")
    made = read_provenance(RESULTS / name)
    then = make_grid(tomllib.loads(made["inputs"]["grid"]))
    assert [cell.digest for cell in then.cells] == [cell.digest for cell in now.cells]
    assert made["command"] == f"python tools/experiments.py {name}"
    cells = kept(name)[0]["cells"]
    assert len(cells) == len(now.cells)
    assert cells.finished.all()
    assert cells.inputs.nunique() == 1  # one code and one set of versions made them all


def test_the_readme_of_results_names_every_one():
    assert {"spectra", "ablations"} <= set(KEPT)
    readme = (RESULTS / "README.md").read_text()
    for name in KEPT:
        assert f"| `{name}` | `python tools/experiments.py {name}` |" in readme


def test_a_cell_is_a_run_on_the_device_that_it_names(tmp_path):
    config = Config.from_dict(TINY)
    expected = run(config, tmp_path / "run")["summary"]
    pd.testing.assert_frame_equal(run_cell({**TINY, "device": "cpu"}, tmp_path / "cell")["summary"], expected)
    with pytest.raises(
        ValueError, match=r"device must be auto or one that this machine has .*, got 'abacus'"
    ):
        run_cell({**TINY, "device": "abacus"}, tmp_path / "other")


def test_a_cell_leaves_its_values_as_they_were(tmp_path):
    cell = {**TINY, "device": "cpu"}
    run_cell(cell, tmp_path)
    assert cell == {**TINY, "device": "cpu"}


def test_the_tool_refuses_an_unknown_grid(root):
    command = [sys.executable, str(root / "tools" / "experiments.py"), "nothing"]
    environment = os.environ | {"PYTHONPATH": str(root)}
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert found.returncode == 2
    assert "invalid choice: 'nothing'" in found.stderr
