"""Contrasts of collapsed attention, against small tables whose answers are known by hand."""

import pandas as pd
import pytest

from rope_lib.findings.attention_entropy import accuracy, by_model, contrast, contrasts, facts, learned
from rope_lib.theory.bounds import stability_bound

EPSILON = 0.95
BOUND = float(stability_bound(32, EPSILON))
BASES = (4.0, 16.0, 300.0, 10_000.0)


def tables(entropy, top=lambda base: 0.1):
    """Two seeds of each base, each with one head of the given entropy and top, at 32 tokens."""
    cells = [
        {
            "task": "order",
            "base": base,
            "seed": seed,
            "trained_steps": 100 * (seed + 1),
            "converged": seed == 0,
        }
        for base in BASES
        for seed in (0, 1)
    ]
    attention = pd.DataFrame(
        [
            cell | {"length": 32, "queries": "asked", "layer": 0, "head": 0, "first": 0.0,
                    "entropy": entropy(cell["base"]), "top": top(cell["base"])}
            for cell in cells
        ]
    )  # fmt: skip
    answers = pd.DataFrame(
        [
            cell | {"length": 32, "distance": distance, "correct": cell["base"] > 10 or distance < 8}
            for cell in cells
            for distance in (4, 16)
        ]
    )
    return {"attention": attention, "answers": answers, "training": pd.DataFrame(cells).assign(accuracy=1.0)}


def test_heads_are_collapsed_in_either_sense_from_the_threshold_on():
    found = by_model(tables(lambda base: 0.8, lambda base: 0.79)["attention"], 32)
    assert found.uniform.eq(1).all()
    assert found["one token"].eq(0).all()


def test_a_contrast_compares_sides_of_the_bound_and_the_worst_base_alone():
    models = by_model(tables(lambda base: {4.0: 0.9, 16.0: 0.5}.get(base, 0.1))["attention"], 32)
    found = contrast(models, "uniform", BOUND)
    assert (found["below"], found["above"], found["difference"]) == (0.5, 0.0, 0.5)
    assert (found["worst"], found["worst_difference"]) == (4.0, 1.0)
    assert (found["low"], found["high"]) == (0.5, 0.5)  # both seeds alike


def test_the_bound_is_that_of_the_length():
    short = tables(lambda base: 0.9 if base <= 300 else 0.1)["attention"]
    found = contrasts({"attention": pd.concat([short, short.assign(length=128)])}, EPSILON)
    assert found["32"]["order"]["uniform"]["above"] == 0.5  # base 300 lies above the bound of 32 tokens
    assert found["128"]["order"]["uniform"]["above"] == 0  # and below that of 128


def test_far_answers_are_a_quarter_of_the_input_back():
    found = accuracy(tables(lambda base: 0.1), 32, EPSILON).loc["order"]
    assert (found["above"], found["far_above"]) == (1, 1)
    assert found["below"] == pytest.approx(0.75)
    assert found["far_below"] == pytest.approx(0.5)


def test_who_learned_is_counted_by_base():
    found = learned(tables(lambda base: 0.1), EPSILON)
    assert found.below.tolist() == [True, True, False, False]
    assert found.converged.tolist() == [1, 1, 1, 1]
    assert found.steps.tolist() == [150, 150, 150, 150]


def test_the_facts_are_texts():
    found = facts(tables(lambda base: 0.9 if base < BOUND else 0.1), EPSILON)
    assert found["collapse-order-uniform-below"] == "1.00"
    assert found["collapse-order-far-below-32"] == "50 %"
    assert all(isinstance(text, str) for text in found.values())


def test_the_worst_base_may_break_the_aliasing_bound_too():
    found = facts(tables(lambda base: 0.9 if base == 4 else 0.1), EPSILON)
    assert found["collapse-aliasing"] == "5.1"
    assert found["collapse-order-uniform-32-worst"] == "4"
    assert found["collapse-order-uniform-32-worst-share"] == "1.00"
    assert found["collapse-order-uniform-32-below"] == "0.50"
    assert found["collapse-order-uniform-32-between"] == "0.00"  # base 16
