"""Checks shared by every function of the theory: one clear line for each bad argument.

Each check takes the argument's name and value and returns the value as a float64 array, or raises
`ValueError` with the name, the offending value and the allowed range.
"""

import numpy as np


def _checked(name, value, allowed, valid):
    """`value` as a float64 array on which `valid` holds everywhere; what is no real number is refused."""
    if isinstance(value, list | tuple) and any(isinstance(item, bool) for item in value):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")  # numpy would read true as 1
    try:
        given = np.asarray(value)
        # An object array may hold whole numbers beyond 64 bits. The cast of a long double may overflow.
        with np.errstate(over="ignore"):
            array = given.astype(np.float64) if given.dtype.kind in "iufO" and given.size else None
    except (TypeError, ValueError, OverflowError):
        array = None
    if array is None:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    with np.errstate(invalid="ignore"):
        bad = np.argwhere(~valid(array))
    if len(bad):
        index = tuple(bad[0].tolist())
        where = f" at index {list(index)}" if index else ""
        raise ValueError(f"{name} must be {allowed}, got {given[index]}{where}")
    return array


def positive(name, value):
    """Finite numbers above zero.

    >>> positive("context", [2048, 4096])
    array([2048., 4096.])
    >>> positive("context", -1)
    Traceback (most recent call last):
    ValueError: context must be a finite number > 0, got -1
    """
    return _checked(name, value, "a finite number > 0", lambda x: np.isfinite(x) & (x > 0))


def above_one(name, value):
    """Finite numbers above one: a RoPE base."""
    return _checked(name, value, "a finite number > 1", lambda x: np.isfinite(x) & (x > 1))


def at_least_one(name, value):
    """Finite numbers of at least one: a factor that stretches."""
    return _checked(name, value, "a finite number of at least 1", lambda x: np.isfinite(x) & (x >= 1))


def not_negative(name, value):
    """Finite numbers of at least zero."""
    return _checked(name, value, "a finite number of at least 0", lambda x: np.isfinite(x) & (x >= 0))


def share(name, value):
    """Numbers from zero to one, both included."""
    return _checked(name, value, "a number from 0 to 1", lambda x: (x >= 0) & (x <= 1))


def finite(name, value):
    """Finite real numbers."""
    return _checked(name, value, "a finite number", np.isfinite)


def open_unit(name, value):
    """Numbers strictly between zero and one."""
    return _checked(name, value, "a number in (0, 1)", lambda x: (x > 0) & (x < 1))


def whole(name, value, minimum):
    """Whole numbers of at least `minimum`, and at most 2^53: up to there float64 holds every one."""
    allowed = f"a whole number from {minimum} to 2^53"
    return _checked(name, value, allowed, lambda x: (x == np.rint(x)) & (x >= minimum) & (x <= 2**53))


def even(name, value, minimum):
    """Even whole numbers of at least `minimum`: a head size."""
    allowed = f"an even number from {minimum} to 2^53"
    return _checked(name, value, allowed, lambda x: (x % 2 == 0) & (x >= minimum) & (x <= 2**53))


def one(check, name, value, *limits):
    """A single number that passes `check`, as a float.

    >>> one(above_one, "base", [10_000, 500_000])
    Traceback (most recent call last):
    ValueError: base must be a single number, got shape (2,)
    """
    array = check(name, value, *limits)
    if array.ndim:
        raise ValueError(f"{name} must be a single number, got shape {array.shape}")
    return float(array)


def held(name, value, result):
    """`result` of a function that grows with the argument `name`, refused where float64 cannot hold it."""
    if not np.all(np.isfinite(result)):
        raise ValueError(f"{name} must be small enough for a result below 1.8e308, got {np.max(value)}")
    return result


def one_of(name, value, choices):
    """One of the given names.

    >>> one_of("layout", "spiral", ["half_split", "interleaved"])
    Traceback (most recent call last):
    ValueError: layout must be one of half_split, interleaved, got 'spiral'
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value
