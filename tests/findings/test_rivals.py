"""The rules of the grid `rivals`, on made-up tables whose answers are known by hand."""

import re

import numpy as np
import pandas as pd
import pytest

from rope_lib.findings import learned, rivals, spectra
from rope_lib.findings.kept import kept
from rope_lib.findings.stats import student_interval

SCALINGS = ("default", "rope_id", "high_freq", "half_rope", "hope", "nope")
PLAN = rivals.Plan({"recall": 0.5, "look_back": 0.0}, SCALINGS, (1, 2, 3, 4), 64, 1000)
VARIANTS = ("trained", "query_temperature")

# Accuracy at 64, 256 and 1,024 tokens; with the temperature the middle one is 0.05 higher.
ACCURACY = {
    "default": (1.0, 0.75, 0.5),
    "rope_id": (1.0, 0.9, 0.8),
    "high_freq": (0.9, 0.9, 0.9),
    "half_rope": (1.0, 0.6, 0.5),
    "hope": (1.0, 1.0, 1.0),
    "nope": (0.6, 0.55, 0.5),
}
MET = {"default": 100, "rope_id": 200, "high_freq": 400, "half_rope": 100, "hope": 100, "nope": np.nan}


def made(missing=()):
    """Tables of seeds 1 to 3 without some of their cells: (task, seed, scaling)."""
    ended, summary = [], []
    cells = [(task, seed, scaling) for task in PLAN.chances for seed in (1, 2, 3) for scaling in SCALINGS]
    for task, seed, scaling in cells:
        if (task, seed, scaling) in missing:
            continue
        cell = {"name": task, "seed": seed, "scaling": scaling}
        met = MET[scaling]
        why = "level" if np.isnan(met) else "criterion"
        ended.append(cell | {"met": met, "steps": 700 if np.isnan(met) else 2 * met, "ended": why})
        variants = (*VARIANTS, "yarn") if scaling == "default" else VARIANTS
        for variant in variants:
            for length, accuracy in zip((64, 256, 1024), ACCURACY[scaling], strict=True):
                higher = 0.05 * (variant == "query_temperature" and length == 256)
                shown = accuracy + higher + 0.01 * seed * (length == 256)
                summary.append(cell | {"variant": variant, "length": length, "accuracy": shown})
    return {"ended": pd.DataFrame(ended), "summary": pd.DataFrame(summary)}


@pytest.fixture(autouse=True)
def two_are_enough(monkeypatch):
    """The made-up tables have three seeds."""
    monkeypatch.setattr(learned, "FEWEST", 2)


@pytest.fixture
def tables():
    return made()


@pytest.fixture
def rows(tables):
    return rivals.shares(tables, PLAN)


def test_a_plan_is_read_from_the_grid_that_was_kept():
    plan = rivals.planned(kept("rivals")[1])
    assert plan.tasks == ("recall", "look_back", "copy", "order")
    assert (len(plan.seeds), len(plan.scalings), plan.trained, plan.limit) == (8, 9, 64, 3000)
    assert plan.chances == {"recall": 1 / 16, "look_back": 1 / 16, "copy": 1 / 16, "order": 1 / 2}


def test_only_whole_seeds_count_and_each_task_has_its_own():
    tables = made(missing=[("look_back", 2, "nope"), ("recall", 3, "default")])
    assert rivals.whole(tables["ended"], PLAN) == {"recall": (1, 2), "look_back": (1, 3)}
    rows = rivals.shares(tables, PLAN)
    assert set(rows[rows.task == "look_back"].seed) == set(rivals.trained_models(tables, PLAN)[
        lambda each: each.task == "look_back"
    ].seed) == {1, 3}  # fmt: skip
    assert rivals.seeds_so_far(tables, PLAN) == "2 of 4 on every task"
    assert (
        rivals.seeds_so_far(made(missing=[("look_back", 2, "nope")]), PLAN)
        == "3 of 4 on recall and 2 of 4 on look back"
    )


