"""`rope-lib claims` prints what the objects find, and a row for each claim that cannot be checked."""

import json
import sys

from click.testing import CliRunner

from rope_lib.claims import claims
from rope_lib.cli import main


def test_the_command_prints_what_the_objects_find():
    result = CliRunner().invoke(main, ["claims", "--json", "a2", "A6", "a5-TRAINED"])
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert [row["id"] for row in rows] == ["A2", "A6", "A5-trained"]
    found = {claim.id: claim for claim in claims()}["A2"].check()
    assert rows[0]["verdict"] == found.verdict
    assert rows[0]["formula"]["evidence"] == found.rows["formula"].evidence
    assert rows[2]["formula"] is None


def test_the_command_prints_a_table():
    result = CliRunner().invoke(main, ["claims", "A6"])
    assert result.exit_code == 0
    assert "Goldilocks" in result.stdout


def test_the_command_names_an_unknown_claim():
    result = CliRunner().invoke(main, ["claims", "Z9"])
    assert result.exit_code == 2
    assert "'Z9' is not a claim; known are A1, A2" in result.stderr


def missing(*_arguments, **_options):
    raise FileNotFoundError("the default model is not installed")


def test_what_is_missing_becomes_a_row_and_the_others_are_checked(monkeypatch):
    monkeypatch.setattr("rope_lib.measure.load.packaged_model", missing)
    result = CliRunner().invoke(main, ["claims", "--json", "A4", "A1"])
    assert result.exit_code == 1
    rows = {row["id"]: row for row in json.loads(result.stdout)}
    assert rows["A4"]["verdict"] is None
    assert rows["A4"]["consequence"] == {"verdict": None, "evidence": "the default model is not installed"}
    assert rows["A1"]["verdict"] == "holds"
    assert "not checked, as an input is missing: A4" in result.stderr
    assert "Traceback" not in result.output


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    result = CliRunner().invoke(main, ["claims", "--json", "B10", "A1"])
    assert result.exit_code == 1
    a1, b10 = sorted(json.loads(result.stdout), key=lambda row: row["id"])
    assert b10["practice"]["evidence"] == "The package pandas is missing: install rope-lib[models]."
    assert a1["verdict"] == "holds"


def test_what_is_not_checked_stands_in_the_table(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    result = CliRunner().invoke(main, ["claims", "B10"])
    assert "not checked" in result.stdout
