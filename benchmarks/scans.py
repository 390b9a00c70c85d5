"""Searches over distances and bases, beside the direct sums that they replace.

    python benchmarks/scans.py

A direct sum takes one cosine for each distance and pair. It is timed on a part of the task and scaled, since
its work is proportional.
"""

import os

from harness import by_turns, keep, peak_memory  # before numpy: it sets the number of threads

# isort: split
import numpy as np
import pandas as pd

from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.reversal import reversal_share
from rope_lib.theory.rivals import men_first_negative, men_minimum_base

PART, BLOCK = 200_000, 4_096
LENGTHS = (10**5, 10**6, 10**7)


def sums(freqs, distances):
    """Σ_i cos(m·θ_i), directly."""
    return np.cos(np.multiply.outer(distances, freqs)).sum(axis=1)


def direct_first_negative(base, head_dim, limit):
    """The first distance of a negative sum up to `limit`, or None."""
    freqs = frequencies(base, head_dim)
    for start in range(1, limit + 1, BLOCK):
        below = sums(freqs, np.arange(start, min(start + BLOCK, limit + 1))) < 0
        if below.any():
            return start + int(np.argmax(below))
    return None


def first_negative(base, head_dim, limit):
    """One search, and the direct one over the same distances."""
    found = men_first_negative(base, head_dim, limit)
    last = found or limit
    where = f"at {found:,}" if found else f"none up to {limit:,}"
    return by_turns(
        f"first negative sum, base {base:.0e}, {head_dim} channels: {where}",
        {
            "men_first_negative": lambda: men_first_negative(base, head_dim, limit),
            "direct sums": lambda: direct_first_negative(base, head_dim, PART),
        },
        {"direct sums": last / PART},
    )


def island_width(base, head_dim, context):
    """How far above the least base the next failing one lies, relative to it, to some 5 %."""
    widths = np.geomspace(1e-7, 1, 340)
    return next(w for w in widths if men_first_negative(base * (1 + w), head_dim, context) is not None)


def least_base(context, head_dim, sample=12):
    """The search for the least base, and direct sums at bases as close as its island is wide."""
    least = men_minimum_base(context, head_dim)
    width = island_width(least, head_dim, context)
    grid = np.log(least) / width
    bases = np.exp(np.log(least) * (np.arange(sample) + 0.5) / sample)
    return by_turns(
        f"least base, {head_dim} channels, {context:,} tokens: {least:,.0f}, on an island {width:.1e} wide",
        {
            "men_minimum_base": lambda: men_minimum_base(context, head_dim),
            f"direct sums at {grid:,.0f} bases": lambda: [
                direct_first_negative(base, head_dim, context) for base in bases
            ],
        },
        {f"direct sums at {grid:,.0f} bases": grid / sample},
    )


def reversals(window, head_dim=128):
    """The share of distances at which order is reversed, by blocks and directly."""
    freqs = frequencies(500_000, head_dim)
    margin = np.random.default_rng(0).normal(1, 1, freqs.size) + 0j

    def direct():
        reversed_ = 0
        for start in range(0, PART, BLOCK):
            angles = np.multiply.outer(np.arange(start, min(start + BLOCK, PART)), freqs)
            reversed_ += np.sum((margin * np.exp(1j * angles)).real.sum(axis=1) < 0)
        return reversed_ / PART

    return by_turns(
        f"share of reversed scores, {head_dim} channels, {window:,} distances",
        {"reversal_share": lambda: reversal_share(margin, freqs, window), "direct sums": direct},
        {"direct sums": window / PART},
    )


def memory():
    """Peak memory of the searches as the range grows."""
    rows = [
        ("men_first_negative", n, peak_memory(lambda n=n: men_first_negative(1e12, 128, n))) for n in LENGTHS
    ]
    for context in (1_024, 8_192, 65_536):
        peak = peak_memory(lambda context=context: men_minimum_base(context, 64))
        rows.append(("men_minimum_base", context, peak))
    return pd.DataFrame(rows, columns=["function", "length", "bytes"])


def main():
    load = os.getloadavg()
    runs = [
        first_negative(1e12, 128, 10**7),
        first_negative(1e10, 128, 10**7),
        least_base(65_536, 64),
        least_base(131_072, 64),
        reversals(10**6),
    ]
    keep("scans", load, ["numpy"], runs=pd.concat(runs, ignore_index=True), memory=memory())


if __name__ == "__main__":
    main()