def test_a_model_has_learned_if_it_met_the_criterion_and_else_counts_with_the_limit(tables):
    models = rivals.trained_models(tables, PLAN)
    assert set(models.system[~models.learned]) == {"NoPE"}
    assert set(models[models.system == "NoPE"].steps) == {PLAN.limit}
    assert set(models[models.system == "NoPE"].taken) == {700}
    assert set(models[models.system == "HighFreq"].steps) == {400}


def test_what_is_kept_is_above_chance_and_nothing_where_nothing_was_learned(rows):
    kept_far = rivals.kept_by_seed(rivals.published(rows), rivals.FAR)
    assert kept_far.loc[("recall", 1), "RoPE"] == pytest.approx((0.76 - 0.5) / (1 - 0.5))
    assert kept_far.loc[("look_back", 1), "RoPE"] == pytest.approx(0.76)
    assert kept_far.loc[("look_back", 2), "HighFreq"] == pytest.approx(0.92 / 0.9)
    assert (kept_far["NoPE"] == 0).all()
    nope = rows[(rows.system == "NoPE") & (rows.task == "look_back") & (rows.stretch == 1)]
    assert nope.above.unique() == pytest.approx([0.6])


def test_rope_id_is_published_with_its_temperature_and_the_others_without(rows):
    published = rivals.published(rows)
    assert set(published[published.system == "RoPE-ID"].temperature) == {"by position"}
    assert set(published[published.system != "RoPE-ID"].temperature) == {"none"}
    assert rivals.mean_kept(rows, rivals.FAR).loc["look_back", "RoPE-ID"] == pytest.approx(0.97)
    assert "YaRN" in set(published.system)


@pytest.mark.parametrize(
    ("shift", "outcome"), [((0.2, 0.21, 0.22), "above"), ((-0.2, -0.21, -0.22), "below"),
                           ((0.2, -0.21, 0.1), "not told apart"), ((0.2,), "too few seeds")]
)  # fmt: skip
def test_a_paired_difference_has_one_of_four_outcomes(shift, outcome):
    found = rivals.paired_tests({"recall": pd.Series(shift)}, PLAN)
    assert found.outcome["recall"] == outcome
    assert found.outcome["look_back"] == "too few seeds"
    assert found.seeds.tolist() == [len(shift), 0]
    if len(shift) > 1:
        assert found.loc["recall", ["mean", "low", "high"]].tolist() == pytest.approx(student_interval(shift))


def test_a_difference_of_three_seeds_is_not_judged(monkeypatch):
    monkeypatch.undo()
    for shift, outcome in (((0.2, 0.21, 0.22), "too few seeds"), ((0.2, 0.21, 0.22, 0.2), "above")):
        assert rivals.paired_tests({"recall": pd.Series(shift)}, PLAN).outcome["recall"] == outcome


def test_holm_makes_a_difference_that_is_told_alone_count_for_the_number_of_tasks():
    values = pd.Series([0.1, 0.2, 0.3, 0.05, 0.1])
    alone = rivals.paired_tests({"recall": values}, rivals.Plan({"recall": 0}, SCALINGS, (), 64, 1))
    many = {f"task {number}": 0.0 for number in range(9)}
    among = rivals.paired_tests({"recall": values}, rivals.Plan({"recall": 0, **many}, SCALINGS, (), 64, 1))
    assert alone.outcome["recall"] == "above"
    assert among.outcome["recall"] == "not told apart"
    assert among.chance["recall"] == pytest.approx(10 * alone.chance["recall"])


def test_a_contrast_is_between_models_of_one_seed(rows):
    found = rivals.contrast(rows, PLAN, "RoPE-ID", "RoPE")
    assert found["mean"].to_dict() == pytest.approx({"recall": 0.4, "look_back": 0.2})
    assert set(found.outcome) == {"above"}
    back = rivals.contrast(rows, PLAN, "RoPE", "RoPE-ID")
    assert set(back.outcome) == {"below"}
    heat = rivals.temperature(rows, PLAN)
    assert heat["mean"].to_dict() == pytest.approx({"recall": 0.1, "look_back": 0.05})


