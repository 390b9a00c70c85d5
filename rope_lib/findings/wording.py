"""Numbers as the prose of the book writes them."""

from collections.abc import Iterable, Mapping

import numpy as np


def minus(text: str) -> str:
    """The text with a minus sign in place of each hyphen.

    >>> minus("-0.25")
    '−0.25'
    """
    return text.replace("-", "−")


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, plus or minus; a dash for NaN.

    >>> signed(0.5), signed(-1.26, 1), signed(float("nan"))
    ('+0.50', '−1.3', '–')
    """
    if np.isnan(value):
        return "–"
    return minus(f"{value:+.{digits}f}")


def and_list(names: Iterable[object]) -> str:
    """Names as a sentence lists them, "none" where there are none.

    >>> and_list("abc"), and_list(["a", "b"]), and_list([])
    ('a, b and c', 'a and b', 'none')
    """
    *first, last = [str(name) for name in names] or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def rounded_up(value: float, digits: int) -> str:
    """A bound in so many decimals that stays true: the smallest such number that is not below `value`.

    >>> rounded_up(0.0312, 2)
    '0.04'
    """
    return f"{np.ceil(10**digits * value) / 10**digits:.{digits}f}"


def with_interval(found: Mapping[str, float], form: str) -> str:
    """A mean and its interval in the format `form`: `found` maps mean, low and high to numbers.

    The interval of a share, a mean from 0 to 1 that is written in percent, is cut to what a share can be.

    >>> with_interval({"mean": 0.97, "low": 0.92, "high": 1.02}, ".0%")
    '97% (92% to 100%)'
    >>> with_interval({"mean": -0.2, "low": -0.3, "high": -0.1}, ".1f")
    '−0.2 (−0.3 to −0.1)'
    """
    share = form.endswith("%") and 0 <= found["mean"] <= 1
    mean, *ends = (found[name] for name in ("mean", "low", "high"))
    low, high = (min(max(end, 0.0), 1.0) if share else end for end in ends)
    return minus(f"{mean:{form}} ({low:{form}} to {high:{form}})")
