"""Given tables and gaps in positions, against the rotations of which they are made."""

import numpy as np
import pytest
import torch

from rope_lib.train import rounding
from rope_lib.train.config import Shape
from rope_lib.train.spectrum import Spectrum
from rope_lib.train.transformer import Transformer


@pytest.fixture
def model():
    return Transformer(Shape(layers=1, width=16, heads=1, head_dim=8), 12, torch.Generator().manual_seed(0))


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
