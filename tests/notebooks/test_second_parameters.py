"""Every notebook runs with other parameters than its own, and refuses a bad one in one clear line."""

import ast
import tomllib
from pathlib import Path

import papermill
import pytest
from extensions import extension

from rope_lib.parameters import WRONG, ParameterError

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECOND = tomllib.loads(Path(__file__).with_name("second_parameters.toml").read_text(encoding="utf-8"))

every_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def table():
    return extension(ROOT, "parameter_table")


def begun(table, notebook: Path, **changed: object) -> None:
    """Execute a notebook's parameters, then others as papermill injects them, then its checks."""
    parameters, checks = table.opening(notebook)
    values: dict[str, object] = {}
    exec(parameters, values)
    exec(checks, values | changed)


def bad_values(default: object) -> list[object]:
    """Values of other types than a parameter's, and of its type but beyond any range."""
    if isinstance(default, bool):
        return ["yes", 1]
    if isinstance(default, int | float):
        return [-1, float("nan"), "many", None, True]
    return ["", -1, [-1], [""], {}] + (["nonsense"] if isinstance(default, list) else [])


@every_notebook
def test_every_parameter_has_a_second_value_in_its_range(table, notebook):
    defaults = {each.name: ast.unparse(ast.parse(each.default)) for each in table.parameters_of(notebook)}
    second = SECOND[notebook.stem]
    assert second.keys() == defaults.keys()
    same = [name for name, written in defaults.items() if eval(written) == second[name]]
    assert same == []
    begun(table, notebook, **second)


def test_no_set_is_left_over():
    assert SECOND.keys() == {path.stem for path in NOTEBOOKS}


@every_notebook
def test_a_bad_value_of_any_parameter_ends_in_one_line(table, notebook):
    found = table.parameters_of(notebook)
    without = [each.name for each in found if not each.allowed]
    assert without == []
    for each in found:
        for value in bad_values(eval(each.default)) if each.allowed else ():
            with pytest.raises(ParameterError) as caught:
                begun(table, notebook, **{each.name: value})
            message = str(caught.value)
            assert message.startswith(f"{each.name} must be ")
            assert message.endswith(f", got {value!r}")
            assert "\n" not in message


@every_notebook
def test_every_parameter_is_explained(table, notebook):
    unexplained = [each.name for each in table.parameters_of(notebook) if not each.meaning]
    assert unexplained == []


def test_at_the_defaults_no_notebook_contradicts_its_text():
    assert [path.stem for path in NOTEBOOKS if WRONG in path.read_text(encoding="utf-8")] == []


def executed(notebook: Path, folder: Path, parameters: dict[str, object]):
    return papermill.execute_notebook(
        notebook,
        folder / notebook.name,
        parameters=parameters,
        kernel_name="python3",
        progress_bar=False,
        iopub_timeout=60,  # seconds that a cell's output may be late on a busy machine, in place of 4
        cwd=notebook.parent,
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_papermill_shows_the_line_and_no_traceback(tmp_path):
    notebook = ROOT / "notebooks" / "01_oscillator_bank.ipynb"
    with pytest.raises(papermill.PapermillExecutionError) as caught:
        executed(notebook, tmp_path, {"head_dim": 7})
    line = "ParameterError: head_dim must be an even number from 16 to 1,024, got 7"
    assert caught.value.traceback == [line]


@pytest.mark.rerun
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@every_notebook
def test_a_notebook_runs_with_its_second_parameters(notebook, tmp_path):
    run = executed(notebook, tmp_path, SECOND[notebook.stem])
    assert all(cell.execution_count for cell in run.cells if cell.cell_type == "code" and cell.source)
