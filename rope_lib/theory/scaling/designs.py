"""Spectra that a model is trained with from the start. The package describes their arguments."""

import numpy as np
from numpy.typing import ArrayLike

from ..arguments import Floats, at_least_one, not_negative, one, positive, share, whole
from .parameters import (
    ORIGINAL_LENGTH,
    Parameters,
    SpectrumAndFactor,
    number,
    number_of_pairs,
    optional,
    original_length,
    unscaled,
    without_tail,
)
from .registry import registered


@registered(is_retrofit=False)
def default(base: float, dim: int, parameters: Parameters, context_length: float | None) -> SpectrumAndFactor:
    """Plain RoPE: θ_i = base^(-2i/dim). Source: RoFormer 2104.09864.

    >>> default(10_000, 8, {}, 4096)
    (array([1.   , 0.1  , 0.01 , 0.001]), 1.0)
    """
    return unscaled(base, dim), 1.0


@registered(("mrope_section",), is_retrofit=False)
def mrope(base: float, dim: int, parameters: Parameters, context_length: float | None) -> SpectrumAndFactor:
    """Multimodal RoPE: the spectrum of `default`, its pairs shared out to three axes by `mrope_section`.

    Text has the same position on every axis, so for text nothing changes. Source: Qwen2-VL 2409.12191.

    >>> mrope(1_000_000, 8, {"mrope_section": [2, 1, 1]}, 32_768)[0].shape
    (4,)
    """
    inv_freq = unscaled(base, dim)
    if parameters.get("mrope_section") is not None:
        sections = whole("mrope_section", parameters["mrope_section"], 0)
        if sections.sum() != inv_freq.size:
            given = parameters["mrope_section"]
            raise ValueError(f"mrope_section must share out {inv_freq.size} pairs, got {given}")
    return inv_freq, 1.0


