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


# What chapter 18 says of the kept tables


@pytest.fixture(scope="module")
def grid():
    return findings.which_bound.trials(kept("which_bound")[0])


def test_a_second_layer_raises_the_least_base_about_as_a4_demands(grid):
    factors = findings.least_base.inside_factors(findings.least_base.least_bases(grid))
    assert factors.factor.min() > 1
    _, low, high = findings.least_base.factor_interval(factors)
    assert 1 < low < findings.least_base.demanded_factor("depth (A4)", 64, (1, 2), HEAD_DIM) < high


def test_the_facts_on_depth_are_those_of_the_tables(grid):
    again = findings.which_bound.trials_at(kept("which_bound_longer")[0], 64)
    found = findings.least_base.depth_facts(grid, again, head_dim=HEAD_DIM)
    asked = np.arccos(0.95) / np.arccos(0.95**0.5)
    assert found["which-asked"] == f"{asked:.2f}"
    inside = grid[grid.inside & (grid.base < 64 / np.arccos(0.95**0.5)) & (grid.layers == 2)]
    assert int(found["which-a4-inside-below"]) >= len(inside[inside.length == 64])
    at_64 = grid[(grid.length == 64) & (grid.trained == 64) & (grid.base == 32)]
    means = at_64.groupby("layers").far.mean()
    assert found["which-depth-before-32"].replace("−", "-") == f"{means[2] - means[1]:+.2f}"
