"""B7: the first singular value falls with length, and the stable rank rises."""

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row
from .observed import observed


def measure_trends() -> Numbers:
    """How fast the ratio of first singular values falls within and beyond training, and the stable rank."""
    from rope_lib.findings.clusters import by_head, per_doubling, ratios
    from rope_lib.findings.stats import bootstrap_interval

    sweep, inside, beyond = observed()
    trained = inside[-1]
    ratio = ratios(sweep)
    rank = by_head(sweep, "heads", "stable_rank", role="key", stage="post").mean()
    last, longest = inside[-2], beyond[-1]
    extra = per_doubling(ratio, trained, longest) - per_doubling(ratio, last, trained)
    tokens = {
        (a, b): float((ratio[b] - ratio[a]).mean() / (b - a))
        for a, b in ((last, trained), (trained, longest))
    }
    _, low, high = bootstrap_interval(extra)
    return {
        "trained": trained,
        "last": last,
        "longest": longest,
        "falls": bool((ratio.mean().diff().dropna() < 0).all()),
        "rank_rises": bool((rank.diff().dropna() > 0).all()),
        "first_ratio": float(ratio[inside[0]].mean()),
        "trained_ratio": float(ratio[trained].mean()),
        "longest_ratio": float(ratio[longest].mean()),
        "inside": float(per_doubling(ratio, inside[0], trained).mean()),
        "last_inside": float(per_doubling(ratio, last, trained).mean()),
        "beyond": float(per_doubling(ratio, trained, longest).mean()),
        "extra_low": low,
        "extra_high": high,
        "by_token_inside": tokens[last, trained],
        "by_token_beyond": tokens[trained, longest],
        "first_rank": float(rank.iloc[0]),
        "longest_rank": float(rank.iloc[-1]),
    }


def judge_trends(numbers: Numbers) -> Finding:
    """B7 holds if ratio and rank move at every step, and the ratio falls faster beyond training than in the
    last doubling within it, per doubling and per token; a caveat if only per doubling, or not faster.
    """
    moves = numbers["falls"] and numbers["rank_rises"]
    by_doubling = numbers["extra_high"] < 0
    by_token = numbers["by_token_beyond"] < numbers["by_token_inside"]
    return Finding(
        REFUTED if not moves else HOLDS if by_doubling and by_token else CAVEAT,
        (
            "The ratio falls from {first_ratio:.2f} on the shortest input to {trained_ratio:.2f} at "
            "{trained:,} tokens and {longest_ratio:.2f} at {longest:,}: by {a:.3f} for a doubling within "
            "training in the mean, {b:.3f} in the last of them, {c:.3f} in the one beyond. The last two "
            "differ by {d:.3f} to {e:.3f} (95 % of bootstraps over heads). By 1,000 tokens it falls by "
            "{f:.3f} from {last:,} on, and by {g:.3f} beyond training. The mean stable rank of the keys "
            "goes from {first_rank:.2f} to {longest_rank:.2f}."
        ).format(
            **numbers,
            a=-numbers["inside"],
            b=-numbers["last_inside"],
            c=-numbers["beyond"],
            d=-numbers["extra_high"],
            e=-numbers["extra_low"],
            f=-1000 * numbers["by_token_inside"],
            g=-1000 * numbers["by_token_beyond"],
        ),
    )


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
        in_short=(
            "the first singular value falls faster beyond training by doubling of the length, not by token"
        ),
        consequence=Row(
            measure=measure_trends,
            judge=judge_trends,
            refuted_by={
                "trained": 8192,
                "last": 4096,
                "longest": 16384,
                "first_ratio": 0.9,
                "trained_ratio": 0.7,
                "longest_ratio": 0.6,
                "inside": -0.04,
                "last_inside": -0.07,
                "beyond": -0.1,
                "first_rank": 1.7,
                "longest_rank": 3.5,
                "falls": True,
                "rank_rises": False,
                "extra_low": -0.06,
                "extra_high": -0.04,
                "by_token_inside": -1e-05,
                "by_token_beyond": -2e-05,
            },
            needs=("model",),
        ),
    ),
)
