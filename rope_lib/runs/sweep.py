"""Run independent cells on Dask's workers: each finished cell is one entry on disk, and none is run twice.

A worker writes the entry of its cell, in one step, under a lock that ends with the worker. If a worker or the
whole sweep is killed, finished cells stay finished; the same call computes the others, and two sweeps of one
folder share its cells. Dask schedules the cells, and starts the cell of a dead worker again.

    folder/cells/<digest of the cell>/    its tables, see `store`
    folder/scratch/<cell>-<inputs>/       of a cell that has not finished: `work`, which its computation keeps
                                          from one try to the next, `said.txt` with what it printed, and
                                          `error.txt` if it failed

Workers of a cluster must see `folder` under the same path.
"""

import copy
import importlib
import importlib.util
import json
import shutil
import sys
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
from distributed import Client, Future, KilledWorker, get_worker, wait
from filelock import Timeout
from tqdm import tqdm

from .cluster import SCRATCH, Resources, connected, slots
from .errors import one_line
from .folders import recover_all
from .grid import Cell
from .links import refuse_link, refuse_links
from .store import JsonObject, digest, is_entry, kept, read_if_kept, read_provenance
from .temporary import remove_left

TRIES = 3  # starts of a cell in one sweep, after which the deaths of its workers count as its failure
POLL = 1.0  # seconds between two looks at the workers, which may come and go, and at cells of another sweep

# Makes the tables of a cell from its values and a folder of its own: a function, or "module:function".
Compute: TypeAlias = Callable[[JsonObject, Path], Mapping[str, pd.DataFrame]] | str


@dataclass(frozen=True)
class Failure:
    """A cell that has no result, and the reason, in one line."""

    cell: Cell
    reason: str


@dataclass(frozen=True)
class Swept:
    """The cells that a sweep `computed`, those that were `kept` from before, and those that `failed`."""

    computed: tuple[Cell, ...]
    kept: tuple[Cell, ...]
    failed: tuple[Failure, ...]


def run_cells(
    cells: Iterable[Cell],
    compute: Compute,
    folder: str | Path,
    *,
    inputs: Mapping[str, Any] | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    threads: int = 1,
    resources: Resources | None = None,
    progress: bool = True,
    say: Callable[[str], object] | None = None,
) -> Swept:
    """Compute those of the `cells` that have no entry in `folder` yet.

    `compute(values, scratch)` makes DataFrames, by name, from the values of a `Cell`. It is a function, or
    the name "module:function" of one that workers import. `scratch` is a folder of the cell's own, kept until
    the cell is finished, so that a try can resume the work of an earlier one that was killed.

    `inputs`, a dict of JSON values, is what else determines the results, such as the code: entries of other
    inputs are computed again, as damaged ones are. `scheduler`, `workers`, `threads` and `resources`, the
    amount of each that one cell needs, are those of `cluster.connected`. `progress` shows a bar with the time
    left if standard error is a terminal. `say` gets a line for every cell that fails or whose worker died.

    A cell that raises an error fails; one whose worker dies is started again, up to `TRIES` times. The other
    cells are finished in any case. Raises ValueError for a `compute` that is neither a function nor the name
    of one, for a link where cells are worked on, or as `connected` does, and ConnectionError if the scheduler
    goes away; finished cells are kept.
    """
    cells = tuple(cells)
    job = _Job(_named(compute), Path(folder).absolute(), inputs or {}, uuid.uuid4().hex)
    refuse_link(job.folder / "cells")
    refuse_links(job.folder / "scratch")
    recover_all(job.folder / "cells", is_entry)
    remove_left(SCRATCH)  # even where no cell is missing, so that no workers start
    missing = [cell for cell in cells if read_if_kept(job.entry(cell), job.inputs(cell)) is None]
    present = {cell.digest for cell in cells} - {cell.digest for cell in missing}
    _clear_finished(job, (cell for cell in cells if cell.digest in present))
    outcomes: dict[str, _Outcome] = {}
    bar = tqdm(
        total=len(cells), initial=len(present), unit="cell", smoothing=0, disable=None if progress else True
    )
    with bar:

        def tell(line: str) -> None:
            if line and say is not None:
                with tqdm.external_write_mode(file=sys.stderr):
                    say(line)

        def finished(cell: Cell, outcome: _Outcome) -> None:
            outcomes[cell.digest] = outcome
            bar.update()
            tell(outcome.line(cell))

        if missing:
            with connected(scheduler, workers=workers, threads=threads, resources=resources) as client:
                try:
                    _drive(client, missing, job, resources, finished, tell)
                except (CancelledError, OSError) as error:  # Dask's errors of communication are OSErrors
                    message = f"the scheduler went away ({type(error).__name__}); finished cells are kept"
                    raise ConnectionError(message) from None

    def of(state: str) -> Iterator[Cell]:
        return (cell for cell in missing if outcomes[cell.digest].state == state)

    earlier = {*present, *(cell.digest for cell in of("kept"))}
    return Swept(
        computed=tuple(of("computed")),
        kept=tuple(cell for cell in cells if cell.digest in earlier),
        failed=tuple(Failure(cell, outcomes[cell.digest].reason) for cell in of("failed")),
    )


