"""B8: the sink loses its attention beyond training, and the largest score rises."""

from collections.abc import Mapping

from .by_model import judge_models, on_one_model
from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row, Verdict

SAID = {
    "steady": "least over most attention to token 0 up to the declared length|.2f",
    "falls": "least fall of it from one length beyond to the next|+.3f",
    "lost": "share of it lost at the longest|.0%",
    "score_within": "largest score at the declared length over that on the shortest input|.2f",
    "score_beyond": "at the longest over that at the declared length|.2f",
}


def measure_attention() -> Numbers:
    """Attention to token 0 and the largest score of the last queries, by input length.

    Layers with a window are left out: theirs may hide token 0.
    """
    from rope_lib.findings.by_text import attention_parts, kept_geometry, part_numbers

    return part_numbers(attention_parts(kept_geometry()))


def rule(parts: Mapping[str, float]) -> Verdict:
    """The rule for one model: see `judge_attention`."""
    steady = parts["steady"] > 2 / 3
    falls = parts["falls"] > 0 and parts["lost"] > 0.5
    if not (steady and falls and parts["score_beyond"] > 1.1):
        return REFUTED
    return HOLDS if parts["score_within"] > 1.1 else CAVEAT


def judge_attention(numbers: Numbers) -> Finding:
    """B8 holds in a model if sink attention varies by less than a third up to the declared length, falls at
    each step beyond it to less than half, and the largest score rises within and beyond that length; a caveat
    if it rises beyond only.

    The heads are those of layers without a window. A model that was measured at no greater length than it
    declares is not tested. From texts to models: see `by_model`.
    """
    return judge_models(rule, numbers, SAID)


CLAIMS = (
    Claim(
        id="B8",
        statement=(
            "Attention to the sink is stable to the training length and then falls towards 0; the largest "
            "product of a query with a key rises with length."
        ),
        place="Figure 6",
        standing="second-hand",
        chapter="11_dispersal",
        in_short="a sink, where there is one, loses its attention beyond the declared length",
        consequence=Row(
            measure=measure_attention,
            judge=judge_attention,
            refuted_by={
                "texts": 5,
                "models": {
                    "SmolLM2-135M": {
                        "steady": {"mean": 0.82, "low": 0.8, "high": 0.84},
                        "falls": {"mean": 0.05, "low": 0.04, "high": 0.06},
                        "lost": {"mean": 0.8, "low": 0.75, "high": 0.85},
                        "score_within": {"mean": 1.0, "low": 0.99, "high": 1.01},
                        "score_beyond": {"mean": 1.0, "low": 0.98, "high": 1.02},
                    }
                },
            },
            needs=("results",),
        ),
        history=(on_one_model(rule, "One model on one text."),),
    ),
)
