"""The number types of the theory, and the checks of arguments that all of its functions share.

Each check takes the name and the value of an argument and returns the value as a float64 array, without axes
for a single number. It raises `ValueError` in one clear line: the name, the range allowed, the value given.
"""

from collections.abc import Callable, Collection
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Complexes: TypeAlias = NDArray[np.complex128]

# What a function that broadcasts returns: a scalar if every argument is a single number, else an array.
Float64: TypeAlias = np.float64 | Floats

Check: TypeAlias = Callable[..., Floats]


def _checked(name: str, value: object, allowed: str, valid: Callable[[Floats], NDArray[np.bool_]]) -> Floats:
    """`value` as a float64 array of which every element is `valid`; raises ValueError for anything else."""
    if isinstance(value, list | tuple) and any(isinstance(item, bool) for item in value):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")  # numpy would read true as 1
    array = None
    try:
        given = np.asarray(value)
        # An object array may hold whole numbers beyond 64 bits. The cast of a long double may overflow.
        with np.errstate(over="ignore"):
            if given.dtype.kind in "iufO" and given.size:
                array = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        pass
    if array is None:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    with np.errstate(invalid="ignore"):
        bad = np.argwhere(~valid(array))
    if len(bad):
        index = tuple(bad[0].tolist())
        where = f" at index {list(index)}" if index else ""
        raise ValueError(f"{name} must be {allowed}, got {given[index]}{where}")
    return array


def positive(name: str, value: object) -> Floats:
    """Finite numbers above zero.

    >>> positive("context", [2048, 4096])
    array([2048., 4096.])
    >>> positive("context", -1)
    Traceback (most recent call last):
    ValueError: context must be a finite number > 0, got -1
    """
    return _checked(name, value, "a finite number > 0", lambda x: np.isfinite(x) & (x > 0))


def above_one(name: str, value: object) -> Floats:
    """Finite numbers above one: a RoPE base.

    >>> above_one("base", 10_000)
    array(10000.)
    """
    return _checked(name, value, "a finite number > 1", lambda x: np.isfinite(x) & (x > 1))


def at_least_one(name: str, value: object) -> Floats:
    """Finite numbers of at least one: a factor that stretches.

    >>> at_least_one("factor", [1, 8])
    array([1., 8.])
    """
    return _checked(name, value, "a finite number of at least 1", lambda x: np.isfinite(x) & (x >= 1))


def not_negative(name: str, value: object) -> Floats:
    """Finite numbers of at least zero.

    >>> not_negative("mscale", 0)
    array(0.)
    """
    return _checked(name, value, "a finite number of at least 0", lambda x: np.isfinite(x) & (x >= 0))


def share(name: str, value: object) -> Floats:
    """Numbers from zero to one, both included.

    >>> share("p", [0, 0.75, 1])
    array([0.  , 0.75, 1.  ])
    """
    return _checked(name, value, "a number from 0 to 1", lambda x: (x >= 0) & (x <= 1))


def finite(name: str, value: object) -> Floats:
    """Finite real numbers.

    >>> finite("x", [[-1.5, 2]])
    array([[-1.5,  2. ]])
    """
    return _checked(name, value, "a finite number", np.isfinite)


def open_unit(name: str, value: object) -> Floats:
    """Numbers strictly between zero and one.

    >>> open_unit("epsilon", 0.95)
    array(0.95)
    """
    return _checked(name, value, "a number in (0, 1)", lambda x: (x > 0) & (x < 1))


def whole(name: str, value: object, minimum: int) -> Floats:
    """Whole numbers from `minimum` to 2^53: up to there float64 holds every one.

    >>> whole("layers", 1.5, 1)
    Traceback (most recent call last):
    ValueError: layers must be a whole number from 1 to 2^53, got 1.5
    """
    allowed = f"a whole number from {minimum} to 2^53"
    return _checked(name, value, allowed, lambda x: (x == np.rint(x)) & (x >= minimum) & (x <= 2**53))


def even(name: str, value: object, minimum: int) -> Floats:
    """Even whole numbers from `minimum` to 2^53: a head size.

    >>> even("head_dim", [64, 80], 2)
    array([64., 80.])
    """
    allowed = f"an even number from {minimum} to 2^53"
    return _checked(name, value, allowed, lambda x: (x % 2 == 0) & (x >= minimum) & (x <= 2**53))


def one(check: Check, name: str, value: object, *limits: int) -> float:
    """A single number that passes `check`, as a float; `limits` are further arguments of the check.

    >>> one(even, "head_dim", 128, 2)
    128.0
    >>> one(above_one, "base", [10_000, 500_000])
    Traceback (most recent call last):
    ValueError: base must be a single number, got shape (2,)
    """
    array = check(name, value, *limits)
    if array.ndim:
        raise ValueError(f"{name} must be a single number, got shape {array.shape}")
    return float(array)


def on_one_axis(name: str, array: Floats, axis: str) -> Floats:
    """`array` of one axis; the error says what it counts.

    >>> on_one_axis("positions", np.float64(3), "the tokens")
    Traceback (most recent call last):
    ValueError: positions must have one axis, the tokens, got shape ()
    """
    if array.ndim != 1:
        raise ValueError(f"{name} must have one axis, {axis}, got shape {array.shape}")
    return array


def held(name: str, value: ArrayLike, result: Float64) -> Float64:
    """`result`, of a function that grows with the argument `name`; raises ValueError where it overflowed.

    >>> float(held("context", 1e3, np.float64(1e6)))
    1000000.0
    >>> held("context", 1e300, np.float64(np.inf))
    Traceback (most recent call last):
    ValueError: context must be small enough for a result below 1.8e308, got 1e+300
    """
    if not np.all(np.isfinite(result)):
        raise ValueError(f"{name} must be small enough for a result below 1.8e308, got {np.max(value)}")
    return result


def one_of(name: str, value: object, choices: Collection[str]) -> str:
    """One of the names in `choices`.

    >>> one_of("layout", "spiral", ["half_split", "interleaved"])
    Traceback (most recent call last):
    ValueError: layout must be one of half_split, interleaved, got 'spiral'
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value
