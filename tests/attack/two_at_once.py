"""Let two processes work on the same entry, output or lock at the same time, and look at what they leave.

    python tests/attack/two_at_once.py [TRIES] [--seed S]

In each try two children start together, each after a delay drawn from up to two milliseconds. An entry of the
store must be computed once and be read whole by both; of an output that both replace, one whole result must
stay, and a third process that reads all the while must never be given the tables of two results as one; a
lock must never be held by both. Nothing may be left beside the result. Prints a table, attack × tried ×
survived, and exits with status 1 if anything failed.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from kills import ended_with, forked_child, frames, keep_damaged, names, nothing, number_in, save_old

from rope_lib.runs.folders import InUse, alone
from rope_lib.runs.store import kept, read_tables, save_tables

LATEST = 0.002  # seconds that a child waits at most before it starts


@dataclass(frozen=True)
class Contest:
    """`prepare` the folder, `work` in it as process 0 or 1, and `check` what both left.

    All raise AssertionError for a fault; `watch` runs beside them for as long as they work.
    """

    prepare: Callable[[Path], object]
    work: Callable[[Path, int], object]
    check: Callable[[Path], object]
    watch: Callable[[Path], object] | None = None


def attempt(contest: Contest, folder: Path, delays: tuple[float, float]) -> bool:
    """Whether two processes, which start together but for their delays, leave nothing that is wrong."""
    contest.prepare(folder)
    start = time.monotonic() + 0.003
    done = folder.with_name("done")

    def child(number: int) -> Callable[[], object]:
        def run() -> None:
            time.sleep(max(0.0, start + delays[number] - time.monotonic()))
            contest.work(folder, number)

        return run

    def watch() -> None:
        while not done.exists():
            contest.watch(folder)

    watcher = forked_child(watch) if contest.watch else None
    workers = [forked_child(child(number)) for number in (0, 1)]
    ended = [ended_with(worker) for worker in workers]
    done.touch()
    if watcher is not None:
        ended.append(ended_with(watcher))
    ended.append(ended_with(forked_child(lambda: contest.check(folder))))
    return not any(ended)


# Contests


def keep_once(folder: Path, number: int) -> None:
    """Keep one entry, with a mark of each time that it was computed."""

    def compute() -> dict[str, pd.DataFrame]:
        (folder / f"computed-{number}").touch()
        return frames(1)

    tables = kept(folder / "out", {"number": 1}, compute, number=1)
    assert all((table.x == 1).all() for table in tables.values()), "read another's tables"


def check_once(folder: Path) -> None:
    assert number_in(folder / "out") == 1
    computed = {name for name in names(folder) if name.startswith("computed-")}
    assert len(computed) == 1, f"computed by {sorted(computed)}"
    assert names(folder) == {"out", ".out.lock"} | computed, f"left {names(folder)}"


def keep_own(folder: Path, number: int) -> None:
    kept(folder / f"entry-{number}", {"number": number}, lambda: frames(number), number=number)


def check_own(folder: Path) -> None:
    assert [number_in(folder / f"entry-{number}") for number in (0, 1)] == [0, 1]
    entries = {"entry-0", "entry-1"}
    assert names(folder) == entries | {f".{name}.lock" for name in entries}, f"left {names(folder)}"


def save_often(folder: Path, number: int) -> None:
    for _ in range(3):
        save_tables(folder / "out", frames(number), {"number": number})


def check_saved(folder: Path) -> None:
    assert number_in(folder / "out") in (0, 1)
    assert names(folder) == {"out"}, f"left {names(folder)}"


def read_whole(folder: Path) -> None:
    """Read what is there: always one whole result, though it is replaced meanwhile."""
    tables = read_tables(folder / "out")
    found = {number for table in tables.values() for number in table.x}
    assert len(found) == 1, f"read the tables of two results: {found}"
    assert list(tables) == list(frames(found.pop())), f"read {list(tables)}"


def hold_often(folder: Path, number: int) -> None:
    inside = folder / "inside"
    for _ in range(20):
        try:
            with alone(folder / "out"):
                inside.touch(exist_ok=False)  # raises where the other is inside
                inside.unlink()
        except InUse:
            pass


def check_free(folder: Path) -> None:
    assert names(folder) == set(), f"left {names(folder)}"


CONTESTS = {
    "one entry of the store": Contest(nothing, keep_once, check_once),
    "one damaged entry of the store": Contest(keep_damaged, keep_once, check_once),
    "two entries of one store": Contest(nothing, keep_own, check_own),
    "one output, read meanwhile": Contest(save_old, save_often, check_saved, read_whole),
    "one lock": Contest(nothing, hold_often, check_free),
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Let two processes work at the same place at once.")
    parser.add_argument("tries", nargs="?", type=int, default=200, help="of each contest, %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="%(default)s")
    options = parser.parse_args(arguments)
    generator = random.Random(options.seed)
    total = failed = 0
    print(f"{'attack':<50} {'tried':>6} {'survived':>9}")
    for name, contest in CONTESTS.items():
        survived = 0
        for _ in range(options.tries):
            with tempfile.TemporaryDirectory() as around:
                folder = Path(around) / "work"
                folder.mkdir()
                delays = (generator.uniform(0, LATEST), generator.uniform(0, LATEST))
                survived += attempt(contest, folder, delays)
        print(f"{name:<50} {options.tries:>6} {survived:>9}", flush=True)
        total, failed = total + options.tries, failed + options.tries - survived
    print(f"{'all':<50} {total:>6} {total - failed:>9}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
