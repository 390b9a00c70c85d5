"""The smallest base that works, against small tables whose answers are known by hand."""

import numpy as np
import pandas as pd
import pytest
from small_trials import BASES, HEAD_DIM, rows_of

from rope_lib import findings
from rope_lib.findings.kept import kept
from rope_lib.theory.bounds import aliasing_bound


def one_curve(values):
    rows = pd.DataFrame({"base": BASES, "far": values, "seed": 0, "trained": 32, "layers": 1, "length": 32})
    return findings.least_base.least_bases(rows, 0.5).iloc[0]


def test_the_least_base_lies_on_the_line_between_two():
    found = one_curve([0.0, 0.25, 0.75, 1.0])
    assert found.least == pytest.approx(32)  # half way from 16 to 64
    assert (found.censored, found.monotone) == ("", True)
    assert not one_curve([0.0, 0.9, 0.2, 0.9]).monotone


def test_a_least_base_outside_the_grid_is_known_to_be():
    low, high = one_curve([0.9, 1.0, 1.0, 1.0]), one_curve([0.0, 0.0, 0.1, 0.4])
    assert (low.least, low.censored) == (4, "low")
    assert (np.isnan(high.least), high.censored) == (True, "high")


def test_slopes_are_powers_of_the_length():
    assert findings.stats.slope([32, 64, 128], [1, 4, 16]) == pytest.approx(2)
    assert np.isnan(findings.stats.slope([32, 64], [1, np.nan]))
    for name in ("aliasing (A2)", "stability (A3)", "depth (A4)"):
        assert findings.least_base.demand_slope(name, [32, 64, 512], 2, HEAD_DIM) == pytest.approx(1)
    assert findings.least_base.demand_slope("Men et al.", [32, 64, 512], 2, HEAD_DIM) > 1.3


def test_slopes_of_models_leave_out_what_lies_outside_the_grid():
    rows = rows_of(lambda layers, base, length: base >= length / 2)
    least = findings.least_base.least_bases(rows, 0.5)
    found = findings.least_base.least_slopes(least)
    assert len(found) == 8
    assert found.lengths.tolist() == [3] * 8
    assert found.slope.to_numpy() == pytest.approx(findings.stats.slope([32, 64, 128], [8, 32, 32]))
    least.loc[least.length > 32, "censored"] = "low"
    assert findings.least_base.least_slopes(least).slope.isna().all()


def test_a_layer_that_needs_four_times_the_base_is_found_out():
    def needs(layers, base, length):
        return base >= length / 2 * 4 ** (layers - 1)

    rows = rows_of(needs)
    factors = findings.least_base.depth_factors(findings.least_base.least_bases(rows, 0.5))
    assert not factors.empty
    assert factors.factor.to_numpy() == pytest.approx(4)
    differences = findings.which_bound.depth_differences(rows)
    assert set(differences.difference) == {0.0, -1.0}
    same = findings.which_bound.depth_differences(rows_of(lambda layers, base, length: base >= length / 2))
    assert (same.difference == 0).all()


def test_pairs_with_a_base_outside_the_grid_tell_no_factor():
    rows = rows_of(lambda layers, base, length: layers == 1 and base >= 16)
    assert findings.least_base.depth_factors(findings.least_base.least_bases(rows, 0.5)).empty


def test_the_least_base_is_set_against_the_one_demanded_at_the_trained_length():
    rows = rows_of(lambda layers, base, length: base >= length / 2)
    found = findings.least_base.least_over_demanded(rows, "aliasing (A2)", HEAD_DIM, 0.5)
    assert len(found) == 8
    assert found[found.trained == 32].ratio.to_numpy() == pytest.approx(8 / aliasing_bound(32))  # 4 to 16


def test_half_turns_are_those_of_the_slowest_pair_at_the_least_base():
    least = findings.least_base.least_bases(rows_of(lambda layers, base, length: base >= length / 2), 0.5)
    made = findings.least_base.half_turns_made(least, HEAD_DIM)
    assert made[32, 1] == pytest.approx(32 * 8 ** (-30 / 32) / np.pi)  # 8 lies half way from 4 to 16


def test_slopes_inside_need_two_trained_lengths():
    rows = rows_of(lambda layers, base, length: base >= length / 2)
    least = findings.least_base.least_bases(rows, 0.5)
    assert findings.least_base.inside_slopes(least).to_numpy() == pytest.approx(2)  # 8 at 32, 32 at 64
    with pytest.raises(ValueError, match=r"least must have two trained lengths, got \[32\]"):
        findings.least_base.inside_slopes(least[least.trained == 32])


# What chapter 18 says of the kept tables


@pytest.fixture(scope="module")
def grid():
    return findings.which_bound.trials(kept("which_bound")[0])


def test_the_least_base_grows_faster_than_paper_a_says_and_faster_still_beyond_training(grid):
    least = findings.least_base.least_bases(grid)
    slopes = findings.least_base.inside_slopes(least)
    one, two = (slopes.xs(layers, level="layers") for layers in (1, 2))
    men = findings.least_base.demand_slope("Men et al.", [32, 64], 2, HEAD_DIM)
    assert one.min() > 1.2
    assert two.median() > one.median()
    assert abs(one.median() - men) < 0.4
    assert findings.least_base.beyond_slopes(least).median() > 2


def test_a_second_layer_raises_the_least_base_about_as_a4_demands(grid):
    factors = findings.least_base.inside_factors(findings.least_base.least_bases(grid))
    assert factors.factor.min() > 1
    _, low, high = findings.least_base.factor_interval(factors)
    assert 1 < low < findings.least_base.demanded_factor("depth (A4)", 64, (1, 2), HEAD_DIM) < high


def test_the_facts_of_the_chapter_are_those_of_the_tables(grid):
    found = findings.least_base.facts(grid, head_dim=HEAD_DIM)
    least = findings.least_base.least_bases(grid).query("length == 32 and trained == 32 and layers == 1")
    assert found["which-least-32-1"] == f"{least.least.median():.0f}"
    assert found["which-aliasing-64"] == f"{aliasing_bound(64):.0f}"
    assert found["which-asked"] == "1.41"
