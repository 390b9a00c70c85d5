"""Experiment 1's summaries, against small tables whose answers are known by hand."""

import numpy as np
import pandas as pd
import pytest
from small_trials import HEAD_DIM, rows_of

from rope_lib import findings
from rope_lib.findings.kept import kept
from rope_lib.findings.spectra import condensed
from rope_lib.theory.bounds import aliasing_bound, stability_bound
from rope_lib.theory.rivals import liu_extrapolation_limit, men_minimum_base


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


def test_depth_needs_two_of_them(obedient):
    with pytest.raises(ValueError, match=r"layers must take two values, got \[1\]"):
        findings.which_bound.depth_differences(obedient[obedient.layers == 1])


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


def test_the_end_of_training_is_told_by_its_last_two_tenths():
    steps = pd.DataFrame({"trained": 64, "layers": 1, "base": 8, "step": range(100)})
    both = pd.concat(
        steps.assign(seed=seed, loss=np.where(steps.step < 90, 0.5 + seed, 0.3)) for seed in (0, 1)
    )
    found = findings.which_bound.late_losses(both).iloc[0]
    assert found[["trained", "layers", "base"]].tolist() == [64, 1, 8]
    assert found[["before", "last"]].tolist() == pytest.approx([1.0, 0.3])


def test_budgets_of_steps_stay_apart():
    (usual, first), (more, again) = findings.which_bound.kept_budgets()[0]
    assert (usual, more) == (400, 1_200)
    assert (len(first), len(again)) == (480, 90)


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


# What chapter 18 says of the kept tables


@pytest.fixture(scope="module")
def tables():
    return kept("which_bound")[0]


@pytest.fixture(scope="module")
def grid(tables):
    return findings.which_bound.trials(tables)


@pytest.fixture(scope="module")
def again():
    return findings.which_bound.trials_at(kept("which_bound_longer")[0], 64)


def test_within_training_a_large_base_works_and_the_smallest_does_not(grid):
    inside = grid[grid.inside]
    assert inside[inside.base >= 256].far.min() > 0.98
    assert inside[inside.base == 4].far.max() < findings.which_bound.WORKS
    four = grid[grid.length == 4 * grid.trained].groupby("base").far.mean()
    assert four.iloc[-3:].is_monotonic_increasing


def test_each_bound_errs_on_one_side_within_training(grid):
    found = findings.which_bound.compared(grid, HEAD_DIM).set_index(["region", "bound"])
    strict = list(findings.which_bound.DEMANDS)[1:]
    assert found.fails_wrong["inside", "aliasing (A2)"] == found.fails_wrong["beyond", "aliasing (A2)"] == 0
    assert (found.works_wrong["inside"][strict] == 0).all()
    counts = ["fails_right", "fails_wrong", "works_right", "works_wrong"]
    inside, liu = found.loc["inside"], findings.which_bound.LIU
    assert inside.loc[liu, counts].tolist() == inside.loc["aliasing (A2)", counts].tolist()
    beyond = found.loc[("beyond", liu)]
    assert beyond.works_right + beyond.works_wrong == 0 < beyond.fails_wrong
    assert np.ptp(inside.best[list(findings.which_bound.DEMANDS)]) < 0.02


def test_which_bound_is_closer_hangs_on_the_definition(grid):
    def balanced(measure, threshold):
        found = findings.which_bound.compared(grid, HEAD_DIM, threshold, measure)
        return found[found.region == "inside"].set_index("bound").balanced

    for threshold in findings.which_bound.THRESHOLDS:
        far = balanced("far", threshold)
        assert far["stability (A3)"] > far["aliasing (A2)"]
    for threshold in (0.5, 0.7):
        every = balanced("accuracy", threshold)
        assert every["aliasing (A2)"] > every["stability (A3)"]


def test_with_more_steps_a_base_below_aliasing_works(grid, again):
    asked = (each[(each.length == 64) & (each.trained == 64)] for each in (grid, again))
    before, after = (each.set_index(["layers", "base", "seed"]).far for each in asked)
    smallest = int(again.base.min())
    assert smallest < findings.which_bound.demands(64, 2, HEAD_DIM)["aliasing (A2)"] < 16
    assert before.xs(smallest, level="base").max() < 0.4
    assert after.xs(1, level="layers").min() >= findings.which_bound.WORKS
    assert again[again.length == 256].far.max() < findings.which_bound.WORKS
    longest = findings.which_bound.trained_longest(grid, again)
    own = findings.which_bound.counterexamples(longest, "aliasing (A2)", HEAD_DIM)
    assert own[["trained", "layers", "base"]].to_numpy().tolist() == [[64, 1, smallest]]
    against = findings.which_bound.counterexamples(longest, "stability (A3)", HEAD_DIM)
    assert (set(against.trained), set(against.layers)) == ({32, 64}, {1, 2})
    training = kept("which_bound_longer")[0]["training"]
    late = training[(training.base == smallest) & (training.step >= training.step.max() - 100)]
    assert late.groupby(["layers", "seed"]).loss.mean().min() > 0.1  # not settled


def test_a_second_layer_costs_within_training_and_nothing_beyond(grid, again):
    differences = findings.which_bound.depth_differences(grid)
    by_base = differences.groupby(["inside", "base"]).difference.mean()
    assert by_base[True][[4, 8, 16, 32, 64]].max() < 0
    assert by_base[True][[256, 2_000, 100_000]].abs().max() < 0.01
    assert by_base[False].abs().max() < 0.06
    keys = ["seed", "trained", "base"]
    before, after = (
        findings.which_bound.depth_differences(each[each.length == each.trained]).set_index(keys).difference
        for each in (grid, again)
    )
    before = before[after.index]
    assert before.mean() < 0
    assert after.mean() < 0
    before, after = (each.groupby("base").mean() for each in (before, after))
    assert after[32] > -0.05 > before[32]
    assert after[8] < -0.1 < before[8]
