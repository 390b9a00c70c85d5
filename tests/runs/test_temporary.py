"""Temporary folders are new and private, and those of killed processes are removed; nothing else is."""

import os
import tempfile
from pathlib import Path

import dask
import pytest

from rope_lib.runs import cluster, temporary
from rope_lib.runs.sweep import run_cells
from rope_lib.runs.temporary import temporary_folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_scratch_of_dask_is_new_private_and_removed(place):
    before = dask.config.get("temporary-directory", None)
    with cluster._own_scratch():
        folder = Path(dask.config.get("temporary-directory"))
        assert (folder.parent, list(folder.iterdir())) == (place, [])
        assert folder.stat().st_mode & 0o777 == 0o700
    assert (dask.config.get("temporary-directory", None), list(place.iterdir())) == (before, [])


def test_only_the_folders_of_dead_processes_are_removed(place, tmp_path_factory):
    names = ["dead", "fresh", "used", "link"]
    dead, fresh, used, link = (place / f"rope-lib-workers-{name}" for name in names)
    other = place / "rope-lib-model-dead"
    kept = tmp_path_factory.mktemp("kept")
    (kept / "thesis.tex").write_text("years of work")
    for folder in (dead, fresh, used, other):
        folder.mkdir()
        (folder / "global.lock").touch()
    link.symlink_to(kept)
    for folder in (dead, used, kept, other):
        os.utime(folder, (0, 0))
    with temporary._locked(used), temporary_folder("workers"):
        left = {path.name for path in place.glob("rope-lib-workers-*")}
    assert not dead.exists()
    assert {fresh.name, used.name, link.name} < left
    assert len(left) == 4
    assert (kept / "thesis.tex").exists()
    assert other.exists()


def test_a_sweep_that_has_nothing_to_compute_removes_what_a_dead_one_left(place):
    dead = place / "rope-lib-workers-dead"
    dead.mkdir()
    os.utime(dead, (0, 0))
    run_cells([], "rope_lib.train.run:run_cell", place / "out", progress=False)
    assert not dead.exists()
