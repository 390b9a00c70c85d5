"""RoPE as a bank of oscillators (paper A, statement A1).

A head of size d holds d/2 pairs of channels. Pair i, read as the complex number z_i, is multiplied
at position p by exp(j·p·θ_i): the position modulates the phase of an oscillator of angular frequency
θ_i = base^(-2i/d), i = 0 … d/2 - 1 (radians per token). Shapes: `length` positions, `dim` channels,
`pairs` = dim/2 oscillators; `...` stands for any leading axes.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from .arguments import Complexes, Float64, Floats, above_one, even, finite, on_one_axis, one, one_of, whole

LAYOUTS = ("half_split", "interleaved")

# Positions per block of `similarity_blocks`: one block of 65,536 similarities is half a megabyte, and
# the coarse and fine halves of the product (256 × pairs each) stay in the cache.
BLOCK = 65_536


def frequencies(base: ArrayLike, dim: int) -> Floats:
    """Angular frequencies θ_i = base^(-2i/dim), fastest first, in radians per token.

    Shape `(..., dim/2)` for a `base` of shape `(...)`. Source: paper A, claim A1; RoFormer 2104.09864.
    Raises ValueError for a base that is not above 1 or a `dim` that is not even and at least 2.

    >>> frequencies(10_000, 8)
    array([1.   , 0.1  , 0.01 , 0.001])
    """
    base = above_one("base", base)
    dim = int(one(even, "dim", dim, 2))
    return base[..., np.newaxis] ** (-np.arange(0, dim, 2) / dim)


def to_complex(x: ArrayLike, layout: str) -> Complexes:
    """Read channels as oscillators: `(..., dim)` real to `(..., dim/2)` complex.

    `"half_split"` pairs channel i with channel i + dim/2 (Llama in transformers); `"interleaved"` pairs
    channel 2i with channel 2i + 1 (RoFormer, Meta's own Llama code). Raises ValueError for another
    layout or an odd last axis.

    >>> to_complex([1., 2., 3., 4.], "interleaved")
    array([1.+2.j, 3.+4.j])
    >>> to_complex([1., 2., 3., 4.], "half_split")
    array([1.+3.j, 2.+4.j])
    """
    one_of("layout", layout, LAYOUTS)
    x = finite("x", x)
    even("the last axis of x", x.shape[-1] if x.ndim else 0, 2)
    if layout == "interleaved":
        return x[..., 0::2] + 1j * x[..., 1::2]
    first, second = np.split(x, 2, axis=-1)
    return first + 1j * second


def from_complex(z: ArrayLike, layout: str) -> Floats:
    """The inverse of `to_complex`: `(..., pairs)` complex to `(..., 2·pairs)` real.

    Raises ValueError for another layout.

    >>> from_complex(to_complex([1., 2., 3., 4.], "half_split"), "half_split")
    array([1., 2., 3., 4.])
    """
    one_of("layout", layout, LAYOUTS)
    z = np.asarray(z)
    if layout == "half_split":
        return np.concatenate([z.real, z.imag], axis=-1)
    return np.stack([z.real, z.imag], axis=-1).reshape(*z.shape[:-1], -1)


def modulate(z: ArrayLike, positions: ArrayLike, freqs: ArrayLike) -> Complexes:
    """Phase modulation z_i(p) = z_i·exp(j·p·θ_i): the complex form of RoPE (paper A, claim A1).

    `z` has shape `(..., length, pairs)` or `(..., 1, pairs)`, `positions` `(length,)`, `freqs` `(pairs,)`
    in radians per token. Returns `(..., length, pairs)`. Raises ValueError for shapes that do not match.

    >>> np.round(modulate([[1 + 0j]], [0, 1], [np.pi / 2]), 12).ravel()
    array([1.+0.j, 0.+1.j])
    """
    z, angles = np.asarray(z), _angles(positions, freqs)
    length, pairs = angles.shape
    if z.ndim < 2 or z.shape[-2] not in (1, length) or z.shape[-1] != pairs:
        shape = f"(..., {length} or 1, {pairs})"
        raise ValueError(f"z must have shape {shape} to match positions and freqs, got {z.shape}")
    modulated: Complexes = z * np.exp(1j * angles)
    return modulated


def rotate(x: ArrayLike, positions: ArrayLike, freqs: ArrayLike, layout: str) -> Floats:
    """Rotate each pair of channels of `x` by position × frequency: RoPE in real arithmetic.

    `x` has shape `(..., length, dim)`, `positions` `(length,)`, `freqs` `(dim/2,)` in radians per token.
    Returns float64 of the shape of `x`. The norm of every vector is preserved and the product of a
    rotated query and a rotated key depends on the difference of their positions only (claim A1).
    Raises ValueError for an unknown layout and for shapes that do not match.

    >>> np.round(rotate([[1., 0.], [1., 0.]], [0, 1], [np.pi / 2], "half_split"), 12)
    array([[1., 0.],
           [0., 1.]])
    """
    one_of("layout", layout, LAYOUTS)
    x = finite("x", x)
    angles = _angles(positions, freqs)
    length, pairs = angles.shape
    if x.ndim < 2 or x.shape[-2:] != (length, 2 * pairs):
        shape = f"(..., {length}, {2 * pairs})"
        raise ValueError(f"x must have shape {shape} to match positions and freqs, got {x.shape}")
    cos, sin = np.cos(angles), np.sin(angles)
    rotated = np.empty_like(x)
    # Where the two channels of each pair are.
    if layout == "half_split":
        first, second = slice(None, pairs), slice(pairs, None)
    else:
        first, second = slice(0, None, 2), slice(1, None, 2)
    rotated[..., first] = x[..., first] * cos - x[..., second] * sin
    rotated[..., second] = x[..., first] * sin + x[..., second] * cos
    return rotated


def bank_similarity(distance: ArrayLike, freqs: ArrayLike) -> Float64:
    """Cosine similarity of the whole bank at two positions `distance` apart: the mean of cos(m·θ_i).

    The bank's code for position p is the vector of all (cos p·θ_i, sin p·θ_i); the cosine between the
    codes of two positions is this mean, 1 only where every oscillator has returned at once. It is also
    B_{m,θ}/(d/2) of Men et al. (2405.14591). `distance` is in tokens and `freqs` `(pairs,)` in radians per
    token; returns the shape of `distance`. Raises ValueError for numbers that are not finite.

    >>> float(bank_similarity(0, frequencies(10_000, 128)))
    1.0
    >>> float(bank_similarity(54_410, frequencies(10_000, 128)).round(3))
    -0.06
    """
    distance = finite("distance", distance)
    freqs = _bank(freqs)
    similarity = np.empty(distance.size)
    # Blocks keep the (distances × oscillators) matrix of cosines small.
    for start in range(0, distance.size, BLOCK):
        part = distance.ravel()[start : start + BLOCK]
        similarity[start : start + BLOCK] = np.cos(_products("distance", part, freqs)).mean(axis=-1)
    shaped: Float64 = similarity.reshape(distance.shape)[()]
    return shaped


def similarity_blocks(freqs: ArrayLike, stop: int, start: int = 0) -> Iterator[tuple[int, Floats]]:
    """`bank_similarity` of every whole distance in [start, stop), as (first distance, similarities) blocks.

    Write a distance as m = coarse + fine with `fine` below 256: cos(mθ) = cos(coarse·θ)cos(fine·θ) -
    sin(coarse·θ)sin(fine·θ), so a block of 65,536 sums over the bank is the product of two matrices of
    256 rows. That takes 512 cosines for each oscillator where the direct sum takes 65,536. Raises ValueError
    for a `start` or `stop` that is not a whole number ≥ 0.

    >>> first, similarity = next(similarity_blocks(frequencies(10_000, 128), stop=1_000))
    >>> bool(np.allclose(similarity, bank_similarity(np.arange(1_000), frequencies(10_000, 128)), atol=1e-12))
    True
    """
    freqs = _bank(freqs)
    start, stop = int(one(whole, "start", start, 0)), int(one(whole, "stop", stop, 0))
    side = int(np.sqrt(BLOCK))
    fine = _products("distance", np.arange(side), freqs)
    fine = np.concatenate([np.cos(fine), -np.sin(fine)], axis=1).T / freqs.size
    for first in range(start, stop, BLOCK):
        rows = min(side, -(-(stop - first) // side))
        coarse = _products("distance", first + side * np.arange(rows), freqs)
        block = np.concatenate([np.cos(coarse), np.sin(coarse)], axis=1) @ fine
        yield first, block.ravel()[: stop - first]


def _bank(freqs: ArrayLike) -> Floats:
    return on_one_axis("freqs", finite("freqs", freqs), "the oscillators")


def _angles(positions: ArrayLike, freqs: ArrayLike) -> Floats:
    """Angles p·θ_i in radians, shape `(length, pairs)`."""
    tokens = on_one_axis("positions", finite("positions", positions), "the tokens")
    return _products("positions", tokens, _bank(freqs))


def _products(name: str, times: ArrayLike, freqs: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return finite(f"{name} × freqs", np.multiply.outer(times, freqs))
