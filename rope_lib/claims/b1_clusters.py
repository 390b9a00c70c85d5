"""B1: keys and queries form tight, separated, opposing clusters."""

from collections.abc import Mapping

from .by_model import judge_models, on_one_model
from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row, Verdict

SAID = {
    "tight": "heads with tight clusters|.0%",
    "separated": "separate ones|.0%",
    "explained": "variance along the first component|.0%",
    "opposed_before": "heads opposed before the rotation|.0%",
    "opposed_after": "after it|.0%",
}


def measure_clusters() -> Numbers:
    """How tight, how far apart and how opposed keys and queries of the heads are at the declared length."""
    from rope_lib.findings.by_text import cluster_parts, kept_geometry, part_numbers

    return part_numbers(cluster_parts(kept_geometry()))


def rule(parts: Mapping[str, float]) -> Verdict:
    """The rule for one model: see `judge_clusters`."""
    clusters = min(parts["tight"], parts["separated"]) >= 0.9 and parts["explained"] > 0.5
    if clusters and parts["opposed_before"] >= 0.9:
        return HOLDS
    return CAVEAT if clusters and parts["opposed_after"] >= 0.75 else REFUTED


def judge_clusters(numbers: Numbers) -> Finding:
    """B1 holds in a model if nine of ten heads are tight, separated and opposed before the rotation, and one
    direction explains most; a caveat if they are opposed in three of four heads after the rotation only.

    Tight: mean cosine above 0.5 among keys and among queries. Separated: silhouette above 0.5. Opposed: mean
    cosine between keys and queries below 0. From texts to models: see `by_model`.
    """
    return judge_models(rule, numbers, SAID)


CLAIMS = (
    Claim(
        id="B1",
        statement=(
            "Keys and queries of a head form tight, separated, opposing clusters; the first principal "
            "component explains most of the variance about the origin (75 % and more in LLaMA-3, "
            "second-hand)."
        ),
        place="Figures 1, 2 and 4 (left)",
        standing="stated",
        chapter="10_clusters_and_sinks",
        in_short="tight and separate in one model of four; opposed before the rotation in none",
        consequence=Row(
            measure=measure_clusters,
            judge=judge_clusters,
            refuted_by={
                "texts": 5,
                "models": {
                    "SmolLM2-135M": {
                        "tight": {"mean": 0.97, "low": 0.95, "high": 0.99},
                        "separated": {"mean": 0.98, "low": 0.97, "high": 0.99},
                        "explained": {"mean": 0.77, "low": 0.75, "high": 0.79},
                        "opposed_before": {"mean": 0.46, "low": 0.44, "high": 0.48},
                        "opposed_after": {"mean": 0.46, "low": 0.44, "high": 0.48},
                    }
                },
            },
            needs=("results",),
        ),
        history=(
            on_one_model(
                rule, "One model and one text, whose end repeats its middle, said nothing of other models."
            ),
        ),
    ),
)
