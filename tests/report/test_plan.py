"""The plan of a report: which lengths a machine can afford."""

import pytest
from reports import TEXT

from rope_lib import report
from rope_lib.measure.load import load_model


def test_the_shortest_limit_cuts_and_is_named():
    lengths, said = report.plan.cut([512, 1024, 2048], {"memory": 1000, "text": 5000, "time": 700})
    assert (lengths, said) == ([512], ["Nothing above 512 tokens: memory; time."])
    assert report.plan.cut([512, 1024], {"memory": 1024}) == ([512, 1024], [])
    assert report.plan.cut([512], {"memory": 0})[0] == [512]  # the measurement itself refuses that


def test_the_cost_is_linear_and_quadratic(saved):
    network = load_model(saved("llama")).network
    one, two, four = (report.plan.cost(network, length) for length in (1, 2, 4))
    quadratic = (four - 2 * two) / 8
    assert quadratic > 0
    assert four == pytest.approx(4 * (one - quadratic) + 16 * quadratic)
    attention = 4 * 4 * 16  # layers, heads, channels of each
    assert quadratic == pytest.approx(2 * attention)


def test_default_lengths_stop_at_twice_the_context_and_at_the_text(saved, text_file):
    short = report.findings.subject(saved("llama"), texts=[text_file])
    assert report.plan.plan(short).lengths == (64, 128)
    text_file.write_text(TEXT[:100], encoding="utf-8")
    cut = report.plan.plan(report.findings.subject(saved("llama"), texts=[text_file]))
    assert cut.lengths == (64,)
    assert cut.cuts == ("Nothing above 64 tokens: the text has 100 tokens.",)


def test_a_budget_of_nothing_leaves_the_shortest_length(saved, text_file, monkeypatch):
    monkeypatch.setattr(report.plan, "BUDGET", 0)
    cut = report.plan.plan(report.findings.subject(saved("llama"), texts=[text_file]))
    assert cut.lengths == (64,)
    assert "more would take over 0 minutes" in cut.cuts[0]
