"""What rounding does to the relative angles of an input's tokens, computed rather than measured.

Angles are in radians, positions and distances in tokens. `arithmetic` is the number type of the inverse
frequency, of the position and of their product; `shift` is what is added to every position.
"""

import numpy as np
from numpy.typing import NDArray

from rope_lib.theory.arguments import Floats
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.precision import Arithmetic, direct_product, phase_error, round_to

# A pair of channels counts as displaced where its relative angle is off by more than this: cos 0.5 ≈ 0.88.
DISPLACED = 0.5  # radians, root mean square


def displacements(
    base: float, head_dim: int, arithmetic: str, shift: int, length: int
) -> tuple[NDArray[np.intp], Floats]:
    """Errors of the relative angles between all pairs of tokens of an input: (distances, errors).

    The score of a query at q and a key at k depends on the difference of their angles, so an error that all
    positions share does no harm. The errors, shape (length·(length-1)/2, head_dim/2), are the rounded
    difference minus the exact (q-k)·θ_i, in [-π, π]; `distances` are the q-k > 0.

    >>> distances, errors = displacements(10_000, 4, "float32", 10**9, 3)
    >>> distances.tolist(), errors.round(2).tolist()
    ([1, 2, 1], [[-1.0, -0.01], [-2.0, -0.02], [-1.0, -0.01]])
    """
    positions = shift + np.arange(length)
    rounding = Arithmetic(arithmetic, arithmetic, "float32")
    cos, sin = direct_product(positions, base, head_dim, rounding)
    error = phase_error(cos, sin, positions, base, head_dim)
    query, key = np.tril_indices(length, -1)
    return query - key, np.remainder(error[query] - error[key] + np.pi, 2 * np.pi) - np.pi


def weights(distances: NDArray[np.intp]) -> Floats:
    """Weights of pairs of tokens, with sum 1, that make the distance log-uniform, as in the questions.

    >>> weights(np.array([1, 1, 4])).tolist()
    [0.4, 0.4, 0.2]
    """
    counts = np.bincount(distances)
    each = 1 / (distances * counts[distances])
    return each / each.sum()


def displaced(base: float, head_dim: int, arithmetic: str, shift: int, length: int) -> Floats:
    """Root mean square of `displacements` over pairs of tokens: radians, shape (head_dim/2,).

    >>> displaced(10_000, 4, "float32", 10**9, 3).round(2).tolist()
    [1.41, 0.01]
    """
    distances, errors = displacements(base, head_dim, arithmetic, shift, length)
    return np.sqrt(weights(distances) @ errors**2)


def equal_neighbors(base: float, head_dim: int, arithmetic: str, shift: int, length: int) -> float:
    """Share of neighboring tokens whose angles in the slowest pair round to the same number (claim A5).

    >>> equal_neighbors(10_000, 4, "float32", 0, 128), equal_neighbors(10_000, 4, "bfloat16", 10**6, 128)
    (0.0, 1.0)
    """
    frequency = round_to(frequencies(base, head_dim)[-1], arithmetic)
    positions = round_to(shift + np.arange(length), arithmetic)
    return float(np.mean(np.diff(round_to(positions * frequency, arithmetic)) == 0))
