"""Kill a save before each of its system calls, and look at what is left.

    python tests/attack/kills.py [SCENARIO]... [--every N]

A child process, forked for each kill, runs a save and ends itself with SIGKILL before its call number n, for
every n: calls that open, rename, make, remove, list, lock, write or flush something below its folder.
After each kill, a reader must find the whole earlier result or the whole new one, and the next run must
succeed and leave nothing but its result. Prints a table, and exits with status 1 if anything was lost.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from rope_lib.runs import folders, store
from rope_lib.runs.store import kept, read_provenance, read_tables, save_tables

CALLS = {
    "open",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.remove",
    "os.listdir",
    "os.scandir",
    "shutil.rmtree",
}
LOST, OTHER = 3, 4  # exit statuses of a child


@dataclass(frozen=True)
class Scenario:
    """`prepare` the folder, `save` (which is killed, then run again), and `check` what a kill left.

    `check(folder, done, calls)` raises AssertionError for a loss; `calls` are those made before the kill, and
    `done` is true after the save that was not killed.
    """

    prepare: Callable[[Path], object]
    save: Callable[[Path], object]
    check: Callable[[Path, bool, list[str]], object]


# Kills


def calls_of(scenario: Scenario, folder: Path) -> list[str]:
    """The calls of a save that is not killed."""
    record = folder.with_name("calls.json")
    run = forked(lambda: record.write_text(json.dumps(counted(scenario.save, folder, None))))
    assert run == 0, f"a save that is not killed ended with {run}"
    return json.loads(record.read_text())


def counted(save: Callable[[Path], object], folder: Path, kill: int | None) -> list[str]:
    """The calls of a save below `folder`; this process ends before the call numbered `kill`."""
    calls: list[str] = []
    inside = False

    def call(name: str) -> None:
        if inside:
            if len(calls) == kill:
                os.kill(os.getpid(), signal.SIGKILL)
            calls.append(name)

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CALLS and arguments and not elsewhere(arguments[0], folder):
            call(" ".join([event, *(str(each) for each in arguments[:2])]))

    def before(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            call(name)
            return function(*arguments, **named)

        return wrapped

    os.fsync = before("fsync", os.fsync)
    folders._exchange = before("exchange", folders._exchange)
    pq.write_table = before("write_table", pq.write_table)
    folders.FileLock.acquire = before("lock", folders.FileLock.acquire)
    sys.addaudithook(heard)
    inside = True
    save(folder)
    inside = False
    return calls


def elsewhere(path: object, folder: Path) -> bool:
    """Whether a path is not below `folder`; numbers and relative names are of what is open there."""
    if not isinstance(path, str | bytes | Path) or not os.path.isabs(path):
        return False
    return folder not in Path(os.fsdecode(path)).parents


def forked(work: Callable[[], object]) -> int:
    """The exit status of `work` in a child, negative if a signal ended it."""
    return ended_with(forked_child(work))


def ended_with(child: int) -> int:
    """The exit status of a child, once it has ended."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def forked_child(work: Callable[[], object]) -> int:
    """The number of a child process that does `work` and ends."""
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which are idle
        child = os.fork()
    if child:
        return child
    status = OTHER
    try:
        work()
        status = 0
    except AssertionError as error:
        print(f"  lost: {error}", file=sys.stderr)
        status = LOST
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def attack(scenario: Scenario, every: int = 1) -> tuple[int, list[str]]:
    """The number of kills, and a line for each after which something was lost."""
    lost = []
    with tempfile.TemporaryDirectory() as around:
        pristine, folder = Path(around) / "pristine", Path(around) / "work"
        pristine.mkdir()
        assert forked(lambda: scenario.prepare(pristine)) == 0
        shutil.copytree(pristine, folder, symlinks=True)
        calls = calls_of(scenario, folder)
        kills = range(0, len(calls), every)
        for number in kills:
            shutil.rmtree(folder)
            shutil.copytree(pristine, folder, symlinks=True)
            before, name = calls[:number], calls[number]

            def again() -> None:
                scenario.save(folder)
                scenario.check(folder, True, calls)

            ended = [
                forked(lambda: counted(scenario.save, folder, number)),  # noqa: B023 (it runs at once)
                forked(lambda: scenario.check(folder, False, before)),  # noqa: B023
                forked(again),
            ]
            if ended != [-signal.SIGKILL, 0, 0]:
                lost.append(f"before call {number}, {name.replace(around, '')}: {ended}")
    return len(kills), lost


# Scenarios


def frames(number: int) -> dict[str, pd.DataFrame]:
    return {name: pd.DataFrame({"x": [number] * 3}) for name in ("a", "b")[: number + 1]}


def number_in(folder: Path) -> int:
    """Which of the results of `frames` is in a folder, whole."""
    tables = read_tables(folder)
    number = read_provenance(folder)["number"]
    assert list(tables) == list(frames(number)), "not its tables"
    assert all((table.x == number).all() for table in tables.values()), "tables of another result"
    return number


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def save_old(folder: Path) -> None:
    save_tables(folder / "out", frames(0), {"number": 0})


def save_new(folder: Path) -> None:
    save_tables(folder / "out", frames(1), {"number": 1})


def check_new(folder: Path, done: bool, _: list[str]) -> None:
    try:
        assert number_in(folder / "out") == 1
    except FileNotFoundError:
        assert not done, "the next run left nothing"
    assert not done or names(folder) == {"out"}, f"the next run left {names(folder)}"


def check_replaced(folder: Path, done: bool, _: list[str]) -> None:
    assert number_in(folder / "out") in ((1,) if done else (0, 1))
    assert not done or names(folder) == {"out"}, f"the next run left {names(folder)}"


