"""Which rule tells where models break: the error, the constant, the race, on units whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from rope_lib.findings import break_rules as rules

LENGTHS = [1_024, 2_048, 4_096, 8_192, 16_384, 32_768]


def units_of(breaks, families):
    """Units whose breaks lie between two neighbors of `LENGTHS`, by the number of the first."""
    return pd.DataFrame(
        {
            "family": families,
            "low": [float(LENGTHS[at]) for at in breaks],
            "high": [float(LENGTHS[at + 1]) for at in breaks],
            "shortest": LENGTHS[0],
            "longest": LENGTHS[-1],
        }
    )


def named_for(units, **lengths):
    """Lengths that rules name: NaN but for those given."""
    table = pd.DataFrame(np.nan, index=units.index, columns=[*rules.RULES, rules.DECLARED, rules.ORIGINAL])
    return table.assign(**{rules.DECLARED: 4_096.0, rules.ORIGINAL: 4_096.0} | lengths)


BREAKS = [0, 4, 1, 3, 2, 4, 0, 3]
FAMILIES = list("aabbccdd")


def test_a_rule_that_knows_the_breaks_tells_even_with_a_constant_amiss():
    units = units_of(BREAKS, FAMILIES)
    inside = 1.4 * units.low
    for constant, form in ((1, "stated"), (8, "fitted")):
        raced = rules.race(named_for(units, A3=constant * inside), units)
        row = raced.loc["A3"]
        assert (row.verdict, row.form, row[form]) == (rules.TELLS, form, 0)
        assert row.low > 0
        assert rules.telling(raced) == ["A3"]
        assert list(raced.index) == ["A3"]  # the others name nothing


def test_a_rule_that_knows_nothing_does_not():
    units = units_of(BREAKS, FAMILIES)
    raced = rules.race(named_for(units, A3=units.low.to_numpy()[::-1] ** 2 / 300.0), units)
    assert raced.verdict["A3"] == rules.NO_BETTER
    assert rules.telling(raced) == []


def test_a_familys_own_breaks_do_not_help_to_foresee_it():
    units = units_of([0, 0, 4, 4], list("aabb"))
    named = pd.Series(1_448.0, index=units.index)
    assert rules.foreseen(named, units).tolist() == pytest.approx(
        [3.5] * 4, abs=0.1
    )  # by the other's constant
    assert rules.foreseen(named[:2], units[:2]).isna().all()


def test_lengths_beyond_the_measurement_count_as_just_beyond():
    units = units_of([0], ["a"])
    far, farther = (rules.octaves(pd.Series([length]), units)[0] for length in (1e5, 1e9))
    assert far == farther == 5
    units[["low", "high"]] = [32_768.0, np.inf]
    assert rules.octaves(pd.Series([np.inf]), units).tolist() == [0]
    units[["low", "high"]] = [0.0, 1_024.0]
    assert rules.octaves(pd.Series([1.0]), units).tolist() == [0]
    assert rules.octaves(pd.Series([2_048.0]), units).tolist() == [1]


def test_a_rule_for_one_family_alone_is_not_raced():
    units = units_of([0, 1, 2], list("aab"))
    named = named_for(units, A3=[1_500.0, 3_000.0, np.nan], A4=[1_500.0, 3_000.0, 6_000.0])
    assert list(rules.race(named, units).index) == ["A4"]


def test_rules_apply_where_a_training_is_known():
    inv_freq = rules.frequencies(10_000, 128)
    unknown = rules.lengths_named(inv_freq, 10_000, 32, None, epsilon=0.95)
    assert {name for name, length in unknown.items() if np.isnan(length)} == {
        "Liu et al.",
        "NTK",
        "seen angles",
    }
    other = rules.lengths_named(inv_freq, 10_000, 32, rules.Training(4_096, None, inv_freq), epsilon=0.95)
    assert (np.isnan(other["NTK"]), other["seen angles"]) == (True, pytest.approx(4_096))