def test_a_price_is_a_ratio_of_steps_whose_interval_lies_above_one(tables):
    models = rivals.trained_models(tables, PLAN)
    found = rivals.price(models, PLAN)
    assert found.ratio.tolist() == pytest.approx([2, 2])
    assert set(found.outcome) == {"above"}
    assert set(rivals.price(models, PLAN, "RoPE", "RoPE-ID").outcome) == {"below"}
    assert set(rivals.price(models, PLAN, "HoPE", "RoPE").outcome) == {"not told apart"}
    assert rivals.price(models, PLAN, "NoPE", "RoPE").ratio.tolist() == pytest.approx([10, 10])
    varied = models.assign(
        steps=models.steps * np.where((models.system == "RoPE-ID") & (models.seed == 1), 0.1, 1)
    )
    assert set(rivals.price(varied, PLAN).outcome) == {"not told apart"}
    one = models[models.seed == 1]
    assert set(rivals.price(one, PLAN).outcome) == {"too few seeds"}


def test_the_order_is_compared_by_task_and_in_the_mean(rows):
    theirs = spectra.RULER["1B"]
    in_order = rows[rows.system.isin(theirs.index)].assign(kept=lambda each: each.system.map(theirs))
    assert rivals.order(in_order).loc["mean order", "1B"] == pytest.approx(1.0)
    turned = in_order.assign(kept=-in_order.kept)
    assert (rivals.order(turned)["1B"] < -0.99).all()


def test_local_position_is_blurred_by_a_price_or_by_seeds_that_do_not_learn(tables):
    models = rivals.trained_models(tables, PLAN)
    assert rivals.local_position(models, PLAN, "look_back") == {"RoPE-ID": True, "HighFreq": True}
    as_fast = models.assign(steps=100.0)
    assert rivals.local_position(as_fast, PLAN, "look_back") == {"RoPE-ID": False, "HighFreq": False}
    one = (models.system == "HighFreq") & (models.seed == 1)
    failed = as_fast.assign(learned=models.learned & ~one)
    assert rivals.local_position(failed, PLAN, "look_back") == {"RoPE-ID": False, "HighFreq": True}


def test_who_keeps_as_much_and_who_carries(rows):
    assert rivals.as_much(rows, "RoPE") == ()
    assert rivals.as_much(rows, "HoPE") == ("recall", "look_back")
    assert rivals.carried(rows) == {"recall": ("HighFreq", "HoPE"), "look_back": ("HighFreq", "HoPE")}
    assert rivals.keeping_titles(rows, ["RoPE", "HoPE"])["look_back"] == "look back: 1 of 2 carries"


def test_intervals_are_students_and_missing_with_one_seed(rows):
    less = rivals.less_rivals(rows).stack()
    less.index.names = ["task", "seed", "system"]
    found = rivals.intervals(less, ["task", "system"])
    own = less.xs("RoPE", level="system")["look_back"]
    assert found.loc[("look_back", "RoPE")].tolist() == pytest.approx(student_interval(own))
    one = rivals.intervals(less[less.index.get_level_values("seed") == 1], ["task", "system"])
    assert one.low.isna().all()
    assert one["mean"].notna().all()


def test_the_facts_say_what_the_tables_hold():
    tables = made(missing=[("look_back", 2, "nope"), ("look_back", 3, "nope")])
    found = rivals.facts(tables, PLAN)
    assert found["rivals-never"] == "recall: NoPE; look back: NoPE"
    assert found["rivals-every"] == "RoPE, RoPE-ID, HighFreq, HalfRoPE and HoPE"
    assert found["rivals-against-rope"] == "above on recall; too few seeds on look back"
    assert found["rivals-price"] == "above on recall; too few seeds on look back"
    assert found["rivals-band-learned"] == "3 of 3"
    assert found["rivals-band-times"] == "4.0"
    assert found["rivals-hope-as-much"] == "recall and look back"


def test_the_facts_of_the_kept_tables_have_no_gap():
    tables, made_by = kept("rivals")
    found = rivals.facts(tables, rivals.planned(made_by))
    assert not [text for text in found.values() if re.search(r"\bnan\b", text)]
    assert found["rivals-order-told"] == "1"
