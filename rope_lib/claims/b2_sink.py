"""B2: the sink token has a short key and the largest score."""

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row
from .observed import observed


def measure_sink() -> Numbers:
    """The norm of token 0's key, and what the last queries of the training length score highest."""
    from rope_lib.findings.clusters import sinks

    sweep, inside, _ = observed()
    trained = inside[-1]
    table = sinks(sweep, trained)
    by_layer = table.groupby("layer").first_wins.mean()
    return {
        "length": trained,
        "short": float((table.drop_duplicates(["layer", "key_head"]).norm_ratio < 0.5).mean()),
        "norm_ratio": float(table.norm_ratio.median()),
        "first_wins": float(table.first_wins.mean()),
        "recent_wins": float(table.recent_wins.mean()),
        "sink_heads": float((table.first_wins > 0.5).mean()),
        "layers": len(by_layer),
        "layers_without": int((by_layer == 0).sum()),
    }


def judge_sink(numbers: Numbers) -> Finding:
    """B2 holds if token 0's key is short and its score the largest in most heads, and nine of ten queries
    score it or a recent token highest; a caveat if all of this is true in at least a quarter of the heads.
    """
    short = numbers["short"] > 0.5
    only = numbers["first_wins"] + numbers["recent_wins"]
    holds = short and numbers["sink_heads"] > 0.5 and only >= 0.9
    partly = short and numbers["sink_heads"] > 0.25 and only >= 0.5
    return Finding(
        HOLDS if holds else CAVEAT if partly else REFUTED,
        (
            "The norm of token 0's key is {norm_ratio:.2f} of the mean of the others in the median head, "
            "below half in {short:.0%} of the key heads. At {length:,} tokens it has the largest score for "
            "{first_wins:.0%} of the queries, for more than half of them in {sink_heads:.0%} of the heads, "
            "and for none in {layers_without} of {layers} layers. For {recent_wins:.0%} of the queries one "
            "of the last 16 tokens has it."
        ).format(**numbers),
    )


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
        in_short=(
            "the sink's key is short; its score is the largest in the later layers, and in none of the early "
            "ones"
        ),
        consequence=Row(
            measure=measure_sink,
            judge=judge_sink,
            refuted_by={
                "length": 8192,
                "norm_ratio": 0.3,
                "layers": 30,
                "layers_without": 12,
                "short": 0.3,
                "first_wins": 0.7,
                "recent_wins": 0.25,
                "sink_heads": 0.8,
            },
            needs=("model",),
        ),
    ),
)
