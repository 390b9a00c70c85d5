"""Sweeps on real worker processes: what is killed, what fails, what another does at the same time."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import partial

import psutil
import pytest
from click.testing import CliRunner
from grid_cells import compute, log, wait_for

from rope_lib.cli import main
from rope_lib.runs import experiments
from rope_lib.runs.cluster import connected
from rope_lib.runs.collect import collect
from rope_lib.runs.grid import make_grid
from rope_lib.runs.store import digest, read_provenance, read_tables
from rope_lib.runs.sweep import entry_of, outdated, run_cells

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="kills processes")]


def grid(xs, **acts):
    """A grid with an axis x; `acts` are what single cells do: `x3="raise"`."""
    together = [{"x": x} | ({"act": acts[f"x{x}"]} if f"x{x}" in acts else {}) for x in xs]
    return make_grid({"kind": "test", "together": {"cell": together}})


def starts(folder):
    """How often each cell was started."""
    return Counter(x for x, _ in log(folder))


def xs(cells):
    return [cell.values["x"] for cell in cells]


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


# Killed


def test_a_worker_killed_between_its_entry_and_its_scratch_leaves_nothing_for_ever(tmp_path):
    swept_grid = grid(range(2))
    run_cells(swept_grid.cells, compute, tmp_path, workers=1, progress=False)
    kept_as = read_provenance(entry_of(tmp_path, swept_grid.cells[0]))["inputs"]
    mine = tmp_path / "scratch" / f"{swept_grid.cells[0].digest}-{digest(kept_as)[:8]}"
    other = tmp_path / "scratch" / f"{swept_grid.cells[1].digest}-of other inputs"
    for left in (mine, other):
        (left / "work").mkdir(parents=True)
    run_cells(swept_grid.cells, compute, tmp_path, workers=1, progress=False)
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == [other.name]


def test_a_worker_killed_in_mid_cell_loses_that_cell_alone_and_it_goes_on(tmp_path):
    swept_grid, said = grid(range(6), x2="hang"), []

    def kill():
        wait_for(lambda: 2 in starts(tmp_path))
        os.kill(dict(log(tmp_path))[2], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    swept = run_cells(swept_grid.cells, compute, tmp_path, workers=2, progress=False, say=said.append)
    killer.join()
    assert (xs(swept.computed), swept.kept, swept.failed) == (list(range(6)), (), ())
    assert starts(tmp_path) == {0: 1, 1: 1, 2: 2, 3: 1, 4: 1, 5: 1}
    tables = collect(tmp_path, swept_grid)
    assert tables["cells"].finished.all()
    assert tables["squares"].y.tolist() == [0, 0, 1, 1, 4, 4, 9, 9, 16, 16, 25, 25]
    assert tables["seen"].resumed.tolist() == [False, False, True, False, False, False]
    assert said == ["x=2 act=hang: finished on try 2, after its worker died"]
    assert not list((tmp_path / "scratch").iterdir())
    again = run_cells(swept_grid.cells, compute, tmp_path, progress=False)
    assert (again.computed, xs(again.kept)) == ((), list(range(6)))
    assert starts(tmp_path).total() == 7


SWEEP = """
import json, sys
from rope_lib.runs.grid import make_grid
from rope_lib.runs.sweep import run_cells
folder, count, acts = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
cells = [{"x": x} | ({"act": acts[str(x)]} if str(x) in acts else {"seconds": 0.1}) for x in range(count)]
if __name__ == "__main__":
    grid = make_grid({"kind": "test", "together": {"cell": cells}})
    swept = run_cells(grid.cells, "grid_cells:compute", folder, workers=2)
    print(len(swept.computed), len(swept.kept), len(swept.failed))
