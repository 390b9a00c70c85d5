"""Finite arithmetic: the reference against mpmath, number types against torch, the error of each scheme."""

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.precision import (
    BFLOAT16_ANGLE,
    BFLOAT16_TABLE,
    FLOAT32,
    FLOAT64_ANGLE,
    SCHEMES,
    TWO_PI,
    Arithmetic,
    direct_product,
    exact_phase,
    merged_neighbors,
    mixed,
    phase_error,
    ratio_power,
    recurrence,
    round_to,
)

TORCH = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
BASES = [1e4, 5e5, 1e6, 1e8, 1e10, 1e12]
DIM = 128
seeded = settings(derandomize=True, deadline=None, max_examples=60, database=None)


def window(top, length=2048):
    """The `length` positions before `top`: dense, since the error of neighbors is not correlated."""
    return np.arange(top - length, top)


def worst_errors(tables, positions, base, dim=DIM):
    """The largest phase error of each pair, in radians."""
    return np.abs(phase_error(*tables, positions, base, dim)).max(axis=0)


# The reference


def test_digits_of_two_pi():
    with mpmath.workdps(120):
        digits = len(str(TWO_PI)) - 1
        assert (
            digits >= 80
        )  # a phase needs 39 digits of a turn, and 16 more before its whole turns are dropped
        assert abs(mpmath.mpf(str(TWO_PI)) - 2 * mpmath.pi) <= mpmath.mpf(10) ** (1 - digits)


@seeded
@given(
    st.integers(0, 2**53) | st.integers(0, 53).map(lambda k: 2**k),
    st.floats(0.01, 15).map(lambda exponent: 10.0**exponent),
    st.integers(1, 32).map(lambda pairs: 2 * pairs),
)
def test_exact_phase_against_mpmath(position, base, dim):
    phases = exact_phase([position], base, dim)[0]
    assert np.all(np.abs(phases) <= np.pi)
    with mpmath.workdps(60):
        for pair, phase in enumerate(phases):
            exact = position * mpmath.power(base, mpmath.mpf(-2 * pair) / dim)
            turns = (mpmath.mpf(float(phase)) - exact) / (2 * mpmath.pi)
            assert abs(turns - mpmath.nint(turns)) * 2 * mpmath.pi < 2e-15


def test_exact_phase_of_position_zero():
    assert not exact_phase([0], 10_000, 8).any()


# The number types


def floats_of_every_size(dtype):
    """float32 values, which torch rounds once: of each exponent `dtype` has, and below its smallest."""
    random = np.random.default_rng(7)
    lowest, highest = {"bfloat16": (-140, 127), "float16": (-30, 15), "float32": (-149, 127)}[dtype]
    exponents = random.integers(lowest, highest, 20_000)
    values = np.ldexp(random.uniform(-2, 2, 20_000), exponents).astype(np.float32)
    return np.concatenate([values, np.float32([0.0, -0.0, 1.0, -1.0])])


