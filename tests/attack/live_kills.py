"""Kill live reports and sweeps at moments drawn from all of their life, and look at what is left.

    python tests/attack/live_kills.py [TRIES] [--jobs N] [--seed S]

The smallest model is measured and its notebook run by a real kernel; a small grid is trained by real worker
processes. Each try runs the command over an earlier result, in folders of its own, and ends its process with
SIGKILL. After it, no process that it started may live on, and the earlier result, or the new one, must be
there whole. The same command then must finish, with the tables of a run that was not disturbed, and leave
nothing but its result. Prints a table, attack × tried × survived, and exits with status 1 if anything failed.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import hostile  # noqa: E402  # found by the path above
import pandas as pd  # noqa: E402
import psutil  # noqa: E402
from reports import TEXT, save_model  # noqa: E402
from strangers import TRAIN  # noqa: E402

from rope_lib.runs import folders, store  # noqa: E402

COMMAND = "import sys; from rope_lib.cli import main; sys.argv[0] = 'rope-lib'; main()"
MARK = "ROPE_LIB_ATTACK"  # the environment variable by which what a command starts is known
PATIENCE = 30  # seconds within which the processes of a killed command end
_OF_A_RUN = ["seconds", "utc"]  # columns that differ from run to run


@dataclass(frozen=True)
class Command:
    """A command to kill: what it needs, its words, where its tables are, and what else it leaves beside them.

    `prepare(work)` writes its inputs, and `earlier` are the words that make another result in the same place.
    """

    prepare: Callable[[Path], object]
    words: list[str]
    earlier: list[str]
    tables: str
    left: frozenset[str]


def prepare_report(work: Path) -> None:
    save_model("llama", work / "model")
    (work / "text.txt").write_text(TEXT, encoding="utf-8")


def prepare_sweep(work: Path) -> None:
    grid = f'kind = "train"\n[fixed]{TRAIN}[axes]\nspectrum.base = [4, 100]\nseed = '
    (work / "grid.toml").write_text(f"{grid}[0, 1, 2]\n", encoding="utf-8")
    (work / "earlier.toml").write_text(f"{grid}[0]\n", encoding="utf-8")


_REPORT = ["report", "model", "--text", "text.txt", "--device", "cpu", "--out", "out", "--lengths"]
COMMANDS = {
    "report, with its kernel": Command(
        prepare_report, [*_REPORT, "64,128"], [*_REPORT, "64"], "out/tables",
        frozenset({"model", "text.txt", "out"}),
    ),
    "sweep, with two workers": Command(
        prepare_sweep, ["sweep", "grid.toml", "--workers", "2", "--out", "out"],
        ["sweep", "earlier.toml", "--workers", "2", "--out", "out"], "out/default",
        frozenset({"grid.toml", "earlier.toml", "out"}),
    ),
}  # fmt: skip


# A command and what it starts


class Live:
    """A command that runs in folders of its own, and the moments at which it went on."""

    def __init__(self, place: Path, words: list[str]) -> None:
        self.work, self.mark = place / "work", uuid.uuid4().hex
        private = {name: str(place / name.lower()) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
        for folder in private.values():
            Path(folder).mkdir(exist_ok=True)
        path = os.environ.get("PYTHONPATH") or str(ROOT)
        environment = os.environ | private | {"PYTHONPATH": path, MARK: self.mark, "OMP_NUM_THREADS": "1"}
        self.begun, self.said = time.monotonic(), ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words], cwd=self.work, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self.reader = threading.Thread(target=self._listen)
        self.reader.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line

    def progress(self) -> int:
        """How many steps can be seen from outside: lines said, and cells, workers and kernels that came."""
        cells = list((self.work / "out" / "cells").glob("[!.]*"))
        return self.said.count("\n") + len(cells) + len(psutil.Process(self.process.pid).children())

    def moments(self) -> list[float]:
        """Wait for its end; the seconds from its start at which it made a step, and that of its end."""
        times, steps = [0.0], 0
        while self.process.poll() is None:
            with contextlib.suppress(psutil.Error):
                if self.progress() > steps:
                    steps = self.progress()
                    times.append(time.monotonic() - self.begun)
            time.sleep(0.02)
        return [*times, time.monotonic() - self.begun]

    def kill_at(self, step: int, delay: float) -> bool:
        """Kill it `delay` seconds after its `step`th step; False if it had ended before."""
        times = steps = 0
        while times < step and self.process.poll() is None:
            with contextlib.suppress(psutil.Error):
                if self.progress() > steps:
                    steps, times = self.progress(), times + 1
            time.sleep(0.02)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(delay)
        self.process.kill()
        return self.process.wait() == -signal.SIGKILL

    def finish(self) -> int:
        """Its exit status."""
        status = self.process.wait()
        self.reader.join(PATIENCE)
        return status

    def survivors(self) -> list[psutil.Process]:
        """The processes that it started, itself included, that are still alive."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                alive = process.status() != psutil.STATUS_ZOMBIE
                if alive and process.environ().get(MARK) == self.mark:
                    found.append(process)
        return found


