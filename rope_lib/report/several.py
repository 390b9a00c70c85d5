"""What several texts and several kinds of layers have in common, and where they differ."""

from collections.abc import Collection, Sequence
from dataclasses import fields

import pandas as pd

from rope_lib.measure.tables import Sweep


def of_layers(sweep: Sweep, layers: Collection[int]) -> Sweep:
    """A sweep without the rows of other layers; losses, which belong to no layer, stay.

    Raises ValueError where no layer would be left.
    """
    kept = {}
    for each in fields(sweep):
        table = getattr(sweep, each.name)
        if isinstance(table, pd.DataFrame) and "layer" in table:
            table = table[table.layer.isin(layers)]
            if table.empty:
                raise ValueError(f"layers must be among those of the sweep, got {sorted(layers)}")
        kept[each.name] = table
    return Sweep(**kept)


def ranged(values: Sequence[float], digits: int) -> str:
    """One value as it is; of several the mean, with the lowest and the highest.

    >>> ranged([2.5], 2), ranged([2.25, 2.75], 2), ranged([2.5, 2.5], 1)
    ('2.50', '2.50 (2.25 to 2.75)', '2.5 (2.5 to 2.5)')
    """
    mean = f"{sum(values) / len(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def spanned(values: Sequence[float], digits: int) -> str:
    """The lowest and the highest of some values, or the one that they all are.

    >>> spanned([10_240, 10_496], 0), spanned([1.25], 2)
    ('10,240 to 10,496', '1.25')
    """
    ends = dict.fromkeys(f"{each:,.{digits}f}" for each in (min(values), max(values)))
    return " to ".join(ends)
