"""The sweep on which paper B's observations are tested: the packaged model on the book's text."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rope_lib.measure.tables import Sweep


@cache
def observed() -> tuple[Sweep, list[int], list[int]]:
    """The sweep, its lengths within the training length, and its lengths beyond: both ascending, in tokens.

    The last length within is the training length itself.
    """
    from rope_lib.measure.reference import reference_sweep  # brings torch, which other claims do without

    sweep, trained = reference_sweep()
    lengths = sorted(int(length) for length in sweep.heads.length.unique())
    return sweep, [n for n in lengths if n <= trained], [n for n in lengths if n > trained]
