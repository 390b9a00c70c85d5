"""Paper B's claims B4 to B6 and B9, on the theory: the measurement and the rule that judges each.

`measure_*` returns plain numbers, `judge_*` turns them into a finding by a rule stated in its docstring.
Evidence states the numbers and leaves the conclusion to the verdict.
"""

from functools import cache

import numpy as np

from rope_lib.theory.dispersal import (
    coherence,
    compared_spectra,
    limiting_ratio,
    singular_value_ratio,
    stable_rank,
    uniform_coherence,
)
from rope_lib.theory.oscillators import frequencies, rotate

from .claims import CAVEAT, HOLDS, REFUTED, Claim, Finding

# The bank on which the lemmas are tried. The limits are those of any base; this one comes near them at a
# length that takes a second.
BASE, HEAD_DIM = 100, 128
TRAINED = 4_096  # the training length that paper B's spectra are built for


@cache
def _long_clouds():
    """Random weights of many tokens, and the ratios and their limits for directions with both extremes."""
    random = np.random.default_rng(0)
    inv_freq = frequencies(BASE, HEAD_DIM)
    extremes = np.eye(HEAD_DIM)[:1], np.ones((1, HEAD_DIM))  # all in one pair, the same in each
    directions = np.concatenate([*extremes, random.standard_normal((30, HEAD_DIM))])
    weights = np.abs(1 + 0.1 * random.standard_normal(2**18))
    ratios = singular_value_ratio(directions, coherence(inv_freq, weights))
    return weights, ratios, limiting_ratio(directions, inv_freq)


# B4: the first singular value


def measure_shrinking():
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
    }


def judge_shrinking(numbers):
    """B4 holds if the limits lie from √2 to √d; a caveat where a long input is not within 5 % of them."""
    root_d = np.sqrt(numbers["head_dim"])
    inside = np.sqrt(2) - 1e-9 <= numbers["smallest"] and numbers["largest"] <= root_d * (1 + 1e-9)
    approached = numbers["undercut"] < 1e-9 and numbers["distance"] < 0.05
    return Finding(
        REFUTED if not inside else HOLDS if approached else CAVEAT,
        (
            "Over directions that include both extremes the limits of the factor run from {smallest:.3f} "
            "to {largest:.2f}, where √d is {root_d:.2f}. At {length:,} tokens with random weights the ratio "
            "lies within {percent:.0f} % above its limit. A condition on u is needed: weights in the rhythm "
            "of one pair leave a factor of {beating:.2f}."
        ).format(**numbers, root_d=root_d, percent=np.ceil(100 * numbers["distance"])),
    )


# B5: the Frobenius norm


def measure_frobenius():
    """How far RoPE moves the Frobenius norm of random clouds, under each of the compared spectra."""
    cloud = np.random.default_rng(0).standard_normal((2_000, HEAD_DIM))
    rotated = [
        rotate(cloud, np.arange(len(cloud)), inv_freq, "half_split")
        for inv_freq in compared_spectra(HEAD_DIM, TRAINED).values()
    ]
    norms = np.array([np.linalg.norm(each) for each in rotated]) / np.linalg.norm(cloud)
    return {"spectra": len(norms), "change": float(np.abs(norms - 1).max())}


def judge_frobenius(numbers):
    """B5 holds when the norm stays to float64 rounding."""
    return Finding(
        HOLDS if numbers["change"] < 1e-12 else REFUTED,
        (
            "Under {spectra} spectra the Frobenius norm of a random cloud of full rank changes by {size} "
            "1e-12 in relative terms."
        ).format(**numbers, size="less than" if numbers["change"] < 1e-12 else "more than"),
    )


# B6: the stable rank


def measure_stable_rank():
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
    }


def judge_stable_rank(numbers):
    """B6 holds if the growth of rank-one clouds reaches from 2 to d, to 2 %, and goes no further."""
    low, high = numbers["smallest"], numbers["largest"]
    inside = low > 0.98 * 2 and high < 1.0001 * numbers["head_dim"]
    reached = low < 1.02 * 2 and high > 0.98 * numbers["head_dim"]
    return Finding(
        REFUTED if not inside else HOLDS if reached else CAVEAT,
        (
            "At {length:,} tokens the stable rank of clouds of one direction grows by a factor from "
            "{smallest:.2f} to {largest:.1f}, with d = {head_dim}. The assumption of one direction matters: "
            "a cloud that fills the plane of one pair grows by {plane:.2f}."
        ).format(**numbers),
    )


