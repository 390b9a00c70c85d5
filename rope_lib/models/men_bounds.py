"""The base that Men et al. (2405.14591) ask for, from a table: computing it takes up to minutes."""

import csv
from functools import lru_cache
from pathlib import Path

_FILE = Path(__file__).with_name("men_bounds.csv")


@lru_cache(maxsize=1)
def men_bounds() -> dict[tuple[float, int], float]:
    """`theory.rivals.men_minimum_base` by (context in tokens, head_dim), as tools/men_bounds.py computed it.

    >>> round(men_bounds()[1024, 128])
    4293
    """
    with _FILE.open(encoding="utf-8", newline="") as file:
        return {
            (float(row["context"]), int(row["head_dim"])): float(row["base"]) for row in csv.DictReader(file)
        }


def men_bound(context: float, head_dim: int) -> float | None:
    """The tabulated base for one context and head size, or None where the table has no such row.

    >>> men_bound(1025, 128) is None
    True
    """
    return men_bounds().get((float(context), int(head_dim)))
