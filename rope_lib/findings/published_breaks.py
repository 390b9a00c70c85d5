"""Published models by how long a context they can use: public tables against the rules of `break_rules`.

The break of a model is that of its table: above the longest length whose score passes the table's threshold,
up to the next one tested. `relative` asks instead for 85 % of a model's own score at the shortest length, as
a check on the choice of the threshold: an absolute one also measures how good a model is.
"""

import numpy as np
import pandas as pd

from rope_lib.models.atlas import AtlasModel, atlas_model
from rope_lib.models.effective_lengths import EffectiveLength, effective_lengths

from .break_rules import DECLARED, LONGEST, ORIGINAL, Training, as_tables, lengths_named, plain_training

RELATIVE = 0.85  # of the score at the shortest length


def published(table: str, *, epsilon: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`(named, units)` for `break_rules.race`, of the models in one public table, by its threshold."""
    return _tables(table, epsilon, {row.model: row.interval() for row in _rows(table)})


def relative(table: str, *, epsilon: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """As `published`, by `RELATIVE` of each model's own score at the shortest length of the table."""
    return _tables(
        table, epsilon, {row.model: row.interval(RELATIVE * row.scores[0][1]) for row in _rows(table)}
    )


def _rows(table: str) -> list[EffectiveLength]:
    return [row for row in effective_lengths() if row.table == table]


def _tables(
    table: str, epsilon: float, intervals: dict[str, tuple[float, float]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = {}
    for row in _rows(table):
        low, high = intervals[row.model]
        rows[row.model] = {
            "family": row.family,
            "low": low,
            "high": high,
            "shortest": row.shortest,
            "longest": row.longest,
            **named_by(row, epsilon=epsilon),
        }
    return as_tables(rows)


def named_by(row: EffectiveLength, *, epsilon: float) -> dict[str, float]:
    """The length in tokens that each rule and baseline names for a published model; NaN where unknown.

    Layers with a window meet no distance beyond it, so that only the others count; of several spectra the
    one with the shortest length does.

    >>> from rope_lib.models.effective_lengths import effective_lengths
    >>> llama = next(row for row in effective_lengths() if row.model == "Llama 3.1 8B")
    >>> {name: round(length) for name, length in named_by(llama, epsilon=0.95).items()}
    ... # doctest: +NORMALIZE_WHITESPACE
    {'A2': 25132741, 'A3': 1270242, 'A4': 226420, 'Men et al.': 85133, 'Liu et al.': 25626, 'NTK': 63441,
     'seen angles': 65536, 'longest training': 131072, 'declared length': 131072,
     'original training length': 8192}
    """
    model = atlas_model(row.model)
    every = [
        lengths_named(
            rotary.spectrum(row.claimed)[0],
            rotary.effective_base(row.claimed),
            len(rotary.layers),
            _training(row, rotary.rotary_dim),
            epsilon=epsilon,
        )
        for rotary in model.rotaries
        if rotary.window is None
    ]
    return {
        **{name: float(np.min([named[name] for named in every])) for name in every[0]},
        LONGEST: np.nan if model.trained_context is None else float(model.trained_context),
        DECLARED: float(row.claimed),
        ORIGINAL: np.nan if row.original_length is None else float(row.original_length),
    }


def _training(row: EffectiveLength, dim: int) -> Training | None:
    if row.original_length is None or row.original_base is None:
        return None
    return plain_training(row.original_length, row.original_base, dim)


def known() -> list[AtlasModel]:
    """The models of the atlas that some table scores, in the tables' order."""
    return [atlas_model(name) for name in dict.fromkeys(row.model for row in effective_lengths())]
