"""Retrofits pair by pair, and heads under the spectra of other bases."""

import numpy as np
import pandas as pd
import pytest

from rope_lib.findings.retrofits import (
    both_kept,
    by_base,
    by_pair,
    dynamic,
    facts,
    idle_pairs,
    spectra,
    summary,
)
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.reversal import positional_sensitivity, reversal_share

TRAINED, FACTOR = 4_096, 8
PLAIN = frequencies(10_000, 128)
SPECTRA = spectra(10_000, 128, TRAINED, FACTOR)
UNTURNED = np.less(PLAIN, 2 * np.pi / TRAINED)


def drawn_of(winners, others):
    names = ["layer", "head", "draw", "key"]
    index = [(0, 0, draw, key) for draw in range(len(winners)) for key in ("winner", "other")]
    rows = [each for pair in zip(winners, others, strict=True) for each in pair]
    return pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(index, names=names))


def random_draws(count=6, pairs=4):
    random = np.random.default_rng(0)
    winners, others = random.normal(size=(2, count, pairs)) + 1j * random.normal(size=(2, count, pairs))
    behind = winners.real.sum(axis=1) < others.real.sum(axis=1)
    winners[behind], others[behind] = others[behind], winners[behind].copy()
    return winners, others


@pytest.mark.parametrize("name", ["position interpolation", "YaRN", "llama3"])
def test_unturned_pairs_are_slowed_by_the_whole_factor(name):
    table = by_pair(SPECTRA[name], PLAIN, TRAINED, FACTOR * TRAINED)
    assert table.slowed[UNTURNED].to_numpy() == pytest.approx(FACTOR)
    assert not table.unseen.any()
    assert summary(SPECTRA[name], PLAIN, TRAINED, FACTOR * TRAINED)["known"] == pytest.approx(32_768)


def test_ntk_slows_all_but_the_slowest_unturned_pair_by_less():
    table = by_pair(SPECTRA["NTK"], PLAIN, TRAINED, FACTOR * TRAINED)
    assert table.unseen.tolist() == [*UNTURNED[:-1], False]
    found = summary(SPECTRA["NTK"], PLAIN, TRAINED, FACTOR * TRAINED)
    assert (found["stay"], found["between"], found["full"]) == (1, 62, 1)
    assert found["unseen"] == UNTURNED.sum() - 1
    first = int(np.argmax(UNTURNED))
    assert found["known"] == pytest.approx(TRAINED * FACTOR ** (first / 63))


def test_turns_are_counted_within_the_trained_length():
    table = by_pair(SPECTRA["position interpolation"], PLAIN, TRAINED, FACTOR * TRAINED)
    assert table.turns[0] == pytest.approx(TRAINED / (2 * np.pi))
    assert (table.turns / table.turns_after).to_numpy() == pytest.approx(FACTOR)


def test_dynamic_stays_plain_up_to_the_trained_length():
    assert dynamic(10_000, 128, TRAINED, TRAINED) == pytest.approx(PLAIN)
    assert dynamic(10_000, 128, TRAINED, FACTOR * TRAINED) == pytest.approx(SPECTRA["NTK"])


def test_many_draws_at_once_agree_with_the_theory_of_one():
    winners, others = random_draws()
    table = by_base(drawn_of(winners, others), [100.0, 1e6], [64, 5_000], 0.1)
    for (base, window), rows in table.groupby(["base", "window"]):
        freqs = frequencies(base, 8)
        for row, winner, other in zip(rows.itertuples(), winners, others, strict=True):
            steps = positional_sensitivity(winner, freqs, window + 1)
            assert row.reversed == pytest.approx(reversal_share(winner - other, freqs, window))
            assert row.told == pytest.approx(np.mean(steps >= 0.1))
            assert row.largest == pytest.approx(steps.max())


def test_a_tie_is_left_out():
    winners, others = random_draws()
    others[2] = winners[2]
    assert len(by_base(drawn_of(winners, others), [100.0], [64], 0.1)) == len(winners) - 1


def test_both_are_kept_only_where_order_and_steps_are():
    rows = [(0.05, 0.5), (0.05, 0.01), (0.5, 0.5), (0.5, 0.01)]
    table = pd.DataFrame(rows, columns=["reversed", "largest"]).assign(window=8, base=10.0)
    assert both_kept(table, 0.1, 0.1).loc[8, 10.0] == 0.25


def test_idle_pairs_are_those_below_each_angle():
    found = idle_pairs([1e4, 1e9], 64, 8_192)
    for base, row in zip((1e4, 1e9), found.itertuples(), strict=True):
        farthest = 8_192 * base ** (-np.arange(32) / 32)
        assert row.unturned == np.sum(farthest < 2 * np.pi)
        assert row.tenth_turn == np.sum(farthest < 0.2 * np.pi)
        assert row.tenth_radian == np.sum(farthest < 0.1)
        assert row.cosine_one == np.sum(farthest < 2**-4)  # 1 - cos x < 2^-9, half a step below 1


def test_the_facts_are_texts_of_the_tables():
    found = facts(
        {name: summary(freqs, PLAIN, TRAINED, FACTOR * TRAINED) for name, freqs in SPECTRA.items()},
        by_base(drawn_of(*random_draws()), [1e4, 1e9], [64, 256], 0.1),
        idle_pairs([1e4, 1e9], 64, 8_192),
        pairs=32,
        reversal=0.5,
        sensitivity=0.2,
        low_sensitivity=0.1,
    )
    assert found["retrofit-ntk-unseen"] == "17"
    assert found["retrofit-idle"] == "14 of 32"
    assert found["retrofit-enough-near"] in ("10⁴", "10⁹")
