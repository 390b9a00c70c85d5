"""Experiment 1's summaries, against small tables whose answers are known by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest

from rope_lib import findings
from rope_lib.findings.spectra import condensed
from rope_lib.theory.bounds import aliasing_bound, stability_bound
from rope_lib.theory.rivals import liu_extrapolation_limit, men_minimum_base

BASES, SEEDS, HEAD_DIM = [4, 16, 64, 256], [0, 1], 32


def rows_of(rule):
    """Trials in which the rule (layers, base, length) → works says who finds everything and who nothing."""
    places = itertools.product(SEEDS, [32, 64], [1, 2], BASES, [32, 64, 128])
    rows = pd.DataFrame(places, columns=[*findings.which_bound.MODEL, "length"])
    works = [float(rule(*key)) for key in zip(rows.layers, rows.base, rows.length, strict=True)]
    return rows.assign(accuracy=works, far=works, inside=rows.length <= rows.trained)


@pytest.fixture
def obedient():
    """Models that obey the aliasing bound, whatever their training."""
    return rows_of(lambda layers, base, length: base >= aliasing_bound(length))


def test_trials_count_the_questions_that_lie_a_quarter_back():
    cell = {"seed": 0, "trained": 32, "layers": 1, "base": 4, "variant": "trained", "length": 64}
    octaves = {"octave": [1, 8, 16, 32], "accuracy": [1.0, 1.0, 0.5, 0.0], "questions": [9, 9, 4, 4]}
    distances = pd.DataFrame(octaves).assign(**cell)
    summary = pd.DataFrame([cell | {"nll": 1.0, "accuracy": 0.8}])
    found = findings.which_bound.trials({"summary": summary, "distances": distances})
    assert found.accuracy.tolist() == [0.8]
    assert found.far.tolist() == [0.25]  # 2 of 4 at 16, none of 4 at 32
    assert found.inside.tolist() == [False]


def test_the_trained_length_and_an_inputs_keep_different_names():
    cell = pd.DataFrame({"training.length": [32], "model.layers": [1], "spectrum.base": [4], "seed": [0]})
    answers = cell.assign(
        variant="trained", length=64, example=0, position=9, distance=3, nll=1.0, correct=True
    )
    tables = {name: cell.assign(value=1.0) for name in ("cells", "geometry", "training")}
    tables |= {"summary": cell.assign(length=64, accuracy=1.0), "answers": answers}
    assert list(condensed(tables)["summary"].columns) == [
        "trained",
        "layers",
        "base",
        "seed",
        "length",
        "accuracy",
    ]
    assert condensed(tables)["distances"].trained.tolist() == [32]


def test_demands_are_those_of_theory():
    found = findings.which_bound.demands(64, 2, HEAD_DIM)
    assert list(found.values()) == pytest.approx(
        [
            aliasing_bound(64),
            stability_bound(64, 0.95),
            stability_bound(64, 0.95, layers=2),
            men_minimum_base(64, HEAD_DIM),
        ]
    )


def test_margins_are_one_where_a_bound_is_just_met(obedient):
    rows = obedient[(obedient.seed == 0) & (obedient.layers == 2)].copy()
    rows["base"] = [stability_bound(each, 0.95, layers=2) for each in rows.length]
    found = findings.which_bound.margins(rows, HEAD_DIM)
    assert found["depth (A4)"].to_numpy() == pytest.approx(1)
    assert (found["stability (A3)"] > 1).all()
    limits = liu_extrapolation_limit(rows.trained, HEAD_DIM, rows.base, rows.base)
    assert found[findings.which_bound.LIU].to_numpy() == pytest.approx(limits / rows.length)
    assert found[findings.which_bound.SEEN].to_numpy() == pytest.approx(rows.trained / rows.length)
    at_training = findings.which_bound.margins(rows, HEAD_DIM, at="trained")
    same = rows.length == rows.trained
    assert at_training[same]["aliasing (A2)"].tolist() == found[same]["aliasing (A2)"].tolist()
    assert (
        at_training[rows.length > rows.trained]["aliasing (A2)"]
        > found[rows.length > rows.trained]["aliasing (A2)"]
    ).all()


def test_margins_of_a_length_that_is_none_are_refused(obedient):
    with pytest.raises(ValueError, match="at must be length or trained, got 'asked'"):
        findings.which_bound.margins(obedient, HEAD_DIM, at="asked")


def test_pairs_that_turned_are_counted_in_training(obedient):
    found = findings.which_bound.orders(obedient, HEAD_DIM)
    assert found[findings.which_bound.UNTURNED].between(0, 1).all()
    assert (
        found[findings.which_bound.UNTURNED][(obedient.base == 4)] == 0
    ).all()  # every pair turned: 2π·4 tokens are enough
    assert found[findings.which_bound.BASE].tolist() == obedient.base.tolist()


def test_calibration_counts_all_four_ways():
    works, margin = [True, True, False, False, False], [2.0, 0.5, 1.0, 0.5, 0.1]
    found = findings.stats.calibration(works, margin)
    assert [found[name] for name in ("works_right", "fails_wrong", "works_wrong", "fails_right")] == [
        1,
        1,
        1,
        2,
    ]
    assert found["wrong_below"] == pytest.approx(1 / 3)
    assert found["wrong_above"] == 0.5
    assert found["balanced"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert np.isnan(findings.stats.calibration([True], [2.0])["balanced"])
    assert np.isnan(findings.stats.calibration([True], [2.0])["wrong_below"])


def test_a_bound_that_models_obey_is_right_and_one_with_another_constant_needs_a_factor(obedient):
    found = findings.which_bound.compared(obedient, HEAD_DIM).set_index(["region", "bound"])
    for region in ("inside", "beyond"):
        own = found.loc[(region, "aliasing (A2)")]
        assert (own.balanced, own.ranking, own.best) == (1, 1, 1)
        other = found.loc[(region, "stability (A3)")]
        assert other.ranking == 1  # its length goes the same way
        assert other.best == 1
        assert other.factor < 0.5
        assert other.balanced < 1
        assert other.wrong_below > 0
    assert found.loc[("beyond", findings.which_bound.BASE)].ranking < 1
    assert np.isnan(found.loc[("inside", findings.which_bound.BASE)].balanced)


def test_where_all_work_nothing_can_be_ranked():
    assert np.isnan(findings.stats.ranking([True, True], [1.0, 2.0]))
    assert np.isnan(findings.stats.best_constant([True, True], [1.0, 2.0])).all()


def test_ranking_is_the_share_of_pairs_in_order():
    random = np.random.default_rng(0)
    works, margin = random.random(40) < 0.5, random.integers(0, 9, 40)
    pairs = [(a > b) + (a == b) / 2 for a in margin[works] for b in margin[~works]]
    assert findings.stats.ranking(works, margin) == pytest.approx(np.mean(pairs))


def one_curve(values):
    rows = pd.DataFrame({"base": BASES, "far": values, "seed": 0, "trained": 32, "layers": 1, "length": 32})
    return findings.which_bound.least_bases(rows, 0.5).iloc[0]


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
        assert findings.which_bound.demand_slope(name, [32, 64, 512], 2, HEAD_DIM) == pytest.approx(1)
    assert findings.which_bound.demand_slope("Men et al.", [32, 64, 512], 2, HEAD_DIM) > 1.3


def test_slopes_of_models_leave_out_what_lies_outside_the_grid():
    rows = rows_of(lambda layers, base, length: base >= length / 2)
    least = findings.which_bound.least_bases(rows, 0.5)
    found = findings.which_bound.least_slopes(least)
    assert len(found) == 8
    assert found.lengths.tolist() == [3] * 8
    assert found.slope.to_numpy() == pytest.approx(findings.stats.slope([32, 64, 128], [8, 32, 32]))
    least.loc[least.length > 32, "censored"] = "low"
    assert findings.which_bound.least_slopes(least).slope.isna().all()


def test_a_layer_that_needs_four_times_the_base_is_found_out():
    def needs(layers, base, length):
        return base >= length / 2 * 4 ** (layers - 1)

    rows = rows_of(needs)
    factors = findings.which_bound.depth_factors(findings.which_bound.least_bases(rows, 0.5))
    assert not factors.empty
    assert factors.factor.to_numpy() == pytest.approx(4)
    differences = findings.which_bound.depth_differences(rows)
    assert set(differences.difference) == {0.0, -1.0}
    same = findings.which_bound.depth_differences(rows_of(lambda layers, base, length: base >= length / 2))
    assert (same.difference == 0).all()


def test_pairs_with_a_base_outside_the_grid_tell_no_factor():
    rows = rows_of(lambda layers, base, length: layers == 1 and base >= 16)
    assert findings.which_bound.depth_factors(findings.which_bound.least_bases(rows, 0.5)).empty


def test_depth_needs_two_of_them(obedient):
    with pytest.raises(ValueError, match=r"layers must be of two kinds, got \[1\]"):
        findings.which_bound.depth_differences(obedient[obedient.layers == 1])


def test_intervals_draw_whole_clusters():
    values, clusters = [0.0, 0.0, 1.0, 1.0], [0, 0, 1, 1]
    assert findings.stats.mean_interval(values, clusters) == (0.5, 0.0, 1.0)


def test_trials_of_one_model_have_one_number(obedient):
    numbers = obedient.assign(model=findings.which_bound.models(obedient)).groupby("model")
    assert (numbers.size() == 3).all()
    assert (numbers[findings.which_bound.MODEL].nunique() == 1).all().all()


def test_models_that_were_trained_again_take_their_own_place(obedient):
    longer = obedient[(obedient.trained == 64) & (obedient.base == 4)].assign(far=0.5)
    found = findings.which_bound.trained_longest(obedient, longer)
    assert len(found) == len(obedient)
    assert (found.far == 0.5).sum() == len(longer)
    kept = found[~((found.trained == 64) & (found.base == 4))]
    assert (kept.far != 0.5).all()


def test_a_grid_without_that_axis_is_told_its_trained_length():
    cell = {"seed": 0, "layers": 1, "base": 4, "length": 64, "accuracy": 1.0}
    tables = {
        "summary": pd.DataFrame([cell]),
        "distances": pd.DataFrame([cell | {"octave": 32, "questions": 2}]),
    }
    assert findings.which_bound.trials_at(tables, 64)[["trained", "inside"]].to_numpy().tolist() == [
        [64, True]
    ]


def test_the_least_base_is_set_against_the_one_demanded_at_the_trained_length():
    rows = rows_of(lambda layers, base, length: base >= length / 2)
    found = findings.which_bound.least_over_demanded(rows, "aliasing (A2)", HEAD_DIM, 0.5)
    assert len(found) == 8
    assert found[found.trained == 32].ratio.to_numpy() == pytest.approx(8 / aliasing_bound(32))  # 4 to 16


def test_a_counterexample_is_a_base_at_which_every_seed_works(obedient):
    assert findings.which_bound.counterexamples(obedient, "aliasing (A2)", HEAD_DIM).empty
    found = findings.which_bound.counterexamples(obedient, "stability (A3)", HEAD_DIM)
    assert found.query("trained == 32 and layers == 1").base.tolist() == [16, 64]
    assert found.ratio.max() < 1
    lucky = obedient.copy()
    lucky.loc[(lucky.seed == 0) & (lucky.base == 4), "far"] = 1.0
    assert findings.which_bound.counterexamples(lucky, "aliasing (A2)", HEAD_DIM).empty
    lucky.loc[lucky.base == 4, "far"] = 0.8
    assert set(findings.which_bound.counterexamples(lucky, "aliasing (A2)", HEAD_DIM).base) == {4}
