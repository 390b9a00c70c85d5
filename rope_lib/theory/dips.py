"""The distances at which a bank's sum of cosines is negative, found without summing at every distance.

S(m) = Σ_i cos(m·θ_i) is one sum for each distance m, and few of them are near zero. A tree of blocks finds
those few. Take a block of distances within h of its center c. A pair with θ_i·h ≤ 1 is slow: it turns by at
most one radian between the center and an end. By Taylor's theorem the slow pairs sum to at least

    S_slow(c) - h·|S'_slow(c)| - h²/2·Σ_slow θ_i²

at every distance of the block, and each of the other pairs, the fast ones, adds at least -1. Where that is
positive, no sum of the block is negative and the block is done. Otherwise it is cut into 16 parts, which are
bounded in turn, with more pairs slow. The last cut leaves single distances, whose sums are taken. Distances
are in tokens, frequencies in radians per token.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .arguments import Complexes, Floats

CUT = 16  # parts of a block
LEVELS = 3  # cuts from a block of 16³ = 4,096 distances to single ones
BLOCK = CUT**LEVELS
MOST_BLOCKS = 16  # looked at together: 65,536 distances, whatever the range

EPSILON = float(np.finfo(float).eps)


def uncertainty(freqs: Floats, farthest: float, blur: float = 0.0) -> float:
    """A bound on the float64 error of Σ_i cos(m·θ_i), as `dips` computes it, for m up to `farthest`.

    `blur` bounds the relative error of the frequencies themselves. The product m·θ_i and its parts add 2 ε;
    cosines, sines and their products 8 ε for each pair; a sum of n pairs, 2·n terms of size 1, at most n² ε.

    >>> uncertainty(np.array([1.0, 0.1]), 10**7) < 1e-8
    True
    """
    pairs = freqs.size
    turned = (farthest + BLOCK) * float(np.abs(freqs).sum())  # the center of a block may lie beyond
    return float(EPSILON * (2 * pairs**2 + 8 * pairs) + (2 * EPSILON + blur) * turned)


def dips(freqs: Floats, start: int, stop: int, blur: float = 0.0) -> Iterator[tuple[Floats, Floats]]:
    """Every whole distance from `start` ≥ 0 to before `stop` whose sum may be negative, with its sum.

    Yields block after block as two arrays: rising distances, and Σ_i cos(m·θ_i) there, each sum within
    `uncertainty` of the true one. No distance left out has a negative sum. `freqs` is `(pairs,)`, each with a
    relative error up to `blur`.

    >>> freqs = 10_000.0 ** -(np.arange(0, 128, 2) / 128)
    >>> distances, sums = next(dips(freqs, 1_000, 2_000))
    >>> int(distances[sums < 0][0])
    1707
    """
    freqs = freqs[np.argsort(-np.abs(freqs))]
    cuts = [_Cut.of(freqs, BLOCK // CUT**cut) for cut in range(1, LEVELS + 1)]
    error = 2 * uncertainty(freqs, stop, blur)  # of a sum, and of h times a slope
    blocks = 1
    while start < stop:
        centers = np.arange(start, min(start + blocks * BLOCK, stop), BLOCK) + (BLOCK - 1) / 2
        distances, sums = _opened(centers, _unit(np.multiply.outer(centers, freqs)), cuts, error)
        inside = distances < stop
        if inside.any():
            yield distances[inside], sums[inside]
        start += blocks * BLOCK
        blocks = min(2 * blocks, MOST_BLOCKS)


def _unit(angles: Floats) -> Complexes:
    """exp(i·angles)."""
    numbers = np.empty(angles.shape, dtype=np.complex128)
    numbers.real, numbers.imag = np.cos(angles), np.sin(angles)
    return numbers


@dataclass(frozen=True)
class _Cut:
    """A cut of blocks into CUT parts, and what bounds the sums over the parts."""

    shifts: Floats  # from the center of a block to those of its parts: (CUT,)
    turns: Complexes  # exp(i·shifts·θ): (CUT, pairs)
    fast: int  # pairs that turn by over a radian from the center of a part, the first of the bank
    product: Floats  # from cosines and sines at the center of a block to S and h·S' at those of its parts
    slack: float  # what curvature and the fast pairs may take away

    @classmethod
    def of(cls, freqs: Floats, size: int) -> "_Cut":
        """The cut into parts of `size` distances of a bank ordered by falling |θ|."""
        half = (size - 1) / 2
        fast = int(np.sum(np.abs(freqs) * half > 1))
        shifts: Floats = size * (np.arange(CUT, dtype=np.float64) - (CUT - 1) / 2)
        turns = _unit(np.multiply.outer(shifts, freqs))
        # A complex array is one of real and imaginary parts in turn, and here its conjugate makes the sums.
        slow = turns[:, fast:].conj()
        rows = [slow]
        if half:  # of single distances, the sums are all
            rows.append(half * 1j * freqs[fast:] * slow)
        product = np.ascontiguousarray(np.concatenate(rows)).view(np.float64).T
        slack = fast + half**2 / 2 * float(np.sum(freqs[fast:] ** 2))
        return cls(shifts, turns, fast, product, slack)


def _opened(centers: Floats, phases: Complexes, cuts: list[_Cut], error: float) -> tuple[Floats, Floats]:
    """The distances whose sum may be negative in the blocks around `centers`, and their sums."""
    for cut in cuts:
        bounds = phases[:, cut.fast :].copy().view(np.float64) @ cut.product
        sums = bounds[:, :CUT]
        if bounds.shape[1] > CUT:
            bounds = sums - np.abs(bounds[:, CUT:])
        block, part = np.nonzero(bounds - cut.slack < error)
        centers = centers[block] + cut.shifts[part]
        if cut is not cuts[-1]:
            phases = phases[block] * cut.turns[part]
    return centers, sums[block, part]
