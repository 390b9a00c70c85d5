"""Checks of the values in a model's files, and how messages show them.

A check takes the full name of a key and its value, and returns the value in its normal form or raises
ValueError: one line with the key, what was expected, and the value. Those of `theory.arguments` check arrays
instead.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeVar

from .limits import LIMITS, LONGEST, MOST_AXES, MOST_SCALING_KEYS

Json: TypeAlias = Any  # a value of a JSON file
JsonObject: TypeAlias = dict[str, Json]
Value = TypeVar("Value")
Check: TypeAlias = Callable[[str, Json], Value]


def whole_number_to(limit: int) -> Check[int]:
    """A check for whole numbers from 1 to `limit`; JSON writes some as 4096.0.

    >>> whole_number_to(100)("num_hidden_layers", 32.0)
    32
    """

    def check(key: str, value: Json) -> int:
        if not _is_number(value) or value != int(value) or not 1 <= value <= limit:
            raise ValueError(f"{key} must be a whole number from 1 to {limit}, got {shown(value)}")
        return int(value)

    return check


length_in_tokens = whole_number_to(LONGEST)


def whole_number_from_zero(key: str, value: Json) -> int:
    """A whole number from 0 to `LONGEST`."""
    if not _is_number(value) or value != int(value) or not 0 <= value <= LONGEST:
        raise ValueError(f"{key} must be a whole number from 0 to {LONGEST}, got {shown(value)}")
    return int(value)


def rope_base(key: str, value: Json) -> float:
    """A base: a number above 1.

    >>> rope_base("rope_theta", 1)
    Traceback (most recent call last):
    ValueError: rope_theta must be a finite number > 1, got 1
    """
    if not _is_number(value) or not 1 < value < 1e300:
        raise ValueError(f"{key} must be a finite number > 1, got {shown(value)}")
    return float(value)


def rope_base_or_zero(key: str, value: Json) -> float:
    """A base, or 0 for layers that do not rotate."""
    return 0 if _is_number(value) and value == 0 else rope_base(key, value)


def positive_number(key: str, value: Json) -> float:
    """A number above 0."""
    if not _is_number(value) or not 0 < value < 1e300:
        raise ValueError(f"{key} must be a finite number > 0, got {shown(value)}")
    return float(value)


def share_of_head(key: str, value: Json) -> float:
    """The share of a head that rotates: above 0, at most 1."""
    if not _is_number(value) or not 0 < value <= 1:
        raise ValueError(f"{key} must be a number above 0 and at most 1, got {shown(value)}")
    return float(value)


def json_object(key: str, value: Json) -> JsonObject:
    """A JSON object."""
    if not isinstance(value, dict):
        raise ValueError(f"{key} must be an object, got {shown(value)}")
    return value


def scaling_object(key: str, value: Json) -> JsonObject:
    """A JSON object that describes a scaling: of at most `MOST_SCALING_KEYS` entries."""
    given = json_object(key, value)
    if len(given) > MOST_SCALING_KEYS:
        raise ValueError(f"{key} must have at most {MOST_SCALING_KEYS:,} entries, got {len(given):,}")
    return given


def true_or_false(key: str, value: Json) -> bool:
    """A JSON boolean."""
    if not isinstance(value, bool):
        raise ValueError(f"{key} must be true or false, got {shown(value)}")
    return value


def layer_numbers(key: str, value: Json, num_layers: int) -> set[int]:
    """Layers of a model, counted from 0.

    >>> sorted(layer_numbers("full_attn_idxs", [2, 5], 8))
    [2, 5]
    """
    if not isinstance(value, list) or any(type(layer) is not int for layer in value):
        raise ValueError(f"{key} must list layers, counted from 0, got {shown(value)}")
    if value and not 0 <= min(value) <= max(value) < num_layers:
        outside = min(value) if min(value) < 0 else max(value)
        raise ValueError(f"{key} must list layers from 0 to {num_layers - 1}, got {shown(outside)}")
    return set(value)


def scaling_parameter(key: str, value: Json) -> Json:
    """What a scaling may read: true, false, a finite number, or at most so many of these as pairs."""
    values = value if isinstance(value, list) else [value]
    if len(values) > LIMITS["head_dim"] // 2:
        raise ValueError(f"{key} must list at most {LIMITS['head_dim'] // 2:,} numbers, got {len(values):,}")
    if not all(isinstance(one, bool) or _is_number(one) for one in values):
        raise ValueError(f"{key} must be a finite number, or a list of some, got {shown(value)}")
    return value


def pairs_of_axes(key: str, value: Json) -> list[int]:
    """How many pairs of channels each axis has."""
    if isinstance(value, list) and len(value) > MOST_AXES:
        raise ValueError(f"{key} must list at most {MOST_AXES} axes, got {len(value):,}")
    if not isinstance(value, list) or any(type(pairs) is not int or pairs < 0 for pairs in value):
        raise ValueError(f"{key} must list whole numbers of pairs, got {shown(value)}")
    return value


def must_agree(key: str, value: Json, other_key: str, other: Json) -> None:
    """Raise ValueError where two keys state different values of one quantity."""
    if value != other:
        raise ValueError(f"{key} and {other_key} must agree, got {shown(value)} and {shown(other)}")


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(_as_float(value))


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond float64
        return math.inf


def shown(value: object) -> str:
    """A value in a message: one short line, whatever it holds.

    >>> shown([1, 2, 3]), shown("a\\nb")
    ('a list of 3 entries', "'a\\\\nb'")
    """
    if isinstance(value, dict | list | tuple):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)} entries"
    if isinstance(value, str | bytes):
        value = value[:100]
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return "an integer of thousands of digits"
    return shortened(text)


def shortened(text: str, length: int = 60) -> str:
    """Text of a file or a path, fit for one line: printable characters, and no more than `length` of them.

    >>> shortened("a" * 100, length=10)
    'aaaaaaa...'
    """
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[: length + 1])
    return text if len(text) <= length else text[: length - 3] + "..."


def listed(names: Iterable[object]) -> str:
    """Keys of a file in a message: at most eight, sorted, on one line.

    >>> listed("badc")
    'a, b, c, d'
    """
    short = sorted(shortened(str(name)) for name in names)
    return ", ".join(short[:8]) + (f" and {len(short) - 8} more" if len(short) > 8 else "")
