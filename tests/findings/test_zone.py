"""Where published models lie in the plane of context and base."""

from dataclasses import replace

import pytest

from rope_lib.findings.zone import counts, facts, places
from rope_lib.models.case_studies import case_studies

CASE = next(case for case in case_studies() if case.model == "LLaMA-3 8B")  # 32 layers, 8,192 tokens
EDGE = 144_722.4  # the base that the depth bound asks of it


@pytest.mark.parametrize(
    ("base", "place"),
    [(EDGE - 1, "below"), (EDGE + 1, "inside"), (2.0**23 - 1, "inside"), (2.0**23, "above")],
)
def test_a_case_lies_where_its_base_is(base, place):
    assert places([replace(CASE, effective_base=base)]).place.tolist() == [place]


def test_a_window_counts_and_a_case_without_a_base_is_left_out():
    windowed = replace(CASE, effective_base=EDGE / 2 + 1, window=4_096)
    found = places([windowed, replace(CASE, effective_base=None)])
    assert found[["context", "place"]].values.tolist() == [[4_096, "inside"]]


def test_the_facts_count_every_case_that_works_once():
    cases = [replace(CASE, effective_base=base) for base in (1e4, 5e5, 1e7, 1e9)]
    cases += [replace(CASE, effective_base=5e5, observed="fails")]
    placed = places(cases)
    assert counts(placed).works.tolist() == [1, 1, 2]
    found = facts(placed, epsilon=0.95, dtype="float32", wanted_context=1_000_000, wanted_layers=32)
    assert (found["zone-working"], found["zone-outside"], found["zone-inside-fails"]) == ("4", "3", "1")
    assert (found["zone-deep"], found["zone-shallow"]) == ("474,837", "2.66 million")
    assert found["zone-most-layers"] == "7"
