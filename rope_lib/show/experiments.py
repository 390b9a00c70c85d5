"""Controlled experiments: a grid file, what computes its cells, and the tables that come of them."""

import importlib.metadata
import platform
from dataclasses import dataclass
from pathlib import Path

from rope_lib.runs.collect import CELLS, collect
from rope_lib.runs.grid import read_grid
from rope_lib.runs.store import circumstances, save_tables, source_sha256
from rope_lib.runs.sweep import outdated, run_cells


@dataclass(frozen=True)
class Kind:
    """A kind of experiment: what computes a cell, and what determines its result beside the cell.

    `compute` is "module:function" of a function of a cell's values and a folder; `sources` are the folders
    of this library that it runs, `versions` the packages.
    """

    compute: str
    sources: tuple[str, ...]
    versions: tuple[str, ...] = ("rope-lib", "numpy", "torch")

    def inputs(self):
        """What determines a result beside the values of its cell. Python brings texts that are learned."""
        versions = {name: importlib.metadata.version(name) for name in self.versions}
        return {
            "compute": self.compute,
            "versions": versions | {"python": platform.python_version()},
            "source_sha256": source_sha256(self.sources),
        }


# What a grid file may name as its `kind`.
KINDS = {"train": Kind("rope_lib.train.run:run_cell", sources=("theory", "train"))}


def run_grid(path, *, size="default", scheduler=None, workers=None, out=None, say=print):
    """Run what is missing of a grid file, and join the tables of its cells in `out`/`size`.

    `out` None is `rope-sweep-<name of the file>` in the current folder. The arguments are otherwise those
    of `run_cells`. Returns the folder of the joined tables, see `collect`, and a `Swept`. Raises ValueError
    or OSError in one line for a grid that is none, and as `run_cells` does.
    """
    grid = read_grid(path, size)
    if grid.kind not in KINDS:
        raise ValueError(f"{path}: kind must be one of {', '.join(KINDS)}, got {grid.kind!r}")
    kind = KINDS[grid.kind]
    inputs = kind.inputs()
    out = Path(f"rope-sweep-{grid.name}" if out is None else out)
    anew = outdated(grid.cells, out, inputs)
    if anew:
        say(f"{len(anew)} of {len(grid.cells)} cells were made by other code or versions, and are made anew.")
    swept = run_cells(
        grid.cells, kind.compute, out, inputs=inputs, scheduler=scheduler, workers=workers,
        resources=grid.resources, say=say,
    )  # fmt: skip
    tables = collect(out, grid)
    finished = int(tables[CELLS]["finished"].sum())
    provenance = {
        "inputs": {"grid": Path(path).read_text(encoding="utf-8"), "size": size, **inputs},
        "cells": len(grid.cells),
        "finished": finished,
    }
    save_tables(out / size, tables, provenance | circumstances())
    say(
        f"{grid.name}, {size}: {finished} of {len(grid.cells)} cells finished, {len(swept.computed)} of them "
        f"now, {len(swept.failed)} failed."
    )
    return out / size, swept
