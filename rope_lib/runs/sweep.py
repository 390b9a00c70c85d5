"""Run independent cells on Dask's workers: each finished cell is one entry on disk, and none is run twice.

A worker writes the entry of its cell, in one step, under a lock that ends with the worker. So whatever is
killed, a worker or the whole sweep, what was finished stays finished; the same call goes on with the rest,
and two sweeps of one folder share its cells. Dask schedules, and starts the cell of a dead worker again.

    folder/cells/<digest of the cell>/    its tables, see `store`
    folder/scratch/<cell>-<inputs>/       of a cell that has not finished: `work`, which its computation keeps
                                          between tries, what it `said`, and the `error` of one that failed

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
from concurrent.futures import CancelledError
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path

from distributed import KilledWorker, get_worker, wait
from filelock import Timeout
from tqdm import tqdm

from .cluster import connected, slots
from .errors import one_line
from .grid import Cell
from .store import digest, kept, read_if_kept, read_provenance

TRIES = 3  # starts of a cell in one sweep, after which the workers that died are its fault
POLL = 1.0  # seconds between two looks at workers that came or went, or at cells of another sweep


@dataclass(frozen=True)
class Failure:
    """A cell that has no result, and in one line why."""

    cell: Cell
    reason: str


@dataclass(frozen=True)
class Swept:
    """What a sweep did: cells it `computed`, cells that were `kept` from before, and those that `failed`."""

    computed: tuple[Cell, ...]
    kept: tuple[Cell, ...]
    failed: tuple[Failure, ...]


def run_cells(cells, compute, folder, *, inputs=None, scheduler=None, workers=None, threads=1,
              resources=None, progress=True, say=None):  # fmt: skip
    """Compute every one of `cells` that has no entry in `folder` yet; returns `Swept`.

    `compute(values, scratch)` makes a dict of DataFrames from the values of a `Cell`. It is a function, or
    the name "module:function" of one that workers import. `scratch` is a folder of the cell's own that stays
    while the cell is unfinished, so that a try can go on where one that was killed had come to.

    `inputs`, a JSON-able dict, is what determines the results beside the cells, such as the code: entries
    of other inputs are made anew, as damaged ones are. `scheduler`, `workers`, `threads` and `resources`, an
    amount of each that one cell needs, are those of `cluster.connected`. `progress` shows a bar with the
    time left where standard error is a terminal. `say` is given a line for every cell that fails, and for
    every one whose worker had died.

    A cell that raises fails; one whose worker dies is started again, up to `TRIES` times. The others are
    finished in any case. Raises ValueError for a `compute` that is no function, or as `connected` does, and
    ConnectionError where the scheduler goes away; what was finished stays.
    """
    cells = tuple(cells)
    job = _Job(_named(compute), Path(folder).absolute(), inputs or {}, uuid.uuid4().hex)
    missing = [cell for cell in cells if read_if_kept(job.entry(cell), job.inputs(cell)) is None]
    present = {cell.digest for cell in cells} - {cell.digest for cell in missing}
    outcomes = {}
    bar = tqdm(
        total=len(cells), initial=len(present), unit="cell", smoothing=0, disable=None if progress else True
    )
    with bar:

        def tell(line):
            if line and say is not None:
                with tqdm.external_write_mode(file=sys.stderr):
                    say(line)

        def finished(cell, outcome):
            outcomes[cell.digest] = outcome
            bar.update()
            tell(outcome.line(cell))

        if missing:
            limits = {"workers": workers, "threads": threads, "resources": resources}
            with connected(scheduler, **limits) as client:
                try:
                    _drive(client, missing, job, resources, finished, tell)
                except (CancelledError, OSError) as error:  # of which Dask's errors of communication are some
                    message = f"the scheduler went away ({type(error).__name__}); what was finished is kept"
                    raise ConnectionError(message) from None

    def of(state):
        return (cell for cell in missing if outcomes[cell.digest].state == state)

    earlier = {*present, *(cell.digest for cell in of("kept"))}
    return Swept(
        computed=tuple(of("computed")),
        kept=tuple(cell for cell in cells if cell.digest in earlier),
        failed=tuple(Failure(cell, outcomes[cell.digest].reason) for cell in of("failed")),
    )


def outdated(cells, folder, inputs):
    """The cells whose entries in `folder` came from other `inputs` than `run_cells` would be given."""
    job = _Job("", Path(folder), inputs or {}, "")
    found = []
    for cell in cells:
        try:
            made_from = read_provenance(job.entry(cell))["inputs"]
        except (OSError, ValueError, KeyError):
            continue  # there is none, or it is damaged
        if digest(made_from) != digest(job.inputs(cell)):
            found.append(cell)
    return tuple(found)


@dataclass(frozen=True)
class _Job:
    """What the tries of all cells of one sweep have in common."""

    compute: object
    folder: Path
    given: dict
    sweep: str  # tells the tries of this sweep from those of another

    def entry(self, cell):
        return entry_of(self.folder, cell)

    def inputs(self, cell):
        return {"cell": cell.values, **self.given}

    def scratch(self, cell):
        """By the inputs too: what other code had begun is not gone on with."""
        return self.folder / "scratch" / f"{cell.digest}-{digest(self.inputs(cell))[:8]}"


def entry_of(folder, cell):
    """Where the tables of a cell are kept."""
    return Path(folder) / "cells" / cell.digest


@dataclass(frozen=True)
class _Outcome:
    """How a try of a cell ended: computed, kept from before, busy in another sweep, or failed."""

    state: str
    tries: int = 0
    reason: str = ""

    def line(self, cell):
        if self.state == "failed":
            return f"{cell}: {self.reason}"
        return f"{cell}: finished at try {self.tries}, its worker had died" if self.tries > 1 else ""


def _drive(client, cells, job, resources, finished, tell):
    """Keep the workers of a client busy until every cell has an outcome, which `finished` is told.

    No more cells are handed to Dask than run at once: it holds the death of a worker against every cell
    that it had given it, and the ones that had not begun are not to blame.
    """
    waiting, running, busy, given_up = deque(cells), {}, deque(), {}
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


def _first_done(running):
    """The futures that ended, after a wait for the first of them, but not a long one."""
    if not running:
        time.sleep(POLL)
        return ()
    try:
        return wait(list(running), timeout=POLL, return_when="FIRST_COMPLETED").done
    except TimeoutError:
        return ()


def _outcome(future, cell, given_up):
    """The outcome of a future; None where Dask gave up a cell that may be innocent: it is tried again."""
    if future.status == "finished":
        return future.result()
    error = future.exception()
    if isinstance(error, KilledWorker):
        given_up[cell.digest] = given_up.get(cell.digest, 0) + 1
        return _Outcome("failed", reason=_KILLED) if given_up[cell.digest] == TRIES else None
    return _Outcome("failed", reason=_reason(error))


_KILLED = f"its worker died {TRIES} times, of memory perhaps"


def _attempt(cell, job):
    """On a worker: one try of a cell.

    An outcome waits in the worker's memory until it is fetched. Where the worker dies before that, Dask asks
    for it again: then an entry is there, or the `failure` of this sweep.
    """
    scratch, entry = job.scratch(cell), job.entry(cell)
    failure = scratch / f"failure-{job.sweep}.json"
    if failure.exists():
        return _Outcome(**json.loads(failure.read_text(encoding="utf-8")))
    tries = 0

    def work():
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
    # A worker may have died between its entry and its answer: the entry knows whose it is.
    return _Outcome("computed" if read_provenance(entry)["sweep"] == job.sweep else "kept", tries)


@contextmanager
def _heard(path):
    """What a cell says goes into a file: bars and warnings of several workers would run into each other.

    The streams belong to the whole process, so that this is for workers that run one cell at a time.
    """
    if get_worker().state.nthreads > 1:
        yield
        return
    with open(path, "a", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        yield


class _Killer(Exception):
    """A cell that killed every worker that tried it."""


def _count_try(path, sweep):
    """Note a start where a death of this process cannot undo it; returns the number of this sweep's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        file.write(f"{sweep}\n")
        file.seek(0)
        return file.read().split().count(sweep)


def _reason(error):
    """An error in one line. That of bad input says all; others need their type."""
    line, kind = one_line(error), type(error).__name__
    return line if kind == "ValueError" and line else f"{kind}: {line}".removesuffix(": ")


def _amounts(resources):
    return ", ".join(f"{name} {amount:g}" for name, amount in resources.items())


def _named(compute):
    """`compute`, after a look that a name is that of a module with a function."""
    if callable(compute):
        return compute
    module, _, name = compute.partition(":") if isinstance(compute, str) else ("", "", "")
    try:
        there = module and name.isidentifier() and importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        there = False
    if not there:
        raise ValueError(f"compute must be a function or the 'module:function' of one, got {compute!r}")
    return compute


def _function(compute):
    if callable(compute):
        return compute
    module, _, name = compute.partition(":")
    return getattr(importlib.import_module(module), name)
