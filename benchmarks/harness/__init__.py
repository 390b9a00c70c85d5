"""What the benchmarks share: contestants timed by turns, and their times kept with the state of the machine.

A benchmark is a script `benchmarks/NAME.py`. It makes a table with `by_turns` or `cold` for each of its tasks
and hands them to `keep`, which writes `results/bench/NAME`; `{benchmark} NAME` puts it on a page of the book.
"""

import os

# Before numpy is imported, since its libraries read these when they are loaded: one thread, as all times are.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rope_lib.runs.store import circumstances, save_tables  # noqa: E402

RESULTS = ROOT / "results" / "bench"
PEERS = ROOT / "_build" / "peers"
ROUNDS = 5

Contestants = Mapping[str, Callable[[], object]]


def by_turns(task: str, contestants: Contestants, scale: Mapping[str, float] = {}, rounds: int = ROUNDS):
    """The times of functions that run in turn: a row for each round and contestant, ours first.

    Each runs once before, uncounted. `scale` is how many times the whole task takes what a contestant does of
    it. Columns: task, contestant, round, cpu (seconds of this process), wall (seconds), scale.
    """
    rows = []
    for number in range(rounds + 1):
        for name, function in contestants.items():
            cpu, wall = time.process_time(), time.perf_counter()
            function()
            spent = time.process_time() - cpu, time.perf_counter() - wall
            rows.append((task, name, number, *spent, scale.get(name, 1.0)))
    return _counted(rows)


def cold(task: str, commands: Mapping[str, Sequence[str | Path]], rounds: int = ROUNDS):
    """The times of fresh processes, as `by_turns`. They may keep bytecode, as they do for a user."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    rows = []
    for number in range(rounds + 1):
        for name, command in commands.items():
            wall = time.perf_counter()
            child = subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            complaint = child.stderr.read().decode()
            _, status, used = os.wait4(child.pid, 0)
            if status:
                raise RuntimeError(f"{name} failed: {complaint}")
            rows.append((task, name, number, used.ru_utime + used.ru_stime, time.perf_counter() - wall, 1.0))
    return _counted(rows)


def _counted(rows):
    columns = ["task", "contestant", "round", "cpu", "wall", "scale"]
    runs = pd.DataFrame(rows, columns=columns)
    return runs[runs["round"] > 0].reset_index(drop=True)


def add_peers() -> None:
    """Let this process import what `make peers` installed. What .venv holds comes first."""
    if not (PEERS / ".ready").exists():
        raise SystemExit(f"{PEERS} must hold the libraries to compare with: run `make peers` first")
    sys.path.append(str(PEERS))


def peak_memory(function: Callable[[], object]) -> int:
    """The most bytes that Python and numpy held at once while it ran."""
    tracemalloc.start()
    function()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def keep(name: str, load_before: tuple[float, ...], packages: Sequence[str], **tables: pd.DataFrame) -> None:
    """Write the tables to `results/bench/NAME`, with versions and the machine's load, and print the times."""
    about = {
        "command": f"python benchmarks/{name}.py",
        "cores": os.cpu_count(),
        "load_before": list(load_before),
        "load_after": list(os.getloadavg()),
        "versions": {package: version(package) for package in packages},
    }
    save_tables(RESULTS / name, tables, circumstances() | about | {"name": f"bench/{name}", "threads": 1})
    from rope_lib.findings.benchmarks import times

    print(times(tables["runs"]).to_string(index=False))
