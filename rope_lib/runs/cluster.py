"""The workers that cells run on: processes of this machine, or those of a running Dask cluster.

Whoever can talk to a scheduler or a worker of Dask can have it run code. Those of this machine therefore
speak TLS, and only to who has the key of this one sweep: not to the other users of the machine. A cluster
that the user names is the user's to guard.
"""

import logging
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import cryptography  # noqa: F401  # `Security.temporary` needs it, and says so late
import dask
from distributed import Client, LocalCluster, Security
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.utils import silence_logging_cmgr

from .children import children_inherit
from .errors import one_line
from .temporary import temporary_folder

CONNECT = 10  # seconds to wait for a scheduler to answer

Resources: TypeAlias = Mapping[str, float]  # the amount of each resource that a cell needs

SCRATCH = "workers"  # the purpose of the temporary folders of Dask

_QUIET = logging.CRITICAL + 1  # `run_cells` reports what goes wrong, in one line for each cell

# Numerical libraries read these limits on their threads when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# Dask makes its workers return freed memory to the system at once, which more than doubles the time of
# training. This lets glibc keep freed memory, as in other processes; without glibc it has no effect.
_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**28), "MALLOC_MMAP_THRESHOLD_": str(2**25)}

# Pages of Dask's web servers, which tell anyone of this machine what runs: none.
_NO_PAGES: dict[str, list[str]] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@contextmanager
def connected(
    scheduler: str | None = None,
    *,
    workers: int | None = None,
    threads: int = 1,
    resources: Resources | None = None,
) -> Iterator[Client]:
    """A Dask `Client`: of the cluster at the address `scheduler`, or of worker processes on this machine.

    `workers` is the number of these processes, by default one for each processor, or, if `resources` name the
    share of a GPU that a cell needs, as many as the GPUs hold. Each runs one cell at a time with `threads`
    threads, has the `resources` of one cell, and sees one of the GPUs, in turn. They end with this context,
    and with this process, however it ends. They refuse whoever does not have the key that is made for them.

    A cluster at an address is trusted: it runs the cells, and this process loads what it answers. Name only
    one whose users you trust, or whose own TLS settings, in Dask's configuration, keep the others out.

    Raises ValueError if no scheduler answers, or for `workers` together with a scheduler, which has its own.
    """
    if scheduler is not None:
        if workers is not None:
            raise ValueError(f"workers must be left out with a scheduler, which has its own, got {workers}")
        with silence_logging_cmgr(_QUIET), _client_of(scheduler) as client:
            yield client
        return
    share = (resources or {}).get("GPU")
    gpus = visible_gpus() if share else []
    if workers is None:
        workers = max(1, int(len(gpus) // share)) if share and gpus else processors()
    with (
        silence_logging_cmgr(_QUIET),
        children_inherit(dict.fromkeys(_THREADS, str(threads)) | _MEMORY),
        _own_scratch(),
        dask.config.set(_NO_PAGES),
        _started(at_least_one(workers), resources) as cluster,
        Client(cluster) as client,
    ):
        if gpus:
            client.register_plugin(OneGPU(gpus))
        yield client


@contextmanager
def _started(workers: int, resources: Resources | None) -> Iterator[LocalCluster]:
    """A cluster of processes of this machine, which an interrupt from the terminal reaches by this one alone.

    One that arrives while they start ends them when they have started: half started, each would complain.
    """
    with ExitStack() as stack:
        with _interrupts_put_off():
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    memory_limit=None,  # Dask must not pause a cell that needs much memory
                    dashboard_address=None,
                    scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any: two sweeps must not collide
                    security=Security.temporary(),
                    resources=resources,
                    silence_logs=_QUIET,
                )
            )
        yield cluster


@contextmanager
def _interrupts_put_off() -> Iterator[None]:
    """Let an interrupt wait until the end; threads and processes that are started meanwhile never get one."""
    arrived: list[int] = []
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # which would else be started with a child, and let it be interrupted
    handler = signal.signal(signal.SIGINT, lambda number, _: arrived.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # this process has other threads
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if arrived:
            signal.raise_signal(signal.SIGINT)


def slots(client: Client, resources: Resources | None = None) -> int:
    """How many cells that need `resources` the workers of a client run at once, each on its own thread."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    needed = (resources or {}).items()
    return sum(
        min([each["nthreads"], *(int(each["resources"].get(name, 0) // amount) for name, amount in needed)])
        for each in workers
    )


def at_least_one(workers: int) -> int:
    """A number of workers; raises ValueError for one below 1.

    >>> at_least_one(0)
    Traceback (most recent call last):
    ValueError: workers must be at least 1, got 0
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    return workers


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """The GPUs of this machine as CUDA_VISIBLE_DEVICES names them, found without loading torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [each for each in named.split(",") if each]
    try:
        found = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    listed = [line for line in found.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(listed))]


class OneGPU(WorkerPlugin):
    """Shows a local worker one of the `gpus`, before anything in it has loaded CUDA."""

    def __init__(self, gpus: list[str]) -> None:
        self.gpus = gpus

    def setup(self, worker: Any) -> None:
        os.environ["CUDA_VISIBLE_DEVICES"] = self.gpus[int(worker.name) % len(self.gpus)]


@contextmanager
def _own_scratch() -> Iterator[None]:
    """A new folder for the scratch of Dask, which puts it first on the import path of all its processes.

    Dask's own choice is one folder for all users of the machine, in which any of them can put a module.
    """
    with temporary_folder(SCRATCH) as folder, dask.config.set({"temporary-directory": str(folder)}):
        yield


def _client_of(scheduler: str) -> Client:
    place = urlsplit(scheduler if "://" in scheduler else f"tcp://{scheduler}")
    try:
        # A plain connection first: a Client that fails can leave an event loop on which the next one hangs.
        with socket.create_connection((place.hostname, place.port or 0), timeout=CONNECT):
            pass
        return Client(scheduler, timeout=CONNECT)
    except (OSError, ValueError) as error:  # a timeout is an OSError
        reason = one_line(error) or type(error).__name__
        message = "scheduler must be the address of a running Dask scheduler, such as tcp://host:8786"
        raise ValueError(f"{message}, got {scheduler!r} ({reason})") from None
