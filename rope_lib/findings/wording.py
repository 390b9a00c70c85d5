"""Numbers as the prose of the book writes them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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


def ends(values: Iterable[int]) -> str:
    """The least and the greatest of some whole numbers, or the one that all are.

    >>> ends([7, 3, 7]), ends([8, 8])
    ('3 to 7', '8')
    """
    numbers = sorted(values)
    return " to ".join(dict.fromkeys((f"{numbers[0]}", f"{numbers[-1]}")))


def tested(test: Mapping[str, Any]) -> str:
    """The outcome of a test of `findings.rivals.paired_tests`, as it follows what was compared.

    >>> tested({"seeds": 8, "mean": 0.02, "low": -0.01, "high": 0.05, "chance": 0.2, "outcome": "open"})
    '(difference +0.02, −0.01 to +0.05, p = 0.2: open)'
    """
    if test["seeds"] < 2:
        return "in one seed"
    difference = f"{signed(test['mean'])}, {signed(test['low'])} to {signed(test['high'])}"
    return f"(difference {difference}, p = {test['chance']:.2g}: {test['outcome']})"


def seeds_by_task(counts: Mapping[str, Sequence[int]], planned: int, preposition: str) -> str:
    """How many of the planned seeds each task has, by task where that differs; tasks by their names.

    >>> seeds_by_task({"recall": (1, 2), "copy": (1,)}, 3, "on")
    '2 of 3 on recall and 1 of 3 on copy'
    """
    tasks: dict[int, list[str]] = {}
    for task, seeds in counts.items():
        tasks.setdefault(len(seeds), []).append(task)
    if len(tasks) == 1:
        return f"{next(iter(tasks))} of {planned} {preposition} every task"
    return and_list(f"{count} of {planned} {preposition} {and_list(names)}" for count, names in tasks.items())


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
