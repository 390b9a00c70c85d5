"""The two published bounds that a reader should set beside paper A's.

Men et al. (2405.14591) ask that the similarity of the whole bank never turn negative within the context.
Liu et al. (2310.05209) count the channels that completed a turn during training. Each is here for a base, as
published, and for any spectrum. Lengths and distances are in tokens, frequencies in radians per token.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import (
    Float64,
    Floats,
    above_one,
    even,
    finite,
    held,
    not_negative,
    on_one_axis,
    one,
    positive,
    whole,
)
from .dips import EPSILON, dips, uncertainty
from .islands import all_bad_below
from .oscillators import frequencies
from .precision import exact_phase, exact_phase_of

# Distances searched for a negative similarity, unless the caller sets another limit.
LIMIT = 10_000_000

# How far above the bases shown to fail, relatively, `men_minimum_base` looks for one that passes: by turns.
GAPS = (1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6)


def first_negative(inv_freq: ArrayLike, limit: int = LIMIT) -> int | None:
    """The first distance m from 1 to `limit` at which Σ_i cos(m·θ_i) < 0 over a spectrum, or None.

    The criterion of Men et al. for the frequencies `inv_freq` `(pairs,)` that a model turns by, after any
    retrofit; a pair that does not rotate counts as a cosine of 1. A sum too close to zero for float64 is
    recomputed from the exact phases. Raises ValueError for frequencies that are not finite numbers on one
    axis, or a limit that is not a whole number ≥ 1.

    >>> first_negative([1.0]), first_negative([0.0, 0.0], limit=100)
    (2, None)
    >>> first_negative(frequencies(10_000, 128) / 8)  # linear scaling by 8 reaches some 8 times as far
    13649
    """
    freqs = on_one_axis("inv_freq", finite("inv_freq", inv_freq), "the pairs")
    return _first_negative(freqs, limit, lambda distances: exact_phase_of(distances, freqs))


def men_first_negative(base: float, head_dim: int, limit: int = LIMIT) -> int | None:
    """`first_negative` for the bank of a base, whose frequencies are taken before any rounding to float64.

    Men et al. read it as the longest context that the base supports. Raises ValueError for a base not above
    1, a head_dim not even and at least 2, or a limit that is not a whole number ≥ 1.

    >>> men_first_negative(10_000, 128)
    1707
    >>> men_first_negative(500_000, 128, limit=18_000) is None
    True
    """
    base, head_dim = one(above_one, "base", base), int(one(even, "head_dim", head_dim, 2))
    bank = frequencies(base, head_dim)
    blur = (2 + np.log(base)) * EPSILON  # the exponent's rounding counts ln base times
    return _first_negative(bank, limit, lambda distances: exact_phase(distances, base, head_dim), blur)


def _first_negative(
    freqs: Floats, limit: int, exact_phases: Callable[[Floats], Floats], blur: float = 0.0
) -> int | None:
    """The first distance of a negative sum; `exact_phases` decide where float64 leaves the sign open."""
    limit = int(one(whole, "limit", limit, 1))
    for distances, sums in dips(freqs, 1, limit + 1, blur):
        doubt = uncertainty(freqs, float(distances[-1]), blur)
        negative = sums < -doubt
        certain = int(np.argmax(negative)) if negative.any() else negative.size
        doubtful = np.flatnonzero(sums[:certain] <= doubt)
        if doubtful.size:
            negative[doubtful] = np.cos(exact_phases(distances[doubtful])).sum(axis=-1) < 0
        if negative.any():
            return int(distances[np.argmax(negative)])
    return None


def men_minimum_base(context: int, head_dim: int) -> float:
    """The least base with Σ_i cos(m·θ_i) ≥ 0 for every whole distance m from 1 to `context`.

    It is the infimum that Men et al. define, over all bases above 1. No smaller base passes, but some larger
    ones fail: bases that pass lie in islands among others that do not. The value returned passes, and every
    base below it by more than a relative 1e-6 (from 16 channels on, 1e-9) is shown to fail, see
    `islands.all_bad_below`. Raises ValueError for a context that is not a whole number ≥ 1, or a head_dim not
    even and at least 4, and ArithmeticError where float64 cannot tell the sums from zero: at head_dim 4, for
    355 tokens or more.

    >>> round(men_minimum_base(1_000, 128))
    4206
    >>> [men_first_negative(base, 64, limit=65_536) for base in (4.868e6, 4.9e6)]  # an island, and above it
    [None, 50745]
    """
    context = int(one(whole, "context", context, 1))
    head_dim = int(one(even, "head_dim", head_dim, 4))
    failing = np.exp(all_bad_below(head_dim, context))
    for gap in GAPS:
        base = float(failing * (1 + gap))
        if men_first_negative(base, head_dim, limit=context) is None:
            return base
    raise ArithmeticError(
        f"the least base for a context of {context} and head_dim {head_dim} lies near {failing:.6g}, "
        "where float64 cannot tell the sums from zero"
    )


def liu_critical_dimension(
    train_length: ArrayLike, head_dim: ArrayLike, base: ArrayLike
) -> int | NDArray[np.int64]:
    """Channels whose oscillator completed a turn during training: d_extra = 2⌈(d/2)·log_base(T/2π)⌉.

    At most `head_dim`. Source: Liu et al. 2310.05209. Raises ValueError for a `train_length` of 2π tokens or
    fewer, in which no oscillator completes a turn; a `head_dim` not even and at least 2; a base not above 1.

    >>> liu_critical_dimension(4096, 128, 10_000)
    92
    """
    channels = even("head_dim", head_dim, 2)
    pairs = np.ceil(channels / 2 * _log_turns("train_length", train_length) / np.log(above_one("base", base)))
    dimension: NDArray[np.int64] = np.minimum(2 * pairs, channels).astype(np.int64)
    return int(dimension) if dimension.ndim == 0 else dimension


def liu_critical_base(train_length: ArrayLike, tune_length: ArrayLike, base: ArrayLike = 10_000.0) -> Float64:
    """The base β₀ above which tuning at `tune_length` extrapolates: base^(log_{T_train/2π}(T_tune/2π)).

    For a model trained at `train_length` with `base`. Source: Liu et al. 2310.05209. Raises ValueError for a
    length of 2π tokens or fewer, or a base not above 1.

    >>> float(liu_critical_base(4096, 16_384).round())
    71738.0
    """
    exponent = _log_turns("tune_length", tune_length) / _log_turns("train_length", train_length)
    with np.errstate(over="ignore"):
        return held("tune_length", tune_length, above_one("base", base) ** exponent)


def liu_extrapolation_limit(
    train_length: ArrayLike, head_dim: ArrayLike, base: ArrayLike, tuned_base: ArrayLike
) -> Float64:
    """Longest context of a model trained with `base`, then tuned with `tuned_base`.

    T_extra = 2π·β^(d_extra/d): the period of the first pair that completed no turn in training. An untuned
    model has `tuned_base` = `base`; if it has such a pair, its limit lies between T and T·base^(2/d),
    whatever the model does. Liu et al. (2310.05209) state the limit for tuned bases above
    `liu_critical_base` of the tuning length; check that separately. Raises ValueError as
    `liu_critical_dimension`, and for a `tuned_base` not above 1.

    >>> float(liu_extrapolation_limit(4096, 128, 10_000, 1_000_000).round())
    129027.0
    """
    dimension = liu_critical_dimension(train_length, head_dim, base)
    with np.errstate(over="ignore"):
        limit = 2 * np.pi * above_one("tuned_base", tuned_base) ** (dimension / even("head_dim", head_dim, 2))
    return held("tuned_base", tuned_base, limit)


def longest_with_seen_angles(inv_freq: ArrayLike, trained_inv_freq: ArrayLike, trained: float) -> float:
    """Tokens at which a pair of the spectrum `inv_freq` first turns farther than it did in training.

    Training at `trained_inv_freq` on `trained` tokens shows a pair all angles up to the trained length times
    its frequency, and every angle once it has completed a turn. Both spectra have shape `(pairs,)`. Infinite
    if no pair meets an angle that it has not seen. With the spectrum unchanged it is the trained length: a
    stricter reading of Liu et al. 2310.05209, whose limit is the period of the fastest pair that completed no
    turn. Raises ValueError for frequencies that are not finite numbers ≥ 0, two shapes, or a trained length
    that is not positive.

    >>> longest_with_seen_angles([1.0, 5e-4], [1.0, 1e-3], 1_000)
    2000.0
    """
    return float(np.min(seen_by_each_pair(inv_freq, trained_inv_freq, trained), initial=np.inf))


def seen_by_each_pair(inv_freq: ArrayLike, trained_inv_freq: ArrayLike, trained: float) -> Floats:
    """`longest_with_seen_angles` of each pair by itself: tokens, shape `(pairs,)`.

    >>> seen_by_each_pair([1.0, 5e-4, 0.0], [1.0, 1e-3, 1e-4], 1_000)
    array([  inf, 2000.,   inf])
    """
    now, before = not_negative("inv_freq", inv_freq), not_negative("trained_inv_freq", trained_inv_freq)
    if now.shape != before.shape:
        raise ValueError(f"trained_inv_freq must have the shape of inv_freq {now.shape}, got {before.shape}")
    trained = one(positive, "trained", trained)
    limited = (before * trained < 2 * np.pi) & (now > 0)
    reaches = np.full(now.shape, np.inf)
    reaches[limited] = trained * before[limited] / now[limited]
    return reaches


def _log_turns(name: str, length: ArrayLike) -> Floats:
    """ln(T/2π): the fastest oscillator, one radian per token, needs 2π tokens for a turn."""
    turns = positive(name, length) / (2 * np.pi)
    if np.any(turns <= 1):
        raise ValueError(f"{name} must be longer than 2π tokens, got {np.min(length)}")
    logarithm: Floats = np.log(turns)
    return logarithm
