"""B4 to B6: Lemmas 1 and 2 and Theorem 1, what rotation does to a cloud of one direction."""

from collections.abc import Mapping
from functools import cache

import numpy as np

from rope_lib.theory.arguments import Float64, Floats
from rope_lib.theory.dispersal import (
    coherence,
    compared_spectra,
    limiting_ratio,
    singular_value_ratio,
    stable_rank,
    uniform_coherence,
)
from rope_lib.theory.oscillators import frequencies, rotate

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row
from .settings import HEAD_DIM, TRAINED

# The bank on which the lemmas are tried. Every base has these limits; this one comes near them at a length
# that takes a second.
BASE = 100

# Bases of published models, and lengths at which they are tried: how far above their limits are they still?
REALISTIC, LONG = (10_000, 500_000), (2**17, 2**20)


@cache
def _long_clouds() -> tuple[Floats, Float64, Float64]:
    """The ratios and their limits for directions that include both extremes, with random weights."""
    random = np.random.default_rng(0)
    inv_freq = frequencies(BASE, HEAD_DIM)
    extremes = np.eye(HEAD_DIM)[:1], np.ones((1, HEAD_DIM))  # all in one pair, the same in each
    directions = np.concatenate([*extremes, random.standard_normal((30, HEAD_DIM))])
    weights = np.abs(1 + 0.1 * random.standard_normal(2**18))
    ratios = singular_value_ratio(directions, coherence(inv_freq, weights))
    return weights, ratios, limiting_ratio(directions, inv_freq)


@cache
def _above_limits() -> dict[str, dict[str, float]]:
    """The ratio over its limit with equal weights, by base and length: medians over random directions."""
    directions = np.random.default_rng(0).standard_normal((30, HEAD_DIM))
    found: dict[str, dict[str, float]] = {}
    for base in REALISTIC:
        inv_freq = frequencies(base, HEAD_DIM)
        limits = limiting_ratio(directions, inv_freq)
        by_length = found[f"{base:,}"] = {}
        for length in LONG:
            ratios = singular_value_ratio(directions, uniform_coherence(inv_freq, length))
            by_length[f"{length:,}"] = float(np.median(ratios / limits))
    return found


def _said_of_realistic(above: Mapping[str, Mapping[str, float]]) -> str:
    """A sentence on `_above_limits`."""
    cases = ", ".join(
        f"{factor:.2f} with base {base} at {length} tokens"
        for base, by_length in above.items()
        for length, factor in by_length.items()
    )
    return f"Bases in use take longer: a random direction's ratio over its limit is {cases}."


def measure_shrinking() -> Numbers:
    """By which factors RoPE shrinks the first singular value of clouds of one direction."""
    weights, ratios, limits = _long_clouds()
    beating = np.sqrt(1 + np.cos(2 * np.arange(2**14)))  # the fastest pair turns by one radian a token
    one_pair, inv_freq = np.eye(HEAD_DIM)[0], frequencies(BASE, HEAD_DIM)
    return {
        "smallest": float(1 / limits.max()),
        "largest": float(1 / limits.min()),
        "head_dim": HEAD_DIM,
        "length": len(weights),
        "distance": float(np.abs(ratios / limits - 1).max()),
        "undercut": float(max(0, (limits - ratios).max())),
        "beating": float(1 / singular_value_ratio(one_pair, coherence(inv_freq, beating))),
        "base": BASE,
        "above": _above_limits(),
    }


def judge_shrinking(numbers: Numbers) -> Finding:
    """B4 holds if the limits lie from √2 to √d; a caveat where a long input is not within 5 % of them."""
    root_d = np.sqrt(numbers["head_dim"])
    inside = np.sqrt(2) - 1e-9 <= numbers["smallest"] and numbers["largest"] <= root_d * (1 + 1e-9)
    approached = numbers["undercut"] < 1e-9 and numbers["distance"] < 0.05
    return Finding(
        REFUTED if not inside else HOLDS if approached else CAVEAT,
        (
            "Over directions that include both extremes the limits of the factor run from {smallest:.3f} "
            "to {largest:.2f}, where √d is {root_d:.2f}. With base {base}, chosen because it gets there, the "
            "ratio lies at {length:,} tokens with random weights within {percent:.0f} % above its limit. "
            "{realistic} A condition on u is needed: weights in the rhythm of one pair leave a factor of "
            "{beating:.2f}."
        ).format(
            **numbers,
            root_d=root_d,
            percent=np.ceil(100 * numbers["distance"]),
            realistic=_said_of_realistic(numbers["above"]),
        ),
    )


