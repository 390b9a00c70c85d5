"""Models that learned until they could do their task, against small tables with answers known by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest

from rope_lib import findings
from rope_lib.findings.stats import holm

BASES, TASKS = (1.2, 2.0, 4.0, 8.0, 16.0, 32.0, 100_000.0), ("recall", "look_back", "copy")


def trained(learns, seeds=8, lengths=(32,)):
    """Models of every base that learn where `learns(task, length, base, seed)` says so."""
    rows = pd.DataFrame(
        itertools.product(TASKS, lengths, BASES, range(seeds)), columns=["task", "trained", "base", "seed"]
    )
    learned = [learns(row.task, row.trained, row.base, row.seed) for row in rows.itertuples()]
    met = np.where(learned, 100.0, np.nan)
    return rows.assign(learned=learned, met=met, steps=3000)


def judged(rows, bound="A2"):
    return findings.learned.judged(findings.learned.counts(rows), bound)


def test_models_are_read_from_the_kept_tables():
    ended = pd.DataFrame(
        {"name": ["copy"], "trained": [32], "base": [4], "seed": [1], "steps": [3000], "fresh_loss": [1.0],
         "accuracy": [0.5], "ended": ["limit"], "met": [np.nan]}
    )  # fmt: skip
    assert not findings.learned.models({"ended": ended}).learned.item()


def test_a_bound_below_which_nothing_learns_is_a_requirement():
    found = judged(trained(lambda task, length, base, seed: base >= length / (2 * np.pi)))
    assert found == {32: {"all_fail": True, "suffices": False}}


def test_one_seed_of_eight_changes_nothing_and_two_do():
    def learns(exceptions):
        return lambda task, length, base, seed: base > 5.1 or seed < exceptions

    assert judged(trained(learns(1)))[32]["all_fail"]
    assert not judged(trained(learns(2)))[32]["all_fail"]


def test_a_bound_is_refuted_where_every_base_of_half_of_it_suffices():
    assert judged(trained(lambda task, length, base, seed: base >= 4))[32]["suffices"]
    assert not judged(trained(lambda task, length, base, seed: base >= 4 and task != "copy"))[32]["suffices"]


def test_with_fewer_than_four_seeds_nothing_is_judged():
    rows = trained(lambda *cell: True, seeds=3)
    assert judged(rows) == {}
    assert findings.learned.constants(findings.learned.counts(rows)).empty


def test_a_seed_without_all_bases_does_not_count():
    rows = trained(lambda *cell: True)
    part = rows[~((rows.seed == 7) & (rows.base == 2) & (rows.task == "copy"))]
    left = findings.learned.whole(part)
    assert set(left[left.task == "copy"].seed) == set(range(7))
    assert set(left[left.task == "recall"].seed) == set(range(8))


def test_the_constant_lies_between_the_last_base_that_fails_and_the_next():
    rows = trained(lambda task, length, base, seed: base >= 8 if task == "copy" else base != 16)
    rows.loc[rows.task == "recall", "learned"] = True
    found = findings.learned.constants(findings.learned.counts(rows)).set_index("task")[["low", "high"]]
    assert tuple(found.loc["copy"]) == (4 / 32, 8 / 32)
    assert tuple(found.loc["recall"]) == (0, 1.2 / 32)
    assert tuple(found.loc["look_back"]) == (16 / 32, 32 / 32)


def kept(own, large, seeds=8):
    """Accuracies above chance at a base of the length and at 100,000, a list of seeds each, in every task."""
    rows = [
        {"task": task, "trained": length, "base": base, "seed": seed, "stretch": 4, "above": values[seed]}
        for task, length in itertools.product(TASKS, (32, 64))
        for base, values in ((float(length), own), (100_000.0, large))
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def test_a_base_of_the_length_is_compared_in_pairs():
    noise = np.linspace(-0.02, 0.02, 8)
    ahead = findings.learned.base_of_the_length(kept(0.8 + noise, 0.5 + 2 * noise))
    assert ahead["mean"].tolist() == pytest.approx([0.3] * 6)
    assert (ahead.p < 0.05).all()
    assert findings.learned.verdict_on_base_of_the_length(ahead) == "better"
    assert findings.learned.verdict_on_base_of_the_length(ahead[ahead.trained == 32]) == "undecided"
    behind = findings.learned.base_of_the_length(kept(0.5 + 2 * noise, 0.8 + noise))
    assert findings.learned.verdict_on_base_of_the_length(behind) == "worse"
    alike = findings.learned.base_of_the_length(kept(0.5 + noise, 0.5 - noise))
    assert findings.learned.verdict_on_base_of_the_length(alike) == "undecided"


def test_above_chance_is_zero_at_guessing_and_one_where_all_is_right():
    summary = pd.DataFrame({"name": "copy", "trained": 32, "base": 4, "seed": 0, "length": [32, 128],
                            "accuracy": [1.0, 1 / 16]})  # fmt: skip
    found = findings.learned.above_chance({"summary": summary})
    assert found.above.tolist() == pytest.approx([1, 0])
    assert found.stretch.tolist() == [1, 4]


def test_holm_keeps_the_order_and_multiplies_the_smallest_most():
    assert holm([0.04, 0.01]).tolist() == pytest.approx([0.04, 0.02])
    assert holm([0.9, 0.8, 0.7]).tolist() == [1, 1, 1]
