"""A2: aliasing, the slowest oscillator must not complete a turn."""

import numpy as np

from rope_lib.theory.oscillators import bank_similarity, frequencies

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Earlier, Finding, Numbers, Row, Verdict
from .practice import practice
from .settings import BASE, HEAD_DIM

NEAR = 0.05  # by how much, in relative terms, a stated horizon may miss the true one and still be right
FEW = 0.05  # a share of the heads that does not count
HALF = 0.5  # a similarity at which a bank counts as partly back


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
    """The derivation is right if the slowest oscillator returns after its turn, at the stated horizon to
    within 5 %; right with a caveat if the horizon is off by more, up to a factor of two; else wrong.
    """
    returns = numbers["mode"] > 0.999
    off = numbers["stated_horizon"] / numbers["period"]
    near, within = abs(off - 1) <= NEAR, 0.5 <= off <= 2
    return Finding(
        HOLDS if returns and near else CAVEAT if returns and within else REFUTED,
        (
            "The slowest of {modes} modes returns after {period:,} tokens; the stated horizon, with 1/base "
            "for its frequency, is {stated_horizon:,.0f}."
        ).format(**numbers),
    )


def judge_aliasing_of_the_bank(numbers: Numbers) -> Verdict:
    """The rule until 2026-11-27: does the whole bank, all oscillators alike, return with the slowest?"""
    returns = numbers["mode"] > 0.999
    confused = numbers["bank"] >= numbers["neighbor"]
    return HOLDS if returns and confused else CAVEAT if returns else REFUTED


def measure_heads() -> Numbers:
    """How near the bank of each head of the packaged model, weighed as the head weighs it, comes back."""
    from rope_lib.findings.pair_weights import effective_pairs, returns
    from rope_lib.measure.attending import spectrum_of
    from rope_lib.measure.load import load_model, tokenize
    from rope_lib.measure.pair_weights import pair_weights
    from rope_lib.measure.text import reference_text

    model = load_model()
    weights = pair_weights(model, tokenize(model, reference_text(), 2_048))
    inv_freq = np.array(spectrum_of(model.network))
    horizon = round(2 * np.pi / inv_freq.min())
    table = returns(weights, inv_freq, horizon + horizon // 10)
    return {
        "heads": len(table),
        "pairs": len(inv_freq),
        "effective": float(effective_pairs(weights).median()),
        "horizon": horizon,
        "collide_at_horizon": float((table.at_horizon >= table.neighbor).mean()),
        "half_at_horizon": float((table.at_horizon >= HALF).mean()),
        "at_horizon": float(table.at_horizon.median()),
        "most_at_horizon": float(table.at_horizon.max()),
        "neighbor": float(table.neighbor.median()),
        "nearest": float(table.nearest.median()),
    }


def judge_heads(numbers: Numbers) -> Finding:
    """The mechanism occurs in a model if, where the slowest oscillator completes its turn, the bank of at
    least half of the heads is as similar to its start as to its neighbor's; with a caveat if in more than a
    twentieth of the heads it is at least half as similar as to itself; else it does not occur.
    """
    occurs = numbers["collide_at_horizon"] >= HALF
    partly = numbers["half_at_horizon"] > FEW
    return Finding(
        HOLDS if occurs else CAVEAT if partly else REFUTED,
        (
            "In {heads} heads of SmolLM2-135M, each bank weighed by its own |q||k|, the median head leans on "
            "{effective:.0f} of {pairs} oscillators. At the horizon, {horizon:,} tokens, its similarity to "
            "the start is {at_horizon:.2f} (at most {most_at_horizon:.2f} in any head), between neighbors "
            "{neighbor:.2f}; {half_at_horizon:.0%} of the heads are at least half of the way back, "
            "{collide_at_horizon:.0%} as near as a neighbor."
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
        consequence=Row(
            measure=measure_heads,
            judge=judge_heads,
            refuted_by={
                "heads": 270,
                "pairs": 32,
                "effective": 20.0,
                "horizon": 438_000,
                "collide_at_horizon": 0.0,
                "half_at_horizon": 0.01,
                "at_horizon": 0.1,
                "most_at_horizon": 0.55,
                "neighbor": 0.95,
                "nearest": 0.4,
            },
            needs=("model",),
        ),
        practice=practice("A2"),
        history=(
            Earlier(
                until="2026-11-27",
                rule=(
                    "Holds if the slowest oscillator returns and the whole bank, all oscillators alike, "
                    "returns with it; a caveat if the slowest returns alone."
                ),
                why=(
                    "It judged formula and consequence in one, on a bank of equal weights; no model weighs "
                    "its oscillators alike."
                ),
                row="formula",
                judge=judge_aliasing_of_the_bank,
            ),
        ),
    ),
)
