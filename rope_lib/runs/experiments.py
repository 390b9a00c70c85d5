"""Controlled experiments: a grid file, what computes its cells, and the tables that they make."""

import importlib.metadata
import platform
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from pathlib import Path

from .collect import CELLS, collect
from .grid import SIZES, Grid, read_grid
from .mark import check_elsewhere, check_replaceable, output_folder
from .source import modules_sha256
from .store import JsonObject, circumstances, save_tables
from .sweep import Swept, outdated, run_cells


@dataclass(frozen=True)
class Kind:
    """A kind of experiment: what computes a cell, and what else determines its result.

    `compute` is the "module:function" that `run_cells` calls for each cell; `sources` are the folders of this
    library whose modules count where it imports them, `versions` the packages.

    >>> sorted(KINDS["train"].inputs())
    ['compute', 'source_sha256', 'versions']
    """

    compute: str
    sources: tuple[str, ...]
    versions: tuple[str, ...] = ("rope-lib", "numpy", "torch")

    def inputs(self) -> JsonObject:
        """What determines a result besides the values of its cell; Python brings texts that models learn."""
        versions = {name: importlib.metadata.version(name) for name in self.versions}
        return {
            "compute": self.compute,
            "versions": versions | {"python": platform.python_version()},
            "source_sha256": modules_sha256([self.compute.partition(":")[0]], self.sources),
        }


# What a grid file may name as its `kind`. Names alone: nothing in this package imports what it runs.
KINDS = {"train": Kind("rope_lib.train.run:run_cell", sources=("theory", "train"))}


def run_grid(
    path: str | Path,
    *,
    size: str = "default",
    scheduler: str | None = None,
    workers: int | None = None,
    out: str | Path | None = None,
    force: bool = False,
    done: Container[str] = (),
    say: Callable[[str], object] = print,
) -> tuple[Path, Swept]:
    """Compute the cells of a grid file that are missing, and join the tables of all cells in `out`/`size`.

    Cells whose digest is in `done` are left out, as if the grid did not have them.

    `out` is by default `rope-sweep-<name of the file>` in the current folder; the other arguments are those
    of `run_cells`. Returns the folder of the joined tables, see `collect`, and a `Swept`.

    Raises ValueError or OSError, in one line, for a grid that cannot be read or run, for a folder `out` that
    is no sweep's or an `out`/`size` that holds anything but what a sweep wrote, and as `run_cells` does. With
    `force`, `out` is taken all the same, and `out`/`size` is kept as `out`/`<size>.old`.
    """
    grid = read_grid(path, size)
    kind = kind_of(grid, path)
    grid = replace(grid, cells=tuple(cell for cell in grid.cells if cell.digest not in done))
    inputs = kind.inputs()
    out = output_folder(out, f"rope-sweep-{grid.name}")
    check_elsewhere(out / size)
    if not force:
        _check_sweep(out)
        check_replaceable(out / size, "sweep")
    old = outdated(grid.cells, out, inputs)
    if old:
        say(f"{len(old)} of {len(grid.cells)} cells came from other code or versions and are computed again.")
    swept = run_cells(
        grid.cells, kind.compute, out, inputs=inputs, scheduler=scheduler, workers=workers,
        resources=grid.resources, say=say,
    )  # fmt: skip
    finished = save_collected(path, grid, inputs, out)
    say(
        f"{grid.name}, {size}: {finished} of {len(grid.cells)} cells finished, {len(swept.computed)} of them "
        f"now, {len(swept.failed)} failed."
    )
    return out / size, swept


def kind_of(grid: Grid, path: str | Path) -> Kind:
    """What computes the cells of a grid; ValueError for a kind that is not known."""
    if grid.kind not in KINDS:
        raise ValueError(f"{path}: kind must be one of {', '.join(KINDS)}, got {grid.kind!r}")
    return KINDS[grid.kind]


def save_collected(path: str | Path, grid: Grid, inputs: JsonObject, out: Path) -> int:
    """Join the tables of the finished cells of a grid in `out`/its size: how many those are."""
    tables = collect(out, grid)
    finished = int(tables[CELLS]["finished"].sum())
    provenance = {
        "name": "sweep",
        "inputs": {"grid": Path(path).read_text(encoding="utf-8"), "size": grid.size, **inputs},
        "cells": len(grid.cells),
        "finished": finished,
    }
    save_tables(out / grid.size, tables, provenance | circumstances())
    return finished


def _check_sweep(out: Path) -> None:
    """Raise FileExistsError for a folder with contents, none of which a sweep makes."""
    names = sorted(path.name for path in out.iterdir()) if out.exists() else []
    if names and not any((out / name).is_dir() for name in ("cells", *SIZES)):
        raise FileExistsError(
            f"out must be a new folder or that of a sweep, but {out} holds {names[0]}: "
            "name another folder, or add --force to write into this one"
        )
