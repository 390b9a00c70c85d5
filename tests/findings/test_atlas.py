"""The atlas as its chapter shows it: what the library says of each model, the counts, and the sentences."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from rope_lib.findings import atlas
from rope_lib.models.case_studies import case_studies
from rope_lib.models.spec import FrozenDict, Rotary
from rope_lib.models.verdicts import RotaryVerdict, classify, judge
from rope_lib.theory.rivals import men_first_negative


@pytest.fixture(scope="module")
def entries():
    return atlas.entries()


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
    (row,) = atlas.lookup_rows([gemma])
    assert row["retrofit"] == "linear ×8, full layers"


def test_the_first_negative_sum_is_that_of_men_for_a_plain_spectrum():
    rotary = spectrum(type="default")
    expected = men_first_negative(10_000, 128)
    assert atlas.first_negative_seen(seen(rotary, 4096), 4096) == expected
    assert atlas.first_negative_seen(seen(rotary, expected), expected) == expected
    assert atlas.first_negative_seen(seen(rotary, expected - 1), expected - 1) is None


def test_linear_scaling_moves_the_first_negative_sum_by_its_factor():
    rotary = spectrum(type="linear", factor=8)
    found = atlas.first_negative_seen(seen(rotary, 32_768), 32_768)
    assert 8 * (men_first_negative(10_000, 128) - 1) < found <= 8 * men_first_negative(10_000, 128)


def test_resting_pairs_count_as_ones():
    rotary = replace(spectrum(type="default"), head_dim=256)
    assert atlas.resting_pairs(rotary) == 64
    judged = seen(rotary, 4096)
    assert atlas.first_negative_seen(judged, 4096) is not None
    assert atlas.first_negative_seen(judged, 4096, resting=64) is None


def test_the_slowest_pair_of_a_proportional_spectrum_is_one_that_rotates():
    rotary = spectrum(type="proportional", partial_rotary_factor=0.25)
    assert atlas.resting_pairs(rotary) == 48
    assert atlas.slowest_frequency(seen(rotary, 1), 1) == pytest.approx(10_000 ** (-15 / 64))


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
    pairs = atlas.known_cases()
    missing = {case.model for case in case_studies()} - {case.model for case, _ in pairs}
    assert missing == {"CodeLlama 7B", "hypothetical 1M"}
    for case, verdict in pairs:
        assert verdict.context == case.context_length
        assert [float(judged.effective_base) for judged in verdict.rotaries] == [case.effective_base]


@pytest.fixture(scope="module")
def facts(entries):
    return atlas.facts(entries, atlas.known_cases())


def number(facts, name):
    return int(facts[f"atlas-{name}"])


# The counts


@pytest.mark.slow
def test_every_model_that_rotates_has_one_place(entries, facts):
    periods = atlas.places(entries)
    assert sum(counts.total() for counts in periods.values()) == number(facts, "judged")
    inside = sum(counts["inside"] for counts in periods.values())
    assert inside == number(facts, "stable")


def test_the_moves_are_those_of_the_retrofitted(entries, facts):
    moves = atlas.moves(entries)
    assert sum(counts.total() for counts in moves.values()) == number(facts, "retrofitted")
    changed = sum(n for counts in moves.values() for (before, after), n in counts.items() if before != after)
    assert changed == number(facts, "changed")


def test_a_move_is_described_by_its_verdicts_the_most_frequent_first():
    counts = Counter({("unstable", "stable"): 1, ("aliased", "stable"): 1, ("stable", "stable"): 3})
    assert atlas.described(counts) == "stable (3); aliased → stable (1); unstable → stable (1)"


def test_the_first_spectrum_is_the_farthest_from_the_formula(entries):
    ratios = [atlas.slow_ratio(*pair) for pair in atlas.spectra(entries)]
    assert ratios == sorted(ratios)
    assert max(ratios) < 1  # 1/base is slower than any pair


def test_the_facts_are_texts_and_name_the_chapter(facts):
    assert all(name.startswith("atlas-") and type(text) is str for name, text in facts.items())


# The sentences, at the constants for which they are written


def test_most_models_lie_outside_their_zone(facts):
    assert 2 * number(facts, "stable") < number(facts, "judged")


def test_no_model_runs_below_the_aliasing_line_and_some_would_without_their_retrofit(entries, facts):
    for _, judged in atlas.spectra(entries):
        assert judged.effective_base >= judged.bounds["aliasing"]
    assert number(facts, "aliased-before") > 0


def test_bases_have_grown(entries):
    first, middle, last = (
        {place: counts[place] / counts.total() for place in ("below", "above")}
        for counts in atlas.places(entries).values()
    )
    assert first["below"] > middle["below"] > last["below"]
    assert first["above"] < middle["above"] < last["above"]


def test_none_of_the_lifted_models_was_stable_where_it_began(entries):
    lifted = [entry for entry in entries if entry.retrofitted and entry.without_retrofit == "aliased"]
    assert lifted
    for entry in lifted:
        rotary = entry.retrofitted.rotary
        assert classify(rotary.base, entry.model.original_context, len(rotary.layers)) != "stable"


def test_men_are_the_stricter(facts):
    assert number(facts, "men-stricter") > number(facts, "depth-stricter")


def test_verdict_and_behavior_part_on_three_sides(facts):
    sides = [number(facts, name) for name in ("above-works", "below-works", "stable-degrades")]
    assert sum(sides) == number(facts, "astray") > 0


def test_the_better_verdicts_of_the_slowest_pair_are_those_just_above_the_wall(entries, facts):
    moved = [entry for entry in entries if entry.verdict_of_slowest != entry.verdict.verdict]
    beyond = sum(entry.verdict.verdict == "beyond_precision" for entry in moved)
    assert beyond == number(facts, "slowest-better")


def test_the_extreme_model_stops_its_slow_pairs(entries, facts):
    entry, judged = atlas.spectra(entries)[0]
    assert judged.rotary.scaling["type"] == "proportional"
    assert facts["atlas-extreme"] == entry.model.name
    assert number(facts, "extreme-period") == round(2 * np.pi / atlas.slowest_frequency(judged, 1))


def test_resting_pairs_help_with_the_condition_of_men(facts):
    assert number(facts, "partial-alone") < number(facts, "partial-whole") <= number(facts, "partial")
