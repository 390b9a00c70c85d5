"""What a rotation that was read wrongly comes to: phase errors of readings, and a model's loss."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd


def binned(losses: pd.DataFrame, bins: int) -> pd.DataFrame:
    """Mean losses in equal bins of positions: one row per bin, `end` and one column for each reading.

    `losses` has columns reading, position and nll.

    >>> table = pd.DataFrame({"reading": "a", "position": range(4), "nll": [1.0, 3.0, 2.0, 2.0]})
    >>> binned(table, 2).to_dict("list")
    {'end': [1, 3], 'a': [2.0, 2.0]}
    """
    wide = losses.pivot_table(index="position", columns="reading", values="nll")
    parts = [wide.iloc[places] for places in np.array_split(np.arange(len(wide)), bins)]
    return pd.DataFrame([{"end": int(part.index[-1]), **part.mean().to_dict()} for part in parts])


def outcomes(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> pd.DataFrame:
    """What programs make of models: one row for each, from the records of `models.loaders.record`.

    Columns: model, loader, outcome, worst (radians over the context, NaN where nothing is compared) and
    first_beyond_pi (the first position more than half a turn off, NaN where none is).
    """
    rows = []
    for model, readings in records.items():
        for record in readings:
            phases = [group["phase"] for group in record["groups"] if group["phase"] is not None]
            firsts = [phase["first_beyond_pi"] for phase in phases if phase["first_beyond_pi"] is not None]
            worst = np.nan if record["worst"] is None else record["worst"]
            first = min(firsts, default=np.nan)
            rows.append((model, record["loader"], record["outcome"], worst, first))
    return pd.DataFrame(rows, columns=["model", "loader", "outcome", "worst", "first_beyond_pi"])


def facts(table: pd.DataFrame, losses: pd.DataFrame, right: str, wrong: str) -> dict[str, str]:
    """The numbers of the chapter's text, by their glue names.

    `table` is `outcomes`, `losses` is `binned`; `right` and `wrong` name its readings.
    """
    old = table[table.loader == "transformers-4"]
    lost = old[old.outcome == "different"]
    others = table[~table.loader.str.startswith("transformers")]
    excess = losses[wrong] - losses[right]
    return {
        "misread-models": f"{table.model.nunique()}",
        "misread-lost": f"{len(lost)}",
        "misread-first": f"{lost.first_beyond_pi.min():.0f}",
        "misread-last": f"{lost.first_beyond_pi.max():.0f}",
        "misread-worst": f"{lost.worst.max():,.0f}",
        "misread-others": f"{(others.outcome == 'different').sum()}",
        "misread-right": f"{losses[right].mean():.2f}",
        "misread-wrong": f"{losses[wrong].mean():.2f}",
        "misread-excess-near": f"{excess.iloc[0]:.2f}",
        "misread-excess-far": f"{excess.iloc[-1]:.2f}",
    }
