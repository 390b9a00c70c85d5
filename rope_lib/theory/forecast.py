"""How a cloud of vectors looks after the rotation over a length, from what it was before: a forecast.

Suppose that what a network writes into its keys does not depend on the position: every key is drawn from one
distribution with the second moment M = E[k kᵀ]. Key p is then turned by R_p, and the second moment of L keys
is the mean of R_p M R_pᵀ over p = 0 … L - 1. Read as oscillators, entry (a, b) of M is multiplied by the mean
of exp(jp(φ_a - φ_b)), the coherence T of `theory.dispersal` with equal weights. Its closed form takes the
forecast from M and the frequencies to any length, without a longer input. A cloud of one direction is the
special case M = v vᵀ (paper B, Lemma 1); keys of real heads fill more.

Likewise the mean direction m, the mean of k/‖k‖, is turned into the mean of R_p m, in which each pair shrinks
by the modulus of its `mean_turn`. So do mean cosines, within a cloud and between two.

All vectors are half split: channel i is paired with channel i + pairs. Shapes: `inv_freq` `(pairs,)` in
radians per token, M `(..., 2·pairs, 2·pairs)`, m `(..., 2·pairs)`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .arguments import Complexes, Float64, Floats, finite, on_one_axis, one, whole
from .dispersal import stable_rank, uniform_coherence
from .oscillators import from_complex, to_complex


@dataclass(frozen=True)
class CloudForecast:
    """What is forecast of clouds on an input of `length` tokens; each value has one number for each cloud."""

    length: int
    stable_rank: Float64
    fsv_ratio: Float64  # the first singular value after the rotation over that before
    mean_cosine: Float64  # of two different vectors


def forecast_cloud(moment: ArrayLike, mean: ArrayLike, inv_freq: ArrayLike, length: int) -> CloudForecast:
    """How clouds look after the rotation of `length` tokens, from before it.

    `moment` is the second moment of a cloud's vectors, to a factor, and `mean` the mean of their directions.
    Raises ValueError for shapes that do not match, and for a length that is not a whole number ≥ 2.

    >>> key = np.array([3.0, 4.0, 0.0, 0.0])  # pairs (3, 0), which turns, and (4, 0), at rest
    >>> found = forecast_cloud(np.outer(key, key), key / 5, [1.0, 0.0], 100_000)
    >>> round(float(found.stable_rank), 3), round(float(found.fsv_ratio), 3)  # 25/16 and √(16/25)
    (1.562, 0.8)
    >>> round(float(found.mean_cosine), 3)  # 16/25
    0.64
    """
    tokens = int(one(whole, "length", length, 2))
    before = np.linalg.eigvalsh(finite("moment", moment)).clip(min=0)
    after = np.linalg.eigvalsh(rotated_moment(moment, inv_freq, tokens)).clip(min=0)
    kept, own = (
        np.sum(each**2, axis=-1) for each in (rotated_mean(mean, inv_freq, tokens), np.asarray(mean))
    )
    return CloudForecast(
        length=tokens,
        stable_rank=stable_rank(np.sqrt(after)),
        fsv_ratio=np.sqrt(after[..., -1] / before[..., -1]),
        # Of L² ordered pairs of tokens, the L of a token with itself do not count.
        mean_cosine=(tokens * kept - own) / (tokens - 1),
    )


def rotated_moment(moment: ArrayLike, inv_freq: ArrayLike, length: int) -> Floats:
    """The mean of R_p M R_pᵀ over positions 0 … length - 1, of the shape of M = `moment`, which is symmetric.

    Raises ValueError for a moment that does not have two channels to each frequency.

    >>> circle = rotated_moment([[1.0, 0.0], [0.0, 0.0]], [np.pi / 2], 4)  # a quarter turn a token
    >>> circle.round(12) + 0.0
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    given, coherence = finite("moment", moment), uniform_coherence(inv_freq, length)
    size = len(coherence)
    if given.shape[-2:] != (size, size):
        raise ValueError(f"moment must have shape (..., {size}, {size}), got {given.shape}")
    half = size // 2
    xx, xy, yx, yy = (
        given[..., rows, columns]
        for rows in (slice(None, half), slice(half, None))
        for columns in (slice(None, half), slice(half, None))
    )
    # E[z_i z̄_k] and E[z_i z_k] of oscillators z = x + jy turn by the difference and the sum of their angles.
    same = ((xx + yy) + 1j * (yx - xy)) * coherence[:half, :half] / 2
    mirrored = ((xx - yy) + 1j * (yx + xy)) * coherence[:half, half:] / 2
    plus, minus = mirrored + same, mirrored - same
    return np.block([[plus.real, minus.imag], [plus.imag, -minus.real]])


def mean_turn(inv_freq: ArrayLike, length: int) -> Complexes:
    """The mean of exp(jpθ) over positions p = 0 … length - 1, complex, `(pairs,)`; 1 for a pair at rest.

    Raises ValueError for a length that is not a whole number ≥ 1.

    >>> np.abs(mean_turn([np.pi / 2, 0.0], 4)).round(12) + 0.0  # four quarter turns cancel out
    array([0., 1.])
    """
    freqs = on_one_axis("inv_freq", finite("inv_freq", inv_freq), "the pairs")
    # Entry (i, pairs) of the coherence with one more pair, at rest, has the difference θ_i - 0.
    with_rest: Complexes = uniform_coherence(np.append(freqs, 0.0), length)
    return with_rest[: freqs.size, freqs.size]


def rotated_mean(mean: ArrayLike, inv_freq: ArrayLike, length: int) -> Floats:
    """The mean of R_p m over positions 0 … length - 1, of the shape of m = `mean`.

    Raises ValueError for an m that does not have two channels to each frequency.

    >>> rotated_mean([1.0, 0.0], [np.pi / 2], 2).round(12)  # between angle 0 and a quarter turn
    array([0.5, 0.5])
    """
    z, turn = to_complex(mean, "half_split"), mean_turn(inv_freq, length)
    if z.shape[-1] != turn.size:
        raise ValueError(
            f"mean must have {2 * turn.size} channels, two to a frequency, got {2 * z.shape[-1]}"
        )
    return from_complex(z * turn, "half_split")


def cosine_between(first: ArrayLike, second: ArrayLike, inv_freq: ArrayLike, length: int) -> Float64:
    """The mean cosine between the vectors of two clouds after the rotation, from their mean directions.

    Both means have shape `(..., 2·pairs)`. Raises ValueError as `rotated_mean`.

    >>> key, query = [0.6, 0.8, 0.0, 0.0], [-0.6, 0.8, 0.0, 0.0]  # opposed in the pair that turns
    >>> round(float(cosine_between(key, query, [1.0, 0.0], 1)), 2)  # -0.36 + 0.64
    0.28
    >>> round(float(cosine_between(key, query, [1.0, 0.0], 100_000)), 2)  # what held them apart is gone
    0.64
    """
    a, b = (rotated_mean(mean, inv_freq, length) for mean in (first, second))
    cosine: Float64 = np.sum(a * b, axis=-1)
    return cosine
