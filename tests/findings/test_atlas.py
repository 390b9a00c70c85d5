"""The atlas as its chapter shows it: its rows say what the library says of each model."""

from dataclasses import replace

import numpy as np
import pytest

from rope_lib import findings
from rope_lib.models.case_studies import case_studies
from rope_lib.models.spec import FrozenDict, Rotary
from rope_lib.models.verdicts import RotaryVerdict, judge
from rope_lib.theory.rivals import men_first_negative


@pytest.fixture(scope="module")
def entries():
    return findings.atlas.entries()


def by_name(entries, name):
    return next(entry for entry in entries if entry.model.name == name)


def seen(rotary, context):
    length, base = np.float64(context), np.float64(rotary.base)
    return RotaryVerdict(rotary, length, base, FrozenDict(), "stable", "stable")


def spectrum(**scaling):
    return Rotary(tuple(range(32)), "full", 10_000.0, 128, 128, None, FrozenDict(scaling))


def test_an_entry_carries_the_verdict_of_judge(entries):
    for entry in entries:
        assert entry.verdict.verdict == judge(entry.model).verdict
        if entry.worst:
            assert entry.worst.verdict == entry.verdict.verdict


def test_without_a_retrofit_the_verdict_is_that_of_the_stated_bases(entries):
    for entry in entries:
        if entry.retrofitted is None:
            assert entry.without_retrofit == entry.verdict.verdict
    assert by_name(entries, "DeepSeek-V3").without_retrofit == "aliased"


def test_a_layer_that_a_retrofit_spares_does_not_hide_it(entries):
    gemma = by_name(entries, "Gemma 3 4B")
    assert gemma.worst.rotary.scaling["type"] == "default"
    assert gemma.retrofitted.rotary.kind == "full"
    (row,) = findings.atlas.lookup_rows([gemma])
    assert row["retrofit"] == "linear ×8, full layers"


def test_the_first_negative_sum_is_that_of_men_for_a_plain_spectrum():
    rotary = spectrum(type="default")
    expected = men_first_negative(10_000, 128)
    assert findings.atlas.first_negative(seen(rotary, 4096), 4096) == expected
    assert findings.atlas.first_negative(seen(rotary, expected), expected) == expected
    assert findings.atlas.first_negative(seen(rotary, expected - 1), expected - 1) is None


def test_linear_scaling_moves_the_first_negative_sum_by_its_factor():
    rotary = spectrum(type="linear", factor=8)
    found = findings.atlas.first_negative(seen(rotary, 32_768), 32_768)
    assert 8 * (men_first_negative(10_000, 128) - 1) < found <= 8 * men_first_negative(10_000, 128)


def test_resting_pairs_count_as_ones():
    rotary = replace(spectrum(type="default"), head_dim=256)
    assert findings.atlas.resting_pairs(rotary) == 64
    judged = seen(rotary, 4096)
    assert findings.atlas.first_negative(judged, 4096) is not None
    assert findings.atlas.first_negative(judged, 4096, resting=64) is None


def test_the_slowest_pair_of_a_proportional_spectrum_is_one_that_rotates():
    rotary = spectrum(type="proportional", partial_rotary_factor=0.25)
    assert findings.atlas.resting_pairs(rotary) == 48
    assert findings.atlas.slowest_frequency(seen(rotary, 1), 1) == pytest.approx(10_000 ** (-15 / 64))


def test_the_verdict_of_the_slowest_pair_is_never_better_below_the_wall(entries):
    order = ("aliased", "unstable", "unstable_at_depth", "stable")
    for entry in entries:
        if entry.verdict.verdict in order:
            assert order.index(entry.verdict_of_slowest) <= order.index(entry.verdict.verdict)


def test_an_unknown_training_length_leaves_liu_undecided(entries):
    unknown = [entry for entry in entries if entry.worst and entry.liu_accepts is None]
    assert unknown
    for entry in unknown:
        assert entry.model.trained_context is None
        assert entry.model.original_context is None
    trained = by_name(entries, "Llama 2 7B")
    assert trained.liu_accepts is True


def test_the_known_cases_agree_with_the_case_studies():
    pairs = findings.atlas.known_cases()
    missing = {case.model for case in case_studies()} - {case.model for case, _ in pairs}
    assert missing == {"CodeLlama 7B", "hypothetical 1M"}
    for case, verdict in pairs:
        assert verdict.context == case.context_length
        assert [float(judged.effective_base) for judged in verdict.rotaries] == [case.effective_base]
