"""What the chapter says of the atlas: its counts, and the sentences that rest on them."""

from collections import Counter

import numpy as np
import pytest

from rope_lib.findings import atlas
from rope_lib.models.verdicts import classify


@pytest.fixture(scope="module")
def entries():
    return atlas.entries()


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
