"""B2-matched and B8-unmatched: which pairs outbid the sink, within the declared length and beyond it.

This is the mechanism with which paper B explains its figures, as its reviews and notes report it: softmax is
indifferent to a common shift of all scores, so queries and keys can settle in opposed clusters with negative
products; the sink's short key gives a product near zero, which wins by default, and only a matched pair,
which is orthogonal, exceeds it. Beyond training the clusters overlap, products turn positive and outbid it.
"""

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Finding, Numbers, Row

MOST = 0.5  # of the heads must do what the claim says of heads


def measure_matched() -> Numbers:
    """Angles and margins of matched and unmatched pairs at the longest input within the declared length."""
    from rope_lib.findings.kept import kept
    from rope_lib.findings.matched import inside

    return {"models": inside(kept("matched")[0])}


def judge_matched(numbers: Numbers) -> Finding:
    """B2-matched holds if in every model with match heads both the order and the angle are as stated.

    The order: in most match heads the mean margin over the sink is positive for matched pairs and negative
    for unmatched ones at the same distances, and so are the means over those heads, with their intervals
    between texts. The angle: in most match heads the mean angle of matched pairs lies between 80° and 100°,
    and in most that of unmatched pairs above 100°. A caveat if the order is as stated in at least half of the
    models.
    """
    models = numbers["models"]
    if not models:
        return Finding(NOT_TESTABLE, "No model has match heads.")
    ordered = [_ordered(found) for found in models.values()]
    angles = [min(found["orthogonal"], found["opposed"]) > MOST for found in models.values()]
    holds = all(ordered) and all(angles)
    partly = sum(ordered) >= len(models) / 2
    return Finding(
        HOLDS if holds else CAVEAT if partly else REFUTED,
        " ".join(_inside_words(name, found) for name, found in models.items()),
    )


def measure_unmatched() -> Numbers:
    """What happens to unmatched products and to the sink from within the declared length to beyond it."""
    from rope_lib.findings.kept import kept
    from rope_lib.findings.matched import beyond

    return {"models": beyond(kept("matched")[0])}


def judge_unmatched(numbers: Numbers) -> Finding:
    """B8-unmatched holds if in every model with RoPE unmatched pairs do what is stated, and overlap is why.

    What is stated: of the heads whose sink outbids all unmatched keys for most queries within the declared
    length, most are outbid beyond it, and in most the mean unmatched score goes from negative to positive.
    The largest unmatched score of the same queries rises with the length, its interval between texts above 0.
    Overlap is why if most of that rise remains when as many keys are drawn as the shorter input has. A caveat
    if in at least half of the models most of those heads are outbid and the largest score rises.
    """
    models = numbers["models"]
    if not models:
        return Finding(
            NOT_TESTABLE, "No model with plain RoPE and a sink was measured beyond its declared length."
        )
    outbid = [found["outbid"] > MOST and found["rise_low"] > 0 for found in models.values()]
    turned = [found["turned"] > MOST for found in models.values()]
    overlap = [found["rise_drawn"] > MOST * found["rise"] for found in models.values()]
    holds = all(outbid) and all(turned) and all(overlap)
    partly = sum(outbid) >= len(models) / 2
    return Finding(
        HOLDS if holds else CAVEAT if partly else REFUTED,
        " ".join(_beyond_words(name, found) for name, found in models.items()),
    )


def _ordered(found: Numbers) -> bool:
    means = found["margin_low"] > 0 and found["unmatched_high"] < 0
    return bool(means and found["above"] > MOST and found["below"] > MOST)


def _inside_words(name: str, found: Numbers) -> str:
    return (
        "{name} at {length:,} tokens, {heads} match heads: matched pairs stand at {angle:.0f}° on average, "
        "within 10° of a right angle in {orthogonal:.0%} of the heads, unmatched ones at "
        "{angle_unmatched:.0f}°, beyond 100° in {opposed:.0%}; the margin over the sink is {margin:+.1f} "
        "matched (positive in {above:.0%}) and {margin_unmatched:+.1f} unmatched (negative in {below:.0%})."
    ).format(name=name, **found)


def _beyond_words(name: str, found: Numbers) -> str:
    return (
        "{name}: of {heads} heads whose sink outbids the unmatched keys at {inside:,} tokens, {outbid:.0%} "
        "are outbid at {beyond:,}; the mean unmatched score turns positive in {turned:.0%}. From {context:,} "
        "to {beyond:,} tokens of context the largest unmatched score of the same queries changes by "
        "{rise:+.1f}, with as many keys by {rise_drawn:+.1f}, the sink's by {sink_change:+.1f}."
    ).format(name=name, **found)


CLAIMS = (
    Claim(
        id="B2-matched",
        statement=(
            "Within training a matched pair of a query and a key is orthogonal, where others are opposed, "
            "and its product exceeds the sink's, which exceeds all others."
        ),
        place="Section 3.2.2, as reviews report it",
        standing="second-hand",
        chapter="14_who_outbids",
        in_short="orthogonal, nearly; level with the sink only where the match is beyond doubt",
        consequence=Row(
            measure=measure_matched,
            judge=judge_matched,
            refuted_by={
                "models": {
                    "a model": {
                        "length": 8192,
                        "heads": 40,
                        "angle": 88.0,
                        "angle_unmatched": 95.0,
                        "orthogonal": 0.8,
                        "opposed": 0.7,
                        "margin": -0.4,
                        "margin_low": -0.9,
                        "margin_unmatched": -3.0,
                        "unmatched_high": -2.5,
                        "above": 0.4,
                        "below": 0.9,
                    }
                }
            },
            needs=("results",),
        ),
    ),
    Claim(
        id="B8-unmatched",
        statement=(
            "Beyond training the clusters overlap: products of unmatched pairs turn positive and outbid the "
            "sink's small logit."
        ),
        place="Section 3.2.2, as reviews report it",
        standing="second-hand",
        chapter="14_who_outbids",
        in_short="they stay negative, and most sinks are not outbid; matched pairs lose instead",
        consequence=Row(
            measure=measure_unmatched,
            judge=judge_unmatched,
            refuted_by={
                "models": {
                    "a model": {
                        "heads": 100,
                        "inside": 8192,
                        "beyond": 12288,
                        "context": 2048,
                        "outbid": 0.3,
                        "turned": 0.6,
                        "rise": 3.0,
                        "rise_low": 1.0,
                        "rise_drawn": 2.0,
                        "sink_change": 0.5,
                    }
                }
            },
            needs=("results",),
        ),
    ),
)
