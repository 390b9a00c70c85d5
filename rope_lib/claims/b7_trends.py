"""B7: the first singular value falls with length, and the stable rank rises."""

from collections.abc import Mapping

from .by_model import judge_models, of_reference
from .claim import CAVEAT, HOLDS, REFUTED, Claim, Earlier, Finding, Numbers, Row, Verdict

SAID = {
    "falls": "least fall of the ratio from one length to the next|+.3f",
    "rises": "least rise of the stable rank|+.2f",
    "by_doubling": "fall in the doubling beyond over that in the last one within|+.3f",
    "by_token": "the same for 1,000 tokens|+.3f",
}


def measure_trends() -> Numbers:
    """How the ratio of first singular values and the stable rank move up to the declared length and on."""
    from rope_lib.findings.by_text import kept_geometry, part_numbers, trend_parts

    return part_numbers(trend_parts(kept_geometry()))


def rule(parts: Mapping[str, float]) -> Verdict:
    """The rule for one model: see `judge_trends`."""
    if not min(parts["falls"], parts["rises"]) > 0:
        return REFUTED
    return HOLDS if min(parts["by_doubling"], parts["by_token"]) > 0 else CAVEAT


def judge_trends(numbers: Numbers) -> Finding:
    """B7 holds in a model if ratio and rank move at every step, and the ratio falls faster beyond the
    declared length than in the last doubling within it, per doubling and per token; a caveat if only per
    doubling, or not faster.

    The ratio is that of the keys' first singular value after the rotation to that before, a mean over the
    key heads of layers without a window; so is the rank. A model that was measured at no greater length than
    it declares is not tested. From texts to models: see `by_model`.
    """
    return judge_models(rule, numbers, SAID)


CLAIMS = (
    Claim(
        id="B7",
        statement=(
            "The ratio of the first singular value after the rotation to that before falls with length, "
            "faster beyond the training length; the mean stable rank of the key clusters rises monotonically."
        ),
        place="Figure 4 (middle, right)",
        standing="stated",
        chapter="11_dispersal",
        in_short="ratio and rank move at every step; by token the ratio falls no faster beyond training",
        consequence=Row(
            measure=measure_trends,
            judge=judge_trends,
            refuted_by={
                "texts": 5,
                "models": {
                    "SmolLM2-135M": {
                        "falls": {"mean": 0.04, "low": 0.03, "high": 0.05},
                        "rises": {"mean": -0.2, "low": -0.3, "high": -0.1},
                        "by_doubling": {"mean": 0.05, "low": 0.04, "high": 0.06},
                        "by_token": {"mean": 0.01, "low": 0.005, "high": 0.015},
                    }
                },
            },
            needs=("results",),
        ),
        history=(
            Earlier(
                until="2026-11-27",
                rule=(
                    "The present rule for one model, SmolLM2-135M, on one text, with an interval over heads "
                    "for the fall per doubling. It judges here the mean over the texts."
                ),
                why=(
                    "One model on one text. The length from which a faster fall was asked for is declared: "
                    "how long the model was trained at it, and at which before, is not known."
                ),
                row="consequence",
                judge=of_reference(rule),
            ),
        ),
    ),
)
