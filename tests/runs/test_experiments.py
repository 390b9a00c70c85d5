"""What computes a cell of a grid of experiments: one run, on the device that the cell names."""

import pandas as pd
import pytest

from rope_lib.train.config import Config
from rope_lib.train.run import run, run_cell

TINY = {
    "model": {"layers": 1, "width": 8, "heads": 1, "head_dim": 4},
    "task": {"name": "recall", "parameters": {"pairs": 2, "queries": 1}},
    "training": {"steps": 2, "batch": 2, "length": 16},
    "evaluation": {"lengths": [16], "examples": 2, "geometry": 1},
}


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
