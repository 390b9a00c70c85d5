"""Reports on several models: a folder for each, and a line for each that cannot be measured."""

import os

import pytest
from reports import LENGTHS, run, without_tokenizer

from rope_lib.runs.store import read_tables


@pytest.mark.slow
def test_each_of_several_models_has_its_report_and_one_that_cannot_be_measured_is_a_line(
    saved, text_file, tmp_path
):
    good, mute = saved("llama"), without_tokenizer(saved("llama"), tmp_path)
    result = run(mute, good, "--text", text_file, "--lengths", "64,128", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stdout == f"{tmp_path / 'out' / good.name / 'report.html'}\n"
    assert result.stderr.splitlines() == [
        f"model={mute}: model must have a tokenizer to read a text, and mute has none",
        "Error: 1 of 2 models could not be measured",
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [good.name]
    tables = read_tables(tmp_path / "out" / good.name / "tables")
    assert sorted(set(tables["heads"].length)) == LENGTHS


def test_a_model_whose_name_is_not_utf8_is_refused_and_leaves_nothing(saved, tmp_path):
    result = run(saved("llama"), os.fsdecode(b"\xff"), "--out", tmp_path / "new" / "deep" / "out")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert r"model must be a path in UTF-8, got '\udcff'" in result.stderr
    assert not (tmp_path / "new").exists()


def test_one_model_twice_or_workers_without_a_model_are_refused(saved, tmp_path):
    model = saved("llama")
    for arguments, line in [
        ((model, model), f"models must be named once each, got '{model}' twice"),
        (("--workers", 2), "MODEL must be given with --scheduler or --workers"),
        ((model, "--workers", 0), "workers must be at least 1, got 0"),
    ]:
        result = run(*arguments, "--out", tmp_path / "out")
        assert (result.exit_code, result.stderr) == (2, f"Error: {line}\n")
        assert not (tmp_path / "out").exists()
