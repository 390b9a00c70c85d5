"""What the parameters of a notebook may be: a range for each, and one clear line for a value out of it.

A notebook states its ranges right after its parameters; the book makes a table of them.

    hold(globals(), base=real(1.5, 1e12), head_dim=whole(4, 1_024, step=2), shifts=each(whole(0, 10**9)))
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from reprlib import repr as short
from typing import Any

WRONG = "At these parameters the text is wrong to say that"  # how `stated` begins


class ParameterError(ValueError):
    """A parameter out of its range. A notebook shows its message alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


@dataclass(frozen=True)
class Range:
    """The values that a parameter may have: in words, after "must be", and as a test of one value."""

    allowed: str
    accepts: Callable[[Any], bool]


def is_number(value: Any, kind: type = Real) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def whole(low: int, high: int, *, step: int = 1) -> Range:
    """Whole numbers from `low` to `high`, both included; with a `step`, only its multiples.

    >>> whole(4, 1024, step=2).allowed
    'an even number from 4 to 1,024'
    >>> whole(1, 9).accepts(9), whole(1, 9).accepts(9.0), whole(1, 9).accepts(True)
    (True, False, False)
    """
    kind = {1: "a whole number", 2: "an even number"}.get(step, f"a multiple of {step}")
    return Range(
        f"{kind} from {low:,} to {high:,}",
        lambda value: is_number(value, Integral) and low <= value <= high and value % step == 0,
    )


def real(low: float, high: float) -> Range:
    """Numbers from `low` to `high`, both included.

    >>> real(1.5, 1e12).allowed
    'a number from 1.5 to 1e+12'
    >>> real(0, 1).accepts(float("nan"))
    False
    """
    return Range(
        f"a number from {low:g} to {high:g}", lambda value: is_number(value) and low <= value <= high
    )


def between(low: float, high: float) -> Range:
    """Numbers above `low` and below `high`, such as a tolerance.

    >>> between(0, 1).accepts(0.95), between(0, 1).accepts(1.0)
    (True, False)
    """
    return Range(
        f"a number above {low:g} and below {high:g}", lambda value: is_number(value) and low < value < high
    )


def one_of(*choices: object) -> Range:
    """One of the values named.

    >>> one_of("float32", "bfloat16").allowed
    "'float32' or 'bfloat16'"
    """
    *most, last = map(repr, choices)
    words = f"{', '.join(most)} or {last}" if most else last
    return Range(words, lambda value: any(type(value) is type(each) and value == each for each in choices))


def named(meaning: str, names: Iterable[str]) -> Range:
    """One of names too many to list; `meaning` says whose names they are.

    >>> named("the name of a model of the atlas", ["Qwen3 8B"]).accepts("Qwen 4")
    False
    """
    known = frozenset(names)
    return Range(meaning, lambda value: isinstance(value, str) and value in known)


def each(
    item: Range,
    *,
    least: int = 1,
    most: int | None = None,
    among: Collection[object] = (),
    largest: Range | None = None,
) -> Range:
    """A list of `least` to `most` values, each in the range of `item`, with all of `among` among them.

    `largest` is a narrower range for the largest value.

    >>> each(whole(1, 64)).allowed
    'a list of 1 or more, each a whole number from 1 to 64'
    >>> each(whole(0, 64), most=6, among=(0, 8)).allowed
    'a list of 1 to 6, each a whole number from 0 to 64, with 0 and 8 among them'
    >>> each(whole(1, 64), largest=whole(9, 64)).allowed
    'a list of 1 or more, each a whole number from 1 to 64, the largest a whole number from 9 to 64'
    >>> each(whole(1, 64)).accepts([1, 65]), each(whole(1, 64)).accepts(8)
    (False, False)
    """
    words = f"a list of {f'{least} or more' if most is None else f'{least} to {most}'}, each {item.allowed}"
    words += f", the largest {largest.allowed}" if largest else ""
    words += f", with {' and '.join(f'{value:,}' for value in among)} among them" if among else ""

    def accepts(value: Any) -> bool:
        if not isinstance(value, list | tuple) or len(value) < least or (most and len(value) > most):
            return False
        inside = all(map(item.accepts, value)) and all(needed in value for needed in among)
        return inside and (largest is None or largest.accepts(max(value)))

    return Range(words, accepts)


def text(meaning: str) -> Range:
    """A text that is not empty, such as the name of a file; `meaning` says what it names.

    >>> text("the name of a file").accepts("")
    False
    """
    return Range(meaning, lambda value: isinstance(value, str) and bool(value.strip()))


def optional(item: Range) -> Range:
    """None, or a value in the range of `item`.

    >>> optional(whole(1, 9)).allowed
    'None, or a whole number from 1 to 9'
    """
    return Range(f"None, or {item.allowed}", lambda value: value is None or item.accepts(value))


def hold(values: Mapping[str, object], **ranges: Range) -> None:
    """Refuse the first of the named `values`, such as a notebook's `globals()`, that is out of its range.

    Raises ParameterError in one line: the name, what is allowed, and the value given.

    >>> hold({"head_dim": 128}, head_dim=whole(4, 1024, step=2))
    >>> hold({"head_dim": 7}, head_dim=whole(4, 1024, step=2))
    Traceback (most recent call last):
    rope_lib.parameters.ParameterError: head_dim must be an even number from 4 to 1,024, got 7
    """
    for name, allowed in ranges.items():
        if not allowed.accepts(values[name]):
            raise ParameterError(f"{name} must be {allowed.allowed}, got {short(values[name])}")


def stated(statement: str, holds: object) -> None:
    """Say, in a notebook, that a statement of its text does not hold at the parameters given; else nothing.

    The text is written for the default parameters, at which the tests let no such line pass.

    >>> stated("the bank first lets go", True)
    >>> stated("the bank first lets go", 1 > 2)
    At these parameters the text is wrong to say that the bank first lets go.
    """
    if not holds:
        print(f"{WRONG} {statement}.")
