"""How the calculator's answers are compared with the library's."""

import json

import numpy as np
import pytest

from rope_lib.models import judge
from rope_lib.models.record import record

CLOSE = 1e-9  # relative

# What the command's JSON holds besides: it says how a config was read, and the page reads none.
LEFT_OUT = (
    "architecture", "provenance", "sources", "keys", "reasons", "warnings", "cases", "summary",
)  # fmt: skip


def plain(value):
    """What JSON can hold of a library's value."""
    return json.loads(json.dumps(value, default=lambda odd: odd.tolist()))


def judged(model, context, epsilon=0.95, dtype="float32"):
    """The library's verdict as the calculator's JSON has it."""
    found = record(judge(model, context=context, epsilon=epsilon, dtype=dtype))
    for rotary in found["rotaries"]:
        del rotary["bounds"]["men"], rotary["first_negative"]
    return {key: value for key, value in plain(found).items() if key not in LEFT_OUT}


def assert_same(found, expected, where=""):
    """Equal, numbers to a relative 1e-9, and of the same shape."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_same(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        if expected and isinstance(expected[0], float):
            np.testing.assert_allclose(found, expected, rtol=CLOSE, atol=0, err_msg=where)
        else:
            for index, pair in enumerate(zip(found, expected, strict=True)):
                assert_same(*pair, f"{where}[{index}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=CLOSE, abs=0), where
    else:
        assert found == expected, where