def measure_frobenius() -> Numbers:
    """How far RoPE moves the Frobenius norm of random clouds, under each of the compared spectra."""
    cloud = np.random.default_rng(0).standard_normal((2_000, HEAD_DIM))
    rotated = [
        rotate(cloud, np.arange(len(cloud)), inv_freq, "half_split")
        for inv_freq in compared_spectra(HEAD_DIM, TRAINED).values()
    ]
    norms = np.array([np.linalg.norm(each) for each in rotated]) / np.linalg.norm(cloud)
    return {"spectra": len(norms), "change": float(np.abs(norms - 1).max())}


def judge_frobenius(numbers: Numbers) -> Finding:
    """B5 holds when the norm stays to float64 rounding."""
    return Finding(
        HOLDS if numbers["change"] < 1e-12 else REFUTED,
        (
            "Under {spectra} spectra the Frobenius norm of a random cloud of full rank changes by {size} "
            "1e-12 in relative terms."
        ).format(**numbers, size="less than" if numbers["change"] < 1e-12 else "more than"),
    )


def measure_stable_rank() -> Numbers:
    """By which factors the stable rank grows: of clouds of one direction, and of one that fills a plane."""
    weights, ratios, _ = _long_clouds()
    cloud = np.random.default_rng(1).standard_normal((20_000, 2))
    rotated = rotate(cloud, np.arange(len(cloud)), [1.0], "half_split")
    before, after = (stable_rank(np.linalg.svd(x, compute_uv=False)) for x in (cloud, rotated))
    # The stable rank begins at 1, and the Frobenius norm stays.
    return {
        "smallest": float(ratios.max() ** -2),
        "largest": float(ratios.min() ** -2),
        "head_dim": HEAD_DIM,
        "length": len(weights),
        "plane": float(after / before),
        "base": BASE,
        "above": _above_limits(),
    }


def judge_stable_rank(numbers: Numbers) -> Finding:
    """B6 holds if the growth of rank-one clouds spans 2 to d, within 2 %, and no more."""
    low, high = numbers["smallest"], numbers["largest"]
    inside = low > 0.98 * 2 and high < 1.0001 * numbers["head_dim"]
    reached = low < 1.02 * 2 and high > 0.98 * numbers["head_dim"]
    return Finding(
        REFUTED if not inside else HOLDS if reached else CAVEAT,
        (
            "With base {base} the stable rank of clouds of one direction grows at {length:,} tokens by a "
            "factor from {smallest:.2f} to {largest:.1f}, with d = {head_dim}. {realistic} The assumption of "
            "one direction matters: a cloud that fills the plane of one pair grows by {plane:.2f}."
        ).format(**numbers, realistic=_said_of_realistic(numbers["above"])),
    )


CLAIMS = (
    Claim(
        id="B4",
        statement=(
            "For X = u vᵀ with ‖v‖ = 1, under mild conditions on u, RoPE shrinks the first singular value as "
            "n → ∞ by a factor between √2 and √d."
        ),
        place="Lemma 1",
        standing="stated",
        chapter="12_theorem",
        in_short="rotation shrinks the first singular value of one direction by √2 to √d in the limit",
        formula=Row(
            measure=measure_shrinking,
            judge=judge_shrinking,
            refuted_by={
                "smallest": 1.2,
                "largest": 11.313708498984761,
                "head_dim": 128,
                "length": 262144,
                "beating": 1.15,
                "distance": 0.01,
                "undercut": 0.0,
                "base": 100,
                "above": {"500,000": {"131,072": 2.5}},
            },
        ),
    ),
    Claim(
        id="B5",
        statement="RoPE preserves the Frobenius norm.",
        place="Lemma 2",
        standing="second-hand",
        chapter="12_theorem",
        in_short="the Frobenius norm stays",
        formula=Row(
            measure=measure_frobenius,
            judge=judge_frobenius,
            refuted_by={
                "spectra": 5,
                "change": 0.001,
            },
        ),
    ),
    Claim(
        id="B6",
        statement="So the stable rank of such a cloud grows by a factor between 2 and d.",
        place="Theorem 1",
        standing="second-hand",
        chapter="12_theorem",
        in_short="so the stable rank of one direction grows by 2 to d",
        formula=Row(
            measure=measure_stable_rank,
            judge=judge_stable_rank,
            refuted_by={
                "head_dim": 128,
                "length": 40000,
                "plane": 1.0,
                "base": 100,
                "above": {"500,000": {"131,072": 2.5}},
                "smallest": 1.5,
                "largest": 127.5,
            },
        ),
    ),
)
