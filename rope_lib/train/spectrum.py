"""Which frequencies a small transformer rotates by, in which arithmetic, at which temperature.

A `Spectrum` is a choice, in words and numbers that a config can hold; at a given input length it becomes a
`Rotation`, which the transformer applies. Frequencies are in radians per token, positions in tokens. Needs no
torch.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from rope_lib.theory.arguments import (
    Floats,
    above_one,
    even,
    finite,
    not_negative,
    one,
    one_of,
    positive,
    whole,
)
from rope_lib.theory.arguments import (
    share as unit_share,
)
from rope_lib.theory.bounds import SIGNIFICAND_BITS
from rope_lib.theory.precision import FLOAT64_ANGLE, Arithmetic, round_to
from rope_lib.theory.scaling import ORIGINAL_LENGTH, SCALINGS, rope_id_temperature, scaled_frequencies

# The parameters that each spectrum reads, besides the length of training, which is always supplied.
PARAMETERS: dict[str, tuple[str, ...]] = {
    **{
        name: tuple(key for key in scaling.reads if key != ORIGINAL_LENGTH)
        for name, scaling in SCALINGS.items()
    },
    "nope": (),
    "band": ("share", "shortest_period", "turns"),
    "explicit": ("inv_freq", "attention_factor"),
}


def no_temperature(length: int, trained: int) -> Floats:
    """1 for every query."""
    return np.ones(length)


def by_tokens_seen(length: int, trained: int) -> Floats:
    """`theory.scaling.rope_id_temperature` for the query that sees t tokens before it, t = 0 … length - 1.

    >>> by_tokens_seen(8193, 4096)[[0, 4096, 8192]].round(4)
    array([1.    , 1.    , 1.1434])
    """
    return rope_id_temperature(np.arange(length), trained)


def log_length_temperature(length: int, trained: int) -> Floats:
    """log max(n, L)/log L for every query of an input of n tokens: an earlier form in RoPE-ID's code.

    There it reads log2(max(n, 4096))/12, for a model trained on L = 4096 = 2^12 tokens.

    >>> log_length_temperature(8192, 4096)[[0, 8191]].round(4)
    array([1.0833, 1.0833])
    """
    return np.full(length, math.log(max(length, trained)) / math.log(trained))


# What multiplies the queries: from the length of an input and that of training to `(length,)`.
TEMPERATURES: dict[str, Callable[[int, int], Floats]] = {
    "none": no_temperature,
    "rope_id": by_tokens_seen,
    "log_length": log_length_temperature,
}


class Turning(Protocol):
    """What a transformer asks of a rotation: of a `Rotation`, or of given tables (`rounding.Given`)."""

    @property
    def inv_freq(self) -> tuple[float, ...]:
        """As many entries as there are pairs."""

    def tables(self, length: int, shift: int = 0) -> tuple[Floats, Floats]:
        """cos and sin at positions shift … shift + length - 1, each `(length, pairs)`."""

    def query_scale(self, length: int) -> Floats:
        """The factor on each query of an input of `length` tokens, `(length,)`."""


@dataclass(frozen=True)
class Rotation:
    """How queries and keys turn with position, at one input length.

    `inv_freq` has one frequency for each pair of channels of a head; 0 is a pair that does not rotate.
    `attention_factor` multiplies cosines and sines. `arithmetic` rounds each step of their computation.
    `temperature`, one of `TEMPERATURES`, multiplies queries beyond the `trained` length; it depends on how
    many tokens a query sees, not on its position, so that a shift of all positions changes only angles.

    >>> Rotation((1.0, 0.0)).tables(2)[0].round(4).tolist()
    [[1.0, 1.0], [0.5403, 1.0]]
    """

    inv_freq: tuple[float, ...]
    attention_factor: float = 1.0
    arithmetic: Arithmetic = FLOAT64_ANGLE
    temperature: str = "none"
    trained: int = 2

    def __post_init__(self) -> None:
        frequencies = finite("inv_freq", self.inv_freq)
        if frequencies.ndim != 1:
            raise ValueError(f"inv_freq must have one axis, the pairs, got shape {frequencies.shape}")
        object.__setattr__(self, "inv_freq", tuple(frequencies.tolist()))  # hashable: the tables are cached
        one(positive, "attention_factor", self.attention_factor)
        one_of("temperature", self.temperature, TEMPERATURES)
        one(whole, "trained", self.trained, 2)

    def tables(self, length: int, shift: int = 0) -> tuple[Floats, Floats]:
        """cos and sin of the angles at positions shift … shift + length - 1, float64 `(length, pairs)`.

        Raises ValueError for positions that the arithmetic's type cannot hold.
        """
        return _tables(self, length, shift)

    def query_scale(self, length: int) -> Floats:
        """The factor on each query of an input of `length` tokens, float64 `(length,)`."""
        return TEMPERATURES[self.temperature](length, self.trained)


@lru_cache(maxsize=32)
def _tables(rotation: Rotation, length: int, shift: int) -> tuple[Floats, Floats]:
    arithmetic = rotation.arithmetic
    positions = round_to(np.arange(shift, shift + length), arithmetic.angle, "positions")
    inv_freq = round_to(rotation.inv_freq, arithmetic.inv_freq, "inv_freq")
    angles = round_to(np.multiply.outer(positions, inv_freq), arithmetic.angle, "positions × inv_freq")
    cos, sin = (round_to(table, arithmetic.table) for table in (np.cos(angles), np.sin(angles)))
    return cos * rotation.attention_factor, sin * rotation.attention_factor


@dataclass(frozen=True)
class Spectrum:
    """A spectrum by name: one of theory's scalings, or one that only experiments need.

    `nope` rotates nothing. `explicit` lists `inv_freq` itself. `band` is RoPE-ID with other numbers:
    `share` (0.5) of the pairs rotate, the fastest once in `shortest_period` (32) tokens, the slowest `turns`
    (2) times in the length of training.

    A scaling that stretches (`linear`, `ntk`, `yarn`, `llama3`, …) without a `factor` of its own follows the
    length of each input, as if an oracle told it: the factor is that length over the length of training, at
    least 1. During training it is therefore plain RoPE.

    >>> Spectrum("yarn").at(256, 64, 8).inv_freq == Spectrum().at(64, 64, 8).inv_freq
    False
    >>> Spectrum("yarn").at(64, 64, 8) == Spectrum().at(64, 64, 8)
    True
    """

    scaling: str = "default"
    base: float = 10_000.0
    parameters: dict = field(default_factory=dict)
    temperature: str = "none"
    arithmetic: str = "float64"

    def __post_init__(self) -> None:
        one_of("scaling", self.scaling, PARAMETERS)
        one(above_one, "base", self.base)
        one_of("temperature", self.temperature, TEMPERATURES)
        one_of("arithmetic", self.arithmetic, SIGNIFICAND_BITS)
        allowed = (*PARAMETERS[self.scaling], ORIGINAL_LENGTH)
        unknown = [key for key in self.parameters if key not in allowed]
        if unknown:
            raise ValueError(
                f"parameters of {self.scaling} must be among {', '.join(allowed)}, got {unknown[0]!r}"
            )

    def at(self, length: int, trained: int, head_dim: int) -> Rotation:
        """The `Rotation` for `length` tokens, of heads of `head_dim` channels trained on `trained` tokens."""
        parameters = {ORIGINAL_LENGTH: trained, **self.parameters}
        if "factor" in PARAMETERS[self.scaling]:
            # The stretch of `dynamic` grows with the length by itself, from its factor 1.
            stretch = 1.0 if self.scaling == "dynamic" else max(1.0, length / trained)
            parameters.setdefault("factor", stretch)
        inv_freq, attention_factor = self._frequencies(parameters, length, head_dim)
        arithmetic = Arithmetic(inv_freq=self.arithmetic, angle=self.arithmetic, table="float32")
        return Rotation(tuple(inv_freq), float(attention_factor), arithmetic, self.temperature, trained)

    def _frequencies(self, parameters: dict[str, Any], length: int, head_dim: int) -> tuple[Floats, float]:
        """The frequencies `(head_dim/2,)`, and the factor on cosines and sines."""
        if self.scaling in SCALINGS:
            return scaled_frequencies(self.scaling, self.base, head_dim, parameters, length)
        pairs = int(one(even, "head_dim", head_dim, 2)) // 2
        if self.scaling == "nope":
            return np.zeros(pairs), 1.0
        if self.scaling == "band":
            own = {name: value for name, value in parameters.items() if name != ORIGINAL_LENGTH}
            return band(pairs, trained=parameters[ORIGINAL_LENGTH], **own), 1.0
        inv_freq = not_negative("inv_freq", parameters.get("inv_freq"))
        if inv_freq.shape != (pairs,):
            raise ValueError(f"inv_freq must hold one number for each of {pairs} pairs, got {inv_freq.shape}")
        return inv_freq, parameters.get("attention_factor", 1.0)


def band(
    pairs: int, *, trained: float, share: float = 0.5, shortest_period: float = 32.0, turns: float = 2.0
) -> Floats:
    """A log-uniform band, `(pairs,)`: `share` of them, from 2π/`shortest_period` to 2π·`turns`/`trained`.

    Both ends are included; the other pairs have 0. A single rotating pair is the fastest. The number of
    rotating pairs is share·pairs, rounded, and a half is rounded down: for any number of pairs, a share of
    0.5 is `theory.scaling.rope_id`, and a share of 1 is `high_freq`.
    Raises ValueError for a share outside 0 to 1, or a band whose slow end would be faster than its fast end.

    >>> band(4, trained=256, shortest_period=8).round(4)
    array([0.7854, 0.0491, 0.    , 0.    ])
    """
    rotating = math.ceil(one(unit_share, "share", share) * pairs - 0.5)
    fastest = 2 * np.pi / one(positive, "shortest_period", shortest_period)
    slowest = 2 * np.pi * one(positive, "turns", turns) / one(positive, "trained", trained)
    if slowest > fastest:
        raise ValueError(
            f"turns must be at most trained/shortest_period = {trained / shortest_period:g}, got {turns:g}"
        )
    inv_freq = np.zeros(pairs)
    inv_freq[:rotating] = np.geomspace(fastest, slowest, rotating)
    return inv_freq
