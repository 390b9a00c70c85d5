"""B1: keys and queries form tight, separated, opposing clusters."""

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row
from .observed import observed


def measure_clusters() -> Numbers:
    """How tight, how far apart and how opposed keys and queries of the heads are at the training length."""
    from rope_lib.findings.clusters import pairs

    sweep, inside, _ = observed()
    trained = inside[-1]
    before, after = (pairs(sweep, trained, stage) for stage in ("pre", "post"))
    tight = before[["within_key", "within_query"]].min(axis=1) > 0.5
    return {
        "length": trained,
        "heads": len(before),
        "tight": float(tight.mean()),
        "separated": float((before.silhouette > 0.5).mean()),
        "explained": float(before[["explained_key", "explained_query"]].mean().mean()),
        "opposed_before": float((before.cosine < 0).mean()),
        "opposed_after": float((after.cosine < 0).mean()),
        "cosine_before": float(before.cosine.mean()),
        "cosine_after": float(after.cosine.mean()),
    }


def judge_clusters(numbers: Numbers) -> Finding:
    """B1 holds if nine of ten heads are tight, separated and opposed before the rotation, and one direction
    explains most; a caveat if they are opposed in three of four heads after the rotation only.

    Tight: mean cosine above 0.5 among keys and among queries. Separated: silhouette above 0.5. Opposed: mean
    cosine between keys and queries below 0.
    """
    clusters = min(numbers["tight"], numbers["separated"]) >= 0.9 and numbers["explained"] > 0.5
    opposed = numbers["opposed_before"] >= 0.9
    later = numbers["opposed_after"] >= 0.75
    return Finding(
        HOLDS if clusters and opposed else CAVEAT if clusters and later else REFUTED,
        (
            "Of {heads} query heads at {length:,} tokens, before the rotation, {tight:.0%} have tight "
            "clusters and {separated:.0%} separate ones; the first component explains {explained:.0%} of "
            "the variance in the mean. The mean cosine between keys and queries is {cosine_before:+.2f}, "
            "below 0 in {opposed_before:.0%} of the heads; after the rotation {cosine_after:+.2f} and "
            "{opposed_after:.0%}."
        ).format(**numbers),
    )


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
        in_short="tight, separate clusters; opposed only after the rotation, and weakly",
        consequence=Row(
            measure=measure_clusters,
            judge=judge_clusters,
            refuted_by={
                "length": 8192,
                "heads": 270,
                "explained": 0.77,
                "cosine_before": 0.0,
                "cosine_after": -0.1,
                "tight": 0.97,
                "separated": 0.98,
                "opposed_before": 0.46,
                "opposed_after": 0.46,
            },
            needs=("model",),
        ),
    ),
)
