"""The tables of all cells of a grid, joined: a column for each axis, then the columns of the tables."""

from pathlib import Path

import pandas as pd

from .grid import Grid
from .store import JsonObject, Tables, digest, read_provenance, read_tables
from .sweep import entry_of

CELLS = "cells"

_MADE = ("seconds", "utc", "processor", "accelerator", "threads")


def collect(folder: str | Path, grid: Grid) -> Tables:
    """The tables of the finished cells of `grid` in `folder`, joined, by name.

    Each table has a column for every axis, in the order of the grid, and then its own columns; its rows are
    in the order of the cells. The table `cells` has one row for each cell of the grid: its axes, its digest
    as `cell`, whether it is `finished`, and for a finished one the `seconds` it took, `utc`, `processor`,
    `accelerator`, `threads` and a digest of its `inputs`, which differs for results of different code.

    Raises ValueError for a damaged entry, or for tables that have an axis among their own columns.
    """
    parts: dict[str, list[pd.DataFrame]] = {}
    rows: list[JsonObject] = []
    for cell in grid.cells:
        entry = entry_of(folder, cell)
        point = {axis: cell.point.get(axis) for axis in grid.axes}
        named = point | {"cell": cell.digest}
        try:
            made = read_provenance(entry)
        except FileNotFoundError:
            rows.append(named | {"finished": False})
            continue
        inputs = made.get("inputs")
        if not isinstance(inputs, dict):
            raise ValueError(f"{entry}: must be as a sweep wrote it, but its inputs are {inputs!r}")
        given = {name: value for name, value in inputs.items() if name != "cell"}
        rows.append(named | made | {"finished": True, "inputs": digest(given)})
        for name, frame in read_tables(entry).items():
            parts.setdefault(name, []).append(_placed(name, frame, point))
    joined = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    columns = [*grid.axes, "cell", "finished", *_MADE, "inputs"]
    return {CELLS: pd.DataFrame(rows, columns=columns), **joined}


def _placed(name: str, frame: pd.DataFrame, point: JsonObject) -> pd.DataFrame:
    """A table of one cell with a column for each axis."""
    if name == CELLS:
        raise ValueError(f"a cell must not return a table {CELLS!r}, which is the table about the cells")
    taken = [axis for axis in point if axis in frame.columns]
    if taken:
        raise ValueError(f"table {name!r} must not have a column {taken[0]!r}, which is an axis of the grid")
    places = pd.DataFrame({axis: [value] * len(frame) for axis, value in point.items()}, index=frame.index)
    return pd.concat([places, frame], axis=1)
