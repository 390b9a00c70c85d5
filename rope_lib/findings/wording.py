"""Numbers as the prose of the book writes them."""

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


def rounded_up(value: float, digits: int) -> str:
    """A bound in so many decimals that stays true: the smallest such number that is not below `value`.

    >>> rounded_up(0.0312, 2)
    '0.04'
    """
    return f"{np.ceil(10**digits * value) / 10**digits:.{digits}f}"
