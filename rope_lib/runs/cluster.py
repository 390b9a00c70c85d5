"""The workers that cells run on: processes of this machine, or those of a Dask cluster that runs already."""

import logging
import os
import socket
import subprocess
from contextlib import contextmanager
from urllib.parse import urlsplit

from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.utils import silence_logging_cmgr

from .errors import one_line

CONNECT = 10  # seconds to wait for a scheduler to answer

_QUIET = logging.CRITICAL + 1  # what goes wrong is told by `run_cells`, a line for each cell

# What limits the threads of a numerical library is read when the library is loaded.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# Dask has its workers give memory back at once, at which training takes more than twice as long. This lets
# glibc keep what was freed, as it does in other processes; elsewhere it means nothing.
_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**28), "MALLOC_MMAP_THRESHOLD_": str(2**25)}


@contextmanager
def connected(scheduler=None, *, workers=None, threads=1, resources=None):
    """A Dask `Client`: of the cluster at the address `scheduler`, or of worker processes of this machine.

    Those are as many as `workers`, by default one for each processor, or as many as the GPUs hold where
    `resources` say how much of one a cell needs. Each runs one cell at a time with `threads` threads, has the
    `resources` of one cell, and sees one of the GPUs, in turn. They end with this context, and with this
    process however it ends.

    Raises ValueError where no scheduler answers, or for `workers` beside a scheduler, which has its own.
    """
    if scheduler is not None:
        if workers is not None:
            raise ValueError(f"workers must be left out where a scheduler has its own, got {workers}")
        with silence_logging_cmgr(_QUIET), _client_of(scheduler) as client:
            yield client
        return
    share = (resources or {}).get("GPU")
    gpus = visible_gpus() if share else []
    if workers is None:
        workers = max(1, int(len(gpus) // share)) if gpus else processors()
    with (
        silence_logging_cmgr(_QUIET),
        _environment(dict.fromkeys(_THREADS, str(threads)) | _MEMORY),
        LocalCluster(
            n_workers=at_least_one(workers),
            threads_per_worker=1,
            processes=True,
            memory_limit=None,  # a cell knows best what it needs, and is not to be paused for it
            dashboard_address=None,  # no pages; any free port for the rest, or two sweeps would collide
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            resources=resources,
            silence_logs=_QUIET,
        ) as cluster,
        Client(cluster) as client,
    ):
        if gpus:
            client.register_plugin(OneGPU(gpus))
        yield client


def slots(client, resources=None):
    """How many cells that need `resources` the workers of a client run at once, each cell on its thread."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    needed = (resources or {}).items()
    return sum(
        min([each["nthreads"], *(int(each["resources"].get(name, 0) // amount) for name, amount in needed)])
        for each in workers
    )


def at_least_one(workers):
    """A number of workers that is one."""
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    return workers


def processors():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def visible_gpus():
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

    def __init__(self, gpus):
        self.gpus = gpus

    def setup(self, worker):
        os.environ["CUDA_VISIBLE_DEVICES"] = self.gpus[int(worker.name) % len(self.gpus)]


def _client_of(scheduler):
    place = urlsplit(scheduler if "://" in scheduler else f"tcp://{scheduler}")
    try:
        # Tried by hand first: a Client that fails can leave an event loop that the next one hangs on.
        with socket.create_connection((place.hostname, place.port or 0), timeout=CONNECT):
            pass
        return Client(scheduler, timeout=CONNECT)
    except (OSError, ValueError) as error:  # no answer in time is an OSError
        reason = one_line(error) or type(error).__name__
        message = "scheduler must be the address of a running Dask scheduler, such as tcp://host:8786"
        raise ValueError(f"{message}, got {scheduler!r} ({reason})") from None


@contextmanager
def _environment(variables):
    """This process with other environment variables, which those that it starts inherit."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