def tables_in(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of a result, without what differs from run to run."""
    return {
        name: table.drop(columns=_OF_A_RUN, errors="ignore")
        for name, table in store.read_tables(folder).items()
    }


def same(tables: dict[str, pd.DataFrame], others: dict[str, pd.DataFrame]) -> bool:
    return tables.keys() == others.keys() and all(tables[name].equals(others[name]) for name in tables)


# Tries


def attack(command: Command, tries: int, jobs: int, generator: random.Random) -> Iterator[str | None]:
    """What was wrong after each kill, or None."""
    with tempfile.TemporaryDirectory() as around:
        place, inputs = Path(around) / "undisturbed", Path(around) / "inputs"
        (place / "work").mkdir(parents=True)
        command.prepare(place / "work")
        live = Live(place, command.earlier)
        assert live.finish() == 0, live.said
        results = [tables_in(place / "work" / command.tables)]
        shutil.copytree(place, inputs)
        live = Live(place, command.words)
        moments = live.moments()
        assert live.finish() == 0, live.said
        results.append(tables_in(place / "work" / command.tables))

        def one(number: int) -> str | None:
            step = draws[number].randrange(len(moments) - 1)
            delay = draws[number].random() * (moments[step + 1] - moments[step])
            try:
                return _problem(command, inputs, Path(around) / str(number), results, step, delay)
            except Exception as error:
                return f"step {step} + {delay:.2f} s: {type(error).__name__}: {error}"

        draws = [random.Random(generator.random()) for _ in range(tries)]
        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(one, range(tries))


def _problem(
    command: Command, inputs: Path, place: Path, results: list, step: int, delay: float
) -> str | None:
    """What was wrong after one kill, "late" where the command had ended before, or None."""
    shutil.copytree(inputs, place)
    killed = Live(place, command.words)
    was_killed = killed.kill_at(step, delay)
    deadline = time.monotonic() + PATIENCE
    while alive := killed.survivors():
        if time.monotonic() > deadline:
            for process in alive:
                process.kill()
            return f"step {step} + {delay:.2f} s: {[each.cmdline()[:4] for each in alive]} lived on"
        time.sleep(0.1)
    killed.finish()
    tables = tables_in(place / "work" / command.tables)
    assert any(same(tables, each) for each in results), "the earlier result is lost"
    for scratch in (place / "tmpdir").iterdir():
        os.utime(scratch, (0, 0))  # as if the next run came a minute later
    again = Live(place, command.words)
    status = again.finish()
    assert status == 0, f"the next run ended with {status}: {again.said}"
    assert same(tables_in(place / "work" / command.tables), results[1]), "the result is another"
    for folder, expected in ((place / "work", command.left), (place / "tmpdir", frozenset())):
        found = {path.name for path in folder.iterdir()}
        assert found == expected, f"{sorted(found ^ expected)} are there or are missing in {folder.name}"
    litter = [path for path in place.rglob("*") if _is_litter(path)]
    assert not litter, f"left {litter[:3]}"
    return None if was_killed else "late"


def _is_litter(path: Path) -> bool:
    """Whether a path is what a run should have removed."""
    is_temporary = path.name.startswith("tmp") and path.name != "tmpdir"
    of_a_cell = path.parent.name in ("scratch", "runtime")  # a cell that did not finish, a kernel
    return is_temporary or of_a_cell or folders._SCRATCH.fullmatch(path.name) is not None


def main() -> int:
    """Run all attacks and print the table; returns the exit status."""
    parser = argparse.ArgumentParser(description="Kill live reports and sweeps.")
    parser.add_argument("tries", nargs="?", type=int, default=4, help="for each command, %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="tries at the same time, %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="%(default)s")
    parser.add_argument("--only", choices=list(COMMANDS), help="this command alone")
    options = parser.parse_args()
    rows = []
    for name, command in COMMANDS.items():
        if options.only not in (None, name):
            continue
        started, generator = time.perf_counter(), random.Random(options.seed)
        found = []
        for problem in attack(command, options.tries, options.jobs, generator):
            found.append(problem)
            print(f"{name} {len(found)}: {problem or 'survived'}", file=sys.stderr, flush=True)
        late = found.count("late")
        wrong = [problem for problem in found if problem not in (None, "late")]
        rows.append((name, len(found), len(found) - len(wrong), time.perf_counter() - started))
        print(f"{name}: {late} had ended before their kill", *wrong, sep="\n  ", flush=True)
    hostile.print_table(rows)
    return int(any(tried != survived for _, tried, survived, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
