"""Summaries of experiment 2, against small tables and angles whose answers are known by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest

from rope_lib import findings
from rope_lib.claims.a_trained_precision import KEPT
from rope_lib.findings.breaks import breaks
from rope_lib.findings.kept import kept
from rope_lib.findings.stats import spearman

# Accuracy by base and variant; each seed adds a little.
ACCURACY = {
    100: {"float64_at_0": 0.6, "float64_at_1000": 0.6, "float32_at_1000": 0.3, "bfloat16_at_10": 0.54},
    10**8: {"float64_at_0": 0.8, "float64_at_1000": 0.8, "float32_at_1000": 0.8, "bfloat16_at_10": 0.76},
}


@pytest.fixture
def summary():
    rows = [
        (base, seed, variant, accuracy * (1 + seed / 10), 1 - accuracy)
        for base, by_variant in ACCURACY.items()
        for seed in (0, 1)
        for variant, accuracy in {"trained": 0.5, **by_variant}.items()
    ]
    return pd.DataFrame(rows, columns=["base", "seed", "variant", "accuracy", "nll"])


def test_losses_are_against_float64_with_the_same_seed(summary):
    table = findings.rounding.trials(summary)
    assert len(table) == 16  # the model as it was trained is no setting
    row = table[(table.base == 100) & (table.seed == 1) & (table.arithmetic == "float32")].iloc[0]
    assert row["shift"] == 1000
    assert row.kept == pytest.approx(0.5)
    assert row.change == pytest.approx(-0.33)
    assert row.extra_nll == pytest.approx(0.3)
    assert findings.rounding.means(table).loc[("bfloat16", 10), 10**8] == pytest.approx(0.95)


def test_without_a_reference_nothing_is_compared(summary):
    summary.loc[summary.variant == "float64_at_1000", "accuracy"] *= 0.9
    assert findings.rounding.float64_change(summary.assign(arithmetic=summary.variant.str[:7])) > 0.05
    with pytest.raises(ValueError, match="float64 angles must give one accuracy at every shift"):
        findings.rounding.trials(summary)


def test_a_variant_of_another_name_is_refused(summary):
    summary.loc[3, "variant"] = "yarn"
    with pytest.raises(ValueError, match=r"variants must be named <arithmetic>_at_<shift>, got 'yarn'"):
        findings.rounding.trials(summary)


def test_the_first_shift_below_a_share_is_that_of_the_mean(summary):
    table = findings.rounding.trials(summary)
    first = findings.rounding.first_below(table, 0.92).loc["bfloat16"]
    assert first.tolist() == pytest.approx([10, np.nan], nan_ok=True)
    assert findings.rounding.first_below(table, 0.97).loc["bfloat16"].tolist() == [10, 10]
    later = table[table.arithmetic == "float32"].assign(shift=2000)
    both = pd.concat([later, table])
    assert findings.rounding.first_below(both, 0.9).loc["float32", 100] == 1000
    assert findings.rounding.first_below(both, 0.5 - 1e-9).loc["float32"].isna().all()


def test_predictors_of_a_setting(summary):
    found = findings.rounding.predictors(findings.rounding.trials(summary), 8, 64).set_index(
        ["arithmetic", "shift", "base"]
    )
    assert found.displaced.loc["float64"].max() == 0
    assert found.wall.loc["bfloat16", 10].tolist() == [100 / 128, 10**8 / 128]
    assert found.position.loc["float32", 1000].unique() == pytest.approx([1064 / 2**23])
    assert found.farthest.loc["float64"].tolist() == [1, 1, 1, 1]
    row = found.loc["float32", 1000, 100]
    assert (row.kept, row.least, row.most) == pytest.approx((0.5, 0.5, 0.5))


def test_sides_of_the_wall_keep_their_least(summary):
    found = findings.rounding.sides_of_wall(findings.rounding.trials(summary))
    assert list(found.index) == ["bfloat16", "float32"]  # float64 has no base beyond its wall
    row = found.loc["float32"]
    assert (row.below, row.beyond) == pytest.approx((0.5, 1))
    assert (row.wall, row.below_at) == (2**23, 1000)
    assert found.loc["bfloat16", "beyond_at_start"] == pytest.approx(0.95)


def test_parts_count_the_displaced_among_the_rounded():
    rows = [
        ("bfloat16", 10**6, 100, seed, side, count, 0.8 - 0.1 * count)
        for seed, side, count in itertools.product((0, 1), ("fast", "slow"), (0, 2, 4))
    ]
    columns = ["arithmetic", "shift", "base", "seed", "side", "rounded", "accuracy"]
    found = findings.rounding.rounded_parts(pd.DataFrame(rows, columns=columns), 8, 64)
    own = found.set_index(["side", "rounded"])
    off = findings.angle_errors.displaced(100, 8, "bfloat16", 10**6, 64) > findings.angle_errors.DISPLACED
    assert own.displaced["slow", 2] == off[2:].sum() / 4
    assert own.displaced["fast", 4] == off.mean()
    assert own.kept["fast", 2] == pytest.approx(0.75)


# What chapter 19 says of the kept tables

HEAD_DIM, LENGTH, LOW = 32, 128, 100


@pytest.fixture(scope="module")
def table():
    return findings.rounding.trials(kept("precision")[0]["summary"])


@pytest.fixture(scope="module")
def rounded(table):
    return table[table.arithmetic != findings.rounding.EXACT]


@pytest.fixture(scope="module")
def points(rounded):
    return findings.rounding.predictors(rounded, HEAD_DIM, LENGTH)


@pytest.fixture(scope="module")
def parts():
    return kept("precision_parts")[0]


def test_exact_angles_and_no_shift_lose_nothing(table, rounded):
    assert findings.rounding.float64_change(table) == 0
    assert findings.rounding.first_below(table, 0.99).loc["float64"].isna().all()
    assert findings.rounding.means(rounded).xs(0, level="shift").min().min() > 0.99
    exact = table[(table.arithmetic == "float64") & (table["shift"] == 0)]
    assert exact[exact.base >= 10**6].accuracy.min() > 0.99


def test_the_lowest_base_loses_most_wherever_any_loses(rounded):
    by_seed = rounded.pivot(index=["arithmetic", "shift", "seed"], columns="base", values="kept")
    by_seed = by_seed[by_seed.min(axis=1) < findings.rounding.HURT]
    assert (by_seed.idxmin(axis=1) == LOW).all()
    nats = findings.rounding.means(rounded, "extra_nll").loc[findings.rounding.hurt(rounded).index]
    assert (nats.idxmax(axis=1) == LOW).all()


def test_bfloat16_is_milder_at_a_million_than_at_60_000(rounded, points):
    means = findings.rounding.means(rounded).drop(columns=LOW)
    assert means.loc[("bfloat16", 10**6)].min() > 0.99
    assert means.loc[("bfloat16", 60_000)].max() < 0.975
    apart = points[findings.rounding.torn(points)]
    assert set(zip(apart.arithmetic, apart["shift"], strict=True)) == {("bfloat16", 60_000)}


def test_increments_are_lost_at_every_base_and_a_high_one_does_not_mind(points):
    early = points[(points.arithmetic == "bfloat16") & (points["shift"] == 1_000)]
    assert early.neighbors.min() > 0.8
    assert np.ptp(early.neighbors) < 0.05
    assert early.kept.iloc[-1] > 0.99
    share = points.pivot(index=["arithmetic", "shift"], columns="base", values="displaced")
    for setting in [("bfloat16", 1000), ("bfloat16", 10**6), ("float16", 60_000), ("float32", 10**9)]:
        assert share.loc[setting].is_monotonic_decreasing


def test_the_share_of_displaced_pairs_tells_best_and_a5_not_at_all(points):
    columns = ["wall", "position", "neighbors", "lost", "displaced"]
    accuracy, nats = (
        pd.Series({name: spearman(points[name], lost) for name in columns})
        for lost in (1 - points.kept, points.extra_nll)
    )
    assert accuracy["wall"] < 0.1
    assert accuracy.idxmax() == "displaced"
    assert nats.idxmax() == "lost"
    half = points[points.displaced == 0.5].set_index("base").kept
    assert half[LOW].max() < half[10_000].min()


def test_parts_of_the_pairs_are_not_interchangeable(table, parts):
    keys = ["arithmetic", "shift", "base", "side", "rounded"]
    found = findings.rounding.rounded_parts(parts["pairs"], HEAD_DIM, LENGTH).set_index(keys).sort_index()
    fastest = found.xs((2, "fast"), level=("rounded", "side"))
    assert (fastest.displaced == 0.125).all()
    assert fastest.kept.min() > 0.99
    for setting in (("float32", 10**9, LOW), ("bfloat16", 10**6, LOW)):
        ends = found.loc[setting].kept.xs(8, level="rounded")
        assert ends["fast"] > ends["slow"]
    astray = found.loc[("bfloat16", 60_000, 10_000, "slow", 8)]
    assert astray.displaced == 0.125
    assert astray.kept < 0.95
    again = findings.rounding.all_rounded(parts["pairs"])
    assert len(again.merge(table, on=["base", "seed", "arithmetic", "shift"])) == len(again)


def test_two_positions_do_what_bfloat16_does(table, parts):
    _, both = findings.rounding.at_gaps(parts)
    off = (both.accuracy_rounded - both.accuracy_gap).abs()
    exact = table[(table.arithmetic == "float64") & (table["shift"] == 0)]
    assert len(both) == 2 * len(exact)
    assert off.max() < 0.06
    assert off[both.gap == 0].max() < 1e-9
    by_gap = parts["gaps"].groupby(["gap", "base"]).accuracy.mean().unstack("base")
    lower, others = by_gap.loc[0] - by_gap, [base for base in by_gap if base != LOW]
    assert lower.loc[:128, others].max().max() < 0.02
    assert lower.loc[1024, others].min() > 0.08
    assert lower[LOW].max() <= 0
    assert by_gap.loc[0, LOW] < 0.6 * exact[exact.base == LOW].accuracy.mean()


def test_models_below_the_wall_lose_more_in_every_arithmetic(table):
    sides = findings.rounding.sides_of_wall(table)
    assert (sides.beyond > sides.below).all()
    assert sides.below.min() < KEPT <= sides.beyond.min()


def test_the_facts_of_the_chapter_are_those_of_the_tables(table, points, parts):
    found = findings.rounding.facts(table, parts, head_dim=HEAD_DIM, length=LENGTH)
    assert found["rounding-change"] == "0.0000"
    assert found["rounding-few"] == str((points.displaced <= 0.25).sum())
    assert (
        found["rounding-gap-low"] == f"{parts['gaps'].query('gap == 0 and base == 100').accuracy.mean():.2f}"
    )
    own = table.query("base == 100 and arithmetic == 'float64' and shift == 0").accuracy
    assert (found["rounding-low-least"], found["rounding-low-most"]) == (
        f"{own.min():.2f}",
        f"{own.max():.2f}",
    )


def test_a_pretrained_model_loses_to_length_and_not_to_its_type():
    tables, about = kept("long_input")
    losses = tables["losses"].query("intervention == 'unchanged'")
    lengths = about["inputs"]["options"]["lengths"]
    octaves = findings.long_inputs.octave_losses(losses, lengths, by="dtype")
    assert (octaves.loc["bfloat16"] - octaves.loc["float32"]).abs().max() < 0.01
    assert octaves.loc["float32", lengths[-1]] - octaves.loc["float32", 8_192] > 5
    first = [breaks(losses[losses.dtype == each], 8_192).own.item() for each in ("float32", "bfloat16")]
    assert first[0] == first[1] > 8_192
    model = {"trained": 8_192, "base": 100_000.0, "rotary_dim": 64}  # SmolLM2-135M
    found = findings.rounding.facts_of_pretrained(losses, lengths, **model)
    assert found["rounding-real-break"] == f"{first[0]:,.0f}"
    assert float(found["rounding-real-error"]) < 0.02
