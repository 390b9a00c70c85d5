"""A report on any model: measured here, narrated by a notebook, written as one page with its tables.

`rope-lib report` calls `write_report`. This process measures, so that progress and errors can be seen; the
notebook then finds every measurement in the store. A run that was killed therefore resumes where it stopped,
and nothing is written before everything is there.
"""

import gc
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import nbformat
import papermill
import torch

from rope_lib.findings.kept import Json
from rope_lib.measure.store import identity
from rope_lib.measure.sweep import measured
from rope_lib.measure.text import text_sha256
from rope_lib.runs.children import children_inherit
from rope_lib.runs.folders import replacing
from rope_lib.runs.mark import (
    PROVENANCE_FILE,
    check_replaceable,
    check_utf8,
    is_ours,
    made_by,
    output_folder,
    write_mark,
)
from rope_lib.runs.store import circumstances, save_tables

from .findings import Findings, examine, subject
from .page import page
from .plan import estimate_line, plan
from .source import absolute, check_texts, new_folder

NOTEBOOK = Path(__file__).with_name("any_model.ipynb")
PAGE, EXECUTED, TABLES = "report.html", "report.ipynb", "tables"
BOOK_ONLY = "book"  # tag of cells that speak to a reader of the book

_FOLDERS = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE")  # variables that name one

_VERSIONS = ("rope-lib", "torch", "transformers")


def write_report(
    source: str | Path | None = None,
    *,
    out: str | Path | None = None,
    lengths: Sequence[int] | None = None,
    texts: Sequence[str | Path] = (),
    device: str = "auto",
    dtype: str | None = None,
    download: bool = False,
    force: bool = False,
    say: Callable[[str], object] = print,
) -> Path:
    """Measure a model and write its report into the folder `out`; returns that folder.

    The other arguments are those of `report.findings.subject`. Without `lengths` it measures those that this
    machine can afford; `out` is by default `rope-report-<model>` in the current folder. `say` gets lines on
    the progress.

    Raises ValueError or OSError, in one line, for a model, a text or lengths that cannot be measured, for a
    folder that cannot be written, FileExistsError for one that holds anything but a report, and
    ChildProcessError where the kernel of the notebook fails; then nothing is written. With `force` a folder
    that holds anything else is kept as `<out>.old`.
    """
    if out is not None:
        _output(out, force)
    texts = check_texts(texts)
    if source is not None:
        check_utf8("model", source)
    examined = subject(source, texts=texts, device=device, dtype=dtype, download=download)
    if out is None:
        out = output_folder(None, f"rope-report-{examined.model.name}")
    folder = _output(out, force)
    planned = plan(examined, lengths)
    for line in (estimate_line(planned), *planned.cuts):
        say(line)
    chosen = list(planned.lengths)
    found = examine(examined, chosen, say)
    model, (first, *others) = examined.model, examined.texts
    provenance = {
        "inputs": identity([measured.__module__], model, first.tokens[: chosen[-1]], lengths=chosen),
        "text_sha256": text_sha256(first.text),
        **({"other_texts": {each.name: text_sha256(each.text) for each in others}} if others else {}),
    } | circumstances()
    parameters = {
        "source": None if source is None else absolute(source),
        "lengths": chosen,
        "texts": [str(place) for place in texts],
        "device": model.device,
        "dtype": model.dtype,
    }
    del examined, model, first, others  # leave the memory to the notebook's kernel
    gc.collect()
    torch.cuda.empty_cache()
    say(f"Writing {folder}")
    _write(folder, parameters, found, provenance, planned.cuts)
    return folder


def _output(out: str | Path, force: bool) -> Path:
    """The folder to write, once it is clear that it can be written."""
    folder = new_folder(out)
    if not force:
        _check_replaceable(folder)
    return folder


def _check_replaceable(out: Path) -> None:
    """Raise FileExistsError for a folder that holds anything but a report."""
    if not _is_unmarked_report(out):
        check_replaceable(out, "report")


