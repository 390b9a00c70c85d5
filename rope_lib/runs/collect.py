"""The tables of all cells of a grid, joined: one column for each axis before those of the tables."""

import pandas as pd

from .store import digest, read_provenance, read_tables
from .sweep import entry_of

CELLS = "cells"

_MADE = ("seconds", "utc", "processor", "accelerator", "threads")


def collect(folder, grid):
    """A dict of DataFrames by name: those that the finished cells of `grid` have in `folder`, in its order.

    Each table has a column for every axis, in the order of the grid, and then its own; its rows are in the
    order of the cells. The table `cells` has one row for each cell of the grid: its axes, whether it is
    `finished`, and of one that is, how long it took, when and on what (`seconds`, `utc`, `processor`,
    `accelerator`, `threads`), and the digest of its `inputs`, by which results of different code are told
    apart.

    Raises ValueError for a damaged entry, or for tables that have an axis among their own columns.
    """
    parts, rows = {}, []
    for cell in grid.cells:
        entry = entry_of(folder, cell)
        point = {axis: cell.point.get(axis) for axis in grid.axes}
        try:
            made = read_provenance(entry)
        except FileNotFoundError:
            rows.append(point | {"finished": False})
            continue
        given = {name: value for name, value in made["inputs"].items() if name != "cell"}
        rows.append(point | made | {"finished": True, "inputs": digest(given)})
        for name, frame in read_tables(entry).items():
            parts.setdefault(name, []).append(_placed(name, frame, point))
    joined = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    columns = [*grid.axes, "finished", *_MADE, "inputs"]
    return {CELLS: pd.DataFrame(rows, columns=columns), **joined}


def _placed(name, frame, point):
    """A table of one cell with the columns that tell which."""
    if name == CELLS:
        raise ValueError(f"tables of a cell must not be called {CELLS!r}, which tells how each cell went")
    taken = [axis for axis in point if axis in frame.columns]
    if taken:
        raise ValueError(f"table {name!r} must not have a column {taken[0]!r}, which is an axis of the grid")
    places = pd.DataFrame({axis: [value] * len(frame) for axis, value in point.items()}, index=frame.index)
    return pd.concat([places, frame], axis=1)
