"""Claims about every model: what is said of one model, and of all, from intervals between texts."""

import pytest

from rope_lib.claims.by_model import by_model, judge_models, of_reference, over_models
from rope_lib.claims.claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED


def rule(parts):
    """Holds from 0.9 on, with a caveat from 0.5."""
    return HOLDS if parts["a"] >= 0.9 else CAVEAT if parts["a"] >= 0.5 else REFUTED


def numbers(**models):
    """Numbers of models by name, each with the (mean, low, high) of its only part, or None."""
    ends = ("mean", "low", "high")
    return {
        "texts": 5,
        "models": {
            name: {} if each is None else {"a": dict(zip(ends, each, strict=True))}
            for name, each in models.items()
        },
    }


@pytest.mark.parametrize(
    ("part", "verdict"),
    [
        ((0.95, 0.9, 0.99), HOLDS),
        ((0.95, 0.8, 0.99), CAVEAT),  # some texts say no
        ((0.4, 0.3, 0.6), CAVEAT),  # undecided between a caveat and none
        ((0.3, 0.2, 0.4), REFUTED),
        (None, NOT_TESTABLE),
    ],
)
def test_a_model_is_judged_by_the_ends_of_its_intervals(part, verdict):
    assert by_model(rule, numbers(one=part)) == {"one": verdict}


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, NOT_TESTABLE], HOLDS),
        ([HOLDS, CAVEAT], CAVEAT),
        ([CAVEAT, CAVEAT], CAVEAT),
        ([HOLDS, REFUTED], CAVEAT),
        ([HOLDS, REFUTED, REFUTED], REFUTED),
        ([REFUTED], REFUTED),
        ([NOT_TESTABLE], NOT_TESTABLE),
        ([], NOT_TESTABLE),
    ],
)
def test_verdicts_on_models_join_into_one(verdicts, verdict):
    assert over_models(dict(enumerate(verdicts))) == verdict


def test_the_evidence_names_every_model_and_its_intervals():
    found = judge_models(
        rule, numbers(one=(0.95, 0.9, 0.99), two=(-0.3, -0.4, -0.2), three=None), {"a": "share|.0%"}
    )
    assert found.verdict == CAVEAT
    assert "Of 3 models it holds in 1, does not hold as stated in 1, not testable here in 1" in found.evidence
    assert "one (holds): share 95% (90% to 99%)" in found.evidence
    assert "two (does not hold as stated): share −30% (−40% to −20%)" in found.evidence
    assert found.evidence.endswith("three (not testable here).")


def test_a_rule_before_judges_the_mean_of_the_one_model_it_knew():
    assert of_reference(rule)(numbers(**{"SmolLM2-135M": (0.6, 0.2, 1.0)})) == CAVEAT
