"""The rule on the forecast of dispersal: it can come out every way."""

import pandas as pd
import pytest

from rope_lib.findings.forecast import HOLDS, IN_PART, REFUTED, verdict


def errors(**models):
    """A table of errors: for each model the error of the forecast and of both rivals on three texts."""
    return pd.DataFrame(
        [
            {"model": model, "layers": "full", "text": text}
            | dict(zip(("forecast", "no change", "trend"), (each + change for each in found), strict=True))
            for model, found in models.items()
            for text, change in (("one", -0.001), ("two", 0.0), ("three", 0.001))
        ]
    )


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ({"one": (0.05, 0.4, 0.3), "two": (0.1, 0.3, 0.2)}, HOLDS),
        ({"one": (0.05, 0.4, 0.3), "two": (0.2, 0.3, 0.25)}, REFUTED),
        ({"one": (0.05, 0.4, 0.3), "two": (0.149, 0.3, 0.25)}, IN_PART),  # 15 % lies within its interval
        ({"one": (0.05, 0.4, 0.3), "two": (0.04, 0.02, 0.3)}, IN_PART),  # nothing changes, and that is better
        ({"one": (0.05, 0.4, 0.04)}, IN_PART),
    ],
)
def test_the_rule_can_come_out_every_way(models, expected):
    found, intervals = verdict(errors(**models))
    assert found == expected
    assert intervals.error["one", "full"] == pytest.approx(models["one"][0])


def test_layers_with_a_window_count_apart():
    one, other = errors(model=(0.05, 0.4, 0.3)), errors(model=(0.3, 0.4, 0.35)).assign(layers="window")
    assert verdict(one)[0] == HOLDS
    assert verdict(pd.concat([one, other]))[0] == REFUTED
