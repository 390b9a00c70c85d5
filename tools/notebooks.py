"""Execute the notebooks, and check that the book can trust them.

    python tools/notebooks.py run [PATHS]      execute on fresh kernels, write back in normal form
    python tools/notebooks.py check [PATHS]    print one line for each offense; exit status 1 if there are any

PATHS are notebooks or folders of notebooks, by default the folder `notebooks`.
The normal form holds nothing that changes from run to run (times, versions, widget state, standard error),
so that a diff of a notebook shows what changed in it, and executing it again changes nothing.
"""

import base64
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path

import click
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

MAX_IMAGE_BYTES = 100_000
MAX_LINES = 40  # of any code cell: longer code belongs in the library
MAX_VISIBLE_LINES = 15  # of a code cell that the page shows, which does no bookkeeping
HIDDEN = {"hide-cell", "hide-input", "remove-cell", "remove-input"}  # tags of cells whose code is not shown
GLUED = "application/papermill.record/"  # the MIME prefix under which myst_nb's glue() hides a value

KEPT_NOTEBOOK_METADATA = ("authors", "myst", "mystnb", "title")  # other keys come from editors
KEPT_CELL_METADATA = ("mystnb", "raw_mimetype", "tags")
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
VALID_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
OVERWRITTEN = re.compile(r"^.*\r(?!\n)", re.MULTILINE)  # what a terminal overwrites, as a progress bar does


# The normal form


def parse(text: str) -> NotebookNode:
    """Read version 4 of the format without conversion: nbformat.read() would invent random cell ids."""
    notebook = nbformat.v4.reads(text)
    if notebook.get("nbformat") != 4 or "cells" not in notebook:
        raise ValueError("not version 4 of the notebook format")
    return notebook


def normalize(notebook: NotebookNode) -> str:
    """The normal form of a notebook, as text. Normalizing it again changes nothing."""
    notebook = nbformat.from_dict(notebook)  # a copy
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = keep(notebook.metadata, KEPT_NOTEBOOK_METADATA)
    notebook.metadata.update(kernelspec=KERNELSPEC, language_info={"name": "python"})
    used: set[str] = set()
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = stable_id(cell.get("id"), number, used)
        cell.metadata = keep(cell.metadata, KEPT_CELL_METADATA)
        if cell.cell_type == "code":
            cell.outputs = normal_outputs(cell.outputs)
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"


def keep(metadata: NotebookNode, keys: tuple[str, ...]) -> NotebookNode:
    return NotebookNode({key: metadata[key] for key in keys if key in metadata})


def stable_id(current: str | None, number: int, used: set[str]) -> str:
    """The cell's own id if it is valid and not taken, else one made from its position."""
    own = [current] if current and VALID_ID.fullmatch(current) else []
    made = (f"cell-{number}-{extra}" if extra else f"cell-{number}" for extra in count())
    chosen = next(name for name in chain(own, made) if name not in used)
    used.add(chosen)
    return chosen


def normal_outputs(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Without standard error, and with standard output in one piece: a kernel splits it at will."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type != "stream":
            kept.append(output)
        elif output.name == "stdout":
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
            else:
                kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            output.text = OVERWRITTEN.sub("", output.text)
    return kept


def write_atomically(path: Path, text: str) -> None:
    """Write all of the text or nothing. An unchanged file is not touched."""
    if path.read_text(encoding="utf-8") == text:
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


# Execution


def execute(path: Path, timeout: int) -> tuple[str, str]:
    """Run on a fresh kernel, in the notebook's folder: the normal form, and what went to standard error."""
    notebook = parse(normalize(parse(path.read_text(encoding="utf-8"))))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=timeout,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    complaints = "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stderr"
    )
    return normalize(notebook), complaints


# The check


