"""Rounding in some pairs only, and gaps in positions: against the rotations of which they are made."""

import numpy as np
import pytest
import torch

from rope_lib.train import rounding
from rope_lib.train.config import Shape
from rope_lib.train.spectrum import Spectrum, marked
from rope_lib.train.transformer import Transformer


@pytest.fixture
def model():
    return Transformer(Shape(layers=1, width=16, heads=1, head_dim=8), 12, torch.Generator().manual_seed(0))


def test_rounding_all_or_no_pairs_is_rounding_and_none():
    exact = Spectrum().at(16, 16, 8)
    rounded = Spectrum(arithmetic="bfloat16").at(16, 16, 8)
    every = rounding.partly_rounded(exact, rounded, 16, 1000, np.ones(4, bool)).tables(16)
    none = rounding.partly_rounded(exact, rounded, 16, 1000, np.zeros(4, bool)).tables(16)
    for table, of_rounded, other, of_exact in zip(
        every, rounded.tables(16, 1000), none, exact.tables(16, 1000), strict=True
    ):
        assert np.array_equal(table, of_rounded)
        assert np.array_equal(other, of_exact)


def test_only_marked_pairs_are_rounded():
    exact, rounded = (Spectrum(arithmetic=name).at(16, 16, 8) for name in ("float64", "bfloat16"))
    pairs = marked("fast", 1, 4)
    mixed = rounding.partly_rounded(exact, rounded, 16, 1000, pairs).cos
    assert np.array_equal(mixed[:, 0], rounded.tables(16, 1000)[0][:, 0])
    assert np.array_equal(mixed[:, 1:], exact.tables(16, 1000)[0][:, 1:])


def test_given_tables_turn_a_model_as_a_rotation_does(model):
    rotation, tokens = Spectrum().at(16, 16, 8), torch.arange(16)[None] % 12
    given = rounding.Given(*rotation.tables(16, 5))
    with torch.inference_mode():
        assert torch.equal(model(tokens, given), model(tokens, rotation, shift=5))
    with pytest.raises(ValueError, match="length and shift must be those of the given tables, 16 and 0"):
        given.tables(8)
    with pytest.raises(ValueError, match="got 16 and 5"):
        given.tables(16, 5)


def test_a_gap_of_zero_turns_nothing_and_rounding_makes_gaps():
    rotation = Spectrum(base=100.0).at(128, 128, 8)
    still = rounding.with_gap(rotation, 128, 0, 33)
    assert np.array_equal(still.cos, np.ones((128, 4)))
    # bfloat16 at 60,000 has the same relative angles as a gap of 256: one step, after 33 tokens.
    assert rounding.first_step("bfloat16", 60_000, 128) == 33
    coarse = Spectrum(base=100.0, arithmetic="bfloat16").at(128, 128, 8).tables(128, 60_000)
    assert len(np.unique(coarse[0], axis=0)) == 2
    with pytest.raises(ValueError, match="positions must take a step within 128 tokens, got none at 1000000"):
        rounding.first_step("bfloat16", 10**6, 128)


def test_tables_of_the_interventions_have_a_row_for_each(model):
    values = {
        "model": {"layers": 1, "width": 16, "heads": 1, "head_dim": 8},
        "training": {"length": 64},
        "evaluation": {"lengths": [64], "examples": 2, "variants": {"other": {"shift": 3}}},
    }
    config = rounding.plain(values)
    assert config.evaluation.variants == {}
    assert "variants" in values["evaluation"]
    own = Transformer(config.model, config.task.make().vocabulary, torch.Generator().manual_seed(0))
    pairs = rounding.rounded_in_parts(config, own, [("bfloat16", 1000)], [0, 4])
    assert pairs.side.tolist() == ["fast", "fast", "slow", "slow"]
    assert pairs.rounded.tolist() == [0, 4, 0, 4]
    assert pairs.accuracy[0] == pairs.accuracy[2]
    assert pairs.accuracy[1] == pairs.accuracy[3]  # all four, from either side
    assert rounding.with_gaps(config, own, [0, 64], 3).gap.tolist() == [0, 64]
