"""Numbers as the prose of the book writes them."""

from collections.abc import Mapping, Sequence

import numpy as np


def minus(text: str) -> str:
    """The text with a minus sign in place of each hyphen.

    >>> minus("-0.25")
    '−0.25'
    """
    return text.replace("-", "−")


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, plus or minus.

    >>> signed(0.5), signed(-1.26, 1)
    ('+0.50', '−1.3')
    """
    return minus(f"{value:+.{digits}f}")


def listed(names: Sequence[str]) -> str:
    """Several names in a sentence.

    >>> listed(["one"]), listed(["one", "two"]), listed(["one", "two", "three"])
    ('one', 'one and two', 'one, two and three')
    """
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


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
