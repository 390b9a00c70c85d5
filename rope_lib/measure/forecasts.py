"""Forecasts of several models on several texts, in small tables, with what their rivals know."""

from collections.abc import Iterable

import pandas as pd
import torch

from rope_lib.runs.store import stored

from .forecast import forecast
from .load import LanguageModel
from .store import identity


def forecast_tables(
    model: LanguageModel, tokens: torch.Tensor, lengths: Iterable[int]
) -> dict[str, pd.DataFrame]:
    """The tables of `forecast.forecast` from `tokens` `(length,)`, or what was kept of the same forecast.

    Each has the further column `read` in front, the number of tokens read, and `keys` the column
    stable_rank_half: the stable rank measured on the first half of them, from which a trend begins. Raises
    ValueError as `forecast.forecast` does, which needs at least 64 tokens in that half.
    """
    wanted = sorted({int(length) for length in lengths})

    def compute() -> dict[str, pd.DataFrame]:
        found = forecast(model, tokens, wanted)
        half = forecast(model, tokens[: len(tokens) // 2], wanted[:1]).keys
        heads = ["layer", "head"]
        began = half[[*heads, "stable_rank_now"]].rename(columns={"stable_rank_now": "stable_rank_half"})
        tables = {"keys": found.keys.merge(began, on=heads, validate="many_to_one"), "pairs": found.pairs}
        for table in tables.values():
            table.insert(0, "read", len(tokens))
        return tables

    return stored("forecast", identity([__name__], model, tokens, lengths=wanted), compute)