# B9: the criteria


# What the paper says of each spectrum: whether it meets C1 and C2.
EXPECTED = {
    "base 500,000": (False, False),
    "HalfRoPE": (True, False),
    "HighFreq": (False, True),
    "RoPE-ID": (True, True),
}


def measure_criteria():
    """For each spectrum the numbers behind C1 (limits of an even direction) and C2 (turns, fall done)."""
    directions = np.random.default_rng(0).standard_normal((24, HEAD_DIM))
    wide = compared_spectra(8 * HEAD_DIM, TRAINED)
    numbers = {}
    for name, inv_freq in compared_spectra(HEAD_DIM, TRAINED).items():
        if name in EXPECTED:
            now = singular_value_ratio(directions, uniform_coherence(inv_freq, TRAINED))
            limit = limiting_ratio(directions, inv_freq)
            numbers[name] = {
                "limit": float(limiting_ratio(np.ones(HEAD_DIM), inv_freq)),
                "wide_limit": float(limiting_ratio(np.ones(8 * HEAD_DIM), wide[name])),
                "turns": float(TRAINED * inv_freq[inv_freq > 0].min() / (2 * np.pi)),
                "done": float(np.median((1 - now) / (1 - limit))),
                "above_limit": float(np.median(now / limit - 1)),
            }
    return numbers


def judge_criteria(numbers):
    """B9 holds if the criteria in numbers sort the spectra as stated, C2 on three readings; a caveat on two.

    C1: the limit does not fade in a head eight times as wide. C2: the slowest rotating pair turns once within
    the training length; nine tenths of the fall are done there; and, strictly, the ratio is within 5 % of its
    limit.
    """

    def agrees(criterion, met):
        return all(met(found) == EXPECTED[name][criterion] for name, found in numbers.items())

    bounded = agrees(0, lambda found: found["wide_limit"] > 0.9 * found["limit"])
    turned = agrees(1, lambda found: found["turns"] >= 1)
    settled = agrees(1, lambda found: found["done"] >= 0.9)
    strict = agrees(1, lambda found: found["above_limit"] <= 0.05)
    parts = (
        "{name}: {limit:.2f} and {wide_limit:.2f}; {done:.0%}; {above_limit:.0%}".format(name=name, **found)
        for name, found in numbers.items()
    )
    return Finding(
        REFUTED if not (bounded and turned and settled) else HOLDS if strict else CAVEAT,
        (
            f"Limit of an even direction at {HEAD_DIM} and {8 * HEAD_DIM} channels; share of the fall done "
            f"at {TRAINED:,} tokens; ratio above its limit there. {'. '.join(parts)}."
        ),
    )


CLAIMS = (
    Claim(
        "B4",
        "B",
        "For X = u vᵀ with ‖v‖ = 1, under mild conditions on u, RoPE shrinks the first singular value as "
        "n → ∞ by a factor between √2 and √d.",
        "Lemma 1",
        "stated",
        "12_theorem",
        False,
        measure_shrinking,
        judge_shrinking,
    ),
    Claim(
        "B5",
        "B",
        "RoPE preserves the Frobenius norm.",
        "Lemma 2",
        "second-hand",
        "12_theorem",
        False,
        measure_frobenius,
        judge_frobenius,
    ),
    Claim(
        "B6",
        "B",
        "So the stable rank of such a cloud grows by a factor between 2 and d.",
        "Theorem 1",
        "second-hand",
        "12_theorem",
        False,
        measure_stable_rank,
        judge_stable_rank,
    ),
    Claim(
        "B9",
        "B",
        "A spectrum extrapolates if overlap has a non-trivial bound (C1) that is reached within the training "
        "length (C2). RoPE meets neither, HalfRoPE C1, HighFreq C2, RoPE-ID both.",
        "Figure 7 and its discussion",
        "second-hand",
        "13_safe_spectra",
        False,
        measure_criteria,
        judge_criteria,
    ),
)
