"""No key that bears on rotation is passed over in silence when the reader does not know it."""

import hidden_keys
import pytest
from hidden_keys import FLAGGED, SAME, SILENT, SPELLINGS, outcome, own_configs, paths, readable
from model_configs import BARE

OWN = dict(readable(own_configs().items()))
TESTED = [name for name in OWN if not name.startswith("atlas")]


def test_a_reader_that_is_blind_to_its_suspicions_is_found(monkeypatch):
    config = {**BARE, "model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2.0}}
    assert outcome(config, ("rope_scaling",)) == FLAGGED
    monkeypatch.setattr("rope_lib.models.account.may_bear", lambda *_: False)
    assert outcome(config, ("rope_scaling",)) == SILENT


@pytest.mark.parametrize("name", TESTED)
def test_no_hidden_key_changes_a_rotation_in_silence(name):
    found = {path: outcome(OWN[name], path) for path in paths(OWN[name])}
    assert [path for path, said in found.items() if said == SILENT] == []


def test_atlas():
    configs = [(name, config) for name, config in OWN.items() if name.startswith("atlas")]
    counts, silent, alarms, number = hidden_keys.measure(configs)
    assert silent == []
    assert counts[FLAGGED] > counts[SAME]
    assert len(alarms) < 0.02 * number, alarms


def test_invented_spellings_are_caught():
    config = {**OWN["test: gemma 3"], "rope_theta": 5e5}
    for path in (("rope_theta",), ("sliding_window_pattern",), ("rope_scaling",), ("head_dim",)):
        for spelling in SPELLINGS[path[-1]]:
            assert outcome(config, path, spelling) != SILENT, spelling
