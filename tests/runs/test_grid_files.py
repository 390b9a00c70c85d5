"""Grid files: which cells, in which order, by which names; and the errors of a file that is wrong."""

import time

import pandas as pd
import pytest

from rope_lib.runs.collect import collect
from rope_lib.runs.grid import Cell, make_grid, read_grid
from rope_lib.runs.store import save_tables
from rope_lib.runs.sweep import entry_of

GRID = """
about = "Which bound predicts failure?"
kind = "train"

[fixed]
spectrum.scaling = "default"
training.steps = 600
model.layers = 2

[axes]
spectrum.base = [4, 1e4]
training.length = [128, 256]
seed = [0, 1]

[[exclude]]
spectrum.base = 4
training.length = 256

[default]
fixed.training.steps = 300

[full]
axes.training.length = [128, 256, 512]
axes.model.layers = [1, 2]
resources.GPU = 0.25

[[full.exclude]]
model.layers = 1
seed = 1
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "bases.toml"
    path.write_text(GRID)
    return path


def test_the_product_of_the_axes_less_what_is_excluded(file):
    grid = read_grid(file)
    assert (grid.name, grid.kind, grid.size, grid.resources) == ("bases", "train", "default", {})
    assert grid.axes == ("spectrum.base", "training.length", "seed")
    assert [tuple(cell.point.values()) for cell in grid.cells] == [
        (4, 128, 0), (4, 128, 1), (1e4, 128, 0), (1e4, 128, 1), (1e4, 256, 0), (1e4, 256, 1),
    ]  # fmt: skip
    assert grid.cells[0].values == {
        "spectrum": {"scaling": "default", "base": 4},
        "training": {"steps": 300, "length": 128},
        "model": {"layers": 2},
        "seed": 0,
    }
    assert str(grid.cells[0]) == "spectrum.base=4 training.length=128 seed=0"


def test_another_size_replaces_axes_in_their_place_and_makes_fixed_values_vary(file):
    grid = read_grid(file, "full")
    assert grid.axes == ("spectrum.base", "training.length", "seed", "model.layers")
    assert {cell.point["training.length"] for cell in grid.cells} == {128, 256, 512}
    assert {cell.values["training"]["steps"] for cell in grid.cells} == {600}
    assert len(grid.cells) == (2 * 3 - 1) * 3  # of the four pairs of seed and layers, one is excluded
    assert grid.resources == {"GPU": 0.25}


def test_a_cell_that_two_sizes_share_has_one_digest(file):
    file.write_text(GRID.replace("fixed.training.steps = 300", "fixed.training.steps = 600"))
    default, full = ({cell.digest for cell in read_grid(file, size).cells} for size in ("default", "full"))
    assert default < full


def test_values_vary_together():
    shapes = [{"model": {"layers": 1, "width": 64}}, {"model": {"layers": 2}}]
    fixed = {"model": {"heads": 4}}
    grid = make_grid({"kind": "k", "fixed": fixed, "together": {"shape": shapes}, "axes": {"seed": [0, 1]}})
    assert [cell.point for cell in grid.cells][1:3] == [
        {"model.layers": 1, "model.width": 64, "seed": 1},
        {"model.layers": 2, "seed": 0},
    ]
    assert grid.cells[2].values == {"model": {"heads": 4, "layers": 2}, "seed": 0}


def test_an_axis_of_tables_sets_what_is_in_them():
    spectra = [{"scaling": "yarn", "factor": 2}, {"scaling": "none"}]
    grid = make_grid({"kind": "k", "fixed": {"spectrum": {"base": 100}}, "axes": {"spectrum": spectra}})
    assert grid.axes == ("spectrum.scaling", "spectrum.factor")
    assert [cell.values["spectrum"] for cell in grid.cells] == [
        {"base": 100, "scaling": "yarn", "factor": 2},
        {"base": 100, "scaling": "none"},
    ]


def test_a_size_may_fix_an_axis():
    document = {"kind": "k", "axes": {"a": [1, 2], "b": [1, 2]}, "default": {"fixed": {"a": 3}}}
    assert [cell.values for cell in make_grid(document).cells] == [{"a": 3, "b": 1}, {"a": 3, "b": 2}]


def test_a_grid_without_axes_is_one_cell():
    grid = make_grid({"kind": "k", "fixed": {"a": 1}})
    assert [cell.values for cell in grid.cells] == [{"a": 1}]
    assert str(grid.cells[0]) == "the only cell"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("kind = ", "Invalid value (at end of document)"),
        ("", "kind must be a string, got None"),
        ("kind = 3", "kind must be a string, got 3"),
        ("axis.x = [1]", "the grid must have keys among about, kind, fixed, axes, together, exclude, "
         "resources, default, full, got 'axis'"),
        ("full.x = 1", "full must have keys among fixed, axes, together, exclude, resources, got 'x'"),
        ("full = 1", "full must be a table, got 1"),
        ("fixed = 1", "fixed must be a table, got 1"),
        ("fixed.a = {}", "fixed.a must set something, got an empty table"),
        ("fixed.a = nan", "fixed.a must be a value that JSON can hold, got nan"),
        ("fixed.a = 2026-01-01", "fixed.a must be a value that JSON can hold, got 2026-01-01"),
        ("axes.a.b = 1", "axes.a.b must be a list of values, got 1"),
        ("axes.a = []", "axes.a must be a list of values, got []"),
        ("axes.a = [1, 2, 1.0]", "axes.a must not repeat a value, got [1, 2, 1.0]"),
        ("axes.a = [{b = 1}, 2]", "axes.a must be a table, got 2"),
        ("axes.a = [1]\nfixed.a = 2", "axes.a must not set a key that is set elsewhere, got a=1"),
        ("axes.a = [1]\nfixed.a.b = 2", "axes.a must not set a key that is set elsewhere, got a=1"),
        ("together = 1", "together must be a table, got 1"),
        ("together.t = [{a = 1}]\naxes.a = [2]", "axes.a must not set a key that is set elsewhere, got a=2"),
        ("together.t = [{a = 1, b = 2}]\nfull.fixed.a = 3",
         "full must set all or none of a, b, which vary together"),
        ("exclude.a = 1", "exclude must be a list of tables, got {'a': 1}"),
        ("axes.a = [1]\nexclude = [{a = 2}]", "exclude must match a cell of the grid, got a=2"),
        ("axes.a = [1]\nexclude = [{a = 1}]", "the grid must have cells, but exclude matches every one"),
        ("fixed.s = 1\naxes.t = [{a = 1}, {a = 1, b = 2}]\nfull.fixed.t.b = 2",
         "full must set all or none of t.a, t.b, which vary together"),
        ("resources.GPU = 0", "resources.GPU must be a positive number, got 0"),
    ],
)  # fmt: skip
def test_errors_name_the_file_the_key_and_what_was_expected(tmp_path, text, line):
    path = tmp_path / "grid.toml"
    path.write_text(text if text.startswith("kind") or not text else f'kind = "k"\n{text}')
    with pytest.raises(ValueError, match=r"grid\.toml: ") as caught:
        read_grid(path)
    assert str(caught.value) == f"{path}: {line}"


# What comes of it


def test_tables_are_joined_in_the_order_of_the_grid(tmp_path):
    grid = make_grid({"kind": "k", "axes": {"seed": [1, 0], "s": [{"name": "a", "base": 9}, {"name": "b"}]}})
    for cell in reversed(grid.cells[:3]):
        rows = pd.DataFrame({"x": [cell.point["seed"]], "note": [None]})
        save_tables(entry_of(tmp_path, cell), {"t": rows}, {"inputs": {"cell": cell.values}, "seconds": 1.5})
    tables = collect(tmp_path, grid)
    assert tables["t"].columns.tolist() == ["seed", "s.name", "s.base", "x", "note"]
    assert tables["t"].seed.tolist() == tables["t"].x.tolist() == [1, 1, 0]
    assert tables["t"]["s.base"].fillna(-1).tolist() == [9, -1, 9]
    assert tables["cells"].finished.tolist() == [True, True, True, False]
    assert tables["cells"].seconds.fillna(-1).tolist() == [1.5, 1.5, 1.5, -1]
    save_tables(tmp_path / "joined", tables, {})


def test_of_nothing_finished_there_is_the_table_of_cells_alone(tmp_path):
    assert list(collect(tmp_path, make_grid({"kind": "k", "axes": {"x": [1]}}))) == ["cells"]


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        ({"cells": pd.DataFrame({"y": [1]})},
         "a cell must not return a table 'cells', which is the table about the cells"),
        ({"t": pd.DataFrame({"x": [1]})},
         "table 't' must not have a column 'x', which is an axis of the grid"),
    ],
)  # fmt: skip
def test_a_clash_of_names_is_refused(tmp_path, refuses, tables, line):
    grid = make_grid({"kind": "k", "axes": {"x": [1]}})
    save_tables(entry_of(tmp_path, grid.cells[0]), tables, {"inputs": {}})
    refuses(lambda: collect(tmp_path, grid), line)


def test_a_damaged_entry_is_not_joined(tmp_path):
    grid = make_grid({"kind": "k", "axes": {"x": [1]}})
    entry = entry_of(tmp_path, grid.cells[0])
    save_tables(entry, {"t": pd.DataFrame({"y": [1]})}, {"inputs": {}})
    (entry / "t.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match="is damaged"):
        collect(tmp_path, grid)
    for provenance in ({}, {"inputs": 1}, {"inputs": None}):
        save_tables(entry, {}, provenance)
        with pytest.raises(ValueError, match="must be as a sweep wrote it"):
            collect(tmp_path, grid)


def test_a_cell_is_named_by_its_values_alone():
    assert Cell({"a": 1}, {}).digest == Cell({"a": 1}, {"a": 1}).digest != Cell({"a": 2}, {}).digest


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"axes": {name: [*range(1000)] for name in "abc"}}, "at most 100,000 cells, got 1,000,000,000"),
        ({"axes": {"a": [*range(1_000_000)]}}, "at most 100,000 cells, got 1,000,000"),
        (
            {"axes": {"a": [*range(100_000)]}, "fixed": {f"k{index}": index for index in range(20_000)}},
            "the grid must have at most 2,000,000 values in all its cells, those to exclude included, "
            "got 2,000,100,000",
        ),
        (
            {"axes": {"a": [*range(1000)]}, "exclude": [{"a": index} for index in range(10_000)]},
            "the grid must have at most 2,000,000 values in all its cells, those to exclude included, "
            "got 10,001,000",
        ),
    ],
    ids=["product", "axis", "values", "excluded"],
)
def test_cells_are_counted_before_they_are_made(document, says):
    started = time.perf_counter()
    with pytest.raises(ValueError, match="must have at most") as caught:
        make_grid({"kind": "train", **document})
    assert says in str(caught.value)
    assert time.perf_counter() - started < 5


def test_as_many_cells_as_are_allowed_are_made_in_time():
    started = time.perf_counter()
    grid = make_grid({"kind": "train", "axes": {"a": [*range(50_000)], "b": {"c": [1, 2]}}})
    assert len(grid.cells) == 100_000
    assert grid.axes is grid.axes
    assert time.perf_counter() - started < 5


def test_deep_and_large_files_are_refused(tmp_path):
    path = tmp_path / "deep.toml"
    for text, says in [
        (f"a = {'{a = ' * 50_000}", "must not be nested too deeply"),
        (f"[{'a.' * 100_000}a]", "names must have at most 64 keys joined by dots"),
        (f"[{'a . ' * 100_000}a]", "names must have at most 64 keys joined by dots"),
        (f"""[{'"a".' * 100_000}a]""", "names must have at most 64 keys joined by dots"),
        ("a = '" + "b" * 1_000_000 + "'", "must have keys among about"),
        ("\n" * 1_100_000, "at most 1,048,576 bytes"),
    ]:
        path.write_text(text)
        started = time.perf_counter()
        with pytest.raises(ValueError, match=says):
            read_grid(path)
        assert time.perf_counter() - started < 5
