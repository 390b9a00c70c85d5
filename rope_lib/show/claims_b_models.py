"""Paper B's claims B1, B2, B3, B7 and B8, observed on one model: the measurement and the rule of each.

The measurements are means over heads of the sweep that the chapters show (`measure.reference`): the packaged
SmolLM2 on one text. Evidence states the numbers and leaves the conclusion to the verdict.
"""

from functools import cache

from .claims import CAVEAT, HOLDS, REFUTED, Claim, Finding

ROLES = ("key", "query")


@cache
def _measured():
    """The shared sweep and its trained length."""
    from rope_lib.measure.reference import reference_sweep  # brings torch, which other claims do without

    return reference_sweep()


def _lengths(sweep, trained):
    """The lengths within the training length, and those beyond it, in order."""
    lengths = sorted(int(length) for length in sweep.heads.length.unique())
    return [n for n in lengths if n <= trained], [n for n in lengths if n > trained]


# B1: tight, separated, opposing clusters


def measure_clusters():
    """How tight, how far apart and how opposed keys and queries of the heads are at the training length."""
    from .cluster_summaries import pairs

    sweep, trained = _measured()
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


def judge_clusters(numbers):
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


# B2: the sink


def measure_sink():
    """The norm of token 0's key, and what the last queries of the training length score highest."""
    from .cluster_summaries import sinks

    sweep, trained = _measured()
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


def judge_sink(numbers):
    """B2 holds if token 0's key is short and its score the largest in most heads, and nine of ten queries
    score it or a recent token highest; a caveat if all that is so in a quarter of the heads or more.
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


# B3: dispersal


def measure_dispersal():
    """How much clusters spread and overlap from the training length to the longest, with and without RoPE."""
    from .cluster_summaries import by_head, per_doubling

    sweep, trained = _measured()
    inside, beyond = _lengths(sweep, trained)
    longest = beyond[-1]
    numbers = {"trained": trained, "longest": longest}
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


def judge_dispersal(numbers):
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
    return Finding(
        REFUTED if not (disperse and by_rotation) else HOLDS if faster else CAVEAT,
        (
            "From {trained:,} to {longest:,} tokens the mean cosine among the keys of a head goes from "
            "{keys_post:.2f} to {keys_post_longest:.2f} after the rotation, and from {keys_pre:.2f} to "
            "{keys_pre_longest:.2f} before it; among queries from {queries_post:.2f} to "
            "{queries_post_longest:.2f}; the silhouette of the two clusters from {silhouette_post:.2f} to "
            "{silhouette_post_longest:.2f}. Each of the three falls in {least:.0%} of the heads or more. A "
            "doubling of the length within training takes {inside:.2f} from the keys' cosine, and this one "
            "{beyond:.2f}."
        ).format(
            **numbers,
            least=min(numbers[f"{name}_falling"] for name in names),
            inside=-numbers["keys_inside"],
            beyond=-numbers["keys_beyond"],
        ),
    )


# B7: the first singular value and the stable rank


def measure_trends():
    """How fast the ratio of first singular values falls within and beyond training, and the stable rank."""
    from .cluster_summaries import by_head, interval, per_doubling, ratios

    sweep, trained = _measured()
    inside, beyond = _lengths(sweep, trained)
    ratio = ratios(sweep)
    rank = by_head(sweep, "heads", "stable_rank", role="key", stage="post").mean()
    last, longest = inside[-2], beyond[-1]
    extra = per_doubling(ratio, trained, longest) - per_doubling(ratio, last, trained)
    tokens = {
        (a, b): float((ratio[b] - ratio[a]).mean() / (b - a))
        for a, b in ((last, trained), (trained, longest))
    }
    _, low, high = interval(extra)
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


def judge_trends(numbers):
    """B7 holds if ratio and rank move at every step, and the ratio falls faster beyond training than in the
    last doubling within it, by doubling and by token; a caveat if by doubling only, or not faster.
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


# B8: the sink's attention and the largest score


def measure_attention():
    """Attention to token 0 and the largest score of the last queries, by input length."""
    from rope_lib.measure.tables import last_queries

    sweep, trained = _measured()
    inside, beyond = _lengths(sweep, trained)
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


def judge_attention(numbers):
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


CLUSTERS, DISPERSAL = "10_clusters_and_sinks", "11_dispersal"


CLAIMS = (
    Claim(
        "B1",
        "B",
        "Keys and queries of a head form tight, separated, opposing clusters; the first principal component "
        "explains most of the variance about the origin (75 % and more in LLaMA-3, second-hand).",
        "Figures 1, 2 and 4 (left)",
        "stated",
        CLUSTERS,
        True,
        measure_clusters,
        judge_clusters,
    ),
    Claim(
        "B2",
        "B",
        "The sink token has a small key norm and by default the largest score against later queries; only "
        "the first and the most recent tokens score high.",
        "Figure 5",
        "stated",
        CLUSTERS,
        True,
        measure_sink,
        judge_sink,
    ),
    Claim(
        "B3",
        "B",
        "RoPE on inputs longer than training disperses the clusters.",
        "Figures 2 and 3",
        "stated",
        DISPERSAL,
        True,
        measure_dispersal,
        judge_dispersal,
    ),
    Claim(
        "B7",
        "B",
        "The ratio of the first singular value after the rotation to that before falls with length, faster "
        "beyond the training length; the mean stable rank of the key clusters rises monotonically.",
        "Figure 4 (middle, right)",
        "stated",
        DISPERSAL,
        True,
        measure_trends,
        judge_trends,
    ),
    Claim(
        "B8",
        "B",
        "Attention to the sink is stable to the training length and then falls towards 0; the largest "
        "product of a query with a key rises with length.",
        "Figure 6",
        "second-hand",
        DISPERSAL,
        True,
        measure_attention,
        judge_attention,
    ),
)
