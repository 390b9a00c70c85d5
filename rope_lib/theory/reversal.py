"""How a score changes with distance: order that reverses, neighbors that cannot be told apart.

Wu, Du and Peng (2609.39929) write the score of a query and a key at distance m as Re Σ_n z_n·exp(i·m·ω_n),
here S(m), with one complex coefficient z_n = c·Q_n·conj(K_n) for each pair of channels. Two things can go
wrong within a window of M tokens: a key that wins at distance 0 loses at others (a reversal), and two
neighboring positions get the same score (insensitivity). Frequencies are in radians per token, distances and
windows in tokens.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import Complexes, Floats, finite, not_negative, on_one_axis, one, positive, share, whole
from .oscillators import to_complex

_SIDE = 256  # a block holds as many rows of as many distances: see `_blocks`


def score_coefficients(query: ArrayLike, key: ArrayLike, layout: str, scale: float = 1.0) -> Complexes:
    """z_n = c·Q_n·conj(K_n): what each pair of channels adds to a score, before any rotation.

    `query` and `key` have shape `(..., dim)` and broadcast; `scale` is c, mostly 1/√head_dim. Returns
    `(..., dim/2)`. Raises ValueError for an odd dim, another layout, and numbers that are not finite.

    >>> score_coefficients([1.0, 0.0], [0.0, 2.0], "half_split")
    array([0.-2.j])
    """
    queries, keys = (finite(name, value) for name, value in (("query", query), ("key", key)))
    coefficients: Complexes = (
        one(finite, "scale", scale) * to_complex(queries, layout) * to_complex(keys, layout).conj()
    )
    return coefficients


def scores(coefficients: ArrayLike, inv_freq: ArrayLike, window: int) -> Floats:
    """S(m) for m = 0 … `window` - 1, of one query and one key: an array `(window,)`.

    `coefficients` and `inv_freq` are `(pairs,)`. Raises ValueError for two shapes, numbers that are not
    finite, or a window that is not a whole number ≥ 1.

    >>> scores([1.0], [np.pi / 2], 4).round(12)
    array([ 1.,  0., -1., -0.])
    """
    z, freqs = _bank(coefficients, inv_freq)
    return np.concatenate(list(_blocks(z, freqs, int(one(whole, "window", window, 1)))))


def reversal_share(margin: ArrayLike, inv_freq: ArrayLike, window: int) -> float:
    """p_rev: the share of the distances 0 … `window` - 1 at which the key that wins at distance 0 loses.

    `margin` `(pairs,)` holds the coefficients of the winner less those of the other key. Source: Wu, Du and
    Peng 2609.39929. Raises ValueError as `scores` does, and where the winner does not win at distance 0.

    >>> round(reversal_share([1.0], [0.01], 314), 2)  # half a turn: the second quarter is negative
    0.5
    """
    z, freqs = _margin(margin, inv_freq)
    window = int(one(whole, "window", window, 1))
    return sum(int(np.sum(block < 0)) for block in _blocks(z, freqs, window)) / window


def positional_sensitivity(coefficients: ArrayLike, inv_freq: ArrayLike, window: int) -> Floats:
    """g(m) = |S(m+1) - S(m)|/‖z‖ for m = 0 … `window` - 2: how far neighboring positions are told apart.

    Returns `(window - 1,)`. Source: Wu, Du and Peng 2609.39929. Raises ValueError as `scores` does, for a
    window below 2, and for coefficients that are all zero.

    >>> positional_sensitivity([2.0], [np.pi / 2], 4).round(12)
    array([1., 1., 1.])
    """
    z, freqs = _bank(coefficients, inv_freq)
    return np.abs(np.diff(scores(z, freqs, int(one(whole, "window", window, 2))))) / _norm(z)


def fast_band(inv_freq: ArrayLike, window: int, tolerance: float) -> NDArray[np.bool_]:
    """The pairs that turn so often within the window that their part of a score is certainly noise.

    Over the distances of the window, the part of S(m) that these pairs make has a mean within ε·U of 0 and a
    variance within ε·U² of U²/2, for any coefficients of norm U; ε is `tolerance`. A pair is among them, with
    all faster ones, if the window times its gap is at least 2π/ε; the gap is its distance to the next slower
    frequency, ω_n - ω_{n+1} = (1 - base^(-2/d))·ω_n for plain RoPE. That has the form of Wu, Du and Peng's
    certified band (2609.39929), 2·C/((1 - ρ)·ε), with a constant C = π that follows from the large-sieve
    inequality of Montgomery and Vaughan (1974), |ΣΣ u_r·conj(u_s)·csc π(x_r - x_s)| ≤ (3/2)·Σ|u_r|²/δ_r, over
    the points ±ω_n/2π: it bounds the variance by (3π/2 + π⁴/(6·M·gap))/(M·gap), the mean by π²/(√6·M·gap).

    `inv_freq` `(pairs,)` in any order; returns a mask of that shape. Raises ValueError for frequencies
    outside [0, π/2], a window that is not a whole number ≥ 1, or a tolerance outside (0, 1/2].

    >>> from rope_lib.theory.oscillators import frequencies
    >>> int(fast_band(frequencies(10_000, 128), 131_072, 0.1).sum())
    40
    """
    freqs = on_one_axis("inv_freq", not_negative("inv_freq", inv_freq), "the pairs")
    if np.any(freqs > np.pi / 2):
        raise ValueError(f"inv_freq must be at most π/2 radians per token, got {freqs.max()}")
    window = int(one(whole, "window", window, 1))
    allowed = one(positive, "tolerance", tolerance)
    if allowed > 0.5:
        raise ValueError(f"tolerance must be at most 1/2, got {tolerance}")
    order = np.argsort(-freqs, kind="stable")
    gaps = -np.diff(freqs[order], append=-freqs[order][-1:])  # the slowest is 2·ω from its mirror image
    turns_enough = np.logical_and.accumulate(window * gaps >= 2 * np.pi / allowed)
    band = np.zeros(freqs.shape, dtype=bool)
    band[order] = turns_enough
    return band


def band_share(coefficients: ArrayLike, band: ArrayLike) -> float:
    """r_H = U_H/U: the share of a score's norm that the pairs of a band hold, from 0 to 1.

    Both arguments are `(pairs,)`. Source: Wu, Du and Peng 2609.39929. Raises ValueError for two shapes and
    for coefficients that are all zero.

    >>> band_share([3.0, 4.0j], [True, False])
    0.6
    """
    z, mask = np.asarray(coefficients, dtype=complex), np.asarray(band, dtype=bool)
    if z.shape != mask.shape:
        raise ValueError(f"band must have the shape of coefficients {z.shape}, got {mask.shape}")
    return float(np.linalg.norm(z[mask]) / _norm(z))


def longest_window(
    margin: ArrayLike,
    coefficients: ArrayLike,
    inv_freq: ArrayLike,
    *,
    reversal: float,
    sensitivity: float,
    limit: int,
) -> int | None:
    """M_max: the longest window up to `limit` with order kept and positions told apart, or None.

    Order is kept where `reversal_share` of `margin` is at most `reversal` (δ); positions are told apart where
    some g of `coefficients` within the window is at least `sensitivity` (ζ). Wu, Du and Peng (2609.39929,
    Theorem 1) prove that beyond some window no spectrum does both for a fixed margin; this is where a given
    one last does. Raises ValueError as `reversal_share` and `positional_sensitivity` do, and for a `reversal`
    outside (0, 1].

    >>> longest_window([1.0], [1.0], [0.001], reversal=0.1, sensitivity=1e-4, limit=100_000)
    1745
    """
    lead, freqs = _margin(margin, inv_freq)
    z, _ = _bank(coefficients, inv_freq)
    limit = int(one(whole, "limit", limit, 2))
    allowed, norm = one(share, "reversal", reversal), _norm(z)
    least = one(not_negative, "sensitivity", sensitivity)
    reversed_before, largest, before = 0, 0.0, None
    longest, first = None, 1  # the windows of a block end with each of its distances in turn
    for led, scored in zip(_blocks(lead, freqs, limit), _blocks(z, freqs, limit), strict=True):
        windows = first + np.arange(led.size)
        reversed_until = reversed_before + np.cumsum(led < 0)
        steps = np.abs(np.diff(scored, prepend=scored[0] if before is None else before)) / norm
        told_apart = np.maximum.accumulate(np.maximum(steps, largest)) >= least
        sound = (reversed_until <= allowed * windows) & told_apart & (windows >= 2)
        if sound.any():
            longest = int(windows[np.flatnonzero(sound)[-1]])
        reversed_before, largest = int(reversed_until[-1]), max(largest, float(steps.max()))
        before, first = scored[-1], first + led.size
    return longest


def _blocks(z: Complexes, freqs: Floats, window: int) -> Iterator[Floats]:
    """S(m) of the window in blocks of 65,536 distances, each the product of two matrices of 256 rows."""
    fine = np.exp(1j * np.multiply.outer(freqs, np.arange(_SIDE)))
    for first in range(0, window, _SIDE**2):
        rows = min(_SIDE, -(-(window - first) // _SIDE))
        coarse = z * np.exp(1j * np.multiply.outer(first + _SIDE * np.arange(rows), freqs))
        # The real part of a complex product, from two real ones.
        block = coarse.real @ fine.real - coarse.imag @ fine.imag
        yield block.ravel()[: window - first]


def _bank(coefficients: ArrayLike, inv_freq: ArrayLike) -> tuple[Complexes, Floats]:
    freqs = on_one_axis("inv_freq", finite("inv_freq", inv_freq), "the pairs")
    z = np.asarray(coefficients, dtype=np.complex128)
    if z.shape != freqs.shape:
        raise ValueError(f"coefficients must have the shape of inv_freq {freqs.shape}, got {z.shape}")
    finite("coefficients", z.real), finite("coefficients", z.imag)
    return z, freqs


def _margin(margin: ArrayLike, inv_freq: ArrayLike) -> tuple[Complexes, Floats]:
    z, freqs = _bank(margin, inv_freq)
    if z.real.sum() <= 0:
        raise ValueError(f"margin must be above 0 at distance 0, got {z.real.sum():g}")
    return z, freqs


def _norm(z: Complexes) -> float:
    norm = float(np.linalg.norm(z))
    if norm == 0:
        raise ValueError("coefficients must not all be zero")
    return norm