def outdated(cells: Iterable[Cell], folder: str | Path, inputs: Mapping[str, Any] | None) -> tuple[Cell, ...]:
    """The cells whose entries in `folder` were made from other `inputs`, which `run_cells` would replace."""
    job = _Job("", Path(folder), inputs or {}, "")
    found = []
    for cell in cells:
        try:
            made_from = read_provenance(job.entry(cell))["inputs"]
        except (OSError, ValueError, KeyError):
            continue  # missing or damaged
        if digest(made_from) != digest(job.inputs(cell)):
            found.append(cell)
    return tuple(found)


@dataclass(frozen=True)
class _Job:
    """What the tries of all cells of one sweep have in common."""

    compute: Compute
    folder: Path
    given: Mapping[str, Any]
    sweep: str  # identifies this sweep

    def entry(self, cell: Cell) -> Path:
        return entry_of(self.folder, cell)

    def inputs(self, cell: Cell) -> JsonObject:
        return {"cell": cell.values, **self.given}

    def scratch(self, cell: Cell) -> Path:
        """Named by the inputs too: nothing resumes what other code began."""
        return self.folder / "scratch" / f"{cell.digest}-{digest(self.inputs(cell))[:8]}"


def entry_of(folder: str | Path, cell: Cell) -> Path:
    """The folder of the tables of a cell.

    >>> entry_of("sweep", Cell({"x": 1}, {})).as_posix()
    'sweep/cells/5041bf1f713df2047843'
    """
    return Path(folder) / "cells" / cell.digest


@dataclass(frozen=True)
class _Outcome:
    """How a try of a cell ended: "computed", "kept" from before, "busy" in another sweep, or "failed"."""

    state: str
    tries: int = 0
    reason: str = ""

    def line(self, cell: Cell) -> str:
        """What there is to say about it, if anything."""
        if self.state == "failed":
            return f"{cell}: {self.reason}"
        return f"{cell}: finished on try {self.tries}, after its worker died" if self.tries > 1 else ""


def _drive(
    client: Client,
    cells: Iterable[Cell],
    job: _Job,
    resources: Resources | None,
    finished: Callable[[Cell, _Outcome], None],
    tell: Callable[[str], None],
) -> None:
    """Keep the workers of a client busy until every cell has an outcome, which goes to `finished`.

    Dask gets no more cells than run at once: it counts the death of a worker against every cell that it had
    assigned to that worker, even those that had not begun.
    """
    waiting, busy = deque(cells), deque[Cell]()
    running: dict[Future[_Outcome], Cell] = {}
    given_up: dict[str, int] = {}
    looked, free = -POLL, 0
    if not slots(client, resources):
        tell(f"Waiting for a worker{' with ' + _amounts(resources) if resources else ''}")
    while waiting or running or busy:
        if time.monotonic() - looked >= POLL:
            free, looked = slots(client, resources), time.monotonic()
            waiting.extend(busy)
            busy.clear()
        while waiting and len(running) < free:
            cell = waiting.popleft()
            future = client.submit(
                _attempt, cell, job, resources=resources, pure=False, key=f"{cell.digest}-{uuid.uuid4().hex}"
            )
            running[future] = cell
        for future in _first_done(running):
            cell = running.pop(future)
            outcome = _outcome(future, cell, given_up)
            if outcome is None:
                waiting.append(cell)
            elif outcome.state == "busy":
                busy.append(cell)
            else:
                finished(cell, outcome)


def _first_done(running: "Iterable[Future[_Outcome]]") -> "Iterable[Future[_Outcome]]":
    """The futures that have ended, after a wait of at most `POLL` seconds for the first of them."""
    if not running:
        time.sleep(POLL)
        return ()
    try:
        done: set[Future[_Outcome]] = wait(list(running), timeout=POLL, return_when="FIRST_COMPLETED").done
        return done
    except TimeoutError:
        return ()


