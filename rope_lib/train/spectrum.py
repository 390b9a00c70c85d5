"""Which frequencies a small transformer rotates by, in which arithmetic, at which temperature.

A `Spectrum` is a choice, in words and numbers that a config can hold; at a given input length it becomes a
`Rotation`, which the transformer applies. Frequencies are in radians per token, positions in tokens.
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch

from rope_lib.theory.arguments import above_one, even, finite, not_negative, one, one_of, positive, whole
from rope_lib.theory.bounds import SIGNIFICAND_BITS
from rope_lib.theory.precision import FLOAT64_ANGLE, Arithmetic, round_to
from rope_lib.theory.scaling import ORIGINAL_LENGTH, SCALINGS, scaled_frequencies

# The parameters that each spectrum reads, besides the length of training, which is always supplied.
PARAMETERS = {
    **{
        name: tuple(key for key in scaling.reads if key != ORIGINAL_LENGTH)
        for name, scaling in SCALINGS.items()
    },
    "nope": (),
    "band": ("share", "shortest_period", "turns"),
    "explicit": ("inv_freq", "attention_factor"),
}


def rope_id_temperature(length, trained):
    """(1 + 0.1·ln(max(t, L)/L))² for the query that sees t tokens before it, t = 0 … length - 1.

    Source: paper B, claim B10, with the constants of its first author's code.

    >>> rope_id_temperature(8193, 4096)[[0, 4096, 8192]].round(decimals=4).tolist()
    [1.0, 1.0, 1.1434]
    """
    seen = torch.arange(length, dtype=torch.float64).clamp(min=trained)
    return (1 + 0.1 * (seen / trained).log()) ** 2


def log_length_temperature(length, trained):
    """log max(n, L)/log L for every query of an input of n tokens: an earlier form in the same code.

    There it reads log2(max(n, 4096))/12, for a model trained to L = 4096 = 2^12 tokens.

    >>> log_length_temperature(8192, 4096)[[0, 8191]].round(decimals=4).tolist()
    [1.0833, 1.0833]
    """
    return torch.full((length,), math.log(max(length, trained)) / math.log(trained), dtype=torch.float64)


def no_temperature(length, trained):
    """1 for every query."""
    return torch.ones(length, dtype=torch.float64)


TEMPERATURES = {
    "none": no_temperature,
    "rope_id": rope_id_temperature,
    "log_length": log_length_temperature,
}


@dataclass(frozen=True)
class Rotation:
    """How queries and keys turn with position, at one input length.

    `inv_freq` has one frequency for each pair of channels of a head; 0 is a pair that does not rotate.
    `attention_factor` multiplies cosines and sines. `arithmetic` rounds each step of their computation.
    `temperature`, one of `TEMPERATURES`, multiplies queries beyond the `trained` length; it goes by how many
    tokens a query sees, not by its position, so that a shift of all positions changes nothing but angles.

    >>> Rotation((1.0, 0.0)).tables(2)[0].round(decimals=4).tolist()
    [[1.0, 1.0], [0.5403, 1.0]]
    """

    inv_freq: tuple[float, ...]
    attention_factor: float = 1.0
    arithmetic: Arithmetic = FLOAT64_ANGLE
    temperature: str = "none"
    trained: int = 2

    def __post_init__(self):
        frequencies = finite("inv_freq", self.inv_freq)
        if frequencies.ndim != 1:
            raise ValueError(f"inv_freq must have one axis, the pairs, got shape {frequencies.shape}")
        object.__setattr__(self, "inv_freq", tuple(frequencies.tolist()))  # hashable: the tables are cached
        one(positive, "attention_factor", self.attention_factor)
        one_of("temperature", self.temperature, TEMPERATURES)
        one(whole, "trained", self.trained, 2)

    def tables(self, length, shift=0):
        """cos and sin of the angles at positions shift … shift + length - 1, float64 `(length, pairs)`.

        Raises ValueError for positions that the arithmetic's type cannot hold.
        """
        return _tables(self, length, shift)

    def query_scale(self, length):
        """What each query of an input of `length` tokens is multiplied by, float64 `(length,)`."""
        return TEMPERATURES[self.temperature](length, self.trained)


@lru_cache(maxsize=32)
def _tables(rotation, length, shift):
    arithmetic = rotation.arithmetic
    positions = round_to(np.arange(shift, shift + length), arithmetic.angle, "positions")
    inv_freq = round_to(rotation.inv_freq, arithmetic.inv_freq, "inv_freq")
    angles = round_to(np.multiply.outer(positions, inv_freq), arithmetic.angle, "positions × inv_freq")
    tables = (round_to(table, arithmetic.table) for table in (np.cos(angles), np.sin(angles)))
    with torch.inference_mode(False):  # a table cached by an evaluation may next be used in training
        return tuple(torch.from_numpy(table) * rotation.attention_factor for table in tables)


@dataclass(frozen=True)
class Spectrum:
    """A spectrum by name: one of theory's scalings, or one of three that only experiments need.

    `nope` rotates nothing. `explicit` lists `inv_freq` itself. `band` is RoPE-ID with its numbers free:
    `share` (0.5) of the pairs rotate, the fastest once in `shortest_period` (32) tokens, the slowest `turns`
    (2) times in the length of training.

    A scaling that stretches (`linear`, `ntk`, `yarn`, `llama3`, …) and is not given its `factor` is told the
    length of each input, as an oracle would: the factor is the length over that of training, and at least 1.
    Trained so, it is plain RoPE.

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

    def __post_init__(self):
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

    def at(self, length, trained, head_dim):
        """The `Rotation` for `length` tokens, of heads of `head_dim` channels trained to `trained` tokens."""
        parameters = {ORIGINAL_LENGTH: trained, **self.parameters}
        if "factor" in PARAMETERS[self.scaling]:
            # The stretch of `dynamic` grows with the length by itself, from its factor 1.
            stretch = 1.0 if self.scaling == "dynamic" else max(1.0, length / trained)
            parameters.setdefault("factor", stretch)
        inv_freq, attention_factor = self._frequencies(parameters, length, head_dim)
        arithmetic = Arithmetic(inv_freq=self.arithmetic, angle=self.arithmetic, table="float32")
        return Rotation(tuple(inv_freq), float(attention_factor), arithmetic, self.temperature, trained)

    def _frequencies(self, parameters, length, head_dim):
        if self.scaling in SCALINGS:
            return scaled_frequencies(self.scaling, self.base, head_dim, parameters, length)
        pairs = int(one(even, "head_dim", head_dim, 2)) // 2
        if self.scaling == "nope":
            return np.zeros(pairs), 1.0
        if self.scaling == "band":
            return band(pairs, **{name: parameters[name] for name in parameters if name != ORIGINAL_LENGTH},
                        trained=parameters[ORIGINAL_LENGTH]), 1.0  # fmt: skip
        inv_freq = not_negative("inv_freq", parameters.get("inv_freq"))
        if inv_freq.shape != (pairs,):
            raise ValueError(f"inv_freq must hold one number for each of {pairs} pairs, got {inv_freq.shape}")
        return inv_freq, parameters.get("attention_factor", 1.0)


def band(pairs, *, trained, share=0.5, shortest_period=32.0, turns=2.0):
    """A log-uniform band: round(share·pairs) frequencies from 2π/`shortest_period` to 2π·`turns`/`trained`.

    Both ends are included; the other pairs have 0. Where one pair rotates it is the fastest.

    >>> band(4, trained=256, shortest_period=8).round(4)
    array([0.7854, 0.0491, 0.    , 0.    ])
    """
    if not 0 <= one(finite, "share", share) <= 1:
        raise ValueError(f"share must be a number from 0 to 1, got {share}")
    fastest = 2 * np.pi / one(positive, "shortest_period", shortest_period)
    slowest = 2 * np.pi * one(positive, "turns", turns) / one(positive, "trained", trained)
    if slowest > fastest:
        raise ValueError(
            f"turns must be at most trained/shortest_period = {trained / shortest_period:g}, got {turns:g}"
        )
    rotating = int(share * pairs + 0.5)
    inv_freq = np.zeros(pairs)
    inv_freq[:rotating] = np.geomspace(fastest, slowest, rotating)
    return inv_freq