@registered(("factor", "partial_rotary_factor"), is_retrofit=False)
def proportional(
    base: float, dim: int, parameters: Parameters, context_length: float | None
) -> SpectrumAndFactor:
    """Only the fastest ⌊share·dim/2⌋ pairs rotate, as fast as they do when all rotate; the others have 0.

    The share is `partial_rotary_factor` (1), and a `factor` (1) divides all. Source: Gemma 4 in transformers.

    >>> proportional(10_000, 8, {"partial_rotary_factor": 0.5}, 4096)[0]
    array([1. , 0.1, 0. , 0. ])
    """
    inv_freq = unscaled(base, dim)
    rotating = int(optional(parameters, "partial_rotary_factor", share, 1.0) * dim // 2)
    return without_tail(inv_freq, rotating) / optional(parameters, "factor", at_least_one, 1.0), 1.0


@registered((ORIGINAL_LENGTH, "shortest_period"), is_retrofit=False)
def rope_id(base: float, dim: int, parameters: Parameters, context_length: float | None) -> SpectrumAndFactor:
    """RoPE-ID: half of the pairs rotate, from one turn in `shortest_period` (32) tokens to two in L₀.

    The frequencies are log-uniform, end points included, and do not depend on the base; the other pairs
    have 0. `rope_id_temperature`, which belongs to RoPE-ID, is not part of the spectrum: it multiplies
    queries according to their position. Source: paper B (claim B9), with the constants of its first author's
    code.

    >>> inv_freq, _ = rope_id(10_000, 128, {"original_max_position_embeddings": 4096}, 4096)
    >>> inv_freq[[0, 31, 32]].round(7)
    array([0.1963495, 0.003068 , 0.       ])
    """
    pairs = number_of_pairs(dim, 4)
    inv_freq = np.zeros(pairs)
    inv_freq[: pairs // 2] = _band(parameters, pairs // 2)
    return inv_freq, 1.0


def rope_id_temperature(position: ArrayLike, trained_length: float) -> Floats:
    """What RoPE-ID multiplies a query by: (1 + 0.1·ln(t/L))² at positions t > L, else 1.

    `position` is the number of tokens before the query, an array of any shape, which the result has too;
    `trained_length` is L, in tokens. It is the square of YaRN's attention factor, for a stretch of t/L.
    Source: paper B (claim B9), with the constants of its first author's code. Raises ValueError for negative
    positions and a length that is not positive.

    >>> rope_id_temperature([0, 4096, 8192], 4096).round(4)
    array([1.    , 1.    , 1.1434])
    """
    trained = one(positive, "trained_length", trained_length)
    stretch: Floats = np.maximum(not_negative("position", position), trained) / trained
    return (1 + 0.1 * np.log(stretch)) ** 2


@registered((ORIGINAL_LENGTH, "shortest_period"), is_retrofit=False)
def high_freq(
    base: float, dim: int, parameters: Parameters, context_length: float | None
) -> SpectrumAndFactor:
    """HighFreq: the band of RoPE-ID over all pairs (paper B, claim B9).

    >>> high_freq(10_000, 128, {"original_max_position_embeddings": 4096}, 4096)[0][[0, 63]].round(7)
    array([0.1963495, 0.003068 ])
    """
    return _band(parameters, number_of_pairs(dim, 2)), 1.0


@registered(is_retrofit=False)
def half_rope(
    base: float, dim: int, parameters: Parameters, context_length: float | None
) -> SpectrumAndFactor:
    """HalfRoPE: the bank of a head half the size on dim/4 pairs; the others have 0 (paper B, claim B9).

    >>> half_rope(10_000, 8, {}, 4096)[0]
    array([1.  , 0.01, 0.  , 0.  ])
    """
    pairs = number_of_pairs(dim, 4)
    inv_freq = np.zeros(pairs)
    inv_freq[: pairs // 2] = unscaled(base, 2 * (pairs // 2))
    return inv_freq, 1.0


@registered(("p",), is_retrofit=False)
def p_rope(base: float, dim: int, parameters: Parameters, context_length: float | None) -> SpectrumAndFactor:
    """p-RoPE: the fastest ⌊p·dim/2⌋ pairs rotate, with `p` from 0 to 1. Source: Barbero et al. 2410.06205.

    >>> p_rope(10_000, 8, {"p": 0.75}, 4096)[0]
    array([1.  , 0.1 , 0.01, 0.  ])
    """
    inv_freq = unscaled(base, dim)
    return without_tail(inv_freq, int(number(parameters, "p", share) * inv_freq.size)), 1.0


@registered((ORIGINAL_LENGTH,), is_retrofit=False)
def hope(base: float, dim: int, parameters: Parameters, context_length: float | None) -> SpectrumAndFactor:
    """HoPE's clip: pairs that complete no turn in L₀ tokens, θ < 2π/L₀, have 0. Source: 2410.21216.

    >>> hope(10_000, 8, {"original_max_position_embeddings": 4096}, 4096)[0]
    array([1.  , 0.1 , 0.01, 0.  ])
    """
    inv_freq = unscaled(base, dim)
    return np.where(inv_freq * original_length(parameters) >= 2 * np.pi, inv_freq, 0.0), 1.0


@registered((ORIGINAL_LENGTH,), is_retrofit=False)
def cope(base: float, dim: int, parameters: Parameters, context_length: float | None) -> SpectrumAndFactor:
    """CoPE's soft clip: pairs that complete no turn in L₀ tokens are slowed by a raised cosine.

    Of n such pairs the fastest keeps its frequency, the slowest has 0, and the k-th between them is slowed to
    (1 + cos(π·k/(n-1)))/2 of its own. Source: 2602.05258, as its public implementations have it; the paper's
    text was not seen. `hope` cuts the same pairs off sharply.

    >>> cope(10_000, 8, {"original_max_position_embeddings": 32}, 4096)[0]
    array([1.   , 0.1  , 0.005, 0.   ])
    """
    inv_freq = unscaled(base, dim)
    slow = inv_freq * original_length(parameters) < 2 * np.pi
    taper = np.ones(inv_freq.size)
    taper[slow] = np.sin(np.linspace(np.pi / 2, 0, int(slow.sum()))) ** 2  # which is exactly 0 at its end
    return inv_freq * taper, 1.0


@registered(is_retrofit=False)
def resonance(
    base: float, dim: int, parameters: Parameters, context_length: float | None
) -> SpectrumAndFactor:
    """Resonance RoPE: each period 2π/θ is rounded to a whole number of tokens. Source: 2403.00071.

    A pair then meets the same angles in every turn, so that beyond training it turns to no new ones.

    >>> (2 * np.pi / resonance(10_000, 8, {}, 4096)[0]).round().astype(int)
    array([   6,   63,  628, 6283])
    """
    return 2 * np.pi / np.round(2 * np.pi / unscaled(base, dim)), 1.0


def _band(parameters: Parameters, pairs: int) -> Floats:
    """`pairs` log-uniform frequencies from 2π/`shortest_period` down to 4π/L₀, both included."""
    shortest = optional(parameters, "shortest_period", positive, 32.0)
    trained = original_length(parameters)
    if trained <= 2 * shortest:
        allowed = f"more than twice the shortest period {shortest:g}"
        raise ValueError(f"{ORIGINAL_LENGTH} must be {allowed}, got {trained:g}")
    return np.geomspace(2 * np.pi / shortest, 4 * np.pi / trained, pairs)
