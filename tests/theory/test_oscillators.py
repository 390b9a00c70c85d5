"""The oscillator bank: rotation in both layouts, and the similarity of the whole bank."""

import mpmath
import numpy as np
import pytest
import torch
from transformers import LlamaConfig
from transformers.models.cohere.modeling_cohere import apply_rotary_pos_emb as cohere_rotation
from transformers.models.gptj.modeling_gptj import apply_rotary_pos_emb as gptj_rotation
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb as llama_rotation

from rope_lib.theory.oscillators import (
    BLOCK,
    LAYOUTS,
    bank_similarity,
    frequencies,
    from_complex,
    modulate,
    rotate,
    similarity_blocks,
    to_complex,
)

ULP = 2.0**-53  # the relative error of one rounding
both_layouts = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.fixture
def random():
    return np.random.default_rng(20260210)


# Frequencies


@pytest.mark.parametrize("base", [1.5, 10_000, 5e5, 1e12])
@pytest.mark.parametrize("dim", [2, 6, 80, 128])
def test_frequencies_against_mpmath(base, dim):
    with mpmath.workdps(40):
        exact = [mpmath.power(base, mpmath.mpf(-2 * i) / dim) for i in range(dim // 2)]
    # The rounding of an exponent in (-1, 0] counts ln(base) times; the power itself adds an ulp or two.
    np.testing.assert_allclose(frequencies(base, dim), np.array(exact, float), rtol=(4 + np.log(base)) * ULP)


def test_frequencies_of_an_array_of_bases():
    bases = np.array([[1e4, 5e5], [1e6, 1e7]])
    bank = frequencies(bases, 64)
    assert bank.shape == (2, 2, 32)
    for index in np.ndindex(bases.shape):
        np.testing.assert_allclose(bank[index], frequencies(bases[index], 64), rtol=1e-15)


def test_true_period_of_the_lowest_oscillator():
    assert round(2 * np.pi / frequencies(10_000, 128)[-1]) == 54_410
    assert frequencies(10_000, 128)[-1] == pytest.approx(1.1548e-4, rel=1e-4)


# Rotation


@both_layouts
def test_norm_is_preserved(random, layout):
    x = random.normal(size=(2, 3, 50, 64))
    rotated = rotate(x, random.integers(0, 10**9, 50), frequencies(10_000, 64), layout)
    assert rotated.shape == x.shape
    assert rotated.dtype == np.float64
    np.testing.assert_allclose(np.linalg.norm(rotated, axis=-1), np.linalg.norm(x, axis=-1), rtol=16 * ULP)


@both_layouts
@pytest.mark.parametrize("shift", [1, 1_000, 10**6, 10**9, 10**12])
def test_score_depends_on_the_difference_of_positions(random, layout, shift):
    length, dim = 40, 64
    queries, keys = random.normal(size=(2, length, dim))
    positions, freqs = random.integers(0, 1_000, length), frequencies(10_000, dim)

    def scores(positions):
        return rotate(queries, positions, freqs, layout) @ rotate(keys, positions, freqs, layout).T

    # Rounding p·θ ≤ p moves an angle by at most p·ULP: once for the query and once for the key, before
    # and after the shift. A change of angle moves a score by at most that times the product of norms.
    angle_error = 2 * (positions.max() + shift + positions.max()) * ULP
    largest = np.linalg.norm(queries, axis=1).max() * np.linalg.norm(keys, axis=1).max()
    np.testing.assert_allclose(
        scores(positions + shift), scores(positions), rtol=0, atol=largest * (angle_error + 64 * ULP)
    )


@both_layouts
def test_score_changes_with_the_difference(random, layout):
    x = random.normal(size=(2, 8))
    near = rotate(x, [0, 1], frequencies(100, 8), layout)
    far = rotate(x, [0, 2], frequencies(100, 8), layout)
    assert abs(near[0] @ near[1] - far[0] @ far[1]) > 1e-3


@both_layouts
def test_complex_and_real_forms_agree(random, layout):
    x, positions = random.normal(size=(4, 30, 48)), random.integers(0, 10**6, 30)
    freqs = frequencies(5e5, 48)
    phased = from_complex(modulate(to_complex(x, layout), positions, freqs), layout)
    # Both forms use the same angles, so that only the last few roundings differ.
    np.testing.assert_allclose(
        phased, rotate(x, positions, freqs, layout), rtol=0, atol=8 * ULP * abs(x).max()
    )


def test_modulation_of_one_vector_at_many_positions(random):
    z = to_complex(random.normal(size=(1, 8)), "interleaved")
    freqs = frequencies(100, 8)
    together = modulate(z, [0, 3, 5], freqs)
    assert together.shape == (3, 4)
    np.testing.assert_allclose(together[2:], modulate(z, [5], freqs), rtol=1e-15)


@both_layouts
def test_complex_reading_is_invertible(random, layout):
    x = random.normal(size=(2, 5, 12))
    np.testing.assert_array_equal(from_complex(to_complex(x, layout), layout), x)


def test_layouts_differ_by_the_order_of_channels(random):
    x, positions, freqs = random.normal(size=(9, 16)), np.arange(9), frequencies(10_000, 16)
    order = np.arange(16).reshape(2, 8).T.ravel()  # 0, 8, 1, 9, …: half-split channels side by side
    interleaved = rotate(x[:, order], positions, freqs, "interleaved")
    np.testing.assert_array_equal(interleaved, rotate(x, positions, freqs, "half_split")[:, order])


# transformers' own rotations, given float64 tables that torch computes


@pytest.fixture
def heads(random):
    """Queries of shape (batch, heads, length, dim), positions, and torch's float64 angles."""
    x, positions = random.normal(size=(2, 3, 64, 80)), random.integers(0, 4096, 64)
    inv_freq = 10_000.0 ** (-torch.arange(0, 80, 2, dtype=torch.float64) / 80)
    return x, positions, torch.from_numpy(positions).double()[:, None] * inv_freq


def assert_same_rotation(theirs, ours):
    # Positions below 4,096, and frequencies that may differ by a few ulps between torch and numpy.
    np.testing.assert_allclose(theirs.numpy(), ours, rtol=0, atol=4096 * 16 * ULP * 4)


def test_half_split_is_that_of_llama(heads):
    x, positions, angles = heads
    tables = torch.cat([angles, angles], dim=-1)[None]
    theirs, _ = llama_rotation(torch.from_numpy(x), torch.from_numpy(x), tables.cos(), tables.sin())
    assert_same_rotation(theirs, rotate(x, positions, frequencies(10_000, 80), "half_split"))


def test_interleaved_is_that_of_gptj(heads):
    x, positions, angles = heads
    by_token = torch.from_numpy(x).transpose(1, 2)  # GPT-J rotates before it puts the heads first
    theirs = gptj_rotation(by_token, angles.sin()[None], angles.cos()[None]).transpose(1, 2)
    assert_same_rotation(theirs, rotate(x, positions, frequencies(10_000, 80), "interleaved"))


def test_interleaved_is_that_of_cohere(heads):
    x, positions, angles = heads
    tables = torch.repeat_interleave(angles, 2, dim=-1)[None]
    theirs, _ = cohere_rotation(torch.from_numpy(x), torch.from_numpy(x), tables.cos(), tables.sin())
    # Cohere rotates in float32 whatever it is given, and casts back.
    expected = rotate(x, positions, frequencies(10_000, 80), "interleaved")
    np.testing.assert_allclose(theirs.numpy(), expected, rtol=0, atol=4 * 2.0**-24 * abs(x).max())


def test_half_split_with_llamas_own_tables(random):
    config = LlamaConfig(
        hidden_size=256,
        num_attention_heads=4,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
    )
    x, positions = random.normal(size=(1, 2, 100, 64)), random.integers(0, 2048, 100)
    queries = torch.from_numpy(x).float()
    cos, sin = LlamaRotaryEmbedding(config)(queries, torch.from_numpy(positions)[None])
    theirs, _ = llama_rotation(queries, queries, cos, sin)
    # Its tables are float32: an angle below 2,048 is off by some 2,048 · 2^-24 for each of a few roundings.
    expected = rotate(x, positions, frequencies(500_000, 64), "half_split")
    np.testing.assert_allclose(theirs.numpy(), expected, rtol=0, atol=4 * 2048 * 2.0**-24 * abs(x).max())


# Similarity of the bank


@pytest.mark.parametrize("distance", [0, 1, -17, 1707, 54_410, 10**6, 123_456_789, 0.5])
def test_similarity_against_mpmath(distance):
    freqs = frequencies(10_000, 128)
    with mpmath.workdps(40):
        exact = float(mpmath.fsum(mpmath.cos(distance * mpmath.mpf(f)) for f in freqs) / 64)
    # Each rounded angle m·θ is off by m·θ·ULP at most.
    assert bank_similarity(distance, freqs) == pytest.approx(
        exact, abs=(abs(distance) * freqs.mean() + 8) * ULP
    )


def test_similarity_keeps_the_shape_of_the_distances():
    freqs = frequencies(10_000, 16)
    distances = np.arange(6).reshape(2, 1, 3)
    together = bank_similarity(distances, freqs)
    assert together.shape == (2, 1, 3)
    assert together[1, 0, 2] == pytest.approx(bank_similarity(5, freqs), abs=8 * ULP)
    assert isinstance(bank_similarity(5, freqs), np.float64)


def test_similarity_is_the_cosine_between_rotated_codes():
    freqs = frequencies(10_000, 32)
    code = np.tile([1.0, 0.0], 16)  # every oscillator at phase 0
    codes = rotate(np.tile(code, (100, 1)), np.arange(100), freqs, "interleaved")
    np.testing.assert_allclose(codes @ codes[0] / 16, bank_similarity(np.arange(100), freqs), atol=1e-14)


@pytest.mark.parametrize("start", [0, 1, 255, BLOCK - 1, BLOCK, 10**7 + 3])
@pytest.mark.parametrize("length", [1, 255, 256, 257, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 300])
def test_blocks_are_the_similarities_in_order(start, length):
    freqs = frequencies(10_000, 10)
    blocks = list(similarity_blocks(freqs, stop=start + length, start=start))
    sizes = [similarity.size for _, similarity in blocks]
    assert [first for first, _ in blocks] == [start + sum(sizes[:k]) for k in range(len(sizes))]
    assert sum(sizes) == length
    assert max(sizes) <= BLOCK
    got = np.concatenate([similarity for _, similarity in blocks])
    # Every value near an edge of a block or a row, and a sample of the others.
    checked = np.unique(
        np.r_[0:length:97, 0 : min(600, length), max(0, length - 600) : length, BLOCK - 2 : BLOCK + 2]
    )
    checked = checked[checked < length]
    expected = bank_similarity(start + checked, freqs)
    np.testing.assert_allclose(got[checked], expected, rtol=0, atol=(2 * (start + length) + 64) * ULP)


def test_no_blocks_in_an_empty_range():
    assert list(similarity_blocks([1.0], stop=5, start=5)) == []
    assert list(similarity_blocks([1.0], stop=2, start=5)) == []


# Bad input

x = np.zeros((3, 4))
BAD_CALLS = {
    "base": (lambda: frequencies(1, 8), "base must be a finite number > 1, got 1"),
    "base nan": (
        lambda: frequencies([2, np.nan], 8),
        "base must be a finite number > 1, got nan at index [1]",
    ),
    "dim": (lambda: frequencies(10_000, 7), "dim must be an even number from 2 to 2^53, got 7"),
    "dim 0": (lambda: frequencies(10_000, 0), "dim must be an even number from 2 to 2^53, got 0"),
    "dims": (lambda: frequencies(10_000, [4, 8]), "dim must be a single number, got shape (2,)"),
    "layout": (
        lambda: rotate(x, [0, 1, 2], [1, 1], "spiral"),
        "layout must be one of half_split, interleaved, got 'spiral'",
    ),
    "no layout": (lambda: to_complex(x, None), "layout must be one of half_split, interleaved, got None"),
    "back": (lambda: from_complex(x, "x"), "layout must be one of half_split, interleaved, got 'x'"),
    "length": (
        lambda: rotate(x, [0, 1], [1, 1], "half_split"),
        "x must have shape (..., 2, 4) to match positions and freqs, got (3, 4)",
    ),
    "pairs": (
        lambda: rotate(x, [0, 1, 2], [1, 1, 1], "half_split"),
        "x must have shape (..., 3, 6) to match positions and freqs, got (3, 4)",
    ),
    "axis": (
        lambda: rotate(x[0], [0], [1, 1], "half_split"),
        "x must have shape (..., 1, 4) to match positions and freqs, got (4,)",
    ),
    "x": (
        lambda: rotate(x * np.nan, [0, 1, 2], [1, 1], "half_split"),
        "x must be a finite number, got nan at index [0, 0]",
    ),
    "words": (lambda: rotate("abc", [0], [1], "half_split"), "x must be a finite number, got 'abc'"),
    "odd": (
        lambda: to_complex(np.zeros((2, 3)), "half_split"),
        "the last axis of x must be an even number from 2 to 2^53, got 3",
    ),
    "z": (
        lambda: modulate(np.zeros((3, 4)), [0, 1], [1.0, 2.0]),
        "z must have shape (..., 2 or 1, 2) to match positions and freqs, got (3, 4)",
    ),
    "positions": (
        lambda: rotate(x, 3, [1, 1], "half_split"),
        "positions must have one axis, the tokens, got shape ()",
    ),
    "position": (
        lambda: rotate(x, [0, 1, np.inf], [1, 1], "half_split"),
        "positions must be a finite number, got inf at index [2]",
    ),
    "freqs": (lambda: bank_similarity(1, 1.0), "freqs must have one axis, the oscillators, got shape ()"),
    "no freqs": (lambda: bank_similarity(1, []), "freqs must be a finite number, got []"),
    "distance": (lambda: bank_similarity(np.nan, [1.0]), "distance must be a finite number, got nan"),
    "angle": (
        lambda: bank_similarity(1e308, [1e10]),
        "distance × freqs must be a finite number, got inf at index [0, 0]",
    ),
    "stop": (
        lambda: next(similarity_blocks([1.0], stop=1.5)),
        "stop must be a whole number from 0 to 2^53, got 1.5",
    ),
    "start": (
        lambda: next(similarity_blocks([1.0], stop=9, start=-1)),
        "start must be a whole number from 0 to 2^53, got -1",
    ),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_input(case, refuses):
    refuses(*BAD_CALLS[case])
