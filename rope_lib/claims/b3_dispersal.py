"""B3: inputs longer than training disperse the clusters."""

from collections.abc import Mapping

from .by_model import judge_models, on_one_model
from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row, Verdict

SAID = {
    "keys": "heads whose keys spread|.0%",
    "queries": "whose queries spread|.0%",
    "silhouette": "in which the two come nearer|.0%",
    "by_rotation": "the change beyond twice that before the rotation, the least of the three|+.2f",
    "faster": "a doubling beyond over one within, the least of the three|+.2f",
}


def measure_dispersal() -> Numbers:
    """How much clusters spread and overlap from the declared length to the longest, with and without RoPE."""
    from rope_lib.findings.by_text import dispersal_parts, kept_geometry, part_numbers

    return part_numbers(dispersal_parts(kept_geometry()))


def rule(parts: Mapping[str, float]) -> Verdict:
    """The rule for one model: see `judge_dispersal`."""
    disperse = min(parts[name] for name in ("keys", "queries", "silhouette")) >= 0.9
    if not (disperse and parts["by_rotation"] > 0):
        return REFUTED
    return HOLDS if parts["faster"] > 0 else CAVEAT


def judge_dispersal(numbers: Numbers) -> Finding:
    """B3 holds in a model if beyond the declared length keys and queries spread and come nearer to each other
    in nine of ten heads, by more than twice what they do before the rotation; a caveat if a doubling within
    that length does as much.

    The heads are those of layers without a window. A model that was measured at no greater length than it
    declares is not tested. From texts to models: see `by_model`.
    """
    return judge_models(rule, numbers, SAID)


CLAIMS = (
    Claim(
        id="B3",
        statement="RoPE on inputs longer than training disperses the clusters.",
        place="Figures 2 and 3",
        standing="stated",
        chapter="11_dispersal",
        in_short="longer inputs disperse the clusters in nearly every head, within training too",
        consequence=Row(
            measure=measure_dispersal,
            judge=judge_dispersal,
            refuted_by={
                "texts": 5,
                "models": {
                    "SmolLM2-135M": {
                        "keys": {"mean": 1.0, "low": 0.99, "high": 1.0},
                        "queries": {"mean": 0.99, "low": 0.98, "high": 1.0},
                        "silhouette": {"mean": 0.5, "low": 0.4, "high": 0.6},
                        "by_rotation": {"mean": 0.1, "low": 0.05, "high": 0.15},
                        "faster": {"mean": 0.05, "low": 0.02, "high": 0.08},
                    }
                },
            },
            needs=("results",),
        ),
        history=(
            on_one_model(
                rule, "One model on one text, and the length that it declares was called its training length."
            ),
        ),
    ),
)