"""


def sweep_process(root, folder, count, acts):
    """A sweep in a process of its own, whose warnings are errors."""
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'tests' / 'runs'}"}
    command = [sys.executable, "-W", "error", "-c", SWEEP, str(folder), str(count), json.dumps(acts)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def test_a_killed_sweep_takes_its_workers_along_and_the_next_one_does_what_is_missing(root, tmp_path):
    killed = sweep_process(root, tmp_path, 8, {3: "hang"})
    wait_for(lambda: 3 in starts(tmp_path) and len(log(tmp_path)) > 4)
    finished = [path.name for path in (tmp_path / "cells").glob("[!.]*")]
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    wait_for(lambda: all(is_gone(pid) for _, pid in log(tmp_path)))
    before = log(tmp_path)
    following = sweep_process(root, tmp_path, 8, {3: "hang"})
    output, error = following.communicate(timeout=120)
    assert error == ""
    computed, kept, failed = map(int, output.split())
    assert kept >= len(finished) >= 3
    assert (computed + kept, failed) == (8, 0)
    anew = Counter(x for x, _ in log(tmp_path)[len(before) :])
    assert len(anew) == computed == anew.total()
    assert 3 in anew


def test_two_sweeps_of_one_folder_share_the_cells(root, tmp_path):
    both = [sweep_process(root, tmp_path, 10, {0: "wait", 1: "wait"}) for _ in range(2)]
    # Two of the four workers are held up by these cells, be they of one sweep or of both.
    wait_for(lambda: len(starts(tmp_path)) == 10)
    (tmp_path / "go").touch()
    outputs = [each.communicate(timeout=120) for each in both]
    assert [error for _, error in outputs] == ["", ""]
    computed, kept, failed = zip(*(map(int, output.split()) for output, _ in outputs), strict=True)
    assert (sum(computed), sum(kept), sum(failed)) == (10, 10, 0)
    assert starts(tmp_path) == dict.fromkeys(range(10), 1)


# Failed, damaged, outdated


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """A sweep of good and bad cells: its folder, grid, result and lines."""
    folder, said = tmp_path_factory.mktemp("troubled"), []
    swept_grid = grid(range(6), x1="raise", x2="die", x3="exit", x4="no table")
    swept = run_cells(swept_grid.cells, compute, folder, workers=2, progress=False, say=said.append)
    return folder, swept_grid, swept, said


def test_cells_that_fail_are_named_with_their_reason_and_the_others_finish(troubled):
    folder, _, swept, said = troubled
    assert xs(swept.computed) == [0, 5]
    assert {failure.cell.values["x"]: failure.reason for failure in swept.failed} == {
        1: "RuntimeError: two lines",
        2: "its worker died 3 times, perhaps for lack of memory",
        3: "SystemExit: gave up",
        4: "table 't' must be a DataFrame, got list",
    }
    assert sorted(said)[0] == "x=1 act=raise: RuntimeError: two lines"
    assert len(said) == 4
    assert starts(folder)[2] == 3
    assert {starts(folder)[x] for x in (1, 3, 4)} == {1}


def test_what_a_failed_cell_said_and_where_it_raised_stays(troubled):
    folder, swept_grid, _, _ = troubled
    (scratch,) = (folder / "scratch").glob(f"{swept_grid.cells[1].digest}-*")
    assert (scratch / "said.txt").read_text() == "said 1\n"
    assert 'raise RuntimeError("two\\nlines")' in (scratch / "error.txt").read_text()


def test_the_joined_tables_tell_which_cells_are_missing(troubled):
    folder, swept_grid, _, _ = troubled
    tables = collect(folder, swept_grid)
    assert list(tables) == ["cells", "seen", "squares"]
    assert tables["cells"].finished.tolist() == [True, False, False, False, False, True]
    assert tables["squares"].columns.tolist() == ["x", "act", "n", "y"]
    assert tables["squares"].x.tolist() == [0, 0, 5, 5]


def test_a_damaged_entry_is_computed_again_and_so_is_one_of_other_inputs(tmp_path):
    cells = grid(range(3)).cells
    run_cells(cells, compute, tmp_path, inputs={"code": "a"}, workers=1, progress=False)
    path = entry_of(tmp_path, cells[1]) / "squares.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    swept = run_cells(cells, compute, tmp_path, inputs={"code": "a"}, workers=1, progress=False)
    assert (xs(swept.computed), xs(swept.kept)) == ([1], [0, 2])
    assert outdated(cells, tmp_path, {"code": "a"}) == ()
    assert outdated(cells, tmp_path, {"code": "b"}) == cells
    swept = run_cells(cells[:1], compute, tmp_path, inputs={"code": "b"}, workers=1, progress=False)
    assert xs(swept.computed) == [0]
    assert starts(tmp_path) == {0: 2, 1: 2, 2: 1}
    assert read_provenance(entry_of(tmp_path, cells[0]))["inputs"] == {"cell": {"x": 0}, "code": "b"}


# Workers


def test_local_workers_keep_memory_that_was_freed():
    with connected(workers=1) as client:
        assert client.submit(os.environ.get, "MALLOC_TRIM_THRESHOLD_").result() == str(2**28)
    assert "MALLOC_TRIM_THRESHOLD_" not in os.environ


def test_local_workers_have_one_thread_and_one_gpu_each(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    swept_grid = grid(range(4), x0="wait", x1="wait")
    helper = threading.Thread(
        target=lambda: (wait_for(lambda: len(log(tmp_path)) == 2), (tmp_path / "go").touch())
    )
    helper.start()
    run_cells(swept_grid.cells, compute, tmp_path, resources={"GPU": 1}, progress=False)
    helper.join()
    seen = collect(tmp_path, swept_grid)["seen"]
    assert set(zip(seen.worker.astype(int), seen.devices, strict=True)) == {(0, "3"), (1, "5")}
    assert set(seen.threads) == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"


@contextmanager
def dask(root, *arguments):
    """A process of Dask's own command."""
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'tests' / 'runs'}"}
    command = [sys.executable, "-m", "dask", *map(str, arguments)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def test_a_cluster_that_runs_already_is_used_and_cells_go_where_their_resources_are(root, tmp_path):
    file = tmp_path / "scheduler.json"
    swept_grid, said = grid(range(5)), []
    with ExitStack() as processes:
        processes.enter_context(
            dask(root, "scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard",
                 "--scheduler-file", file)
        )  # fmt: skip
        wait_for(lambda: file.exists() and file.read_text().endswith("}"))
        address = json.loads(file.read_text())["address"]
        worker = ["worker", address, "--nthreads", 1, "--no-dashboard", "--local-directory", tmp_path]
        processes.enter_context(dask(root, *worker, "--name", "plain"))

        def late():
            wait_for(lambda: said)
            processes.enter_context(dask(root, *worker, "--name", "with-gpu", "--resources", "GPU=1"))

        helper = threading.Thread(target=late)
        helper.start()
        swept = run_cells(
            swept_grid.cells, "grid_cells:compute", tmp_path, scheduler=address, resources={"GPU": 1},
            progress=False, say=said.append,
        )  # fmt: skip
        helper.join()
    assert xs(swept.computed) == list(range(5))
    assert said == ["Waiting for a worker with GPU 1"]
    assert set(collect(tmp_path, swept_grid)["seen"].worker) == {"with-gpu"}


def test_wrong_arguments_are_refused_in_one_line(tmp_path, refuses):
    cells = grid([0]).cells
    refuses(
        lambda: run_cells(cells, "no_such_module:f", tmp_path),
        "compute must be a function or the 'module:function' of one, got 'no_such_module:f'",
    )
    refuses(lambda: run_cells(cells, compute, tmp_path, workers=0), "workers must be at least 1, got 0")
    refuses(
        lambda: run_cells(cells, compute, tmp_path, scheduler="tcp://127.0.0.1:1", workers=2),
        "workers must be left out with a scheduler, which has its own, got 2",
    )
    for address in ("nonsense", "a:b:c", "127.0.0.1:1"):
        with pytest.raises(ValueError, match="scheduler must be the address of a running Dask scheduler"):
            run_cells(cells, compute, tmp_path, scheduler=address)
    assert not log(tmp_path)


# The command


GRID = """
kind = "test"
[axes]
x = [1, 2, 3]
[full]
axes.x = [1, 2, 3, 4]
[[full.exclude]]
x = 2
"""


@pytest.fixture
def kinds(monkeypatch):
    kind = experiments.Kind("grid_cells:compute", sources=("theory",), versions=("rope-lib",))
    monkeypatch.setattr(experiments, "KINDS", {"test": kind})


def test_the_command_runs_what_is_missing_and_joins_it(tmp_path, kinds, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "squares.toml").write_text(GRID)
    ran = CliRunner().invoke(main, ["sweep", "squares.toml", "--workers", "1"])
    assert (ran.exit_code, ran.stdout) == (0, "rope-sweep-squares/default\n")
    assert ran.stderr == "squares, default: 3 of 3 cells finished, 3 of them now, 0 failed.\n"
    tables = read_tables(tmp_path / "rope-sweep-squares" / "default")
    assert tables["squares"].y.tolist() == [1, 1, 4, 4, 9, 9]
    made = read_provenance(tmp_path / "rope-sweep-squares" / "default")
    assert made["inputs"]["grid"] == GRID
    assert (made["cells"], made["finished"]) == (3, 3)
    ran = CliRunner().invoke(main, ["sweep", "squares.toml", "--size", "full", "--workers", "1"])
    assert ran.stderr == "squares, full: 3 of 3 cells finished, 1 of them now, 0 failed.\n"
    assert read_tables(tmp_path / "rope-sweep-squares" / "full")["squares"].x.tolist() == [1, 1, 3, 3, 4, 4]


def test_the_command_exits_with_1_for_a_failed_cell_and_with_2_for_a_bad_grid(tmp_path, kinds, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text('kind = "test"\nfixed.act = "raise"\naxes.x = [1]')
    ran = CliRunner().invoke(main, ["sweep", "bad.toml", "--workers", "1"])
    assert ran.exit_code == 1
    assert ran.stderr == (
        "x=1: RuntimeError: two lines\n"
        "bad, default: 0 of 1 cells finished, 0 of them now, 1 failed.\n"
        "Error: 1 cells failed; the same command tries them again\n"
    )
    (tmp_path / "bad.toml").write_text('kind = "tests"')
    of_which = "size must be one that the file defines (default), got 'full'"
    for arguments, line in [
        (["bad.toml"], "bad.toml: kind must be one of test, got 'tests'"),
        (["none.toml"], "none.toml: No such file or directory"),
        (["bad.toml", "--size", "full"], f"bad.toml: {of_which}"),
    ]:
        ran = CliRunner().invoke(main, ["sweep", *arguments])
        assert (ran.exit_code, ran.stderr) == (2, f"Error: {line}\n")


def test_the_command_replaces_nothing_that_it_did_not_write(tmp_path, kinds, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "squares.toml").write_text(GRID)
    command = ["sweep", "squares.toml", "--workers", "1", "--out", "d"]
    (tmp_path / "d" / "default").mkdir(parents=True)
    (tmp_path / "d" / "default" / "thesis.tex").write_text("years of work")
    ran = CliRunner().invoke(main, command)
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert "d/default holds thesis.tex: name another folder, or add --force" in ran.stderr
    ran = CliRunner().invoke(main, [*command, "--force"])
    assert ran.exit_code == 0, ran.stderr
    assert (tmp_path / "d" / "default.old" / "thesis.tex").read_text() == "years of work"
    assert CliRunner().invoke(main, command).exit_code == 0  # its own results are replaced
    assert sorted(path.name for path in (tmp_path / "d").iterdir() if path.is_dir()) == [
        "cells", "default", "default.old", "scratch",
    ]  # fmt: skip


@pytest.mark.parametrize("options", [["--out", ""], ["--out", "/"], ["--out", "work"], ["--out", "f"]])
def test_the_command_refuses_folders_that_are_no_sweeps(options, tmp_path, kinds, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "squares.toml").write_text(GRID)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("years of work")
    (tmp_path / "f").write_text("mine")
    ran = CliRunner().invoke(main, ["sweep", "squares.toml", "--workers", "1", *options])
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert "out must " in ran.stderr
    assert len(list(tmp_path.rglob("*"))) == 4


def test_no_scheduler_leaves_no_folder(tmp_path, kinds, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "squares.toml").write_text(GRID)
    ran = CliRunner().invoke(main, ["sweep", "squares.toml", "--scheduler", "127.0.0.1:1"])
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["squares.toml"]


COMMAND = """
from rope_lib.cli import main
from rope_lib.runs import experiments
experiments.KINDS["test"] = experiments.Kind("grid_cells:compute", ("theory",), ())
main()
"""


def test_an_interrupt_ends_with_one_line_and_leaves_no_worker(root, tmp_path):
    (tmp_path / "stuck.toml").write_text('kind = "test"\nfixed.act = "hang"\naxes.x = [1, 2]')
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'tests' / 'runs'}"}
    command = [sys.executable, "-W", "error", "-c", COMMAND, "sweep", "stuck.toml", "--workers", "2"]
    # Tests that a script runs in the background ignore interrupts, and what they start would too.
    heeds_interrupts = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=heeds_interrupts,
    )  # fmt: skip
    folder = tmp_path / "rope-sweep-stuck"
    wait_for(lambda: len(log(folder)) == 2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    try:
        output, error = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    assert (process.returncode, output) == (130, "")
    assert error == "Stopped; the same command goes on.\n"
    wait_for(lambda: all(is_gone(pid) for _, pid in log(folder)))