def _is_unmarked_report(out: Path) -> bool:
    """Whether a folder is a report of an earlier version, which marked its tables alone."""
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    marked = (out / TABLES / PROVENANCE_FILE).is_file() and is_ours(out / TABLES)
    return marked and {PAGE, TABLES} <= names <= {PAGE, EXECUTED, TABLES}


def _write(
    out: Path,
    parameters: Mapping[str, Json],
    found: Findings,
    provenance: Mapping[str, Json],
    cuts: Sequence[str],
) -> None:
    """Write all files of a report into a folder beside `out`, which takes its place at the end."""
    with replacing(out, made_by("report")) as made:
        with _temporary_files_in(made.parent):
            notebook = _executed(parameters, made / EXECUTED, made.parent / "kernel")
        html = page(notebook, found.name, _about(found, provenance, cuts))
        (made / PAGE).write_text(html, encoding="utf-8")
        save_tables(made / TABLES, found.tables(), provenance)
        write_mark(made, "report")


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Let this process put its temporary files into `folder`, which is removed even after a kill.

    Jupyter writes the file that connects it to a kernel among them.
    """
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _executed(parameters: Mapping[str, Json], path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook without what only the book needs, run on a fresh kernel of this Python; kept at `path`.

    The kernel runs in the new `folder` and knows no other: it imports from the current folder no more than
    this process does, and reads no settings there, such as those of matplotlib. Nor does it read the user's
    settings of IPython, so that a report depends on the model alone.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if BOOK_ONLY not in cell.metadata.get("tags", [])]
    nbformat.write(notebook, path)
    folder.mkdir()
    ipython = folder / "ipython"
    ipython.mkdir()
    inherited = {
        "JUPYTER_PREFER_ENV_PATH": "1",  # a kernel of that name in the user's home may be another Python
        "IPYTHONDIR": str(ipython),
        "VIRTUAL_ENV": None,  # IPython imports first from the environment that this names, if it is another
    } | {name: os.path.abspath(os.environ[name]) for name in _FOLDERS if os.environ.get(name)}
    try:
        with children_inherit(inherited):
            return papermill.execute_notebook(
                path, path, parameters=parameters, kernel_name="python3", progress_bar=False, cwd=folder
            )
    except (papermill.PapermillExecutionError, RuntimeError) as error:  # a kernel's death is a RuntimeError
        reason = error.evalue if isinstance(error, papermill.PapermillExecutionError) else str(error)
        raise ChildProcessError(
            f"the notebook was not finished ({reason}); what was measured is kept"
        ) from error


def _about(found: Findings, provenance: Mapping[str, Json], cuts: Sequence[str]) -> dict[str, str]:
    """The terms and descriptions of the page's last lines: the model, the text, the machine, the versions."""
    inputs = provenance["inputs"]
    versions = [f"{name} {inputs['versions'][name]}" for name in _VERSIONS]
    return {
        "Model": f"{found.name}, SHA-256 {inputs['model_sha256']}",
        "Text": f"{inputs['tokens']:,} tokens of the text with SHA-256 {provenance['text_sha256']}",
        **_about_others(provenance.get("other_texts", {}), inputs["tokens"]),
        "Ran": f"{inputs['dtype']} on {inputs['device']}",
        "Machine": f"{provenance['accelerator'] or provenance['processor']}, {provenance['platform']}",
        "Versions": ", ".join([*versions, f"Python {provenance['python']}"]),
        "When": provenance["utc"],
        "Left out": " ".join(cuts) or "nothing",
        "Beside this page": f"the executed notebook {EXECUTED}, and every number in {TABLES}/ as Parquet",
    }


def _about_others(texts: Mapping[str, str], tokens: int) -> dict[str, str]:
    """The term and description of the texts beside the first, whose SHA-256 are given by name."""
    named = "; ".join(f"{name}, SHA-256 {sha256}" for name, sha256 in texts.items())
    return {"Other texts": f"{tokens:,} tokens of each: {named}"} if texts else {}
