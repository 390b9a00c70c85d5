"""Reports on several models: each is a cell of a sweep, and a folder of its own."""

import itertools
import tempfile
from pathlib import Path

from rope_lib.runs.cluster import at_least_one, processors, visible_gpus
from rope_lib.runs.grid import Cell
from rope_lib.runs.sweep import run_cells


def write_reports(sources, *, out=None, scheduler=None, workers=None, say=print, **options):
    """Write a report on each of `sources` into a folder of its own within `out`, by default `rope-reports`.

    `options` are those of `report.write_report`, the same for all. Without a `scheduler` one process
    measures them one after the other with all cores, unless there are several GPUs or `workers` are asked
    for: models that are measured side by side share the memory. `say` is told of each that cannot be
    measured, in a line. Returns the folders of the reports that were written, and the failures, see
    `run_cells`. Raises ValueError for a model named twice.
    """
    out = Path("rope-reports" if out is None else out).absolute()
    if options.get("text_file") is not None:
        options["text_file"] = str(Path(options["text_file"]).absolute())
    cells = [
        Cell({"source": _absolute(source), "out": str(out / name), **options}, {"model": str(source)})
        for source, name in zip(sources, folder_names(sources), strict=True)
    ]
    limits = {"scheduler": scheduler, "workers": workers}
    if scheduler is None:
        gpus = visible_gpus() if options.get("device", "auto") in {"auto", "cuda"} else []
        limits["workers"] = at_least_one(max(1, len(gpus)) if workers is None else workers)
        limits["resources"] = {"GPU": 1} if gpus else None
        limits["threads"] = max(1, processors() // limits["workers"])
    out.mkdir(parents=True, exist_ok=True)
    # No entry outlives the run: that a model was measured is known to the store of measurements, by content.
    with tempfile.TemporaryDirectory(dir=out, prefix=".sweep-") as folder:
        swept = run_cells(cells, "rope_lib.report.many:report_cell", folder, say=say, **limits)
    failed = {failure.cell.digest for failure in swept.failed}
    return [Path(cell.values["out"]) for cell in cells if cell.digest not in failed], swept.failed


def report_cell(values, _scratch):
    """On a worker: one report. Its result is the folder that it writes, and no tables beside it."""
    from .write import write_report

    write_report(values.pop("source"), **values, say=print)
    return {}


def folder_names(sources):
    """A folder name for each model: the last part of its path or id, numbered where it comes again.

    >>> folder_names(["a/tiny", "b/tiny", "org/other.gguf"])
    ['tiny', 'tiny-2', 'other']
    """
    absolute = [_absolute(source) for source in sources]
    names = []
    for index, source in enumerate(absolute):
        if source in absolute[:index]:
            raise ValueError(f"models must be named once each, got {sources[index]!r} twice")
        name = Path(source).name.removesuffix(".gguf")
        numbered = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
        names.append(next(each for each in numbered if each not in names))
    return names


def _absolute(source):
    """A path that means the same to a worker; an id of Hugging Face as it is."""
    return str(Path(source).resolve()) if Path(source).exists() else str(source)
