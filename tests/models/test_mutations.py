"""Mutated configs: each is read and judged, or refused with one line."""

import copy

import pytest
from fuzz_config import BROKE, NASTY, judged, seeds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize("case", range(len(BROKE)))
def test_inputs_that_once_broke_the_reader(case):
    judged(BROKE[case])


def paths(value, path=()):
    """Every place in a config."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


@st.composite
def mutated(draw):
    """A real config with a few values replaced, deleted or added."""
    config = copy.deepcopy(draw(st.sampled_from(list(seeds().values()))))
    for _ in range(draw(st.integers(1, 4))):
        places = [path for path in paths(config) if path]
        *parents, last = draw(st.sampled_from(places))
        target = config
        for key in parents:
            target = target[key]
        value = draw(st.sampled_from(NASTY))
        action = draw(st.sampled_from(["replace", "delete", "move", "insert"]))
        if action == "delete":
            del target[last]
        elif action == "replace":
            target[last] = copy.deepcopy(value)
        elif isinstance(target, dict):
            other = draw(st.sampled_from([path[-1] for path in places if isinstance(path[-1], str)]))
            target[other] = copy.deepcopy(target[last] if action == "move" else value)
        else:
            target.insert(last, copy.deepcopy(value))
        if not config:
            break
    return config


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_mutated_configs_are_read_or_refused(config):
    judged(config)
