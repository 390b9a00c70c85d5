"""B8: the sink loses its attention beyond training, and the largest score rises."""

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row
from .observed import observed


def measure_attention() -> Numbers:
    """Attention to token 0 and the largest score of the last queries, by input length."""
    from rope_lib.measure.tables import last_queries

    sweep, inside, beyond = observed()
    trained = inside[-1]
    attention, score = (last_queries(sweep, column).mean() for column in ("sink_attention", "top_score"))
    return {
        "trained": trained,
        "longest": beyond[-1],
        "least_inside": float(attention[inside].min()),
        "most_inside": float(attention[inside].max()),
        "attention": float(attention[trained]),
        "attention_longest": float(attention[beyond[-1]]),
        "falls": bool((attention[[trained, *beyond]].diff().dropna() < 0).all()),
        "score_shortest": float(score[inside[0]]),
        "score": float(score[trained]),
        "score_longest": float(score[beyond[-1]]),
    }


def judge_attention(numbers: Numbers) -> Finding:
    """B8 holds if sink attention varies by less than a third within training, falls at each step beyond it to
    less than half, and the largest score rises within and beyond training; a caveat if it rises beyond only.
    """
    stable = numbers["least_inside"] > 2 / 3 * numbers["most_inside"]
    falls = numbers["falls"] and numbers["attention_longest"] < 0.5 * numbers["attention"]
    beyond = numbers["score_longest"] > 1.1 * numbers["score"]
    within = numbers["score"] > 1.1 * numbers["score_shortest"]
    return Finding(
        REFUTED if not (stable and falls and beyond) else HOLDS if within else CAVEAT,
        (
            "Mean attention of the last queries to token 0 lies between {least_inside:.2f} and "
            "{most_inside:.2f} up to {trained:,} tokens and is {attention_longest:.3f} at {longest:,}. The "
            "mean of their largest score goes from {score_shortest:.1f} on the shortest input to "
            "{score:.1f} at {trained:,} tokens and {score_longest:.1f} at {longest:,}."
        ).format(**numbers),
    )


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
        in_short="the sink loses its attention beyond training; the largest score rises only there",
        consequence=Row(
            measure=measure_attention,
            judge=judge_attention,
            refuted_by={
                "trained": 8192,
                "longest": 16384,
                "least_inside": 0.23,
                "most_inside": 0.28,
                "attention": 0.24,
                "attention_longest": 0.05,
                "falls": True,
                "score_shortest": 4.0,
                "score": 4.0,
                "score_longest": 4.0,
            },
            needs=("model",),
        ),
    ),
)
