"""Interventions on one model, tried one after the other on the same tokens and put into small tables."""

from collections.abc import Iterable

import pandas as pd
import torch

from .interventions import interventions, key_centers
from .load import LanguageModel
from .sweep import measured
from .tables import CENTER_TOKENS, trial_tables


def try_interventions(
    model: LanguageModel, tokens: torch.Tensor, lengths: Iterable[int]
) -> dict[str, pd.DataFrame]:
    """Measure a model under each of `interventions.interventions`: the tables of `tables.trial_tables`.

    Each table has a further column `intervention`, in front. `tokens` has shape `(length,)`. Each
    intervention is one stored measurement, so that an interrupted run resumes where it stopped. Raises
    ValueError as `interventions` and `sweep.measure` do.
    """
    centers, lengths = key_centers(model, tokens[:CENTER_TOKENS]), list(lengths)
    parts: dict[str, list[pd.DataFrame]] = {}
    for intervention in interventions(model, centers):
        sweep = measured(model, tokens, lengths, intervention=intervention)
        for name, table in trial_tables(sweep).items():
            table.insert(0, "intervention", intervention.name)
            parts.setdefault(name, []).append(table)
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}
