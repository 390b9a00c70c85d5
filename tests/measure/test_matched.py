"""Which pairs match, on texts short enough to see it."""

import numpy as np
import pytest

from rope_lib.measure.matched import (
    NEAREST,
    STRING,
    at_same_distances,
    grams,
    natural_queries,
    plan,
    planted,
    previous_match,
    unmatched,
)

TEXT = np.random.default_rng(0).integers(0, 40, 600)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_grams_are_equal_where_the_same_tokens_end(order):
    ids = TEXT % 3
    gram = grams(ids, order)
    ends = [tuple(ids[i - order + 1 : i + 1]) if i >= order - 1 else i for i in range(len(ids))]
    assert all((gram[i] == gram[j]) == (ends[i] == ends[j]) for i in range(60) for j in range(60))


def test_an_order_below_one_is_refused(refuses):
    refuses(lambda: grams([1, 2], 0), "order must be at least 1, got 0")


def test_the_previous_match_is_the_latest_that_is_far_enough():
    gram = grams(TEXT)
    found = previous_match(gram)
    for i, j in enumerate(found):
        earlier = np.flatnonzero(TEXT[: max(0, i - NEAREST + 1)] == TEXT[i])
        assert j == (earlier[-1] if len(earlier) else -1)


def test_every_key_is_matched_unmatched_or_left_out():
    gram, queries = grams(TEXT), np.array([30, 300, 599])
    mask = unmatched(gram, queries)
    for row, i in zip(mask, queries, strict=True):
        for j in range(len(TEXT)):
            matches = TEXT[j] == TEXT[i] or (j > 0 and TEXT[j - 1] == TEXT[i])
            assert row[j] == (1 <= j <= i - NEAREST and not matches)


def test_unmatched_pairs_have_the_distances_of_matched_ones():
    gram, queries = grams(TEXT), np.arange(500, 564)
    keys = previous_match(gram)[queries]
    mask = unmatched(gram, queries)
    which, found = at_same_distances(queries, keys, mask, first=0)
    assert len(found) > len(queries)
    assert mask[which, found].all()
    assert set(queries[which] - found) <= set(queries - keys)


def test_one_pair_has_no_other_to_lend_its_distance():
    which, found = at_same_distances([40], [10], np.ones((1, 50), dtype=bool), first=0)
    assert len(which) == len(found) == 0


@pytest.mark.parametrize("lengths", [[256, 512, 1024, 2048, 4096], [2048, 8192, 12_288], [8192, 16_384]])
def test_planted_strings_stand_twice_and_overlap_nothing(lengths):
    strings = plan(lengths)
    text = planted(np.arange(max(lengths)) % 997, strings)
    places = [set(range(at, at + STRING)) for each in strings for at in (each.first, each.second)]
    assert len(set.union(*places)) == STRING * len(places)
    assert not set.union(*places) & {place for length in lengths for place in natural_queries(length)}
    for each in strings:
        first, second = (text[at : at + STRING] for at in (each.first, each.second))
        assert (first == second).all()
        assert len(set(first)) == STRING
        assert each.distance < each.length
        assert each.second + STRING <= each.length


def test_a_length_without_room_is_refused(refuses):
    refuses(lambda: plan([64]), "lengths must leave room for planted strings, got [64]")
