"""The scratch of Dask is new for each sweep, and what killed sweeps left of theirs is removed."""

import os
import tempfile
from pathlib import Path

import dask
import pytest

from rope_lib.runs import cluster


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def scratch_folders(folder):
    return sorted(path.name for path in folder.glob(f"{cluster._SCRATCH}*"))


def test_scratch_is_new_private_and_removed(temporary):
    before = dask.config.get("temporary-directory", None)
    with cluster._own_scratch():
        folder = Path(dask.config.get("temporary-directory"))
        assert (folder.parent, list(folder.iterdir())) == (temporary, [])
        assert folder.stat().st_mode & 0o777 == 0o700
    assert (dask.config.get("temporary-directory", None), list(temporary.iterdir())) == (before, [])


def test_only_the_scratch_of_dead_sweeps_is_removed(temporary, tmp_path_factory):
    names = ["dead", "fresh", "used", "link"]
    dead, fresh, used, link = (temporary / f"{cluster._SCRATCH}{name}" for name in names)
    kept = tmp_path_factory.mktemp("kept")
    (kept / "thesis.tex").write_text("years of work")
    for folder in (dead, fresh, used):
        folder.mkdir()
        (folder / "global.lock").touch()
    link.symlink_to(kept)
    for folder in (dead, used, kept):
        os.utime(folder, (0, 0))
    with cluster._locked(used), cluster._own_scratch():
        left = scratch_folders(temporary)
    assert not dead.exists()
    assert {fresh.name, used.name, link.name} < set(left)
    assert len(left) == 4
    assert (kept / "thesis.tex").exists()