@pytest.mark.parametrize("dtype", TORCH)
def test_rounding_is_that_of_torch(dtype):
    values = floats_of_every_size(dtype)
    expected = torch.from_numpy(values).to(TORCH[dtype]).double().numpy()
    np.testing.assert_array_equal(round_to(values, dtype), expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rounding_of_float64_is_that_of_numpy(dtype):
    values = np.random.default_rng(8).normal(size=10_000)
    np.testing.assert_array_equal(round_to(values, dtype), values.astype(dtype).astype(float))


# torch rounds a float64 to bfloat16 by way of float32, and so rounds twice: the reference here is arithmetic.
def test_bfloat16_is_rounded_once():
    above_a_tie = 1 + 2**-8 + 2**-40
    assert round_to(above_a_tie, "bfloat16") == 1 + 2**-7
    assert torch.tensor(above_a_tie, dtype=torch.float64).bfloat16().item() == 1


def test_bfloat16_ties_go_to_even():
    ties = np.array([257, 259, 514, 1 + 2**-8, 1 + 3 * 2**-8, 3 * 2.0**-134, 2.0**-134])
    rounded = [256, 260, 512, 1, 1 + 2**-6, 2 * 2.0**-133, 0]
    np.testing.assert_array_equal(round_to(ties, "bfloat16"), rounded)
    np.testing.assert_array_equal(round_to(-ties, "bfloat16"), np.negative(rounded))


def test_rounding_keeps_shape_and_type():
    rounded = round_to(np.ones((2, 3, 1), np.float32), "bfloat16")
    assert rounded.shape == (2, 3, 1)
    assert rounded.dtype == np.float64


@pytest.mark.parametrize(
    ("dtype", "largest", "first_beyond"),
    [
        ("bfloat16", (2 - 2**-7) * 2.0**127, (2 - 2**-8) * 2.0**127),
        ("float16", 65_504, 65_520),
        ("float32", float(np.finfo(np.float32).max), (2 - 2**-24) * 2.0**127),
    ],
)
def test_overflow_is_an_error(dtype, largest, first_beyond):
    assert round_to(-largest, dtype) == -largest
    assert round_to(np.nextafter(first_beyond, 0), dtype) == largest
    for sign in (1.0, -1.0):
        with pytest.raises(ValueError, match="x must be within the range") as caught:
            round_to([1.0, sign * first_beyond], dtype)
        assert str(caught.value) == f"x must be within the range of {dtype}, got {sign * first_beyond}"
    with pytest.raises(ValueError, match=f"^x must be within the range of {dtype}"):
        round_to(np.finfo(float).max, dtype)


# The schemes


def within_an_ulp(table, expected):
    """float32 cosines may differ by an ulp: a library's need not be the nearest number, ours is."""
    expected = np.asarray(expected, np.float32)
    ulp = np.spacing(np.maximum(np.abs(expected), np.abs(table.astype(np.float32))))
    return np.all(np.abs(table - expected) <= ulp)


@pytest.mark.parametrize("top", [2048, 131_072, 10_000_000])
@pytest.mark.parametrize("base", [1e4, 5e5])
def test_direct_product_is_a_float32_computation(top, base):
    positions = window(top)
    inv_freq = round_to(frequencies(base, DIM), "float32")
    angles = torch.from_numpy(positions).float()[:, None] * torch.from_numpy(inv_freq).float()
    ours = round_to(np.multiply.outer(positions, inv_freq), "float32")
    np.testing.assert_array_equal(ours, angles.double().numpy())
    # An angle off by one bit would move the tables by thousands of ulps at these positions.
    cos, sin = direct_product(positions, base, DIM)
    assert within_an_ulp(cos, angles.cos().numpy())
    assert within_an_ulp(sin, angles.sin().numpy())


def test_direct_product_in_bfloat16_is_that_of_torch():
    positions = np.arange(300)
    inv_freq = torch.from_numpy(round_to(frequencies(1e4, 64), "bfloat16")).bfloat16()
    angles = torch.from_numpy(positions).bfloat16()[:, None] * inv_freq
    everywhere = Arithmetic("bfloat16", "bfloat16", "bfloat16")
    cos, sin = direct_product(positions, 1e4, 64, everywhere)
    np.testing.assert_array_equal(cos, angles.double().cos().float().bfloat16().double().numpy())
    np.testing.assert_array_equal(sin, angles.double().sin().float().bfloat16().double().numpy())


@pytest.mark.parametrize("base", [1e4, 5e5])
def test_recurrence_is_a_float32_loop(base):
    positions = [0, 1, 17, 4095, 131_071, 9_999_999]
    ratio = np.float32(base ** (-2 / DIM))
    cos, sin = recurrence(positions, base, DIM)
    for row, position in enumerate(positions):
        theta, angles = np.float32(position), []
        for _ in range(DIM // 2):
            angles.append(theta)
            theta = np.float32(theta * ratio)
        angles = np.array(angles)
        assert angles.dtype == np.float32
        assert within_an_ulp(cos[row], np.cos(angles))
        assert within_an_ulp(sin[row], np.sin(angles))


def test_float64_throughout_is_almost_exact():
    positions = window(131_072)
    exactly = Arithmetic("float64", "float64", "float64")
    # The inverse frequency and the angle are each rounded to 2^-53 of themselves, the former by a power.
    assert (
        worst_errors(direct_product(positions, 1e4, DIM, exactly), positions, 1e4).max() < 131_072 * 2.0**-50
    )


def test_phase_error_has_the_sign_and_the_size_of_the_error():
    positions, error = np.arange(50), 1e-3
    phase = exact_phase(positions, 1e4, 8) + error
    np.testing.assert_allclose(
        phase_error(np.cos(phase), np.sin(phase), positions, 1e4, 8), error, atol=1e-15
    )


# Where the error is. Rounding the inverse frequency and then the angle to 24 bits moves an angle below p by
# at most p·2^-24 each. So the worst error is at most p·2^-23; that it reaches a quarter of that in a dense
# window is the measurement. Measured over the bases: 4.7e-3 … 7.8e-3 at 131k, 0.037 … 0.061 at 1M,
# 0.36 … 0.80 at 10M.


@pytest.mark.parametrize("top", [131_072, 1_000_000, 10_000_000])
def test_error_of_float32_grows_with_position_and_not_with_base(top):
    worst = [worst_errors(direct_product(window(top), base, DIM), window(top), base) for base in BASES]
    sizes = np.max(worst, axis=1)
    assert np.all(sizes > top * 2.0**-25)
    assert np.all(sizes < top * 2.0**-23 + 2.0**-23)
    # Bases 10^8 apart: what spread there is comes from the luck of rounding a few inverse frequencies.
    assert sizes.max() < 3 * sizes.min()
    # The fast channels, though not the fastest: θ_0 = 1 makes its angle a whole number, exact in float32.
    assert set(np.argmax(worst, axis=1)) <= {1, 2, 3}
    assert np.all(np.array(worst)[:, 0] < 2.0**-23)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("top", [131_072, 1_000_000])
def test_the_isolated_steps_make_up_the_error(top, base):
    positions = window(top)

    def worst(*steps):
        return worst_errors(direct_product(positions, base, DIM, Arithmetic(*steps)), positions, base).max()

    inv_freq = worst("float32", "float64", "float64")
    angle = worst("float64", "float32", "float64")
    table = worst("float64", "float64", "float32")
    total = worst("float32", "float32", "float32")
    assert table < 2.0**-24 < 1e-4 * total
    # No step alone does much worse than all three, and together they explain the whole.
    assert max(inv_freq, angle) < 1.1 * total
    assert total < 1.1 * (inv_freq + angle + table)
    # Rounding the angle alone: half an ulp of the largest angles, those of pair 1, between p/2 and p.
    assert top * 2.0**-26 < angle <= top * 2.0**-24 + 2.0**-50


@pytest.mark.parametrize("base", [1e4, 5e5])
def test_recurrence_is_worse_than_the_direct_product(base):
    positions = window(131_072)
    recurrent = worst_errors(recurrence(positions, base, DIM), positions, base).max()
    direct = worst_errors(direct_product(positions, base, DIM), positions, base).max()
    assert 1.5 * direct < recurrent < 10 * direct


@pytest.mark.parametrize("base", [1e4, 5e5, 1e7])
def test_ratio_power_is_a_float32_computation(base):
    positions = np.array([0, 1, 17, 4095, 131_071, 9_999_999])
    ratio = np.float32(base ** (-2 / DIM))
    # numpy's float32 power may be off by an ulp; the float64 power of the float32 ratio is rounded once.
    inv_freq = (float(ratio) ** np.arange(DIM // 2)).astype(np.float32)
    angles = positions.astype(np.float32)[:, None] * inv_freq
    cos, sin = ratio_power(positions, base, DIM)
    assert angles.dtype == np.float32
    assert within_an_ulp(cos, np.cos(angles))
    assert within_an_ulp(sin, np.sin(angles))


def mpmath_error(angle, position, base, pair):
    """How far an angle in radians is from p·θ_i, by mpmath."""
    with mpmath.workdps(60):
        exact = position * mpmath.power(mpmath.mpf(base), mpmath.mpf(-2 * pair) / DIM)
        turns = (mpmath.mpf(float(angle)) - exact) / (2 * mpmath.pi)
        return float(abs(turns - mpmath.nint(turns)) * 2 * mpmath.pi), float(exact)


@pytest.mark.parametrize("base", [1e4, 1e7])
@pytest.mark.parametrize(
    ("scheme", "roundings"),
    [
        (recurrence, lambda pair: 2 * pair),
        (ratio_power, lambda pair: pair + 2),
        (direct_product, lambda _: 2),
    ],
)
def test_errors_of_the_schemes_against_mpmath(scheme, roundings, base):
    """Each rounding moves an angle by 2^-24 of itself at most: that many enter by each scheme."""
    position = 131_071
    cos, sin = scheme([position], base, DIM)
    for pair in (0, 1, 5, 20, 40, 63):
        error, exact = mpmath_error(np.arctan2(sin, cos)[0, pair], position, base, pair)
        assert error <= exact * roundings(pair) * 2.0**-24 * 1.001 + 2.0**-23


def test_one_rounded_ratio_drives_both_schemes_of_llama_cpp():
    """The common error δ of the ratio enters pair i about i times: i·θ_i·p·δ at position p."""
    base, position = 1e4, 2**20
    ratio = base ** (-2 / DIM)
    delta = abs(float(np.float32(ratio)) / ratio - 1)
    predicted = max(pair * ratio**pair for pair in range(DIM // 2)) * position * delta
    for scheme in (recurrence, ratio_power):
        worst = worst_errors(scheme(window(position), base, DIM), window(position), base).max()
        assert 0.8 * predicted < worst < 2.5 * predicted


@pytest.mark.parametrize("base", [1e4, 1e6, 1e12])
def test_float64_angles_move_the_wall_far_away(base):
    # float64 angles below 1e9 are off by two roundings of 2^-53 of themselves, and the table by 2^-24 at
    # most: 2.8e-7 together, where float32 angles are wrong by whole turns.
    positions = window(10**9)
    assert worst_errors(direct_product(positions, base, DIM, FLOAT64_ANGLE), positions, base).max() < 2.8e-7
    assert worst_errors(direct_product(positions, base, DIM), positions, base).max() > 3
    # Below a million the rounding of the table is all there is.
    near = window(10**6)
    assert worst_errors(direct_product(near, base, DIM, FLOAT64_ANGLE), near, base).max() < 2.0**-24


# "87 % of adjacent positions share an angle at 1,024 and 99 % at 16,384": from 1,024 on bfloat16 keeps every
# 8th whole number, from 16,384 on every 128th, so 7 of 8 and 127 of 128 neighbors round to one position.
@pytest.mark.parametrize(("start", "share"), [(1_024, 7 / 8), (16_384, 127 / 128)])
def test_share_of_neighbors_with_one_angle_in_bfloat16(start, share):
    positions = np.arange(start, 2 * start + 1)
    assert np.mean(np.diff(round_to(positions, "bfloat16")) == 0) == share
    for base in (1e4, 5e5):
        cos, sin = direct_product(positions, base, DIM, BFLOAT16_ANGLE)
        same = (np.diff(cos, axis=0) == 0) & (np.diff(sin, axis=0) == 0)
        assert np.mean(same.all(axis=1)) == share  # in every channel at once
        assert share < same.mean() < share + 0.02  # over the channels a little more


# What a table merges

BFLOAT16 = Arithmetic("float64", "float64", "bfloat16")


@pytest.mark.parametrize("top", [2_048, 131_072, 2**24])
def test_a_rounded_table_keeps_neighbors_apart_where_the_increment_exceeds_epsilon(top):
    """Some cosine or sine moves by 0.7·θ at least, and numbers up to 1 are ε/2 apart at most."""
    freqs = frequencies(1e4, DIM)
    merged = merged_neighbors(*direct_product(window(top), 1e4, DIM, BFLOAT16))
    assert not merged[freqs >= 2.0**-7].any()
    assert merged[freqs < 2.0**-11].min() > 0.5


def test_a_rounded_angle_merges_neighbors_at_a_position_whatever_their_increment():
    positions = np.arange(1024, 2048)
    for base in (64, 1e4, 1e9):
        merged = merged_neighbors(*direct_product(positions, base, DIM, BFLOAT16_ANGLE))
        assert merged.min() > 0.8
        assert not merged_neighbors(*SCHEMES["float32 product"](positions, base, DIM)).any()


def test_neighbors_are_merged_where_cosine_and_sine_are_both_the_same():
    cos = [[1.0, 1.0, 0.0], [1.0, 1.0, 0.5], [1.0, 0.5, 0.5]]
    sin = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.5, 0.0]]
    assert merged_neighbors(cos, sin).tolist() == [1.0, 0.0, 0.5]


def test_bfloat16_tables_are_float32_tables_rounded():
    positions = window(8_192)
    for table, whole in zip(
        SCHEMES["bfloat16 tables"](positions, 1e4, DIM), direct_product(positions, 1e4, DIM), strict=True
    ):
        # The float32 cosine is rounded once more; ours goes there at once, so that a tie may differ.
        assert (round_to(whole, "bfloat16") != table).mean() < 1e-3
    error = phase_error(*SCHEMES["bfloat16 tables"](positions, 1e4, DIM), positions, 1e4, DIM)
    assert 2.0**-9 < np.abs(error).max() < 2.0**-8
    assert BFLOAT16_TABLE.table == "bfloat16"


def test_a_mixed_scheme_takes_each_pair_from_one_of_the_two():
    positions = window(4_096)
    tables = mixed(SCHEMES["bfloat16 angles"], direct_product, lambda freqs: freqs < 0.01)(
        positions, 1e4, DIM
    )
    slow = frequencies(1e4, DIM) < 0.01
    for table, some, other in zip(
        tables,
        SCHEMES["bfloat16 angles"](positions, 1e4, DIM),
        direct_product(positions, 1e4, DIM),
        strict=True,
    ):
        np.testing.assert_array_equal(table[:, slow], some[:, slow])
        np.testing.assert_array_equal(table[:, ~slow], other[:, ~slow])


# Bad input

BAD_CALLS = {
    "dtype": (
        lambda: round_to(1, "float8"),
        "dtype must be one of bfloat16, float16, float32, float64, got 'float8'",
    ),
    "x": (
        lambda: round_to([1, np.nan], "bfloat16"),
        "x must be a finite number, got nan at index [1]",
    ),
    "step": (
        lambda: Arithmetic(angle="tf32"),
        "angle must be one of bfloat16, float16, float32, float64, got 'tf32'",
    ),
    "recurrence": (
        lambda: recurrence([1], 1e4, 4, None),
        "dtype must be one of bfloat16, float16, float32, float64, got None",
    ),
    "position": (
        lambda: direct_product([0, 0.5], 1e4, 4),
        "positions must be a whole number from 0 to 2^53, got 0.5 at index [1]",
    ),
    "negative": (
        lambda: exact_phase([-1], 1e4, 4),
        "positions must be a whole number from 0 to 2^53, got -1 at index [0]",
    ),
    "far": (
        lambda: exact_phase([2.0**54], 1e4, 4),
        "positions must be a whole number from 0 to 2^53, got 1.8014398509481984e+16 at index [0]",
    ),
    "axis": (lambda: recurrence(3, 1e4, 4), "positions must have one axis, the tokens, got shape ()"),
    "range": (
        lambda: direct_product([1, 70_000], 1e4, 4, Arithmetic(angle="float16")),
        "positions must be within the range of float16, got 70000.0",
    ),
    "base": (lambda: exact_phase([1], 1, 4), "base must be a finite number > 1, got 1"),
    "bases": (
        lambda: direct_product([1, 2], [1e4, 1e5], 4),
        "base must be a single number, got shape (2,)",
    ),
    "few": (lambda: merged_neighbors([[1.0]], [[0.0]]), "cos must hold at least 2 positions, got 1"),
    "power": (lambda: ratio_power([1, 2], [1e4, 1e5], 4), "base must be a single number, got shape (2,)"),
    "ratio": (lambda: recurrence([1, 2], [1e4, 1e5], 4), "base must be a single number, got shape (2,)"),
    "dim": (lambda: exact_phase([1], 1e4, 5), "dim must be an even number from 2 to 2^53, got 5"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_input(case, refuses):
    refuses(*BAD_CALLS[case])


def test_default_arithmetic_is_float32():
    assert Arithmetic("float32", "float32", "float32") == FLOAT32
