"""The scoreboard of the case studies, against cases and reaches whose counts are known by hand."""

from dataclasses import replace

import numpy as np
import pytest

from rope_lib.findings import cases as found
from rope_lib.models.case_studies import case_studies

BEHAVIOR = ("works", "works", "degrades", "fails")


@pytest.fixture(scope="module")
def cases():
    one = next(case for case in case_studies() if case.model == "LLaMA-2 7B")
    return [
        replace(one, observed=observed, context_length=1_000 * number, train_length=2_000, effective_base=1e6)
        for number, observed in enumerate(BEHAVIOR, 1)
    ]


def test_a_bound_accepts_what_lies_within_its_reach(cases):
    exactly = found.scoreboard(cases, {"exactly": [1_000, 2_000, 3_000, 4_000]}).loc["exactly"]
    assert exactly.to_dict() == {
        "cases": 4, "rejects_works": 0, "rejects_degrades": 0, "accepts_degrades": 1, "accepts_fails": 1,
    }  # fmt: skip
    short = found.scoreboard(cases, {"short": [999, 1_999, 2_999, 3_999]}).loc["short"]
    assert short.to_dict() == {
        "cases": 4, "rejects_works": 2, "rejects_degrades": 1, "accepts_degrades": 0, "accepts_fails": 0,
    }  # fmt: skip


def test_a_case_that_a_bound_does_not_apply_to_is_not_counted(cases):
    score = found.scoreboard(cases, {"some": [np.nan, 0, np.nan, np.inf]}).loc["some"]
    assert (score.cases, score.rejects_works, score.accepts_degrades, score.accepts_fails) == (2, 1, 0, 1)


def test_the_facts_are_the_counts(cases):
    reach = {name: [1_500] * 4 for name in found.BOUNDS.values()}
    facts = found.facts(cases, reach, wall=1e5)
    assert facts["cases-a2-rejected"] == facts["cases-trained-rejected"] == "1"
    assert facts["cases-men-strict"] == "1"
    assert facts["cases-wall-works"] == "2"
    assert facts["cases-past-works"] == "0"
    assert found.facts(cases, reach, wall=1e7)["cases-wall-works"] == "0"
    assert {type(text) for text in facts.values()} == {str}
