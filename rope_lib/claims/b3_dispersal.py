"""B3: inputs longer than training disperse the clusters."""

import math

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row
from .observed import observed


def measure_dispersal() -> Numbers:
    """How much clusters spread and overlap from the training length to the longest, with and without RoPE."""
    from rope_lib.findings.clusters import by_head, per_doubling

    sweep, inside, beyond = observed()
    trained = inside[-1]
    longest = beyond[-1]
    numbers: dict[str, float] = {"trained": trained, "longest": longest}
    for name, table, column, where in (
        ("keys", "heads", "mean_cosine", {"role": "key"}),
        ("queries", "heads", "mean_cosine", {"role": "query"}),
        ("silhouette", "pairs", "silhouette", {}),
    ):
        for stage in ("pre", "post"):
            values = by_head(sweep, table, column, stage=stage, **where)
            numbers[f"{name}_{stage}"] = float(values[trained].mean())
            numbers[f"{name}_{stage}_longest"] = float(values[longest].mean())
        numbers[f"{name}_falling"] = float((values[longest] < values[trained]).mean())
        numbers[f"{name}_inside"] = float(per_doubling(values, inside[0], trained).mean())
        numbers[f"{name}_beyond"] = float(per_doubling(values, trained, longest).mean())
    return numbers


def judge_dispersal(numbers: Numbers) -> Finding:
    """B3 holds if in nine of ten heads keys and queries spread and come nearer to each other beyond training,
    by more than twice what they do before the rotation; a caveat if a doubling within training does as much.
    """
    names = ("keys", "queries", "silhouette")
    moved = {
        stage: [numbers[f"{name}_{stage}_longest"] - numbers[f"{name}_{stage}"] for name in names]
        for stage in ("pre", "post")
    }
    disperse = all(numbers[f"{name}_falling"] >= 0.9 for name in names)
    by_rotation = all(
        after < -2 * abs(before) for before, after in zip(moved["pre"], moved["post"], strict=True)
    )
    faster = all(numbers[f"{name}_beyond"] < numbers[f"{name}_inside"] for name in names)
    least = min(numbers[f"{name}_falling"] for name in names)
    return Finding(
        REFUTED if not (disperse and by_rotation) else HOLDS if faster else CAVEAT,
        (
            "From {trained:,} to {longest:,} tokens the mean cosine among the keys of a head goes from "
            "{keys_post:.2f} to {keys_post_longest:.2f} after the rotation, and from {keys_pre:.2f} to "
            "{keys_pre_longest:.2f} before it; among queries from {queries_post:.2f} to "
            "{queries_post_longest:.2f}; the silhouette of the two clusters from {silhouette_post:.2f} to "
            "{silhouette_post_longest:.2f}. Each of the three falls in {share} of the heads. A "
            "doubling of the length within training takes {inside:.2f} from the keys' cosine, and this one "
            "{beyond:.2f}."
        ).format(
            **numbers,
            share="100%" if least == 1 else f"at least {math.floor(100 * least)}%",
            inside=-numbers["keys_inside"],
            beyond=-numbers["keys_beyond"],
        ),
    )


CLAIMS = (
    Claim(
        id="B3",
        statement="RoPE on inputs longer than training disperses the clusters.",
        place="Figures 2 and 3",
        standing="stated",
        chapter="11_dispersal",
        in_short="rotation beyond the training length disperses the clusters, in nearly every head",
        consequence=Row(
            measure=measure_dispersal,
            judge=judge_dispersal,
            refuted_by={
                "trained": 8192,
                "longest": 16384,
                "keys_pre": 0.8,
                "keys_pre_longest": 0.8,
                "keys_post": 0.4,
                "keys_post_longest": 0.2,
                "keys_falling": 1.0,
                "keys_inside": -0.05,
                "keys_beyond": -0.2,
                "queries_pre": 0.8,
                "queries_pre_longest": 0.8,
                "queries_post": 0.4,
                "queries_post_longest": 0.2,
                "queries_falling": 1.0,
                "queries_inside": -0.05,
                "queries_beyond": -0.2,
                "silhouette_pre": 0.8,
                "silhouette_pre_longest": 0.8,
                "silhouette_post": 0.4,
                "silhouette_post_longest": 0.2,
                "silhouette_falling": 0.5,
                "silhouette_inside": -0.05,
                "silhouette_beyond": -0.2,
            },
            needs=("model",),
        ),
    ),
)
