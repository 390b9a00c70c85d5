"""The scoreboard of the case studies, against cases and answers whose counts are known by hand."""

from dataclasses import replace

import numpy as np
import pytest

from rope_lib.findings import cases as found
from rope_lib.models.case_studies import case_studies

BEHAVIOR = ("works", "works", "degrades", "fails")
KNOWN = [case for case in case_studies() if case.observed != "unknown"]


@pytest.fixture(scope="module")
def cases():
    one = next(case for case in case_studies() if case.model == "LLaMA-2 7B")
    return [
        replace(one, observed=observed, context_length=1_000 * number, train_length=2_000, effective_base=1e6)
        for number, observed in enumerate(BEHAVIOR, 1)
    ]


def test_a_rule_is_scored_by_what_it_accepts_and_rejects(cases):
    said = {found.VERDICT: [False] * 4, "all": [True] * 4}
    scores = found.scoreboard(cases, said)
    assert scores.loc["all"].to_dict() == {
        "cases": 4, "rejects_works": 0, "accepts_degrades": 1, "accepts_fails": 1, "errors": 2, "paper": 2,
    }  # fmt: skip
    assert scores.loc[found.VERDICT].to_dict() == {
        "cases": 4, "rejects_works": 2, "accepts_degrades": 0, "accepts_fails": 0, "errors": 2, "paper": 2,
    }  # fmt: skip


def test_a_case_that_a_rule_does_not_apply_to_is_not_counted_for_the_paper_either(cases):
    said = {found.VERDICT: [False, True, True, True], "some": [None, False, None, True]}
    score = found.scoreboard(cases, said).loc["some"]
    assert (score.cases, score.rejects_works, score.accepts_degrades, score.accepts_fails) == (2, 1, 0, 1)
    assert (score.errors, score.paper) == (2, 1)


def test_a_rule_on_the_stated_base_knows_of_no_retrofit():
    stretched = [case for case in KNOWN if case.retrofit != "none"]
    said = found.answers(stretched, 0.95)
    assert sum(said["A4 depth"]) > sum(said["A4 depth, stated base"])
    bare = [case for case in KNOWN if case.retrofit == "none"]
    said = found.answers(bare, 0.95)
    assert said["A4 depth"] == said["A4 depth, stated base"]


def test_a_margin_is_one_or_more_where_the_rule_accepts():
    said = found.answers(KNOWN, 0.95)
    for name, margins in found.margins(KNOWN, 0.95).items():
        answered = [None if np.isnan(margin) else bool(margin >= 1) for margin in margins]
        assert answered == said[name], name


def test_the_scan_counts_as_the_scoreboard_does():
    scanned = found.scan(KNOWN, [0.5, 0.95]).set_index("epsilon")
    for epsilon in (0.5, 0.95):
        for name, chosen in (("known", KNOWN), ("decided", found.decided(KNOWN))):
            scores = found.scoreboard(chosen, found.answers(chosen, epsilon))
            assert scanned[name][epsilon] == scores.errors[found.VERDICT]


def test_the_strongest_counterexample_comes_first_and_a_window_counts():
    table = found.implied(KNOWN)
    assert table.a4.is_monotonic_increasing
    assert (table.a4 <= table.a3).all()
    assert table.case[0] == "LLaMA-2 70B at 4,096"
    assert table.set_index("case").distance["Mistral-7B v0.1 at 8,192"] == 4_096


def test_the_facts_are_the_counts(cases):
    facts = found.facts(cases, epsilon=0.95, wall=1e5, tolerances=[0.5, 0.95])
    assert facts["cases-a2-rejected"] == facts["cases-trained-rejected"] == "0"
    assert facts["cases-a2-errors"] == "2"
    assert facts["cases-wall-works"] == "2"
    assert facts["cases-past-works"] == "0"
    again = found.facts(cases, epsilon=0.95, wall=1e7, tolerances=[0.5, 0.95])
    assert again["cases-wall-works"] == "0"
    assert {type(text) for text in facts.values()} == {str}
