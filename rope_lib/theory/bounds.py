"""Paper A's bounds on the RoPE base, and the Goldilocks zone between them (claims A2 to A6).

Every function takes scalars or arrays, broadcasts them, and returns float64: a scalar if all arguments are
single numbers, else an array. Lengths are in tokens; `epsilon` is the cosine similarity that the slowest
oscillator must keep over the context.

The paper takes 1/base for the lowest frequency, although its own definition θ_i = base^(-2(i-1)/d)
gives base^(-(d-2)/d). Without `head_dim` the functions follow the paper; with it they use the true
lowest frequency, which raises a bound X on the base to X^(d/(d-2)).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import Float64, above_one, even, held, one_of, open_unit, positive, whole

# Bits of the significand after the leading one: machine epsilon is 2^-bits.
SIGNIFICAND_BITS = {"bfloat16": 7, "float16": 10, "float32": 23, "float64": 52}


def allowed_drift(epsilon: ArrayLike = 0.95, layers: ArrayLike = 1) -> Float64:
    """The phase drift arccos(ε^(1/N)), in radians, that leaves N compounded cosines at ε.

    With N = 1 it is arccos ε. Computed as 2·arcsin(√((1 - e^-t)/2)) with t = -ln(ε)/N, since
    arccos(ε^(1/N)) loses every digit as ε^(1/N) approaches 1. Source: paper A, claims A3 and A4. Raises
    ValueError for an epsilon outside (0, 1) or layers that are not a whole number ≥ 1.

    >>> float(allowed_drift(0.95).round(6))
    0.31756
    """
    log_per_layer = np.log(open_unit("epsilon", epsilon)) / whole("layers", layers, 1)
    drift: Float64 = 2 * np.arcsin(np.sqrt(-np.expm1(log_per_layer) / 2))
    return drift


def aliasing_bound(context: ArrayLike, *, head_dim: ArrayLike | None = None) -> Float64:
    """Smallest base at which the slowest oscillator completes no full turn within `context` tokens.

    L < 2π·base, so the bound is L/2π. Source: paper A, claim A2. Raises ValueError for a context that
    is not positive and finite or a `head_dim` that is not even and at least 4.

    >>> float(aliasing_bound(4096).round(1))
    651.9
    >>> float(aliasing_bound(4096, head_dim=128).round(1))
    722.5
    """
    return _base_drifting(2 * np.pi, context, head_dim)


def stability_bound(
    context: ArrayLike,
    epsilon: ArrayLike = 0.95,
    *,
    layers: ArrayLike = 1,
    head_dim: ArrayLike | None = None,
) -> Float64:
    """Smallest base whose slowest oscillator keeps cosine similarity ε over `context` tokens.

    base ≥ L/arccos(ε^(1/N)): with `layers` = 1 the DC-stability bound (claim A3), with more the depth
    bound (claim A4). Raises ValueError for a context that is not positive and finite, an epsilon
    outside (0, 1), layers that are not a whole number ≥ 1, or a `head_dim` not even and at least 4.

    >>> float(stability_bound(4096).round())
    12898.0
    >>> stability_bound([2048, 4096], layers=32).round()
    array([36181., 72361.])
    """
    return _base_drifting(allowed_drift(epsilon, layers), context, head_dim)


def max_context(base: ArrayLike, epsilon: ArrayLike = 0.95, *, layers: ArrayLike = 1) -> Float64:
    """Longest context, in tokens, that a base serves: the inverse of `stability_bound` in the context.

    Source: paper A, claims A3 and A4. Raises ValueError for a base not above 1, and as `stability_bound`.

    >>> float(max_context(500_000, layers=32).round())
    28302.0
    """
    with np.errstate(over="ignore"):
        return held("base", base, above_one("base", base) * allowed_drift(epsilon, layers))


def precision_wall(dtype: str | ArrayLike = "float32") -> Float64:
    """The base at which the paper's phase increment 1/base reaches machine epsilon: 1/ε_mach.

    `dtype` is a name or an array of names among bfloat16, float16, float32, float64; machine epsilon is
    the spacing of numbers just above 1. Source: paper A, claim A5; the value 2^23 for float32 is second-hand.
    Raises ValueError for another name.

    >>> float(precision_wall())
    8388608.0
    >>> precision_wall(["bfloat16", "float16"])
    array([ 128., 1024.])
    """
    names = np.asarray(dtype, dtype=object)
    listed = names.ravel().tolist() or [dtype]  # an empty array names no type: the error shows it
    bits = [SIGNIFICAND_BITS[one_of("dtype", name, SIGNIFICAND_BITS)] for name in listed]
    wall: Float64 = np.exp2(np.array(bits, dtype=np.float64)).reshape(names.shape)[()]
    return wall


@dataclass(frozen=True)
class Zone:
    """Bases `lower` ≤ base < `upper`: scalars, or arrays of one shape.

    >>> zone = Zone(np.float64(144_722), np.float64(2**23))
    >>> 500_000 in zone, 10_000 in zone
    (True, False)
    """

    lower: Float64
    upper: Float64

    @property
    def is_empty(self) -> np.bool_ | NDArray[np.bool_]:
        """True where no base satisfies both bounds."""
        return self.lower >= self.upper

    def __contains__(self, base: ArrayLike) -> bool:
        """True where `base` lies in the zone; for arrays, where every base lies in its zone."""
        bases = np.asarray(base)
        return bool(np.all((self.lower <= bases) & (bases < self.upper)))


def goldilocks_zone(
    context: ArrayLike,
    *,
    epsilon: ArrayLike = 0.95,
    layers: ArrayLike = 1,
    dtype: str | ArrayLike = "float32",
) -> Zone:
    """The bases between the depth bound and the precision wall: [L/arccos(ε^(1/N)), 1/ε_mach).

    Source: paper A, claim A6. Raises ValueError as `stability_bound` and `precision_wall`.

    >>> zone = goldilocks_zone(8192, layers=32)
    >>> 500_000 in zone, bool(zone.is_empty)
    (True, False)
    >>> bool(goldilocks_zone(1_000_000, layers=32).is_empty)
    True
    """
    depth_bound = stability_bound(context, epsilon, layers=layers)
    lower, upper = np.broadcast_arrays(depth_bound, precision_wall(dtype))
    return Zone(lower[()], upper[()])  # scalars stay scalars


def _base_drifting(drift: float | Float64, context: ArrayLike, head_dim: ArrayLike | None) -> Float64:
    """The base whose slowest oscillator turns by `drift` radians in `context` tokens."""
    with np.errstate(over="ignore"):
        base = positive("context", context) / drift
        if head_dim is not None:
            # X^(d/(d-2)) as a product: the power would magnify the rounding of its exponent by ln X.
            base = base * base ** (2 / (even("head_dim", head_dim, 4) - 2))
    return held("context", context, base)
