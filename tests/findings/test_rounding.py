"""Summaries of experiment 2, against small tables and angles whose answers are known by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from rope_lib import findings
from rope_lib.show import precision_interventions as interventions
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.precision import Arithmetic, direct_product, phase_error
from rope_lib.train.spectrum import Spectrum
from rope_lib.train.transformer import Shape, Transformer

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


def test_what_all_positions_share_displaces_nothing():
    distances, errors = findings.rounding.displacements(100, 8, "float64", 10**6, 16)
    assert np.abs(errors).max() < 1e-6
    assert len(distances) == len(errors) == 120

    # A rounded inverse frequency is off by p·δ at p, and between neighbors by δ: what is left is the angle's.
    positions = 10**6 + np.arange(16)
    rounded = Arithmetic("float32", "float64", "float64")
    own = phase_error(*direct_product(positions, 100, 8, rounded), positions, 100, 8)
    assert np.abs(own).max() > 1e-3
    assert np.ptp(own, axis=0).max() < 1e-6


def test_merged_positions_displace_by_the_angle_itself():
    """bfloat16 holds one number near a million: every distance becomes 0, and is short of itself."""
    distances, errors = findings.rounding.displacements(10_000, 8, "bfloat16", 10**6, 16)
    exact = np.multiply.outer(-distances, frequencies(10_000, 8))
    wrapped = np.remainder(exact + np.pi, 2 * np.pi) - np.pi
    assert np.allclose(errors, wrapped, atol=1e-6)


def test_each_distance_weighs_as_log_uniform_questions_do():
    distances, _ = findings.rounding.displacements(100, 2, "float64", 0, 9)
    weights = findings.rounding.weights(distances)
    assert weights.sum() == pytest.approx(1)
    by_distance = [weights[distances == distance].sum() for distance in (1, 2, 8)]
    assert by_distance[0] == pytest.approx(2 * by_distance[1]) == pytest.approx(8 * by_distance[2])


def test_slow_pairs_are_displaced_less_in_proportion():
    error = findings.rounding.displaced(10**8, 32, "float32", 10**9, 64)
    assert (np.diff(error[6:]) < 0).all()
    assert np.all(error[8:] < 40 * frequencies(10**8, 32)[8:])


def test_neighbors_share_an_angle_from_the_same_position_on_at_every_base():
    for base in (100, 10**8):
        assert findings.rounding.equal_neighbors(base, 32, "bfloat16", 0, 128) == 0
        # Between 1,024 and 2,048 bfloat16 holds every eighth position.
        assert findings.rounding.equal_neighbors(base, 32, "bfloat16", 1024, 129) == pytest.approx(
            7 / 8, abs=0.02
        )
        assert findings.rounding.equal_neighbors(base, 32, "float32", 10**6, 128) == 0


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
    off = findings.rounding.displaced(100, 8, "bfloat16", 10**6, 64) > findings.rounding.DISPLACED
    assert own.displaced["slow", 2] == off[2:].sum() / 4
    assert own.displaced["fast", 4] == off.mean()
    assert own.kept["fast", 2] == pytest.approx(0.75)


# Interventions


@pytest.fixture
def model():
    return Transformer(Shape(layers=1, width=16, heads=1, head_dim=8), 12, torch.Generator().manual_seed(0))


def test_rounding_all_or_no_pairs_is_rounding_and_none():
    exact = Spectrum().at(16, 16, 8)
    rounded = Spectrum(arithmetic="bfloat16").at(16, 16, 8)
    every = interventions.partly_rounded(exact, rounded, 16, 1000, np.ones(4, bool)).tables(16)
    none = interventions.partly_rounded(exact, rounded, 16, 1000, np.zeros(4, bool)).tables(16)
    for table, of_rounded, other, of_exact in zip(
        every, rounded.tables(16, 1000), none, exact.tables(16, 1000), strict=True
    ):
        assert torch.equal(table, of_rounded)
        assert torch.equal(other, of_exact)


def test_only_marked_pairs_are_rounded():
    exact, rounded = (Spectrum(arithmetic=name).at(16, 16, 8) for name in ("float64", "bfloat16"))
    pairs = interventions.marked("fast", 1, 4)
    mixed = interventions.partly_rounded(exact, rounded, 16, 1000, pairs).cos
    assert torch.equal(mixed[:, 0], rounded.tables(16, 1000)[0][:, 0])
    assert torch.equal(mixed[:, 1:], exact.tables(16, 1000)[0][:, 1:])


def test_given_tables_turn_a_model_as_a_rotation_does(model):
    rotation, tokens = Spectrum().at(16, 16, 8), torch.arange(16)[None] % 12
    given = interventions.Given(*rotation.tables(16, 5))
    with torch.inference_mode():
        assert torch.equal(model(tokens, given), model(tokens, rotation, shift=5))
    with pytest.raises(ValueError, match="length and shift must be those of the given tables, 16 and 0"):
        given.tables(8)
    with pytest.raises(ValueError, match="got 16 and 5"):
        given.tables(16, 5)


def test_a_gap_of_zero_turns_nothing_and_rounding_makes_gaps():
    rotation = Spectrum(base=100.0).at(128, 128, 8)
    still = interventions.with_gap(rotation, 128, 0, 33)
    assert torch.equal(still.cos, torch.ones(128, 4, dtype=torch.float64))
    # bfloat16 at 60,000 has the same relative angles as a gap of 256: one step, after 33 tokens.
    assert interventions.first_step("bfloat16", 60_000, 128) == 33
    coarse = Spectrum(base=100.0, arithmetic="bfloat16").at(128, 128, 8).tables(128, 60_000)
    assert len(torch.unique(coarse[0], dim=0)) == 2
    with pytest.raises(ValueError, match="positions must take a step within 128 tokens, got none at 1000000"):
        interventions.first_step("bfloat16", 10**6, 128)


def test_tables_of_the_interventions_have_a_row_for_each(model):
    values = {
        "model": {"layers": 1, "width": 16, "heads": 1, "head_dim": 8},
        "training": {"length": 64},
        "evaluation": {"lengths": [64], "examples": 2, "variants": {"other": {"shift": 3}}},
    }
    config = interventions.plain(values)
    assert config.evaluation.variants == {}
    assert "variants" in values["evaluation"]
    own = Transformer(config.model, config.task.make().vocabulary, torch.Generator().manual_seed(0))
    pairs = interventions.rounded_in_parts(config, own, [("bfloat16", 1000)], [0, 4])
    assert pairs.side.tolist() == ["fast", "fast", "slow", "slow"]
    assert pairs.rounded.tolist() == [0, 4, 0, 4]
    assert pairs.accuracy[0] == pairs.accuracy[2]
    assert pairs.accuracy[1] == pairs.accuracy[3]  # all four, from either side
    assert interventions.with_gaps(config, own, [0, 64], 3).gap.tolist() == [0, 64]
