"""A report on any model: measured here, told by a notebook, written as one page with its tables.

`rope-lib report` calls `write_report`. The measuring happens in this process, where its progress and its
refusals can be seen; the notebook then finds every measurement in the store. So a run that was killed goes
on where it was, and nothing is written before all of it is there.
"""

import gc
import os
import tempfile
from pathlib import Path

import nbformat
import papermill
import torch

from rope_lib.measure.store import identity
from rope_lib.measure.text import text_sha256
from rope_lib.runs.store import PROVENANCE_FILE, circumstances, save_tables

from .findings import examine, subject
from .page import page
from .plan import estimate_line, plan

NOTEBOOK = Path(__file__).with_name("any_model.ipynb")
PAGE, EXECUTED, TABLES = "report.html", "report.ipynb", "tables"
BOOK_ONLY = "book"  # tag of cells that speak to a reader of the book

_VERSIONS = ("rope-lib", "torch", "transformers")


def write_report(source=None, *, out=None, lengths=None, text_file=None, device="auto", dtype=None,
                 download=False, say=print):  # fmt: skip
    """Measure a model and write its report into the folder `out`; returns that folder.

    The arguments are those of `report_findings.subject`; `lengths` None chooses what the machine affords,
    `out` None is `rope-report-<model>` in the current folder. `say` is given lines on what goes on.

    Raises ValueError or OSError, in one line, for a model, a text or lengths that cannot be measured, and
    FileExistsError for a folder that is not a report's; then nothing is written.
    """
    if out is not None:
        _check_replaceable(Path(out))
    examined = subject(source, text_file=text_file, device=device, dtype=dtype, download=download)
    out = Path(f"rope-report-{examined.model.name}" if out is None else out).absolute()
    _check_replaceable(out)
    planned = plan(examined, lengths)
    for line in (estimate_line(planned), *planned.cuts):
        say(line)
    lengths = list(planned.lengths)
    found = examine(examined, lengths, say)
    model = examined.model
    provenance = {
        "inputs": identity(model, examined.tokens[: lengths[-1]], lengths=lengths),
        "text_sha256": text_sha256(examined.text),
    } | circumstances()
    parameters = {
        "source": None if source is None else _absolute(source),
        "lengths": lengths,
        "text_file": None if text_file is None else str(Path(text_file).absolute()),
        "device": model.device,
        "dtype": model.dtype,
    }
    del examined, model  # the notebook's kernel is to have the memory
    gc.collect()
    torch.cuda.empty_cache()
    say(f"Writing {out}")
    _write(out, parameters, found, provenance, planned.cuts)
    return out


def _check_replaceable(out):
    """Raise FileExistsError for a folder that holds anything but a report."""
    if not out.exists():
        return
    names = {path.name for path in out.iterdir()} if out.is_dir() else {""}
    if names and not ({PAGE} <= names <= {PAGE, EXECUTED, TABLES} and _is_tables(out / TABLES)):
        raise FileExistsError(f"out must be a new folder or that of a report, got {str(out)!r}")


def _is_tables(folder):
    """Does a folder hold what `save_tables` writes, and nothing else?"""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return PROVENANCE_FILE in names and all(
        name == PROVENANCE_FILE or name.endswith(".parquet") for name in names
    )


def _absolute(source):
    """A path that means the same from another folder; an id of Hugging Face as it is."""
    return str(Path(source).absolute()) if Path(source).exists() else str(source)


def _write(out, parameters, found, provenance, cuts):
    """All files of a report, in a folder beside `out` that takes its place at the end."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.scratch-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        notebook = _executed(parameters, made / EXECUTED)
        html = page(notebook, found.name, _about(found, provenance, cuts))
        (made / PAGE).write_text(html, encoding="utf-8")
        save_tables(made / TABLES, found.tables(), provenance)
        if out.exists():
            os.rename(out, Path(scratch) / "replaced")
        os.rename(made, out)


def _executed(parameters, path):
    """The notebook run on a fresh kernel of this Python, kept at `path`; without what only the book needs."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if BOOK_ONLY not in cell.metadata.get("tags", [])]
    nbformat.write(notebook, path)
    preferred = os.environ.get("JUPYTER_PREFER_ENV_PATH")
    os.environ["JUPYTER_PREFER_ENV_PATH"] = (
        "1"  # a kernel of that name in the user's home may be another Python
    )
    try:
        return papermill.execute_notebook(
            path, path, parameters=parameters, kernel_name="python3", progress_bar=False
        )
    finally:
        if preferred is None:
            del os.environ["JUPYTER_PREFER_ENV_PATH"]
        else:
            os.environ["JUPYTER_PREFER_ENV_PATH"] = preferred


def _about(found, provenance, cuts):
    """The machine, the model, the text and the versions, in words."""
    inputs = provenance["inputs"]
    versions = [f"{name} {inputs['versions'][name]}" for name in _VERSIONS]
    return {
        "Model": f"{found.name}, SHA-256 {inputs['model_sha256']}",
        "Text": f"{inputs['tokens']:,} tokens of the text with SHA-256 {provenance['text_sha256']}",
        "Ran": f"{inputs['dtype']} on {inputs['device']}",
        "Machine": f"{provenance['accelerator'] or provenance['processor']}, {provenance['platform']}",
        "Versions": ", ".join([*versions, f"Python {provenance['python']}"]),
        "When": provenance["utc"],
        "Left out": " ".join(cuts) or "nothing",
        "Beside this page": f"the executed notebook {EXECUTED}, and every number in {TABLES}/ as Parquet",
    }
