"""A1: rotation is phase modulation, and scores depend on relative positions only."""

import numpy as np

from rope_lib.theory.arguments import Floats
from rope_lib.theory.oscillators import frequencies, rotate

from .claim import HOLDS, REFUTED, Claim, Finding, Numbers, Row
from .settings import BASE, HEAD_DIM


def measure_relative_position() -> Numbers:
    """How far norms and scores of random vectors move under rotation and under a common shift."""
    random = np.random.default_rng(0)
    freqs = frequencies(BASE, HEAD_DIM)
    query, key = random.standard_normal((2, 200, HEAD_DIM))
    positions = random.integers(0, 100_000, 200)

    def scores(shift: int) -> Floats:
        rotated = (
            rotate(x[:, None], [p + shift], freqs, "half_split")[:, 0] for x, p in ((query, 7), (key, 0))
        )
        products: Floats = np.sum(np.multiply(*rotated), axis=-1)
        return products

    norms = np.linalg.norm(rotate(query, positions, freqs, "half_split"), axis=-1)
    return {
        "norm_change": float(np.abs(norms / np.linalg.norm(query, axis=-1) - 1).max()),
        "score_change": float(np.abs(scores(100_000) - scores(0)).max()),
        "score_size": float(np.abs(scores(0)).max()),
    }


def judge_relative_position(numbers: Numbers) -> Finding:
    """A1 holds when norms and scores agree to float64 rounding."""
    exact = numbers["norm_change"] < 1e-12 and numbers["score_change"] < 1e-9 * numbers["score_size"]
    return Finding(
        HOLDS if exact else REFUTED,
        (
            "Scores of random vectors up to {score_size:.0f} change by "
            "less than 1e-{score_digits} when both positions move by 100,000; norms by less than "
            "1e-{norm_digits} in relative terms."
        ).format(
            **numbers,
            score_digits=_digits(numbers["score_change"]),
            norm_digits=_digits(numbers["norm_change"]),
        ),
    )


def _digits(error: float) -> int:
    """The number of decimals that an error leaves intact, which hardly differs between machines."""
    return int(-np.ceil(np.log10(max(error, 1e-16))))


CLAIMS = (
    Claim(
        id="A1",
        statement=(
            "RoPE is phase modulation of complex oscillators; the score depends on the relative position "
            "only."
        ),
        place="Method, oscillator bank",
        standing="stated",
        chapter="01_oscillator_bank",
        in_short="RoPE is phase modulation; scores depend on relative position only",
        formula=Row(
            measure=measure_relative_position,
            judge=judge_relative_position,
            refuted_by={
                "norm_change": 1e-15,
                "score_change": 0.1,
                "score_size": 30.0,
            },
        ),
    ),
)
