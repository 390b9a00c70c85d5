"""Attacks by the hundred thousand: inputs drawn from a seed, tried in batches that several processes share.

An attack is a function that draws one input, tries it, and says in a word what became of it; it raises what
it finds wrong. Each input has a number and is drawn from the seed and its number alone, so that any one can
be tried again, whatever the number of processes. A batch that is done is noted in a log, if there is one: the
same command then goes on after it.
"""

import argparse
import collections
import contextlib
import faulthandler
import json
import multiprocessing
import random
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeAlias

BATCH = 500  # inputs
SHOWN = 20  # kinds of faults that are printed


@dataclass(frozen=True)
class Attack:
    """`attempt(generator, folder)` tries one input in a folder of its process; `share` is that of all inputs.

    One input may take `seconds` of processor time, and `memory` bytes more than the program starts with.
    """

    attempt: Callable[[random.Random, Path], str]
    share: float
    seconds: float = 2.0
    memory: float = 500e6


@dataclass(frozen=True)
class Batch:
    """What became of the inputs from number `first` on; `faults` are those that broke something."""

    attack: str
    seed: int
    first: int
    tried: int
    survived: int
    outcomes: dict[str, int]
    faults: list[str]
    seconds: float


class TookTooLong(Exception):
    """An input that costs more than it may."""


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise TookTooLong for a block that takes longer, in processor time; one that hangs is ended."""

    def late(*_: object) -> None:
        raise TookTooLong("does not end")

    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, 5 * seconds)
    started = time.process_time()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    took = time.process_time() - started
    if took > seconds:
        raise TookTooLong(f"took {took:.1f} s")


@contextlib.contextmanager
def limited_memory(most: float) -> Iterator[None]:
    """In this block, more than `most` bytes beyond what the process has now raise MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (int(pages * resource.getpagesize() + most), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def try_one(attack: Attack, name: str, seed: int, number: int, folder: Path) -> str:
    """Try one input of an attack; returns what became of it, or raises what it broke."""
    generator = random.Random(f"{name}, {seed}, {number}")
    with bounded(attack.seconds):
        return attack.attempt(generator, folder)


Wanted: TypeAlias = tuple[str, int, int, int]  # of a batch: attack, seed, number of the first input, tries


def _try_batch(attack: Attack, wanted: Wanted, folder: Path, answer: Connection, current: Any) -> None:
    """In a process of its own: try a batch, and send what became of it; `current` is the input in hand."""
    faulthandler.enable()
    tempfile.tempdir = str(folder)
    name, seed, first, tries = wanted
    outcomes: collections.Counter[str] = collections.Counter()
    faults = []
    started = time.perf_counter()
    with limited_memory(attack.memory):
        for number in range(first, first + tries):
            current.value = number
            try:
                outcomes[try_one(attack, name, seed, number, folder)] += 1
            except Exception as fault:
                faults.append(f"{number}: {type(fault).__name__}: {str(fault)[:300]!r}")
    seconds = time.perf_counter() - started
    answer.send(Batch(name, seed, first, tries, tries - len(faults), dict(outcomes), faults, seconds))


def _finished(attacks: Mapping[str, Attack], wanted: Iterable[Wanted], jobs: int) -> Iterator[Batch]:
    """The batches as they finish. One whose process an input ends is cut there, and goes on behind it."""
    context = multiprocessing.get_context("fork")  # a child has imported everything
    waiting = collections.deque(wanted)
    running: dict[Connection, tuple[Any, Wanted, Path, Any]] = {}
    with tempfile.TemporaryDirectory() as around:
        while waiting or running:
            while waiting and len(running) < jobs:
                each, folder = waiting.popleft(), Path(tempfile.mkdtemp(dir=around))
                ours, theirs = context.Pipe(duplex=False)
                current = context.RawValue("q", each[2])
                child = context.Process(
                    target=_try_batch, args=(attacks[each[0]], each, folder, theirs, current)
                )
                child.start()
                theirs.close()
                running[ours] = child, each, folder, current
            for answer in wait(list(running)):
                assert isinstance(answer, Connection)
                child, (name, seed, first, tries), folder, current = running.pop(answer)
                try:
                    yield answer.recv()
                except EOFError:
                    child.join()
                    last, what = current.value, f"ended its process with {child.exitcode}"
                    yield Batch(name, seed, first, last - first + 1, last - first, {}, [f"{last}: {what}"], 0)
                    if last + 1 < first + tries:
                        waiting.append((name, seed, last + 1, first + tries - last - 1))
                child.join()
                shutil.rmtree(folder)


def batches(
    attacks: Mapping[str, Attack], wanted: Mapping[str, int], seed: int, jobs: int, log: Path | None
) -> Iterator[Batch]:
    """Try as many inputs of each attack as `wanted`, but for the batches that a log has already."""
    done = list(_logged(log, wanted, seed)) if log is not None else []
    yield from done
    known = {(batch.attack, batch.first) for batch in done}
    missing = [
        (name, seed, first, min(BATCH, tries - first))
        for name, tries in wanted.items()
        for first in range(0, tries, BATCH)
        if (name, first) not in known
    ]
    with contextlib.nullcontext() if log is None else open(log, "a", encoding="utf-8") as file:
        for batch in _finished(attacks, missing, jobs):
            if file is not None:
                print(json.dumps(asdict(batch)), file=file, flush=True)
            yield batch


def _logged(log: Path, wanted: Mapping[str, int], seed: int) -> Iterator[Batch]:
    """The batches in a log that are those of this run; a line that was not finished is none."""
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        with contextlib.suppress(ValueError, TypeError):
            batch = Batch(**json.loads(line))
            tries = min(BATCH, wanted.get(batch.attack, 0) - batch.first)
            if batch.seed == seed and batch.tried == tries:
                yield batch


def print_table(rows: Iterable[tuple[str, int, int, float]]) -> None:
    """Print attack × tried × survived, with the seconds that each took, of all processes together."""
    rows = list(rows)
    width = max(len(name) for name, *_ in rows)
    print(f"{'attack':<{width}}{'tried':>12}{'survived':>12}{'seconds':>10}")
    for name, tried, survived, seconds in rows:
        print(f"{name:<{width}}{tried:>12,}{survived:>12,}{seconds:>10,.0f}")


def _print_faults(name: str, faults: list[str]) -> None:
    """Print each kind of fault once, with the number of an input that shows it."""
    kinds: dict[str, list[str]] = {}
    for fault in faults:
        number, _, what = fault.partition(": ")
        kinds.setdefault(what, []).append(number)
    for what, numbers in sorted(kinds.items(), key=lambda kind: -len(kind[1]))[:SHOWN]:
        print(f"{name}: {len(numbers):,} × {what}, such as number {numbers[0]}")


def run(attacks: Mapping[str, Attack], about: str, inputs: int, argv: list[str] | None = None) -> int:
    """Run all attacks as the command line says, and print the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("inputs", nargs="?", type=int, default=inputs, help="all together, %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share them, %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="%(default)s")
    parser.add_argument("--log", type=Path, help="file in which finished batches are noted, to go on from")
    parser.add_argument("--only", action="append", choices=list(attacks), help="this attack alone")
    parser.add_argument("--replay", type=int, metavar="NUMBER", help="try this one input of --only again")
    options = parser.parse_args(argv)
    if options.replay is not None:
        with tempfile.TemporaryDirectory() as folder:
            (name,) = options.only
            print(try_one(attacks[name], name, options.seed, options.replay, Path(folder)))
        return 0
    chosen = {name: attack for name, attack in attacks.items() if name in (options.only or attacks)}
    whole = sum(attack.share for attack in chosen.values())
    wanted = {name: max(1, round(options.inputs * each.share / whole)) for name, each in chosen.items()}
    found: dict[str, list[Batch]] = {name: [] for name in chosen}
    started = time.perf_counter()
    for batch in batches(chosen, wanted, options.seed, options.jobs, options.log):
        found[batch.attack].append(batch)
    rows = [
        (name, *(sum(getattr(one, key) for one in each) for key in ("tried", "survived", "seconds")))
        for name, each in found.items()
    ]
    print_table([*rows, ("all", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True)))])
    for name, each in found.items():
        outcomes = sum((collections.Counter(batch.outcomes) for batch in each), collections.Counter())
        print(f"{name}: " + ", ".join(f"{count:,} {word}" for word, count in outcomes.most_common(12)))
    print(f"{time.perf_counter() - started:,.0f} s of this run's time, {options.jobs} processes")
    for name, each in found.items():
        _print_faults(name, [fault for batch in each for fault in batch.faults])
    return int(any(tried != survived for _, tried, survived, _ in rows))
