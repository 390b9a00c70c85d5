"""Output folders: only what this library wrote is replaced, in one step, and dead processes leave nothing."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rope_lib.runs import folders, mark
from rope_lib.runs.folders import InUse, alone, held, made_if_missing, recover_all, replacing, scratch
from rope_lib.runs.mark import check_elsewhere, check_replaceable, is_ours, output_folder, write_mark
from rope_lib.runs.store import read_provenance, read_tables, save_tables

OLD, NEW = ({"a": pd.DataFrame({"x": [value]})} for value in (0, 1))


def save(folder, tables, maker="train"):
    save_tables(folder, tables, {"name": maker, "inputs": {}})


def value_in(folder):
    return read_tables(folder)["a"].x[0]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["one exchange", "two renames"])
def either_way(request, monkeypatch):
    """Both ways to replace a folder."""
    if request.param == "two renames":
        monkeypatch.setattr(folders, "_exchange", lambda first, second: False)


@pytest.mark.parametrize(
    ("name", "every"),
    [
        ("save, over an earlier result", 9),
        pytest.param("save, over an earlier result", 1, marks=pytest.mark.slow),
        pytest.param("save, over an earlier result, by two renames", 1, marks=pytest.mark.slow),
        pytest.param("save, over a folder with a note", 1, marks=pytest.mark.slow),
    ],
)
def test_a_save_that_is_killed_loses_nothing_and_the_next_one_cleans_up(root, name, every):
    run = subprocess.run(
        [sys.executable, root / "tests" / "attack" / "kills.py", name, "--every", str(every)],
        cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    tried, survived = run.stdout.split()[-2:]
    assert int(tried) == int(survived) > 20 / every


def test_a_result_is_replaced(either_way, tmp_path):
    save(tmp_path / "out", OLD)
    save(tmp_path / "out", NEW)
    assert value_in(tmp_path / "out") == 1
    assert names(tmp_path) == ["out"]


def add_note(out):
    (out / "note.txt").write_text("mine")


def add_folder(out):
    (out / "drafts").mkdir()


def change_table(out):
    (out / "a.parquet").write_text("mine")


def remove_mark(out):
    (out / "provenance.json").unlink()


def replace_mark_by_a_pipe(out):
    remove_mark(out)
    os.mkfifo(out / "provenance.json")


def nest_mark(out):
    (out / "provenance.json").write_text("[" * 100_000)


def damage_mark(out):
    (out / "provenance.json").write_text('{"provenance": [], "tables": {}}')


def link_table(out):
    (out / "a.parquet").rename(out.parent / "elsewhere")
    (out / "a.parquet").symlink_to(out.parent / "elsewhere")


CHANGES = {
    add_note: "note.txt",
    add_folder: "drafts",
    change_table: "a.parquet (changed since)",
    remove_mark: "a.parquet",
    damage_mark: "a.parquet, provenance.json",
    nest_mark: "a.parquet, provenance.json",
    replace_mark_by_a_pipe: "a.parquet, provenance.json",
    link_table: "a.parquet (changed since)",
}


@pytest.mark.parametrize(("change", "found"), CHANGES.items())
def test_what_the_mark_does_not_list_is_refused_and_never_deleted(change, found, either_way, tmp_path):
    out = tmp_path / "out"
    save(out, OLD)
    change(out)
    before = names(out)
    with pytest.raises(FileExistsError, match=f"^out must be .*{re.escape(f'{out} holds {found}: name')}"):
        check_replaceable(out, "train")
    save(out, NEW)  # what --force and a note that came during the run lead to
    assert value_in(out) == 1
    assert names(tmp_path / "out.old") == before


def test_the_folders_that_are_kept_are_numbered(tmp_path):
    for _ in range(3):
        (tmp_path / "out").mkdir(exist_ok=True)
        add_note(tmp_path / "out")
        save(tmp_path / "out", NEW)
    assert names(tmp_path) == ["out", "out.old", "out.old-2", "out.old-3"]


def test_the_results_of_another_command_are_refused(tmp_path):
    out = tmp_path / "out"
    save(out, OLD, "sweep")
    check_replaceable(out, "sweep")
    with pytest.raises(FileExistsError, match=r"one that rope-lib train wrote, but .* holds those of sweep"):
        check_replaceable(out, "train")
    save_tables(out, OLD, {})
    assert read_provenance(tmp_path / "out.old")["name"] == "sweep"
    with pytest.raises(FileExistsError, match="the results of another command"):
        check_replaceable(out, "train")
    save(out, NEW)
    assert value_in(tmp_path / "out.old-2") == 0


def test_results_of_an_earlier_version_are_known_by_what_their_provenance_says(root, tmp_path):
    assert is_ours(root / "results" / "which_bound")
    check_replaceable(root / "results" / "which_bound", "sweep")
    with pytest.raises(FileExistsError, match="holds those of sweep"):
        check_replaceable(root / "results" / "which_bound", "train")


def test_new_and_empty_folders_are_free(tmp_path):
    check_replaceable(tmp_path / "new", "train")
    (tmp_path / "empty").mkdir()
    check_replaceable(tmp_path / "empty", "train")
    save(tmp_path / "empty", NEW)
    assert names(tmp_path) == ["empty"]


def test_a_mark_lists_folders_too(tmp_path):
    with replacing(tmp_path / "out", is_ours) as made:
        (made / "page.html").write_text("<p>")
        save(made / "tables", OLD)
        write_mark(made, "report")
    check_replaceable(tmp_path / "out", "report")
    (tmp_path / "out" / "tables" / "note.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds tables/note\.txt"):
        check_replaceable(tmp_path / "out", "report")


def test_places_that_cannot_be_written_are_refused_at_once(tmp_path, monkeypatch, refuses):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    refuses(lambda: output_folder("", "x"), "out must name a folder, got ''")
    refuses(lambda: output_folder("/", "x"), "out must name a folder, got /")
    for out, error in (("file", "out must be a folder, but file is a file"), ("file/x", "is a file")):
        with pytest.raises(OSError, match=error):
            output_folder(out, "x")
    with monkeypatch.context() as patch:
        patch.setattr(mark, "scratch", read_only)
        written = "out must be a folder that can be written, got 'a/b' (Permission denied)"
        refuses(lambda: output_folder("a/b", "x"), written)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ValueError, match="it is a link to nothing"):
        output_folder("loop", "x")
    (tmp_path / "loop").unlink()
    with pytest.raises(ValueError, match="File name too long"):
        output_folder("o" * 240, "x")  # the name of its scratch folder is longer
    with pytest.raises(ValueError, match="must be a path in UTF-8"):
        output_folder(None, os.fsdecode(b"rope-train-\xff"))
    with pytest.raises(FileExistsError, match="must be a folder, but is a file"):
        save("file", NEW)
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def read_only(parent, prefix):
    raise PermissionError(errno.EACCES, "Permission denied", str(parent))


def test_a_path_through_a_folder_that_is_not_there_makes_no_such_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(output_folder("new/../out", "x"), NEW)
    assert names(tmp_path) == ["out"]
    assert output_folder("out/../out", "x") == Path("out/../out")  # as it was given


def test_the_current_folder_and_those_above_are_left_where_they_are(tmp_path, monkeypatch, refuses):
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to("here")
    monkeypatch.chdir(tmp_path / "here")
    for folder in (".", "..", "/", "../here", tmp_path / "link"):
        refuses(
            lambda: check_elsewhere(Path(folder)),  # noqa: B023 (it runs at once)
            f"out must be a folder other than the current one and those above, got {str(folder)!r}",
        )
    check_elsewhere(Path("new"))
    check_elsewhere(Path("../here-2"))


def test_a_mark_without_a_digest_lists_nothing(tmp_path):
    """A stranger's mark must not make a user's file ours, whatever it holds."""
    for digest in ("", None, [], 1):
        listed = {"provenance": {"name": "train"}, "files": {"note.txt": digest}}
        (tmp_path / "provenance.json").write_text(json.dumps(listed))
        (tmp_path / "note.txt").write_text("mine")
        assert not is_ours(tmp_path)


def test_folders_that_are_made_for_nothing_go_again(tmp_path):
    (tmp_path / "a").mkdir()
    with made_if_missing(tmp_path / "a" / "b" / "c"):
        assert (tmp_path / "a" / "b" / "c").is_dir()
    assert names(tmp_path / "a") == []
    with made_if_missing(tmp_path / "a" / "b" / "c"):
        (tmp_path / "a" / "b" / "note.txt").write_text("mine")
    assert names(tmp_path / "a" / "b") == ["note.txt"]


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    for tables in (OLD, NEW):
        save(tmp_path / "out", tables)
    assert (tmp_path / "out").is_symlink()
    assert value_in(tmp_path / "disk") == 1


def test_an_error_while_it_is_written_leaves_the_earlier_result(tmp_path, monkeypatch):
    save(tmp_path / "out", OLD)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rope_lib.runs.store.pq.write_table", full)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path / "out", NEW)
    assert value_in(tmp_path / "out") == 0
    assert names(tmp_path) == ["out"]


def test_a_disk_that_is_full_at_any_byte_loses_nothing(either_way, tmp_path):
    resource = pytest.importorskip("resource")
    save(tmp_path / "out", OLD)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    failed = 0
    for most in range(0, 3000, 300):  # bytes of a file
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
        try:
            save(tmp_path / "out", NEW)
        except OSError:
            failed += 1
            assert value_in(tmp_path / "out") == 0
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert names(tmp_path) == ["out"]
    assert failed > 3
    assert value_in(tmp_path / "out") == 1


def test_a_reader_finds_what_an_earlier_version_had_renamed_away_when_it_was_killed(tmp_path):
    save(tmp_path / "out", OLD)
    around = tmp_path / ".out.scratch-a1b2c3d4"
    (around / "made").mkdir(parents=True)
    (tmp_path / "out").rename(around / "replaced")
    assert value_in(tmp_path / "out") == 0
    assert names(tmp_path) == ["out"]


def test_scratch_of_the_living_stays_and_that_of_the_dead_goes(tmp_path):
    (tmp_path / ".other.scratch-a1b2c3d4").mkdir()
    (tmp_path / ".out.scratch-a1b2c3d4").mkdir()
    (tmp_path / ".out.scratch-notes").mkdir()  # not a name that `scratch` gives
    with scratch(tmp_path, ".out.scratch-") as living:
        save(tmp_path / "out", NEW)
        assert living.is_dir()
        kept = {living.name, f"{living.name}.lock", ".other.scratch-a1b2c3d4", ".out.scratch-notes", "out"}
        assert set(names(tmp_path)) == kept
        recover_all(tmp_path, is_ours)
        assert set(names(tmp_path)) == kept - {".other.scratch-a1b2c3d4"}
    assert names(tmp_path) == [".out.scratch-notes", "out"]


def test_a_lock_is_held_once_and_leaves_no_file(tmp_path):
    with held(tmp_path / "lock"), pytest.raises(InUse), held(tmp_path / "lock"):
        pass
    told = pytest.raises(InUse, match=f"^{tmp_path / 'out'}: another process is writing here$")
    with alone(tmp_path / "out"), told, alone(tmp_path / "out"):
        pass
    assert names(tmp_path) == []


SAVES = """
import sys
import pandas as pd
from rope_lib.runs.store import save_tables
for _ in range(10):
    save_tables(sys.argv[1], {"a": pd.DataFrame({"x": [int(sys.argv[2])]})}, {"number": int(sys.argv[2])})
"""


def test_two_processes_that_save_at_once_leave_one_whole_result(tmp_path):
    out = tmp_path / "out"
    both = [subprocess.Popen([sys.executable, "-c", SAVES, out, str(number)]) for number in (0, 1)]
    assert [each.wait(timeout=120) for each in both] == [0, 0]
    assert value_in(out) == read_provenance(out)["number"]
    assert names(tmp_path) == ["out"]


def test_two_processes_at_one_place_lose_and_tear_nothing(root):
    run = subprocess.run(
        [sys.executable, root / "tests" / "attack" / "two_at_once.py", "4"],
        cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    tried, survived = run.stdout.split()[-2:]
    assert int(tried) == int(survived) == 20


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux's /proc")
def test_a_folder_in_which_no_file_can_be_made_is_refused_and_not_waited_for():
    with pytest.raises(OSError, match="/proc"), scratch(Path("/proc"), ".out.scratch-"):
        pytest.fail("nothing can be made there")
