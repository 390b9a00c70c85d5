"""Tables kept on disk: what comes back, what is computed again, and what an interruption leaves."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from rope_lib.runs import store
from rope_lib.runs.store import read_provenance, read_tables, save_tables, stored

INPUTS = {"model": "a", "lengths": [2, 4], "nested": {"factor": 0.1, "none": None}}
TABLES = {
    "heads": pd.DataFrame(
        {
            "length": [2, 2, 4],
            "role": ["key", "query", "key"],
            "stable_rank": [1.0, np.nan, -0.0],
            "mean_norm": np.float32([0.1, np.nan, 3]),
            "layer": np.int32([0, 1, 2]),
            "sampled": [True, False, True],
        }
    ),
    "limits": pd.DataFrame({"x": [np.inf, -np.inf, np.nextafter(1, 2)], "text": ["a", None, "κ"]}),
    "kinds": pd.DataFrame({"kind": pd.Categorical(["b", "a"]), "count": pd.array([1, None], dtype="Int64")}),
    "nothing": pd.DataFrame(
        {"length": np.int64([]), "role": pd.Series([], dtype=str), "nll": np.float64([]), "b": np.bool_([])}
    ),
}


def same(first, second):
    assert list(first) == list(second)
    for name, frame in first.items():
        pd.testing.assert_frame_equal(frame, second[name], check_exact=True)


class Counted:
    """A measurement that counts how often it is made."""

    def __init__(self, tables=TABLES):
        self.tables, self.times = tables, 0

    def __call__(self):
        self.times += 1
        return self.tables


def entry_of(folder):
    (entry,) = (path for path in folder.iterdir() if not path.name.startswith("."))
    return entry


@pytest.fixture
def entry(tmp_path):
    """A stored entry."""
    stored("sweep", INPUTS, lambda: TABLES, folder=tmp_path)
    return entry_of(tmp_path)


def test_tables_come_back_as_they_were(tmp_path):
    save_tables(tmp_path / "run", TABLES, {"inputs": INPUTS})
    same(read_tables(tmp_path / "run"), TABLES)


def test_an_index_is_reset(tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0]}, index=[7, 3])
    save_tables(tmp_path / "run", {"table": frame}, {})
    same(read_tables(tmp_path / "run"), {"table": frame.reset_index(drop=True)})


def test_what_was_measured_is_read_the_second_time(tmp_path):
    compute = Counted()
    first = stored("sweep", INPUTS, compute, folder=tmp_path)
    same(first, TABLES)
    reordered = dict(reversed(INPUTS.items())) | {"lengths": (2, 4)}
    same(stored("sweep", reordered, compute, folder=tmp_path), TABLES)
    assert compute.times == 1


def test_other_inputs_or_another_name_are_measured(tmp_path):
    compute = Counted()
    stored("sweep", INPUTS, compute, folder=tmp_path)
    stored("sweep", INPUTS | {"model": "b"}, compute, folder=tmp_path)
    stored("shifts", INPUTS, compute, folder=tmp_path)
    assert compute.times == 3


def test_keys_that_are_numbers_are_found_again(tmp_path):
    compute = Counted()
    for _ in range(2):
        stored("sweep", {"factors": {2: "a", 10: "b"}}, compute, folder=tmp_path)
    assert compute.times == 1


def test_the_default_folder_is_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "user_cache_path", lambda name: tmp_path / name)
    stored("sweep", INPUTS, lambda: TABLES)
    assert entry_of(tmp_path / "rope-lib" / "measurements").name.startswith("sweep-")


def test_every_table_carries_its_provenance(entry):
    provenance = read_provenance(entry)
    assert provenance["inputs"] == INPUTS
    assert provenance["threads"] == torch.get_num_threads()
    assert provenance["seconds"] >= 0
    for name in TABLES:
        metadata = pq.read_schema(entry / f"{name}.parquet").metadata
        assert json.loads(metadata[b"rope_lib.provenance"]) == provenance


def test_threads_are_those_of_torch_which_not_every_result_needs(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    made = store.circumstances(seconds=1.5)
    assert (made["threads"], made["accelerator"], made["seconds"]) == (None, None, 1.5)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def edit(entry, change):
    path = entry / "provenance.json"
    described = json.loads(path.read_text())
    change(described)
    path.write_text(json.dumps(described))


DAMAGE = {
    "a truncated table": lambda entry: truncate(entry / "heads.parquet"),
    "a flipped bit": lambda entry: flip(entry / "limits.parquet"),
    "a missing table": lambda entry: (entry / "heads.parquet").unlink(),
    "a truncated description": lambda entry: truncate(entry / "provenance.json"),
    "a description that is not an object": lambda entry: (entry / "provenance.json").write_text("[]"),
    "a description without end": lambda entry: (entry / "provenance.json").write_text("[" * 100_000),
    "another provenance": lambda entry: edit(entry, lambda it: it["provenance"].update(threads=-1)),
    "a digest that is null": lambda entry: edit(entry, lambda it: it["tables"].update(heads=None)),
    "a table outside the folder": lambda entry: edit(entry, lambda it: it["tables"].update({"../x": "0"})),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_refused_and_measured_again(tmp_path, entry, damage):
    damage(entry)
    with pytest.raises(ValueError, match="is damaged"):
        read_tables(entry)
    compute = Counted()
    same(stored("sweep", INPUTS, compute, folder=tmp_path), TABLES)
    assert compute.times == 1
    same(read_tables(entry), TABLES)


def test_an_entry_of_other_inputs_is_not_taken(tmp_path, entry):
    save_tables(entry, {}, {"inputs": INPUTS | {"model": "b"}})
    compute = Counted()
    same(stored("sweep", INPUTS, compute, folder=tmp_path), TABLES)
    assert compute.times == 1


def test_a_folder_without_its_description_is_not_an_entry(tmp_path, entry):
    (entry / "provenance.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no provenance\.json"):
        read_tables(entry)
    same(stored("sweep", INPUTS, Counted(), folder=tmp_path), TABLES)


def test_a_measurement_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        stored("sweep", INPUTS, lambda: 1 / 0, folder=tmp_path)
    unfit = {"good": TABLES["heads"], "bad": pd.DataFrame({"x": [object()]})}
    with pytest.raises(ValueError, match="table 'bad' must have columns that Parquet can hold"):
        stored("sweep", INPUTS, lambda: unfit, folder=tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_a_replaced_folder_has_the_new_tables_alone(tmp_path):
    save_tables(tmp_path / "run", TABLES, {"first": 1})
    save_tables(tmp_path / "run", {"limits": TABLES["limits"]}, {"second": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    same(read_tables(tmp_path / "run"), {"limits": TABLES["limits"]})
    assert read_provenance(tmp_path / "run") == {"second": 2}


SLOW = """
import os, sys, time
from pathlib import Path
import pandas as pd
from rope_lib.runs import store

