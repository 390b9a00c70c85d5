"""A stranger's folder holds links to a user's files: no run writes through one, or moves what it leads to."""

import pytest
from click.testing import CliRunner
from strangers import TRAIN

from rope_lib.cli import main
from rope_lib.runs.folders import alone, replacing
from rope_lib.runs.grid import read_grid
from rope_lib.runs.links import refuse_links
from rope_lib.runs.mark import is_ours, output_folder
from rope_lib.runs.store import kept
from rope_lib.runs.sweep import run_cells


@pytest.fixture
def theirs(tmp_path):
    """A folder of the user's; at the end every file in it must be as it was."""
    folder = tmp_path / "theirs"
    (folder / "earlier").mkdir(parents=True)
    (folder / "earlier" / "thesis.tex").write_text("years of work")
    (folder / "letter.txt").write_text("dear")

    def found():
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return [(path.relative_to(folder), path.read_text(), path.stat().st_mtime_ns) for path in files]

    before = found()
    yield folder
    assert found() == before


def test_links_are_found_at_any_depth(tmp_path, theirs):
    refuse_links(tmp_path / "none")
    (tmp_path / "out" / "a" / "b").mkdir(parents=True)
    refuse_links(tmp_path / "out")
    for name in ("a/b/link", "a/link", "link"):
        for target in (theirs, theirs / "letter.txt", "nowhere"):
            link = tmp_path / "out" / name
            link.symlink_to(target)
            with pytest.raises(ValueError, match=f"{name}: must not be a link, which leads to "):
                refuse_links(tmp_path / "out")
            link.unlink()


def test_no_lock_is_a_link(tmp_path, theirs):
    (tmp_path / ".out.lock").symlink_to(theirs / "letter.txt")
    with pytest.raises(ValueError, match="must not be a link"), alone(tmp_path / "out"):
        pass
    with pytest.raises(ValueError, match="must not be a link"):
        kept(tmp_path / "out", {}, dict)


def test_no_scratch_of_a_dead_run_is_a_link(tmp_path, theirs):
    (tmp_path / ".out.scratch-aaaaaaaa").symlink_to(theirs)
    (tmp_path / ".out.scratch-bbbbbbbb").mkdir()
    with replacing(tmp_path / "out", is_ours) as made:
        assert not (tmp_path / ".out.scratch-bbbbbbbb").exists()
        (made / "new").write_text("new")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]


def test_a_folder_is_a_link_only_where_the_user_names_it(tmp_path, theirs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rope-train-x").symlink_to(theirs)
    assert output_folder("rope-train-x", "").name == "rope-train-x"
    with pytest.raises(ValueError, match="rope-train-x: must not be a link"):
        output_folder(None, "rope-train-x")


@pytest.mark.parametrize("link", ["", "checkpoint.safetensors", ".checkpoint.scratch", "weights.safetensors"])
def test_train_refuses_links_where_it_works(link, tmp_path, theirs):
    (tmp_path / "x.toml").write_text(TRAIN, encoding="utf-8")
    place = tmp_path / "out-training" / link
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(theirs / "letter.txt" if link else theirs)
    result = CliRunner().invoke(main, ["train", str(tmp_path / "x.toml"), "--out", str(tmp_path / "out")])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.stderr
    assert "must not be a link" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["cells", "scratch", "scratch/x/said.txt", "scratch/x/work"])
def test_a_sweep_refuses_links_where_it_works(name, tmp_path, theirs):
    (tmp_path / "grid.toml").write_text(f'kind = "train"\n[fixed]{TRAIN}[axes]\nseed = [0]', encoding="utf-8")
    link = tmp_path / "out" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(theirs / "letter.txt" if name.endswith("txt") else theirs)
    with pytest.raises(ValueError, match="must not be a link"):
        run_cells(read_grid(tmp_path / "grid.toml", "default").cells, "json:loads", tmp_path / "out")