def two_renames(save: Callable[[Path], object]) -> Callable[[Path], object]:
    """A save where the system cannot exchange two folders."""

    def without(folder: Path) -> None:
        folders._exchange = lambda first, second: False
        save(folder)

    return without


def save_beside_a_note(folder: Path) -> None:
    save_old(folder)
    (folder / "out" / "note.txt").write_text("mine")


def check_note(folder: Path, done: bool, _: list[str]) -> None:
    assert number_in(folder / "out") in ((1,) if done else (0, 1))
    notes = [path for path in folder.rglob("note.txt") if path.read_text() == "mine"]
    assert len(notes) == 1, "the note is lost"
    assert number_in(notes[0].parent) == 0, "what was beside the note is lost"
    assert not done or names(folder) == {"out", "out.old"}, f"the next run left {names(folder)}"


def keep_damaged(folder: Path) -> None:
    keep(folder, 0)
    (folder / "out" / "a.parquet").write_bytes(b"PAR1")


def keep(folder: Path, number: int = 1) -> None:
    kept(folder / "out", {"number": number}, lambda: frames(number), number=number)


def check_kept(folder: Path, done: bool, _: list[str]) -> None:
    if done:
        assert number_in(folder / "out") == 1
        assert names(folder) == {"out", ".out.lock"}, f"the next run left {names(folder)}"


class Found:
    """As much of a report's findings as writing them needs."""

    name = "model"

    def __init__(self, number: int) -> None:
        self.number = number

    def tables(self) -> dict[str, pd.DataFrame]:
        return frames(self.number)


def report(number: int) -> Callable[[Path], object]:
    """Write a report in which nothing is measured and no notebook is run."""

    def write(folder: Path) -> None:
        from rope_lib.report import write

        write._executed = lambda parameters, path, *_: path.write_text(f"notebook {number}")
        write.page = lambda *_: f"page {number}"
        write._about = lambda *_: {}
        write._check_replaceable(folder / "out")
        write._write(folder / "out", {}, Found(number), {"number": number}, ())

    return write


def check_report(folder: Path, done: bool, _: list[str]) -> None:
    out = folder / "out"
    store.recover(out, store.is_ours)  # as the next run does
    number = number_in(out / "tables")
    assert number in ((1,) if done else (0, 1))
    assert (out / "report.html").read_text() == f"page {number}"
    assert (out / "report.ipynb").read_text() == f"notebook {number}"
    assert not done or names(folder) == {"out"}, f"the next run left {names(folder)}"


TOML = """
seed = {seed}
[model]
layers = 1
width = 8
heads = 1
head_dim = 4
[task]
name = "copy"
[training]
steps = 1
batch = 2
length = 16
[evaluation]
lengths = [16]
examples = 1
"""


def train(seed: int) -> Callable[[Path], object]:
    def run(folder: Path) -> None:
        import torch
        from click.testing import CliRunner

        from rope_lib.cli import main

        torch.set_num_threads(1)
        (folder / "config.toml").write_text(TOML.format(seed=seed))
        ran = CliRunner().invoke(main, ["train", str(folder / "config.toml"), "--out", str(folder / "out")])
        assert ran.exit_code == 0, ran.output

    return run


def check_trained(folder: Path, done: bool, calls: list[str]) -> None:
    read_tables(folder / "out")
    seed = read_provenance(folder / "out")["inputs"]["config"]["seed"]
    assert seed in ((1,) if done else (0, 1))
    trained = any(call.startswith("os.rename") and "checkpoint" in call for call in calls[:-1])
    checkpoint = folder / "out-training" / "checkpoint.safetensors"
    assert seed == 1 or not trained or checkpoint.exists(), "what was trained is lost"
    assert not done or names(folder) == {"out", "config.toml"}, f"the next run left {names(folder)}"


def nothing(folder: Path) -> None:
    pass


SCENARIOS = {
    "save, into a new folder": Scenario(nothing, save_new, check_new),
    "save, over an earlier result": Scenario(save_old, save_new, check_replaced),
    "save, over an earlier result, by two renames": Scenario(save_old, two_renames(save_new), check_replaced),
    "save, over a folder with a note": Scenario(save_beside_a_note, save_new, check_note),
    "save, over a folder with a note, by two renames": Scenario(
        save_beside_a_note, two_renames(save_new), check_note
    ),
    "store, over a damaged entry": Scenario(keep_damaged, keep, check_kept),
    "report, over an earlier one": Scenario(report(0), report(1), check_report),
    "report, over an earlier one, by two renames": Scenario(report(0), two_renames(report(1)), check_report),
    "train, over an earlier result": Scenario(train(0), train(1), check_trained),
    "train, over an earlier result, by two renames": Scenario(train(0), two_renames(train(1)), check_trained),
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Kill saves before each of their system calls.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"One of: {'; '.join(SCENARIOS)}.")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="Kill before every Nth call only.")
    options = parser.parse_args(arguments)
    chosen = options.scenarios or list(SCENARIOS)
    if any(name.startswith(("report", "train")) for name in chosen):
        import rope_lib.cli.train
        import rope_lib.report.write
        import rope_lib.train.run  # noqa: F401 (once, for all children)
    total = failed = 0
    print(f"{'attack':<50} {'tried':>6} {'survived':>9}")
    for name in chosen:
        tried, lost = attack(SCENARIOS[name], options.every)
        print(f"{name:<50} {tried:>6} {tried - len(lost):>9}", *lost, sep="\n  ", flush=True)
        total, failed = total + tried, failed + len(lost)
    print(f"{'all':<50} {total:>6} {total - failed:>9}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
