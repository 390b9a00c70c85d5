"""`rope-lib atlas`: its rows as a table, as JSON and as CSV."""

import csv
import io
import json

import pytest
from command import run


def test_atlas_filters_and_sorts():
    rows = json.loads(run("atlas", "qwen", "--sort", "-layers", "--json").stdout)
    assert len(rows) > 10
    assert all("qwen" in f"{row['model']} {row['hf_id']}".lower() for row in rows)
    layers = [row["layers"] for row in rows]
    assert layers == sorted(layers, reverse=True)
    assert layers != sorted(layers)


def test_atlas_finds_by_scaling_and_verdict_too():
    rows = json.loads(run("atlas", "no_rope", "--json").stdout)
    assert rows
    assert {row["verdict"] for row in rows} == {"no_rope"}
    assert {row["scaling"] for row in json.loads(run("atlas", "llama3", "--json").stdout)} >= {"llama3"}


def test_atlas_writes_csv_that_reads_back():
    text = run("atlas", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) >= 140
    by_name = {row["model"]: row for row in rows}
    assert by_name["Llama 3.1 8B"]["verdict"] == "stable"
    assert float(by_name["Llama 3.1 8B"]["effective_base"]) == pytest.approx(4e6)
    assert {row["confidence"] for row in rows} == {"read", "memory"}


def test_atlas_table_shows_what_is_from_memory():
    result = run("atlas", "llama")
    assert result.exit_code == 0
    assert "memory" in result.stdout
    assert "Llama 3.1 8B" in result.stdout


def test_atlas_refuses_an_unknown_column():
    result = run("atlas", "--sort", "beauty")
    assert result.exit_code == 2
    assert "--sort must be one of" in result.stderr
    assert "'beauty'" in result.stderr


def test_a_filter_that_nothing_matches_is_said():
    result = run("atlas", "nobody's model", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == []
    assert result.stderr == 'No model of the atlas matches "nobody\'s model".\n'


def test_the_verdicts_come_with_their_record():
    """In the table as its last line; beside data, which stays data, on standard error."""
    table = run("atlas", "falcon", "--epsilon", "0.5")
    line = table.stdout.splitlines()[-1]
    assert line.startswith("Record: of ")
    assert line != run("atlas", "falcon").stdout.splitlines()[-1]  # at another epsilon
    assert table.stderr == ""
    for option in ("--json", "--csv"):
        assert run("atlas", "falcon", "--epsilon", "0.5", option).stderr == f"{line}\n"
    assert "Record" not in run("atlas", "nobody's model").output


def test_a_row_says_how_far_seen_angles_reach_and_what_that_rests_on():
    rows = {row["model"]: row for row in json.loads(run("atlas", "--json").stdout)}
    llama, deepseek = rows["Llama 3.1 8B"], rows["DeepSeek-V2 236B"]
    assert (llama["seen_angles"], llama["training"], llama["training_is"]) == (65_536, 8192, "known")
    assert (deepseek["training"], deepseek["training_is"]) == (4096, "declared")
    assert rows["Gemma 3 27B"]["training"] is None
    assert {row["training_is"] for row in rows.values()} == {"known", "declared", None}
