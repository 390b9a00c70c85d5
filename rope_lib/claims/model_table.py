"""Which of the claims about heads holds in which model, and on which text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import b1_clusters, b2_sink, b3_dispersal, b7_trends, b8_attention
from .by_model import ModelRule, by_model
from .claim import NOT_TESTABLE, Numbers, Verdict

if TYPE_CHECKING:
    import pandas as pd

# The rule for one model of each claim that is judged on every model.
RULES: Mapping[str, ModelRule] = {
    "B1": b1_clusters.rule,
    "B2": b2_sink.rule,
    "B3": b3_dispersal.rule,
    "B7": b7_trends.rule,
    "B8": b8_attention.rule,
}


def model_verdicts(measured: Mapping[str, Numbers]) -> dict[str, dict[str, Verdict]]:
    """The verdict on each model, by the claim's id and the model's name.

    `measured` maps ids of `RULES` to the numbers of their rows of consequence. Models of which a claim says
    nothing are absent from it.

    >>> part = {"mean": 0.9, "low": 0.9, "high": 0.9}
    >>> numbers = {"models": {"one": {"short": part, "sink_heads": part, "first_or_recent": part}}}
    >>> model_verdicts({"B2": numbers})
    {'B2': {'one': 'holds'}}
    """
    return {name: by_model(RULES[name], numbers) for name, numbers in measured.items()}


def text_verdicts(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The verdict that each rule gives on each text alone: rows (claim, model), a column for each text.

    `tables` are those of the result `geometry`. A model without numbers for a claim is not testable.
    """
    import pandas as pd

    from rope_lib.findings import by_text

    parts = {
        "B1": by_text.cluster_parts(tables),
        "B2": by_text.sink_parts(tables),
        "B3": by_text.dispersal_parts(tables),
        "B7": by_text.trend_parts(tables),
        "B8": by_text.attention_parts(tables),
    }
    found = {
        (name, model, text): NOT_TESTABLE if row.isna().any() else RULES[name](row.to_dict())
        for name, table in parts.items()
        for (model, text), row in table.iterrows()
    }
    verdicts = pd.Series(found, dtype=object).rename_axis(["claim", "model", "text"])
    texts = list(dict.fromkeys(verdicts.index.get_level_values("text")))
    return verdicts.unstack("text", sort=False)[texts]
