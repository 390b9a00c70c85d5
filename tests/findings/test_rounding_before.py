"""What was kept of the earlier models, by the side of the wall that their base is on."""

import itertools

import pandas as pd
import pytest

from rope_lib.findings import rounding_before
from rope_lib.findings.kept import kept


@pytest.fixture
def summary():
    """Base 100 loses half in float32 at 1,000, both a twentieth in bfloat16 at no shift; else nothing."""
    settings = [("float64", 0), ("float64", 1000), ("float32", 0), ("float32", 1000), ("bfloat16", 0)]
    rows = [
        {
            "variant": f"{name}_at_{shift}",
            "base": base,
            "seed": seed,
            "nll": 0.1,
            "accuracy": 0.8 * kept_share,
        }
        for (name, shift), base, seed in itertools.product(settings, (100, 10**8), (0, 1))
        for kept_share in [
            0.5 if (name, shift, base) == ("float32", 1000, 100) else 0.95 if name == "bfloat16" else 1.0
        ]
    ]
    trained = [{"variant": "trained", "base": 100, "seed": 0, "nll": 0.1, "accuracy": 0.8}]
    return pd.DataFrame(rows + trained)


def test_what_is_kept_is_over_float64_angles(summary):
    table = rounding_before.trials(summary)
    assert len(table) == len(summary) - 1
    own = table[(table.arithmetic == "float32") & (table["shift"] == 1000)].groupby("base").kept.mean()
    assert own.tolist() == pytest.approx([0.5, 1.0])


def test_a_variant_of_another_name_and_a_moving_reference_are_refused(summary):
    with pytest.raises(ValueError, match="variants must be named <arithmetic>_at_<shift>, got 'yarn'"):
        rounding_before.trials(summary.replace("float32_at_0", "yarn"))
    moved = summary.assign(accuracy=summary.accuracy.where(summary.variant != "float64_at_1000", 0.7))
    with pytest.raises(ValueError, match=r"at every shift, got a change of 0\.1000"):
        rounding_before.trials(moved)


def test_sides_of_the_wall_keep_their_least(summary):
    found = rounding_before.sides_of_wall(rounding_before.trials(summary))
    assert list(found.index) == ["bfloat16", "float32"]  # float64 has no base beyond its wall
    row = found.loc["float32"]
    assert (row.below, row.beyond) == pytest.approx((0.5, 1))
    assert (row.wall, row.below_at) == (2**23, 1000)
    assert found.loc["bfloat16", "beyond_at_start"] == pytest.approx(0.95)


def test_the_kept_models_below_the_wall_lost_more_in_every_arithmetic():
    table = rounding_before.trials(kept("precision_fixed_steps")[0]["summary"])
    found = rounding_before.sides_of_wall(table)
    assert len(found) == 3
    assert (found.below < found.beyond).all()
