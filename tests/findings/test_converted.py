"""The rules of the conversion, on small tables whose answers are known."""

import pandas as pd
import pytest
from small_conversion import curve_of, far_of, tables_of

from rope_lib.findings.converted import (
    along,
    by_text,
    excess,
    extension,
    facts,
    harm,
    late_change,
    recovery,
    rises,
    verdict,
)


def test_every_comparison_is_with_the_control_on_the_same_text_at_the_same_step():
    curve = curve_of(base=(0.5, 0.2, 0.0))
    shuffled = curve.sample(frac=1, random_state=0)
    found = excess(shuffled)
    assert found[found.arm == "control"].excess.abs().max() == 0
    means = along(shuffled).set_index(["arm", "step"])["mean"]
    assert means["base"].sort_index().tolist() == pytest.approx([0.5, 0.2, 0.0])


def test_an_arm_is_recovered_lost_or_open_by_its_interval():
    curve = curve_of(base=(0.5, 0.2, 0.05), rope_id=(2.0, 1.0, 0.5), dropped=(3.0, 2.0, 0.1))
    found = recovery(curve)
    assert found.outcome.to_dict() == {"base": "recovered", "rope_id": "lost", "dropped": "open"}
    assert found.share["rope_id"] == pytest.approx(0.75)
    assert "control" not in found.index


def test_a_rise_is_what_the_loss_beyond_the_length_has_more():
    assert rises(far_of(base=0.25)).groupby("arm").rise.mean().to_dict() == pytest.approx(
        {"base": 0.25, "control": 1.0, "untouched": 1.2}
    )


def test_extended_is_at_most_half_of_the_control_s_rise_in_each_text():
    far = far_of(base=0.4, rope_id=0.6)
    assert extension(far).extended.to_dict() == {"untouched": False, "base": True, "rope_id": False}
    one_text = (far.arm == "base") & (far.text == "b") & (far["first"] >= 8_192)
    far.loc[one_text, "nll"] += 0.2
    assert not extension(far).extended["base"]


def test_where_the_control_does_not_rise_nothing_is_extended():
    far = far_of(base=0.0)
    far.loc[far.arm == "control", "nll"] = 2.0
    assert not extension(far).extended.any()


def test_the_harm_of_tuning_is_the_change_of_the_control():
    mean, low, high = harm(curve_of())
    assert (mean, low, high) == pytest.approx((-0.1, -0.1, -0.1))


def test_a_curve_that_still_falls_is_seen():
    found = late_change(along(curve_of(rope_id=(2.0, 1.0, 0.5), base=(0.5, 0.2, 0.2))))
    assert found.to_dict() == pytest.approx({"control": 0, "rope_id": -0.5, "base": 0})


def test_texts_are_told_apart():
    found = by_text(curve_of(rope_id=(2.0, 1.0, 0.5)))
    assert list(found.index) == ["rope_id"]
    assert found.loc["rope_id"].to_dict() == pytest.approx(
        {name: 0.49 + 0.004 * number for number, name in enumerate("abcdef")}
    )


def test_only_what_has_recovered_is_converted():
    assert verdict("recovered", True) == "converted and extended"
    assert verdict("recovered", False) == "converted, not extended"
    assert verdict("lost", True) == "not converted"
    assert verdict("open", True) == "open"


def test_the_facts_follow_the_tables():
    arms = {"base": ((0.5, 0.2, 0.0), 0.1), "rope_id": ((2.0, 1.0, 0.5), 0.1), "dropped": ((3, 3, 3), 2.0)}
    found = facts(tables_of(**arms))
    assert found["converted-base-outcome"] == "converted and extended"
    assert found["converted-rope-id-outcome"] == "not converted"
    assert found["converted-rope-id-share"] == "75 %"
    assert found["converted-control-rise"] == "+1.00"
    assert found["converted-rope-id-most"] == "f (+0.51)"
    assert found["converted-harm"] == "−0.10"
    assert found["converted-base-inside-over"] == "+0.00"
    assert found["converted-steps"] == "16"
    assert all(isinstance(text, str) for text in found.values())


def test_a_missing_control_is_no_comparison():
    curve = curve_of(base=(0.5, 0.2, 0.0))
    with pytest.raises(KeyError):
        recovery(curve[curve.arm != "control"])


def test_arms_stay_in_their_order():
    curve = pd.concat([curve_of(dropped=(1, 1, 1), base=(1, 1, 1))])
    assert list(recovery(curve).index) == ["dropped", "base"]
