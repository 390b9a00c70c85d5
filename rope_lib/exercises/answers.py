"""Checks of answers in notebooks: the reader's value beside the true one, and a word on what went wrong.

A check runs the reader's function on several cases and compares each result with the true value. What it
refuses it refuses in one line, which names the call, both values, and the mistake where it is a known one.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

Function = Callable[..., Any]

# Ratios of a wrong answer to the true value that say where to look.
FACTORS = {
    "2π": 2 * math.pi,
    "4π": 4 * math.pi,
    "π": math.pi,
    "2": 2.0,
    "4": 4.0,
    "10": 10.0,
    "100": 100.0,
    "1,000": 1000.0,
    "1,024": 1024.0,
    "180/π": 180 / math.pi,
    "ln 10": math.log(10),
    "ln 2": math.log(2),
}


class WrongAnswer(AssertionError):
    """An answer that a check refuses; in a notebook it shows as its one line, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"Not yet: {self}"]


def check(
    answer: Function,
    cases: Iterable[Any],
    truth: Function,
    *,
    tolerance: float = 1e-6,
    near_zero: float = 1e-12,
    mistakes: Mapping[str, Function] | None = None,
) -> None:
    """Compare a reader's function with the true one on every case, and print what was right.

    `cases` are tuples of arguments; a case that is no tuple is a single argument. Both functions return a
    number, a text, True or False, or an array or list of such. A number passes within `tolerance` of the true
    value, relative, or within `near_zero`, absolute. `mistakes` are functions of the same arguments that make
    a known mistake, by the question to ask whoever made it. Raises `WrongAnswer`, in one line, for the first
    case that differs, and ValueError for a check without cases. What the reader's function raises passes
    through: a stub raises NotImplementedError.

    >>> def bound(context):
    ...     return context / 2
    >>> pi_forgotten = {"where is π?": lambda context: context / 2}
    >>> check(bound, [4096], lambda context: context / (2 * np.pi), mistakes=pi_forgotten)
    Traceback (most recent call last):
    rope_lib.exercises.answers.WrongAnswer: bound(4096) gives 2,048, the true value is 651.899: where is π?
    >>> check(bound, [2, 4], lambda context: context * 0.5)
    Right: bound(2) = 1, and 1 more case
    """
    listed = [case if isinstance(case, tuple) else (case,) for case in cases]
    if not listed:
        raise ValueError("cases must hold at least one case, got none")
    right = []
    for case in listed:
        given, true = answer(*case), truth(*case)
        call = f"{answer.__name__}({', '.join(map(_argument, case))})"
        if fault := fault_of(given, true, tolerance, near_zero):
            known = _known_mistake(given, case, mistakes or {}, tolerance, near_zero)
            raise WrongAnswer(f"{call} {fault if known is None else f'{_values(given, true)}: {known}'}")
        right.append(f"{call} = {_shown(true)}")
    others = len(right) - 1
    print(f"Right: {right[0]}" + (f", and {others} more case{'s'[: others > 1]}" if others else ""))


def fault_of(given: Any, true: Any, tolerance: float = 1e-6, near_zero: float = 1e-12) -> str | None:
    """What is wrong with an answer, in words that follow the call; None for a right one.

    >>> fault_of(None, 652.0)
    'returned None: does it end with a return?'
    >>> fault_of(4096.0, 4096 / (2 * np.pi))
    'gives 4,096, the true value is 651.899: yours is 2π times as large'
    """
    if given is None and true is not None:
        return "returned None: does it end with a return?"
    if isinstance(true, str | bool | np.bool_ | type(None)):
        same_type = isinstance(given, str) == isinstance(true, str) and np.ndim(given) == 0
        return None if same_type and bool(given == true) else _values(given, true)
    numbers = _numbers(given)
    if numbers is None:
        return f"must give numbers, got {_shown(given)} ({type(given).__name__})"
    expected = np.asarray(true, dtype=np.float64)
    if numbers.shape != expected.shape:
        return f"must give {_shape(expected)}, got {_shape(numbers)}"
    wrong = np.argwhere(~np.isclose(numbers, expected, rtol=tolerance, atol=near_zero, equal_nan=True))
    if not len(wrong):
        return None
    index = tuple(wrong[0].tolist())
    where = f" at index {list(index)}" if index else ""
    mine, yours = float(expected[index]), float(numbers[index])
    return _values(yours, mine, where) + _ratio(yours, mine, tolerance)


def _known_mistake(
    given: Any, case: tuple[Any, ...], mistakes: Mapping[str, Function], tolerance: float, near_zero: float
) -> str | None:
    """The word for the mistake that gives this answer in this case; None if no known one does."""
    for word, mistake in mistakes.items():
        if given is not None and fault_of(given, mistake(*case), tolerance, near_zero) is None:
            return word
    return None


def _numbers(given: Any) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """An answer as float64; None for what holds no numbers."""
    try:
        array = np.asarray(given)
    except ValueError:  # lists of different lengths
        return None
    return array.astype(np.float64) if array.dtype.kind in "iuf" else None


def _shape(array: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    return f"an array of shape {array.shape}" if array.ndim else "a single number"


def _values(given: Any, true: Any, where: str = "") -> str:
    """Both values, with as many digits as tell them apart."""
    shown, expected = _shown(given), _shown(true)
    if shown == expected:
        shown, expected = repr(given), repr(true)
    return f"gives {shown}{where}, the true value is {expected}"


def _ratio(given: float, true: float, tolerance: float) -> str:
    """What the ratio of two numbers gives away, as the end of a sentence."""
    if math.isnan(given) or not true or not given:
        return ""
    ratio = given / true
    if abs(ratio + 1) <= tolerance:
        return ": the sign is wrong"
    for name, factor in FACTORS.items():
        if abs(ratio / factor - 1) <= tolerance:
            return f": yours is {name} times as large"
        if abs(ratio * factor - 1) <= tolerance:
            return f": the true value is {name} times as large"
    return ""


def _shown(value: Any) -> str:
    """A value as a message shows it: six digits, thousands set off, long arrays cut."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    if isinstance(value, float | np.floating):
        return f"{float(value):,.6g}"
    if isinstance(value, list | tuple | np.ndarray):
        items = [_shown(item) for item in list(value)[:4]]
        return f"[{', '.join(items)}{', …' if len(value) > 4 else ''}]"
    return repr(value) if len(repr(value)) <= 40 else f"{type(value).__name__}(…)"


def _argument(value: Any) -> str:
    """A value as a call shows it: in Python's own spelling."""
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:_}"
    return repr(value) if isinstance(value, int | float) else _shown(value)
