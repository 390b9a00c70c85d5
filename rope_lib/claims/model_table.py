"""Which of the claims about heads holds in which model."""

from collections.abc import Mapping

from . import b1_clusters, b2_sink, b3_dispersal, b7_trends, b8_attention
from .by_model import ModelRule, by_model
from .claim import Numbers, Verdict

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
