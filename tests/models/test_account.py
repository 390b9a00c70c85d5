"""The account of a file's keys: what was read, what cannot matter, and what nobody understood."""

import tomllib
from pathlib import Path

import pytest

from rope_lib.models import account as module
from rope_lib.models.account import MOST_LISTED, Ledger, account, may_bear, why_inert
from rope_lib.models.layers import INDICES, PERIODS, WORDS
from rope_lib.models.reading import NAMES
from rope_lib.models.switches import POSITIONS, SWITCHES
from rope_lib.theory.scaling import SCALINGS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rotary_wavelength_constant", 8.0),
        ("positional_base", 5e5),
        ("theta_0", 1e4),
        ("angularFrequencyRatio", 2),
        ("mixer_schedule", ["a", "b"]),
        ("token_mix", ["full", "conv", "conv"]),
        ("lambda", 500_000.0),
        ("enc.attn.inner", 3),
        ("use_nope", None),
        ("flavour", [0, 1, 1, 0]),
    ],
)
def test_names_and_values_that_are_suspected(name, value):
    assert may_bear(name, value, num_layers=4)
    assert account({name: value}, Ledger(), num_layers=4).not_understood.keys() == {name}


@pytest.mark.parametrize(
    ("name", "value"), [("colour", "red"), ("zeal", 3), ("cross_talk", False), ("e", None)]
)
def test_names_and_values_that_are_not(name, value):
    assert account({name: value}, Ledger()).plain() == {"read": [], "inert": {}, "not_understood": {}}


@pytest.mark.parametrize("name", ["rope_norm_scale", "sliding_window_dropout", "theta_init", "base_bias"])
def test_no_pattern_of_the_table_silences_a_name_that_speaks_of_rotation(name):
    assert why_inert(name, 1.0) is None


def test_objects_are_entered_unless_they_are_inert_as_a_whole():
    config = {"vision_config": {"rope_theta": 1.0}, "extra": {"deeper": {"rope_theta": 2.0}, "colour": "red"}}
    found = account(config, Ledger())
    assert dict(found.inert) == {"vision_config": why_inert("vision_config", {})}
    assert dict(found.not_understood) == {"extra.deeper.rope_theta": 2.0}
    found = account({"blocks": [{"colour": 1}, {"rope": True}]}, Ledger())
    assert "blocks.1.rope" in found.not_understood


def test_what_the_reader_says_goes_before_the_rule():
    config = {"rope_theta": 1e4, "rope_kind": "new", "rope_note": "x", "layer_types": ["a"]}
    ledger = Ledger(read={"rope_theta", "rope_kind"}, inert={"rope_note": "a note"}, doubted={"rope_kind"})
    found = account(config, ledger)
    assert found.read == ("rope_theta",)
    assert dict(found.inert) == {"rope_note": "a note"}
    assert found.not_understood == {"rope_kind": "new", "layer_types": "a list of 1 entries"}


def test_a_hostile_file_is_shown_short():
    config = {f"rope_{number}\x1b[31m{'x' * 1000}": "y\n" * 1000 for number in range(1000)}
    found = account(config, Ledger()).not_understood
    assert len(found) == MOST_LISTED + 1
    assert found["…"] == "900 more keys"
    assert all(key.isprintable() and len(key) <= 100 for key in found)
    assert all(value.isprintable() and len(value) <= 100 for value in found.values())


def test_every_name_of_the_table_stands_once():
    text = Path(module.__file__).with_name("inert_keys.toml").read_text(encoding="utf-8")
    groups = tomllib.loads(text)["group"]
    for field in ("keys", "objects"):
        names = [name for group in groups for name in group.get(field, [])]
        assert sorted(names) == sorted(set(names))


def test_where_a_quantity_is_open_every_unknown_number_is_suspected():
    config = {"enormity": 40, "vocab_size": 256, "colour": "red", "one": 1}
    assert not account(config, Ledger()).not_understood
    assert account(config, Ledger(), is_open=True).not_understood == {"enormity": 40}


def test_no_key_that_the_reader_looks_at_is_inert_by_the_table():
    names = {name for names in NAMES.values() for name in names} | {*WORDS, *PERIODS, *INDICES}
    names |= {*SWITCHES, *POSITIONS, "rope_scaling", "rope_parameters", "no_rope_layers", "block_configs"}
    names |= {name for scaling in SCALINGS.values() for name in scaling.reads}
    assert {name: why_inert(name, 1) for name in names if why_inert(name, 1)} == {}