folder = Path(sys.argv[1])

def compute():
    (folder / f".started-{os.getpid()}").touch()
    time.sleep(float(sys.argv[2]))
    return {"who": pd.DataFrame({"process": [os.getpid()]})}

if sys.argv[3:] == ["stuck"]:  # write a table, then stay half-way
    store.file_sha256 = lambda path: time.sleep(600)
print(store.stored("slow", {"x": 1}, compute, folder=folder)["who"].process[0])
"""


def process(folder, seconds, *mode):
    command = [sys.executable, "-W", "error", "-c", SLOW, str(folder), str(seconds), *mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(found):
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_processes_measure_once(tmp_path):
    both = [process(tmp_path, 1.0) for _ in range(2)]
    outputs = [each.communicate(timeout=120) for each in both]
    assert [error for _, error in outputs] == ["", ""]
    assert outputs[0] == outputs[1]
    assert len(list(tmp_path.glob(".started-*"))) == 1


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_a_killed_process_leaves_no_lock_and_no_result(tmp_path):
    killed = process(tmp_path, 0, "stuck")
    wait_for(lambda: list(tmp_path.glob(".slow-*.scratch-*/made/who.parquet")))
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert list(tmp_path.glob(".slow-*.scratch-*"))
    compute = Counted({"who": TABLES["heads"]})
    same(stored("slow", {"x": 1}, compute, folder=tmp_path), compute.tables)
    assert compute.times == 1
    assert not list(tmp_path.glob(".slow-*.scratch-*"))


def test_bad_arguments_are_refused_in_one_line(tmp_path, refuses):
    refuses(
        lambda: stored("../x", {}, dict, folder=tmp_path),
        "name must be a file name of letters, digits, '.', '_' and '-', got '../x'",
    )
    refuses(
        lambda: stored("x", {"a": {1}}, dict, folder=tmp_path),
        "inputs and provenance must be values that JSON can hold "
        "(Object of type set is not JSON serializable)",
    )
    with pytest.raises(ValueError, match=r"must be values that JSON can hold \(Out of range float"):
        stored("x", {"a": float("nan")}, dict, folder=tmp_path)
    refuses(lambda: save_tables(tmp_path / "x", {"a": [1]}, {}), "table 'a' must be a DataFrame, got list")
    assert not list(tmp_path.iterdir())
