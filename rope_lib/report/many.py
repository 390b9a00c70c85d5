"""Reports on several models: each is a cell of a sweep, and a folder of its own."""

import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rope_lib.runs.cluster import at_least_one, processors, visible_gpus
from rope_lib.runs.folders import clear, made_if_missing, scratch
from rope_lib.runs.grid import Cell
from rope_lib.runs.mark import check_utf8, output_folder
from rope_lib.runs.sweep import Failure, run_cells

from .source import absolute, check_texts

_SWEEP = ".sweep-"  # begins the name of the folder in which the workers meet


def write_reports(
    sources: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    say: Callable[[str], object] = print,
    **options: Any,
) -> tuple[list[Path], Sequence[Failure]]:
    """Write a report on each of `sources` into a folder of its own within `out`, by default `rope-reports`.

    `options` are those of `report.write.write_report`, the same for all. Without a `scheduler` one process
    measures one model after the other with all cores, unless there are several GPUs or `workers` is given:
    models that are measured side by side share the memory. `say` gets a line for each model that cannot be
    measured. Returns the folders of the reports that were written, and the failures, see `run_cells`. Raises
    ValueError for a model named twice, and as `source.check_texts` for the texts.
    """
    folder = output_folder(out, "rope-reports").absolute()
    for source in sources:
        check_utf8("model", source)
    options["texts"] = [str(place) for place in check_texts(options.get("texts", ()))]
    cells = [
        Cell({"source": absolute(source), "out": str(folder / name), **options}, {"model": str(source)})
        for source, name in zip(sources, folder_names(sources), strict=True)
    ]
    limits: dict[str, Any] = {"scheduler": scheduler, "workers": workers}
    if scheduler is None:
        gpus = visible_gpus() if options.get("device", "auto") in {"auto", "cuda"} else []
        limits["workers"] = at_least_one(max(1, len(gpus)) if workers is None else workers)
        limits["resources"] = {"GPU": 1} if gpus else None
        limits["threads"] = max(1, processors() // limits["workers"])
    with made_if_missing(folder):
        clear(folder, _SWEEP)
        # Nothing of the sweep is kept: the store of measurements knows by content what was measured before.
        with scratch(folder, _SWEEP) as kept:
            swept = run_cells(cells, "rope_lib.report.many:report_cell", kept, say=say, **limits)
    failed = {failure.cell.digest for failure in swept.failed}
    return [Path(cell.values["out"]) for cell in cells if cell.digest not in failed], swept.failed


def report_cell(values: dict[str, Any], _scratch: Path) -> dict[str, pd.DataFrame]:
    """Write one report, on a worker. The folder that it writes is its result; it returns no tables."""
    from .write import write_report

    write_report(values.pop("source"), **values, say=print)
    return {}


def folder_names(sources: Sequence[str | Path]) -> list[str]:
    """A folder name for each model: the last part of its path or id, numbered where names repeat.

    Raises ValueError for a model named twice.

    >>> folder_names(["a/tiny", "b/tiny", "org/other.gguf"])
    ['tiny', 'tiny-2', 'other']
    """
    places = [Path(os.path.realpath(source)) for source in sources]  # of a loop of links too
    names: list[str] = []
    for index, place in enumerate(places):
        if place in places[:index]:
            raise ValueError(f"models must be named once each, got {sources[index]!r} twice")
        name = place.name.removesuffix(".gguf")
        numbered = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
        names.append(next(each for each in numbered if each not in names))
    return names
