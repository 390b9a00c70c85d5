"""B2: the sink token has a short key and the largest score."""

from collections.abc import Mapping

from .by_model import judge_models, on_one_model
from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row, Verdict

SAID = {
    "short": "key heads in which token 0's key is shorter than half the mean|.0%",
    "sink_heads": "heads in which it wins most queries|.0%",
    "first_or_recent": "queries won by it or by one of the last 16 tokens|.0%",
}


def measure_sink() -> Numbers:
    """The norm of token 0's key, and what the last queries of the declared length score highest.

    Layers whose windows hide token 0 from these queries are left out.
    """
    from rope_lib.findings.by_text import kept_geometry, part_numbers, sink_parts

    return part_numbers(sink_parts(kept_geometry()))


def rule(parts: Mapping[str, float]) -> Verdict:
    """The rule for one model: see `judge_sink`."""
    if not parts["short"] > 0.5:
        return REFUTED
    if parts["sink_heads"] > 0.5 and parts["first_or_recent"] >= 0.9:
        return HOLDS
    return CAVEAT if parts["sink_heads"] > 0.25 and parts["first_or_recent"] >= 0.5 else REFUTED


def judge_sink(numbers: Numbers) -> Finding:
    """B2 holds in a model if token 0's key is short and its score the largest in most heads, and nine of ten
    queries score it or a recent token highest; a caveat if its key is short in most heads, its score the
    largest in a quarter of them, and half of the queries score it or a recent token highest.

    From texts to models: see `by_model`.
    """
    return judge_models(rule, numbers, SAID)


CLAIMS = (
    Claim(
        id="B2",
        statement=(
            "The sink token has a small key norm and by default the largest score against later queries; "
            "only the first and the most recent tokens score high."
        ),
        place="Figure 5",
        standing="stated",
        chapter="10_clusters_and_sinks",
        in_short="the sink's key is short in SmolLM2, aligned in Gemma; byte models have no sink",
        consequence=Row(
            measure=measure_sink,
            judge=judge_sink,
            refuted_by={
                "texts": 5,
                "models": {
                    "SmolLM2-135M": {
                        "short": {"mean": 0.3, "low": 0.28, "high": 0.32},
                        "sink_heads": {"mean": 0.8, "low": 0.78, "high": 0.82},
                        "first_or_recent": {"mean": 0.95, "low": 0.94, "high": 0.96},
                    }
                },
            },
            needs=("results",),
        ),
        history=(
            on_one_model(
                rule, "One model on one text; keys that a norm makes equally long cannot be short at all."
            ),
        ),
    ),
)
