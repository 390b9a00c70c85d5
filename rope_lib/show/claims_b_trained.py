"""Paper B's claim B10, on models that were trained for it: the measurement and the rule.

The measurement is the kept result of experiment 3, which chapter 17 draws from and runs a part of again.
"""

import numpy as np

from .claims import CAVEAT, HOLDS, REFUTED, Claim, Finding

# The least share of its accuracy at the trained length that a spectrum may keep and still be said to hold up.
KEPT = 0.9

# What may stand between two mean accuracies that are called alike.
ALIKE = 0.02

# Spectra of paper B's table that are not told the length of the input.
RIVALS = ("RoPE", "HighFreq", "HalfRoPE")


def measure_generalization():
    """Accuracy at the trained length, at the paper's 4 times it and at the longest: RoPE-ID and its rivals.

    RoPE-ID has the temperature that belongs to it, the rivals and YaRN have none.
    """
    from .experiment_summaries import RULER_STRETCH, accuracies, beyond, retained
    from .kept import kept

    tables, _ = kept("spectra")
    summary = tables["summary"]
    plain, warm = accuracies(summary), accuracies(summary, "by position")
    trained, longest = int(plain.columns[0]), int(plain.columns[-1])
    far = RULER_STRETCH * trained
    own = warm.xs("RoPE-ID", level="system")
    shares = retained(own, trained)
    means = plain.groupby(level="system").mean()
    least = 2 * trained
    cold, warm = (beyond(tables["distances"], longest, least, each) for each in ("none", "by position"))
    behind, rope = warm["RoPE-ID"], cold["RoPE"]
    return {
        "seeds": len(own),
        "trained": trained,
        "far": far,
        "longest": longest,
        "inside": float(own[trained].mean()),
        "at_far": float(own[far].mean()),
        "at_longest": float(own[longest].mean()),
        "kept_far": float(shares[far].min()),
        "kept_longest": float(shares[longest].min()),
        "least": least,
        "beyond": float(behind.mean()),
        "beyond_rope": float(rope.mean()),
        "above_rope": int(np.sum(behind > rope)),
        "yarn_at_longest": float(means.loc["YaRN", longest]),
        "rivals_at_far": {name: float(means.loc[name, far]) for name in RIVALS},
        "rivals_at_longest": {name: float(means.loc[name, longest]) for name in RIVALS},
    }


def judge_generalization(numbers):
    """B10 holds if RoPE-ID, in every seed, keeps 90 % of its accuracy up to the longest input, and no rival
    of the paper's table is ahead of it in the mean; a caveat if it keeps that much up to the paper's 4 times
    the trained length and, in every seed, finds more than RoPE of what lies twice that length back or more.
    """
    ahead = [
        name
        for length, own in (("far", numbers["at_far"]), ("longest", numbers["at_longest"]))
        for name, other in numbers[f"rivals_at_{length}"].items()
        if other > own + ALIKE
    ]
    holds = min(numbers["kept_far"], numbers["kept_longest"]) >= KEPT and not ahead
    partly = numbers["kept_far"] >= KEPT and numbers["above_rope"] == numbers["seeds"]

    def listed(others):
        return ", ".join(f"{name} {value:.2f}" for name, value in others.items())

    return Finding(
        HOLDS if holds else CAVEAT if partly else REFUTED,
        (
            "Recall by models of 2 layers and 64 channels, {seeds} seeds, trained on {trained} tokens; not "
            "RULER, not 1B. Mean accuracy of RoPE-ID with its temperature at {trained:,}, {far:,} and "
            "{longest:,} tokens: {inside:.2f}, {at_far:.2f}, {at_longest:.2f}; the seed that keeps least of "
            "it keeps {kept_far:.0%} and {kept_longest:.0%}. At {far:,} tokens {rivals_far}; at {longest:,} "
            "{rivals_longest}, and YaRN, told the length, {yarn_at_longest:.2f}. Of answers {least} tokens "
            "back or more RoPE-ID finds {beyond:.2f}, RoPE {beyond_rope:.2f}."
        ).format(
            rivals_far=listed(numbers["rivals_at_far"]),
            rivals_longest=listed(numbers["rivals_at_longest"]),
            **numbers,
        ),
    )


CLAIMS = (
    Claim(
        "B10",
        "B",
        "RoPE-ID generalizes to longer inputs out of the box: RULER and LongBench, 1B and 3B.",
        "abstract; tables of RULER and LongBench",
        "stated",
        "17_trained_spectra",
        False,
        measure_generalization,
        judge_generalization,
    ),
)
