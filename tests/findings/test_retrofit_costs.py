"""What a retrofit costs within the trained length: the numbers, and the table that the command reads."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from rope_lib.findings.kept import kept
from rope_lib.findings.retrofit_costs import METHODS, costs
from rope_lib.models.retrofit_costs import retrofit_costs, scope_of_costs

ROOT = Path(__file__).parents[2]


def test_losses_inside_and_beyond_are_means_of_their_bins():
    rows = [
        {"intervention": name, "first": first, "nll": nll}
        for name, values in {
            "unchanged": [1.0, 2.0, 5.0, 7.0, 100.0, 100.0],
            **{method: [1.5, 2.5, 3.0, 5.0] for method in METHODS},
        }.items()
        for first, nll in zip(range(0, 768, 128), values, strict=False)
    ]
    found = costs(pd.DataFrame(rows), trained=256)
    assert found.index.tolist() == list(METHODS)
    assert found.loc["ntk"].to_dict() == {
        "stretch": 2.0, "inside": 2.0, "inside_before": 1.5, "beyond": 4.0, "beyond_before": 6.0,
    }  # fmt: skip


def test_the_table_is_what_the_kept_results_say():
    spec = importlib.util.spec_from_file_location("retrofit_costs", ROOT / "tools" / "retrofit_costs.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    table = pd.read_csv(ROOT / "rope_lib" / "models" / "retrofit_costs.csv")
    pd.testing.assert_frame_equal(table, tool.table(), check_dtype=False)


def test_the_rows_name_what_was_measured():
    (model,) = {one.model for one in retrofit_costs()}
    assert model == kept("interventions")[1]["inputs"]["model"]
    assert {one.stretch for one in retrofit_costs()} == {2.0, 8.0}
    assert all(one.cost == pytest.approx(one.inside - one.inside_before) for one in retrofit_costs())
    assert "one model" in scope_of_costs()
