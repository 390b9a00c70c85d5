"""What finite arithmetic does to the rotation (paper A, claim A5, measured rather than assumed).

An implementation computes cos and sin of p·θ_i in three roundings: the inverse frequency, the angle,
and the table of cosines and sines. `Arithmetic` names the number type of each, and `direct_product` follows
it; `recurrence` and `ratio_power` follow the two schemes of llama.cpp, on a CPU and in CUDA. `SCHEMES` names
those that are in use, and `exact_phase` is the reference. Tables and phases have shape `(length, pairs)`;
phases and errors are in radians.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import partial
from types import MappingProxyType
from typing import TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import Float64, Floats, above_one, even, finite, on_one_axis, one, one_of, whole
from .bounds import SIGNIFICAND_BITS
from .oscillators import frequencies

# 2π to more digits than the phase accumulator below holds; the tests recompute it.
TWO_PI = Decimal("6.283185307179586476925286766559005768394338798750211641949889184615632812572417997256")

# Decimal digits of the phase accumulator: 39 for 128 bits of a turn, and whole turns before them.
DIGITS = 80

Tables: TypeAlias = tuple[Floats, Floats]  # cosines and sines, each `(length, pairs)`
Scheme: TypeAlias = Callable[[ArrayLike, float, int], Tables]  # of positions, a base and a head's channels


@dataclass(frozen=True)
class Arithmetic:
    """The number type of each step of a rotation: one of bfloat16, float16, float32, float64.

    `inv_freq` holds θ_i, `angle` holds the position and p·θ_i, `table` holds cos and sin. Raises ValueError
    for another name.

    >>> Arithmetic(angle="float8")
    Traceback (most recent call last):
    ValueError: angle must be one of bfloat16, float16, float32, float64, got 'float8'
    """

    inv_freq: str = "float32"
    angle: str = "float32"
    table: str = "float32"

    def __post_init__(self) -> None:
        for step in ("inv_freq", "angle", "table"):
            one_of(step, getattr(self, step), SIGNIFICAND_BITS)


FLOAT32 = Arithmetic()
FLOAT64_ANGLE = Arithmetic(inv_freq="float64", angle="float64", table="float32")
BFLOAT16_ANGLE = Arithmetic(inv_freq="bfloat16", angle="bfloat16", table="float32")
BFLOAT16_TABLE = Arithmetic(inv_freq="float32", angle="float32", table="bfloat16")


@overload
def round_to(x: float, dtype: str, name: str = "x") -> np.float64: ...
@overload
def round_to(x: Floats | ArrayLike, dtype: str, name: str = "x") -> Floats: ...
def round_to(x: ArrayLike, dtype: str, name: str = "x") -> Float64:
    """Round to the nearest number of `dtype`, ties to even; the result is float64 of the same shape.

    Raises ValueError for an unknown dtype, and for a value beyond the largest number of that type; the
    message calls the value `name`.

    >>> round_to([257., 0.1], "bfloat16")
    array([2.56000000e+02, 1.00097656e-01])
    """
    one_of("dtype", dtype, SIGNIFICAND_BITS)
    given = finite(name, x)
    rounded: Float64
    with np.errstate(over="ignore"):
        if dtype == "bfloat16":
            # numpy has no bfloat16: keep eight bits of the significand, none of them below 2^-133.
            last_bit = np.maximum(np.frexp(given)[1] - 8, -133)
            rounded = np.ldexp(np.rint(np.ldexp(given, -last_bit)), last_bit)
            overflow = np.abs(rounded) >= 2.0**128
        else:
            rounded = given.astype(dtype).astype(np.float64)
            overflow = np.isinf(rounded)
    if np.any(overflow):
        raise ValueError(f"{name} must be within the range of {dtype}, got {given[overflow][0]}")
    return rounded


def direct_product(positions: ArrayLike, base: float, dim: int, arithmetic: Arithmetic = FLOAT32) -> Tables:
    """The tables (cos, sin) of p·θ_i, each step rounded as `arithmetic` says: transformers' scheme.

    `positions` has shape `(length,)`, whole tokens; both tables have shape `(length, dim/2)`, float64
    values that the table's type can hold. Raises ValueError for a position that the angle's type
    cannot hold.

    >>> cos, sin = direct_product([0, 1], 10_000, 4)
    >>> cos.round(5)
    array([[1.     , 1.     ],
           [0.5403 , 0.99995]])
    """
    positions = round_to(_positions(positions), arithmetic.angle, "positions")
    inv_freq = round_to(frequencies(one(above_one, "base", base), dim), arithmetic.inv_freq)
    # The float64 product of two float32 numbers is exact, so the angle is rounded once.
    angle = round_to(np.multiply.outer(positions, inv_freq), arithmetic.angle)
    return round_to(np.cos(angle), arithmetic.table), round_to(np.sin(angle), arithmetic.table)


def recurrence(positions: ArrayLike, base: float, dim: int, dtype: str = "float32") -> Tables:
    """The tables (cos, sin) when each angle is the one before times base^(-2/dim), all in `dtype`.

    This is the scheme of llama.cpp's CPU path, in float32 there: the error of the common ratio enters
    once more at each pair. Shapes and errors as in `direct_product`.

    >>> cos, sin = recurrence([0, 1], 10_000, 4)
    >>> cos.round(5)
    array([[1.     , 1.     ],
           [0.5403 , 0.99995]])
    """
    pairs = frequencies(one(above_one, "base", base), dim).size
    ratio = round_to(float(base) ** (-2 / dim), dtype)
    angle = np.empty((np.size(positions), pairs))
    angle[:, 0] = round_to(_positions(positions), dtype, "positions")
    for pair in range(1, pairs):
        angle[:, pair] = round_to(angle[:, pair - 1] * ratio, dtype)
    return round_to(np.cos(angle), dtype), round_to(np.sin(angle), dtype)


def ratio_power(positions: ArrayLike, base: float, dim: int, dtype: str = "float32") -> Tables:
    """The tables (cos, sin) when each frequency is a power of the rounded base^(-2/dim), all in `dtype`.

    This is the scheme of llama.cpp's CUDA path, in float32 there: the error of the common ratio enters each
    frequency as often as in `recurrence`, the roundings of the angles before it do not. Shapes and errors as
    in `direct_product`.

    >>> cos, sin = ratio_power([0, 1], 10_000, 4)
    >>> cos.round(5)
    array([[1.     , 1.     ],
           [0.5403 , 0.99995]])
    """
    pairs = frequencies(one(above_one, "base", base), dim).size
    ratio = round_to(float(base) ** (-2 / dim), dtype)
    inv_freq = round_to(ratio ** np.arange(pairs), dtype)
    angle = round_to(np.multiply.outer(round_to(_positions(positions), dtype, "positions"), inv_freq), dtype)
    return round_to(np.cos(angle), dtype), round_to(np.sin(angle), dtype)


# The ways in which programs compute a rotation, by name. transformers takes the float32 product, and hands a
# model in bfloat16 its "bfloat16 tables"; until February 2024 it computed angles in the model's type.
SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        "float64 angles": partial(direct_product, arithmetic=FLOAT64_ANGLE),
        "float32 product": direct_product,
        "float32 recurrence": recurrence,
        "float32 power of the ratio": ratio_power,
        "bfloat16 angles": partial(direct_product, arithmetic=BFLOAT16_ANGLE),
        "bfloat16 tables": partial(direct_product, arithmetic=BFLOAT16_TABLE),
    }
)


def mixed(some: Scheme, others: Scheme, chosen: Callable[[Floats], NDArray[np.bool_]]) -> Scheme:
    """The scheme that computes the pairs `chosen` by their frequencies as `some`, the rest as `others`.

    `chosen` maps the frequencies `(pairs,)`, in radians per token, to a mask of that shape.

    >>> slow = mixed(SCHEMES["bfloat16 angles"], direct_product, lambda freqs: freqs < 0.1)
    >>> cos, _ = slow([999], 10_000, 4)
    >>> [cos[0, i] == direct_product([999], 10_000, 4)[0][0, i] for i in (0, 1)]
    [np.True_, np.False_]
    """

    def scheme(positions: ArrayLike, base: float, dim: int) -> Tables:
        mask = chosen(frequencies(one(above_one, "base", base), dim))
        pairs = zip(some(positions, base, dim), others(positions, base, dim), strict=True)
        cos, sin = (np.where(mask, table, other) for table, other in pairs)
        return cos, sin

    return scheme


def merged_neighbors(cos: ArrayLike, sin: ArrayLike) -> Floats:
    """Share of neighboring positions that a table does not keep apart, by pair: shape `(pairs,)`.

    Two positions are merged in a pair where both its cosine and its sine are the same number. `cos` and
    `sin` are `(length, pairs)`, of consecutive positions. Raises ValueError for fewer than two positions.

    >>> merged_neighbors(*SCHEMES["bfloat16 tables"](range(1000, 1009), 10_000, 4)).tolist()
    [0.0, 0.0]
    >>> merged_neighbors(*SCHEMES["bfloat16 angles"](range(1000, 1009), 10_000, 4)).tolist()
    [0.75, 0.875]
    """
    tables = [np.asarray(table) for table in (cos, sin)]
    if len(tables[0]) < 2:
        raise ValueError(f"cos must hold at least 2 positions, got {len(tables[0])}")
    share: Floats = np.all([np.diff(table, axis=0) == 0 for table in tables], axis=0).mean(axis=0)
    return share


def exact_phase(positions: ArrayLike, base: float, dim: int) -> Floats:
    """The phase p·θ_i of a bank, in radians, in [-π, π], correct to float64 at any position up to 2^53.

    A phase accumulator: θ_i/2π is held as a 128-bit fraction of a turn, computed with 80 digits, and the
    product with a whole position keeps only the fraction, so nothing is lost to the size of the angle.
    Shape `(length, dim/2)`. Raises ValueError for a position that is not a whole number in [0, 2^53], a base
    not above 1, or a `dim` not even and at least 2.

    >>> exact_phase([10**15], 10_000, 4).round(9)
    array([[ 2.10969812, -0.29306228]])
    """
    base, dim = one(above_one, "base", base), int(one(even, "dim", dim, 2))
    with localcontext(prec=DIGITS):
        log_base = Decimal(base).ln()
        return _phase(positions, [(log_base * -i / dim).exp() for i in range(0, dim, 2)])


def exact_phase_of(positions: ArrayLike, inv_freq: ArrayLike) -> Floats:
    """`exact_phase` for a spectrum `inv_freq` `(pairs,)` that need not come from a base.

    Each float64 frequency, in radians per token and below 1e15, is taken as exactly the number that it is.
    Shape `(length, pairs)`. Raises ValueError for a position that is not a whole number in [0, 2^53], and for
    frequencies that are not finite numbers on one axis.

    >>> exact_phase_of([10**15], [1.0, 0.01]).round(9)  # float64's 0.01 is not quite 10,000^(-1/2)
    array([[ 2.10969812, -0.29285412]])
    """
    freqs = on_one_axis("inv_freq", finite("inv_freq", inv_freq), "the pairs")
    return _phase(positions, [Decimal(frequency) for frequency in freqs.tolist()])


def phase_error(cos: ArrayLike, sin: ArrayLike, positions: ArrayLike, base: float, dim: int) -> Floats:
    """Signed error of a rotation table against the exact phase, in radians, shape `(length, pairs)`.

    `cos` and `sin` are the tables of the `positions`. Raises ValueError as `exact_phase`.

    >>> table = direct_product([0, 131_072], 10_000, 128)
    >>> float(abs(phase_error(*table, [0, 131_072], 10_000, 128)).max().round(4))
    0.0039
    """
    phase, cos, sin = exact_phase(positions, base, dim), np.asarray(cos), np.asarray(sin)
    exact_cos, exact_sin = np.cos(phase), np.sin(phase)
    error: Floats = np.arctan2(sin * exact_cos - cos * exact_sin, cos * exact_cos + sin * exact_sin)
    return error


def _phase(positions: ArrayLike, freqs: list[Decimal]) -> Floats:
    """The phases p·θ_i, of which the accumulator drops whole turns exactly."""
    tokens = _positions(positions).astype(np.uint64)[:, np.newaxis]
    with localcontext(prec=DIGITS):
        # Turns per token as multiples of 2^-128, whole turns dropped.
        turns = [int(frequency / TWO_PI * 2**128) % 2**128 for frequency in freqs]
    high = np.array([turn >> 64 for turn in turns], dtype=np.uint64)
    low = np.array([turn & (2**64 - 1) for turn in turns], dtype=np.float64)
    # Unsigned products wrap around modulo 2^64: exactly the whole turns to be dropped.
    fraction: Floats = (tokens * high).astype(np.int64) * 2.0**-64 + tokens * low * 2.0**-128
    return 2 * np.pi * fraction


def _positions(positions: ArrayLike) -> Floats:
    return on_one_axis("positions", whole("positions", positions, 0), "the tokens")