def offenses(path: Path) -> Iterator[str]:
    """The reasons for which the check refuses a notebook, one line each."""
    try:
        text = path.read_text(encoding="utf-8")
        notebook = parse(text)
        normal = normalize(notebook)
        nbformat.validate(parse(normal))
    except Exception as error:  # a broken file can raise many kinds of error, which all mean the same here
        yield f"not a readable notebook: {str(error).splitlines()[0]}"
        return

    expected = 0
    parameter_cells = []
    glued: dict[str, str] = {}  # the cell that first glued each key
    for number, cell in enumerate(notebook.cells, 1):
        where = f"cell {number} ({cell.get('id', 'no id')})"
        tagged = "parameters" in cell.metadata.get("tags", [])
        if tagged:
            parameter_cells.append(number)
        if cell.cell_type != "code":
            if tagged:
                yield f"{where}: tagged `parameters`, but it is not a code cell"
            continue
        if cell.source.strip():
            expected += 1
            if cell.execution_count != expected:
                yield (
                    f"{where}: execution count {cell.execution_count}, expected {expected}:"
                    " not run top to bottom on a fresh kernel"
                )
        if excess := too_long(cell):
            yield f"{where}: {excess}"
        if cell.source.rstrip().endswith(";"):
            # nbval runs cells without history, where IPython does not see the semicolon and shows the value.
            yield f"{where}: ends in `;`, which nbval does not heed: assign the value, or end in plt.show()"
        for output in cell.outputs:
            for offense in output_offenses(output, cell):
                yield f"{where}: {offense}"
            key = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if key in glued:
                # The book would show one of the two wherever the key stands.
                yield f"{where}: glues {key!r} again, after {glued[key]}: give it another name"
            elif key is not None:
                glued[key] = where

    if len(parameter_cells) != 1:
        yield f"{len(parameter_cells)} cells tagged `parameters` {parameter_cells}, expected exactly one"
    if text != normal:
        yield "not in normal form: run `make notebooks`, or `tools/notebooks.py run` on it"


def too_long(cell: NotebookNode) -> str | None:
    """What is wrong with the length of a code cell; None if it is short enough."""
    lines = len(cell.source.splitlines())
    if lines > MAX_LINES:
        return (
            f"{lines} lines, at most {MAX_LINES} are allowed, hidden ones included: move logic to the library"
        )
    if lines > MAX_VISIBLE_LINES and not HIDDEN.intersection(cell.metadata.get("tags", [])):
        return f"{lines} visible lines, at most {MAX_VISIBLE_LINES} are allowed: hide it, or shorten it"
    return None


def output_offenses(output: NotebookNode, cell: NotebookNode) -> Iterator[str]:
    if output.output_type == "error":
        yield f"error output: {output.ename}: {output.evalue}"
    elif output.output_type == "stream" and output.name == "stderr":
        yield f"text on standard error: {output.text.strip().splitlines()[:1]}"
    for mime, content in output.get("data", {}).items():
        if mime.startswith(GLUED + "image/"):
            yield "glued image: alt text cannot reach it; show the figure in a cell of its own"
        elif mime.startswith("image/"):
            # MyST-NB takes alt text from here and from nowhere else; a caption does not stand in for it.
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
            if not (isinstance(alt, str) and alt.strip()):
                yield "image without alt text in the cell's metadata (mystnb.image.alt)"
            raw = content.encode() if mime == "image/svg+xml" else base64.b64decode(content)
            if len(raw) > MAX_IMAGE_BYTES:
                yield f"{mime} of {len(raw) / 1000:.0f} kB, at most {MAX_IMAGE_BYTES // 1000} kB are allowed"


# The command


def find_notebooks(paths: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    for path in paths or (Path("notebooks"),):
        found += sorted(path.glob("*.ipynb")) if path.is_dir() else [path]
    if not found:
        raise click.UsageError("no notebook found")  # checking nothing must not look like a clean check
    return found


notebook_paths = click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))


@click.group(help=__doc__.split("\n")[0])
def main() -> None:
    pass


@main.command()
@notebook_paths
@click.option("--timeout", default=900, show_default=True, help="Seconds allowed for one cell.")
def run(paths: tuple[Path, ...], timeout: int) -> None:
    """Execute each notebook on a fresh kernel and write it back in normal form."""
    failed = 0
    for path in find_notebooks(paths):
        click.echo(f"{path} ...", nl=False)
        start = time.perf_counter()
        try:
            text, complaints = execute(path, timeout)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            click.echo(f" failed after {time.perf_counter() - start:.1f} s, file left as it was\n{error}")
            failed += 1
            continue
        write_atomically(path, text)
        click.echo(f" {time.perf_counter() - start:.1f} s")
        if complaints:
            click.secho("wrote on standard error (not stored; nbval will refuse it):", fg="yellow", err=True)
            click.echo(complaints.rstrip(), err=True)
            failed += 1
    sys.exit(1 if failed else 0)


@main.command()
@notebook_paths
def check(paths: tuple[Path, ...]) -> None:
    """Refuse notebooks not executed in order or not in normal form, long cells, images without alt text."""
    notebooks = find_notebooks(paths)
    found = [f"{path}: {offense}" for path in notebooks for offense in offenses(path)]
    for line in found:
        click.echo(line)
    click.echo(f"{len(notebooks)} notebooks checked, {len(found)} offenses")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
