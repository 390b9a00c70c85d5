"""Specs are values: frozen all the way down, and those that are equal hash alike."""

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_configs import BARE, only

from rope_lib.models.spec import FrozenDict

LONGROPE = {"type": "longrope", "original_max_position_embeddings": 1024, "short_factor": [1] * 64}


def scaled(**keys):
    return only({**BARE, "rope_scaling": keys})[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"type": "linear", "factor": 2}, {"factor": 2.0, "type": "linear"}),
        ({**LONGROPE, "long_factor": [2] * 64}, {**LONGROPE, "long_factor": [2.0] * 64}),
        ({"type": "mrope", "mrope_section": [16, 24, 24]},) * 2,
    ],
    ids=["number", "numbers", "sections"],
)
def test_equal_specs_hash_alike(one, other):
    first, second = scaled(**one), scaled(**other)
    assert first == second
    assert hash(first) == hash(second)
    assert len({first, second}) == 1


def test_different_specs_are_different():
    specs = {scaled(type="linear", factor=2), scaled(type="linear", factor=3), scaled(type="ntk", factor=2)}
    assert len(specs) == 3


def test_a_spec_is_frozen_all_the_way_down():
    spec, rotary = only({**BARE, "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}})
    with pytest.raises(AttributeError):
        spec.num_layers = 3
    with pytest.raises(TypeError, match="does not support item assignment"):
        rotary.scaling["type"] = "linear"
    with pytest.raises(AttributeError):
        rotary.scaling.update(type="linear")
    with pytest.raises(AttributeError):
        rotary.scaling["mrope_section"].append(1)


def test_a_frozen_dict_is_compared_by_its_values():
    frozen = FrozenDict(truncate=True, sections=[[1], (2, [3])], inner={"a": [1]})
    assert frozen == {"truncate": True, "sections": [[1], [2, [3]]], "inner": {"a": [1]}}
    assert frozen != {"truncate": True}
    assert frozen != 3
    assert frozen.plain() == {"truncate": True, "sections": [[1], [2, [3]]], "inner": {"a": [1]}}
    assert isinstance(json.loads(json.dumps(frozen.plain())), dict)
    assert FrozenDict(truncate=1) == FrozenDict(truncate=True)  # as for Python's own numbers
    assert hash(FrozenDict(truncate=1)) == hash(FrozenDict(truncate=True))
    for same in (copy.copy(frozen), copy.deepcopy(frozen), pickle.loads(pickle.dumps(frozen))):
        assert same == frozen
        assert hash(same) == hash(frozen)


@pytest.mark.parametrize("value", [float("nan"), [1.0, float("nan")], {"inner": float("nan")}])
def test_nan_is_refused(value):
    with pytest.raises(ValueError, match=r"^(factor|inner) must not be NaN$"):
        FrozenDict(factor=value)


ATOMS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([-2.0, 0.0, 1.0, 2.5]) | st.text("ab")
)
VALUES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab"), inner)
)


@given(st.dictionaries(st.text("ab", max_size=1), VALUES), st.dictionaries(st.text("ab", max_size=1), VALUES))
def test_equal_mappings_hash_alike(one, other):
    first, second = FrozenDict(one), FrozenDict(other)
    assert (first == second) == (one == other)
    if first == second:
        assert hash(first) == hash(second)
