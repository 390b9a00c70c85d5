"""Public tables of effective lengths: every row is known to the atlas, and odd rows are refused."""

import csv

import pytest

from rope_lib.models import effective_lengths as tables
from rope_lib.models.atlas import atlas_model


def test_every_model_is_one_of_the_atlas_and_every_training_has_a_source():
    rows = tables.effective_lengths()
    assert {row.table for row in rows} == set(tables.TABLES)
    for row in rows:
        assert atlas_model(row.model).rotaries
        assert [length for length, _ in row.scores] == sorted(length for length, _ in row.scores)
        assert (row.original_length is None) == (row.original_base is None) == (not row.original_source)
        assert row.source.endswith("README.md")
        assert row.version


def test_a_models_interval_lies_where_its_score_leaves_the_threshold():
    row = next(row for row in tables.effective_lengths() if row.listed == "LongChat (7B)")
    assert row.interval() == (0, 4_096)
    assert row.interval(70.8) == (16_384, 32_768)
    assert row.interval(0) == (131_072, float("inf"))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("table", "LongBench", "table must be one of RULER, NoLiMa, got 'LongBench'"),
        ("confidence", "guess", "confidence must be one of read, memory, got 'guess'"),
        ("8192", "high", "8192 must be a number >= 0, got 'high'"),
        ("threshold", "-1", "threshold must be a number >= 0, got '-1'"),
        ("claimed", "inf", "claimed must be a number >= 0, got 'inf'"),
    ],
)
def test_an_odd_row_is_refused(column, value, words):
    with tables._FILE.open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    with pytest.raises(ValueError, match=words.replace(">", r"\>")):
        tables.parse_row(row | {column: value})


def test_a_row_of_one_score_is_refused():
    with tables._FILE.open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    with pytest.raises(ValueError, match="must have scores at 2 lengths or more"):
        tables.parse_row(row | {column: "" for column in row if column.isdigit() and column != "8192"})
