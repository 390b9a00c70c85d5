"""A2: aliasing, the slowest oscillator must not complete a turn."""

import numpy as np

from rope_lib.theory.oscillators import bank_similarity, frequencies

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row
from .settings import BASE, HEAD_DIM


def measure_aliasing() -> Numbers:
    """Similarity of the slowest mode and of the whole bank where the slowest mode completes its turn."""
    freqs = frequencies(BASE, HEAD_DIM)
    period = int(np.rint(2 * np.pi / freqs[-1]))
    return {
        "modes": HEAD_DIM // 2,
        "stated_horizon": 2 * np.pi * BASE,
        "period": period,
        "mode": float(np.cos(period * freqs[-1])),
        "bank": float(bank_similarity(period, freqs)),
        "neighbor": float(bank_similarity(1, freqs)),
    }


def judge_aliasing(numbers: Numbers) -> Finding:
    """A2 holds for a mode that returns; it carries over to positions only if the whole bank returns too."""
    returns = numbers["mode"] > 0.999
    confused = numbers["bank"] >= numbers["neighbor"]
    verdict = HOLDS if returns and confused else CAVEAT if returns else REFUTED
    return Finding(
        verdict,
        (
            "The slowest of {modes} modes returns after {period:,} tokens (the stated horizon, "
            "with 1/base for its frequency, is {stated_horizon:,.0f}). The whole bank's similarity there is "
            "{bank:.2f}, against {neighbor:.2f} between neighbors."
        ).format(**numbers),
    )


CLAIMS = (
    Claim(
        id="A2",
        statement="Aliasing: the lowest mode must not complete a cycle within the context, L < 2π·base.",
        place="Method, Figure 1",
        standing="stated",
        chapter="02_aliasing",
        in_short="the slowest oscillator returns at its horizon; the bank as a whole does not",
        formula=Row(
            measure=measure_aliasing,
            judge=judge_aliasing,
            refuted_by={
                "modes": 64,
                "stated_horizon": 62832,
                "period": 54410,
                "neighbor": 0.97,
                "mode": 0.2,
                "bank": -0.06,
            },
        ),
    ),
)
