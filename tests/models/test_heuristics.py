"""The rules that are raced against paper A's verdicts, and the tolerance that a case implies."""

import math
from dataclasses import replace

import pytest

from rope_lib.models.case_studies import case_studies
from rope_lib.models.heuristics import (
    TRAINING_LENGTH,
    base_in_proportion,
    errors,
    implied_tolerance,
    rules,
)
from rope_lib.models.verdicts import disagreements
from rope_lib.theory.bounds import goldilocks_zone

KNOWN = [case for case in case_studies() if case.observed != "unknown"]


def case_of(model, context):
    return next(case for case in KNOWN if (case.model, case.context_length) == (model, context))


@pytest.mark.parametrize("epsilon", [0.5, 0.95, 0.99])
def test_the_verdict_errs_as_the_library_counts_it(epsilon):
    chosen = (rules(epsilon)[name] for name in ("A7", TRAINING_LENGTH))
    counted = tuple(sum(errors(KNOWN, [rule(case) for case in KNOWN])[1:]) for rule in chosen)
    assert counted == disagreements(KNOWN, epsilon=epsilon)


def test_a_bound_turns_at_its_own_base():
    case = case_of("LLaMA-2 7B", 4096)
    for name, least in (
        ("A2", 4096 / (2 * math.pi)),
        ("A3", 4096 / math.acos(0.95)),
        ("A4", 4096 / math.acos(0.95 ** (1 / 32))),
        ("NTK", 10_000.0),
    ):
        rule = rules(0.95)[name]
        assert rule(replace(case, effective_base=least * (1 + 1e-9)))
        assert not rule(replace(case, effective_base=least * (1 - 1e-9)))


def test_the_wall_is_the_only_bound_from_above():
    case = case_of("LLaMA-2 7B", 4096)
    assert rules(0.95)["A5"](replace(case, effective_base=2**23 - 1))
    assert not rules(0.95)["A5"](replace(case, effective_base=2**23))


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 0.95, 0.99])
def test_the_verdict_accepts_exactly_the_bases_of_the_zone(epsilon):
    for case in KNOWN:
        zone = goldilocks_zone(case.longest_distance, epsilon=epsilon, layers=case.num_layers)
        assert rules(epsilon)["A7"](case) == (case.effective_base in zone)


def test_men_et_al_turn_at_the_first_negative_sum():
    case = replace(case_of("LLaMA-2 7B", 4096), effective_base=10_000.0)
    assert rules(0.95)["Men et al."](replace(case, context_length=1_706))
    assert not rules(0.95)["Men et al."](replace(case, context_length=1_707))


def test_a_window_is_the_longest_distance_but_not_the_training_length():
    case = case_of("Mistral-7B v0.1", 8192)
    assert case.longest_distance == 4096
    assert implied_tolerance(case) == pytest.approx(math.cos(0.4096))
    assert rules(0.91)["A3"](case)
    assert not rules(0.91)["A3"](replace(case, window=None))
    assert rules(0.95)[TRAINING_LENGTH](replace(case, train_length=8192))
    assert not rules(0.95)[TRAINING_LENGTH](replace(case, train_length=4096))


def test_the_implied_tolerance_puts_a_case_on_the_bound():
    for case in KNOWN:
        for layers, name in ((1, "A3"), (case.num_layers, "A4")):
            epsilon = implied_tolerance(case, layers=layers)
            if 1e-9 < epsilon < 1 - 1e-9:
                assert rules(epsilon * (1 - 1e-9))[name](case)
                assert not rules(min(epsilon * (1 + 1e-6), 1 - 1e-12))[name](case)


def test_the_strongest_counterexamples():
    assert implied_tolerance(case_of("LLaMA-2 70B", 4096), layers=80) == pytest.approx(0.001, abs=2e-4)
    assert implied_tolerance(case_of("DeepSeek-V3", 131_072), layers=61) == pytest.approx(0.036, abs=5e-4)
    assert implied_tolerance(case_of("DeepSeek-V3", 131_072)) == pytest.approx(0.947, abs=5e-4)


def test_what_is_not_known_is_not_judged():
    case = case_of("LLaMA-2 7B", 4096)
    unknown = replace(case, effective_base=None, train_length=None, pretrain_length=None)
    assert [rule(unknown) for rule in rules(0.95).values()] == [None] * len(rules(0.95))
    assert base_in_proportion(unknown, KNOWN) is None


def test_the_constant_of_proportion_is_fitted_on_other_models():
    """A model's own cases must not choose the constant that judges it."""
    case = case_of("LLaMA-2 7B", 4096)
    other = replace(case, model="another")
    others = [
        replace(other, effective_base=4096.0, observed="fails"),
        replace(other, effective_base=8192.0, observed="works"),
    ]
    assert base_in_proportion(replace(case, effective_base=9_000.0), others)
    assert not base_in_proportion(replace(case, effective_base=8_000.0), others)
    own = replace(case, effective_base=4_000.0)
    assert not base_in_proportion(own, [*others, replace(own, observed="works")])


def test_a_case_without_a_base_implies_no_tolerance():
    case = replace(KNOWN[0], effective_base=None)
    with pytest.raises(ValueError, match="LLaMA-1 7B must have a known base"):
        implied_tolerance(case)
