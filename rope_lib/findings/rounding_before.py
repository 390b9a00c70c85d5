"""What models of recall lost with rounded angles after a fixed number of steps: before `rounding`.

`summary` is that of the kept result `precision_fixed_steps`: the accuracy of each base and seed under
each variant, which its name describes: `float32_at_1000` is float32 angles with every position raised by
1,000. `kept` is accuracy over that of the same model on the same questions with float64 angles.
"""

import pandas as pd

from rope_lib.theory.bounds import precision_wall
from rope_lib.train.config import TRAINED

ARITHMETICS = ("bfloat16", "float16", "float32", "float64")
EXACT = "float64"

# Accuracies of one model with float64 angles may differ by this much between shifts and still count as equal.
EQUAL = 1e-3


def trials(summary: pd.DataFrame) -> pd.DataFrame:
    """One row for each base, seed, arithmetic and shift, with what it kept against float64 angles.

    Columns: base, seed, arithmetic, shift, accuracy, kept. The reference is float64 at no shift. Raises
    ValueError if float64 itself changes with the shift: then there is no reference.

    >>> from rope_lib.findings.kept import kept
    >>> table = trials(kept("precision_fixed_steps")[0]["summary"])
    >>> sorted(set(table.arithmetic)), sorted(set(table.base))
    (['bfloat16', 'float16', 'float32', 'float64'], [100, 10000, 1000000, 100000000])
    """
    named = summary[summary.variant != TRAINED]
    parts = named.variant.str.extract(r"^(?P<arithmetic>\w+)_at_(?P<shift>\d+)$")
    unknown = named.variant[~parts.arithmetic.isin(ARITHMETICS)]
    if len(unknown):
        raise ValueError(f"variants must be named <arithmetic>_at_<shift>, got {unknown.iloc[0]!r}")
    columns = {"arithmetic": parts.arithmetic, "shift": parts["shift"].astype(int)}
    table = named[["base", "seed"]].assign(**columns, accuracy=named.accuracy)
    change = float64_change(table)
    if not change <= EQUAL:
        raise ValueError(
            f"float64 angles must give one accuracy at every shift, got a change of {change:.4f}"
        )
    exact = table[(table.arithmetic == EXACT) & (table["shift"] == 0)].set_index(["base", "seed"])
    own = exact.loc[list(zip(table.base, table.seed, strict=True))]
    kept = table.accuracy.to_numpy() / own.accuracy.to_numpy()
    return table.assign(kept=kept).reset_index(drop=True)


def float64_change(table: pd.DataFrame) -> float:
    """The largest difference of one model's accuracy between two shifts under float64 angles."""
    exact = table[table.arithmetic == EXACT].groupby(["base", "seed"]).accuracy
    return float((exact.max() - exact.min()).max())


def sides_of_wall(table: pd.DataFrame) -> pd.DataFrame:
    """What models on either side of A5's wall keep, at the shift where each side keeps least.

    One row for each arithmetic that has bases on both sides: wall, below and beyond (the least, over shifts,
    of the mean of `kept` over bases and seeds), below_at and beyond_at (those shifts), and beyond_at_start:
    kept beyond the wall at the smallest shift.

    >>> from rope_lib.findings.kept import kept
    >>> found = sides_of_wall(trials(kept("precision_fixed_steps")[0]["summary"]))
    >>> found[["wall", "below", "beyond"]].round(2).values.tolist()
    [[128.0, 0.49, 0.93], [1024.0, 0.76, 1.0], [8388608.0, 0.89, 1.0]]
    """
    rows = {}
    for arithmetic, part in table.groupby("arithmetic"):
        wall = float(precision_wall(arithmetic))
        inside, outside = (
            rows_of_side.groupby("shift").kept.mean()
            for rows_of_side in (part[part.base < wall], part[part.base >= wall])
        )
        if len(inside) and len(outside):
            rows[arithmetic] = {
                "wall": wall,
                "below": float(inside.min()),
                "below_at": int(inside.idxmin()),
                "beyond": float(outside.min()),
                "beyond_at": int(outside.idxmin()),
                "beyond_at_start": float(outside.iloc[0]),
            }
    return pd.DataFrame.from_dict(rows, orient="index")