def _outcome(future: "Future[_Outcome]", cell: Cell, given_up: dict[str, int]) -> _Outcome | None:
    """The outcome of a future; None if Dask gave up the cell, perhaps for no fault of its own: try again."""
    if future.status == "finished":
        outcome: _Outcome = future.result()
        return outcome
    error = future.exception()
    if isinstance(error, KilledWorker):
        given_up[cell.digest] = given_up.get(cell.digest, 0) + 1
        return _Outcome("failed", reason=_KILLED) if given_up[cell.digest] == TRIES else None
    return _Outcome("failed", reason=_reason(error))


_KILLED = f"its worker died {TRIES} times, perhaps for lack of memory"


def _attempt(cell: Cell, job: _Job) -> _Outcome:
    """On a worker: one try of a cell.

    An outcome waits in the worker's memory until it is fetched. If the worker dies before that, Dask runs the
    try again, which then finds an entry, or the `failure` that this sweep recorded.
    """
    scratch, entry = job.scratch(cell), job.entry(cell)
    failure = scratch / f"failure-{job.sweep}.json"
    if failure.exists():
        return _Outcome(**json.loads(failure.read_text(encoding="utf-8")))
    tries = 0

    def work() -> Mapping[str, pd.DataFrame]:
        nonlocal tries
        tries = _count_try(scratch / "tries", job.sweep)
        if tries > TRIES:
            raise _Killer
        (scratch / "work").mkdir(exist_ok=True)
        with _heard(scratch / "said.txt"):
            return _function(job.compute)(copy.deepcopy(cell.values), scratch / "work")

    try:
        kept(entry, job.inputs(cell), work, wait=False, sweep=job.sweep)
    except _Killer:
        return _Outcome("failed", reason=_KILLED)
    except (Exception, SystemExit) as error:
        if isinstance(error, Timeout) and not tries:
            return _Outcome("busy")
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        outcome = _Outcome("failed", tries, _reason(error))
        part = failure.with_suffix(".part")
        part.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
        part.replace(failure)
        return outcome
    for each in scratch.parent.glob(f"{cell.digest}-*"):
        shutil.rmtree(each, ignore_errors=True)
    # A worker may have died after it wrote the entry and before it answered: the entry names its sweep.
    return _Outcome("computed" if read_provenance(entry)["sweep"] == job.sweep else "kept", tries)


def _clear_finished(job: _Job, finished: Iterable[Cell]) -> None:
    """Remove the scratch of cells that have their entry: a worker was killed between the two."""
    names = {job.scratch(cell).name for cell in finished}
    with suppress(FileNotFoundError):
        for each in (job.folder / "scratch").iterdir():
            if each.name in names:
                shutil.rmtree(each, ignore_errors=True)


@contextmanager
def _heard(path: Path) -> Iterator[None]:
    """Send what a cell prints into a file: the bars and warnings of several workers would be mixed up.

    The streams belong to the whole process, so that only a worker that runs one cell at a time does this.
    """
    if get_worker().state.nthreads > 1:
        yield
        return
    with (
        open(path, "a", encoding="utf-8", errors="backslashreplace") as file,
        redirect_stdout(file),
        redirect_stderr(file),
    ):
        yield


class _Killer(Exception):
    """A cell that killed every worker that tried it."""


def _count_try(path: Path, sweep: str) -> int:
    """Record a start on disk, where it outlives this process; returns the number of starts in this sweep."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        file.write(f"{sweep}\n")
        file.seek(0)
        return file.read().split().count(sweep)


def _reason(error: BaseException) -> str:
    """An error in one line, with its type unless it is a ValueError, whose message is complete."""
    line, kind = one_line(error), type(error).__name__
    return line if kind == "ValueError" and line else f"{kind}: {line}".removesuffix(": ")


def _amounts(resources: Resources) -> str:
    return ", ".join(f"{name} {amount:g}" for name, amount in resources.items())


def _named(compute: Compute) -> Compute:
    """`compute`, once it is a function or names a module that exists; raises ValueError otherwise."""
    if callable(compute):
        return compute
    module, _, name = compute.partition(":") if isinstance(compute, str) else ("", "", "")
    try:
        exists = bool(module) and name.isidentifier() and importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        exists = False
    if not exists:
        raise ValueError(f"compute must be a function or the 'module:function' of one, got {compute!r}")
    return compute


def _function(compute: Compute) -> Callable[[JsonObject, Path], Mapping[str, pd.DataFrame]]:
    if callable(compute):
        return compute
    module, _, name = compute.partition(":")
    function: Callable[[JsonObject, Path], Mapping[str, pd.DataFrame]]
    function = getattr(importlib.import_module(module), name)
    return function
