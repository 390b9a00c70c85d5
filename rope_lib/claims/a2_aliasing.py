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
    """How near the bank of each head, weighed as the head weighs it, comes back at its horizon.

    That is the kept result `head_weights`: means over texts, by the kinds of layers that see the whole
    context, since no distance within a window comes near a horizon.
    """
    from rope_lib.findings.kept import kept
    from rope_lib.findings.pair_weights import by_kind, every_bank, over_texts

    tables, _ = kept("head_weights")
    layers = tables["layers"]
    whole = layers[layers.reach == layers.groupby("model").reach.transform("max")].kind
    banks = every_bank(tables)
    found = over_texts(by_kind(banks[banks.kind.isin(whole)]))
    return {
        "texts": tables["weights"].text.nunique(),
        "kinds": {
            kind: {name: numbers[name][0] for name in _OF_A_KIND}
            | {"low": numbers["at_horizon"][1], "high": numbers["at_horizon"][2]}
            for kind, numbers in found.items()
        },
    }


_OF_A_KIND = ("heads", "effective", "at_horizon", "most", "half", "collide")


def judge_heads(numbers: Numbers) -> Finding:
    """The mechanism occurs if, where the slowest oscillator completes its turn, the bank of at least half of
    the heads is as similar to its start as to its neighbor's; with a caveat if in more than a twentieth of
    the heads it is at least half as similar as to itself; else it does not occur. The shares are means over
    texts, of the kind of layers in which they are highest.
    """
    kinds = numbers["kinds"]
    occurs = max(kind["collide"] for kind in kinds.values()) >= HALF
    partly = max(kind["half"] for kind in kinds.values()) > FEW
    parts = (
        "{name}: {heads:.0f} heads, the median one leans on {effective:.0f} oscillators and has a similarity "
        "of {at_horizon:.2f} to its start ({low:.2f} to {high:.2f}; at most {most:.2f}); {half:.0%} of the "
        "heads are at least half of the way back, {collide:.0%} as near as a neighbor".format(
            name=name, **kind
        )
        for name, kind in kinds.items()
    )
    return Finding(
        HOLDS if occurs else CAVEAT if partly else REFUTED,
        "Banks weighed by a head's own |q||k|, where the slowest oscillator completes its turn; means over "
        f"{numbers['texts']} texts. {'. '.join(parts)}.",
    )


def judge_heads_of_one_model(numbers: Numbers) -> Verdict:
    """The rule until 2026-11-27: the same shares, of one model only, the first."""
    first = next(iter(numbers["kinds"].values()))
    return HOLDS if first["collide"] >= HALF else CAVEAT if first["half"] > FEW else REFUTED


_UNLIKE = {
    "heads": 270, "effective": 20.0, "at_horizon": 0.1, "low": 0.05, "high": 0.15, "most": 0.55, "half": 0.01,
    "collide": 0.0,
}  # fmt: skip

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
                "texts": 6,
                "kinds": {
                    "one model": _UNLIKE | {"heads": 270},
                    "another": _UNLIKE | {"heads": 12, "effective": 8.0},
                },
            },
            needs=("results",),
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
            Earlier(
                until="2026-11-27",
                rule="The same, of the heads of one model on one text.",
                why="A second model and more texts came to hand; of two kinds of layers the better counts.",
                row="consequence",
                judge=judge_heads_of_one_model,
            ),
        ),
    ),
)
