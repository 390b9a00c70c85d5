"""B9: two criteria that tell which spectra extrapolate."""

from collections.abc import Callable, Mapping

import numpy as np

from rope_lib.theory.dispersal import (
    compared_spectra,
    limiting_ratio,
    singular_value_ratio,
    uniform_coherence,
)

from .by_model import judge_models
from .claim import CAVEAT, HOLDS, REFUTED, Claim, Earlier, Finding, Numbers, Row, Verdict
from .settings import HEAD_DIM, TRAINED

# What the paper says of each spectrum: whether it meets C1 and C2.
EXPECTED = {
    "base 500,000": (False, False),
    "HalfRoPE": (True, False),
    "HighFreq": (False, True),
    "RoPE-ID": (True, True),
}


def measure_criteria() -> Numbers:
    """For each spectrum the numbers behind C1 (limits of an even direction) and C2 (turns, fall so far)."""
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


def judge_criteria(numbers: Numbers) -> Finding:
    """B9 holds if the criteria in numbers sort the spectra as stated, C2 on three readings; a caveat on two.

    C1: the limit does not fade in a head eight times as wide. C2: the slowest rotating pair turns once within
    the training length; nine tenths of the fall are complete there; and, strictly, the ratio is within 5 % of
    its limit.
    """

    def agrees(criterion: int, met: Callable[[Numbers], bool]) -> bool:
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


SAID = {
    "meeting_kept": "its loss stays below this rise by|+.2f",
    "other_lost": "RoPE's exceeds it by|+.2f",
    "spared": "share of RoPE's rise that is spared|.0%",
    "settled": "fall of the ratio beyond training, of RoPE's less its own|+.3f",
}


def measure_extrapolation() -> Numbers:
    """The loss beyond the trained length of two models: RoPE-ID, which meets both criteria, and RoPE."""
    from rope_lib.findings.by_text import extrapolation_parts, kept_geometry, part_numbers
    from rope_lib.findings.kept import kept

    return part_numbers(extrapolation_parts(kept_geometry(), kept("same_bytes")[0]["losses"]))


def extrapolates(parts: Mapping[str, float]) -> Verdict:
    """The rule for one model: see `judge_extrapolation`."""
    if min(parts["meeting_kept"], parts["other_lost"]) >= 0 and parts["settled"] > 0:
        return HOLDS
    return CAVEAT if parts["spared"] > 0.5 and parts["settled"] > 0 else REFUTED


def judge_extrapolation(numbers: Numbers) -> Finding:
    """B9's "extrapolates if" holds if, from a context of the trained length to the longest, the loss of the
    same tokens rises by at most 0.1 nats in the model that meets both criteria and by more in RoPE's, whose
    ratio of first singular values also falls by more; a caveat if the former is spared more than half of the
    rise.

    Two models of one size on real text, without RoPE-ID's temperature. Models of every spectrum, with and
    without it, are judged in Part III. From texts to models: see `by_model`.
    """
    return judge_models(extrapolates, numbers, SAID)


CLAIMS = (
    Claim(
        id="B9",
        statement=(
            "A spectrum extrapolates if overlap has a non-trivial bound (C1) that is reached within the "
            "training length (C2). RoPE meets neither, HalfRoPE C1, HighFreq C2, RoPE-ID both."
        ),
        place="Figure 7 and its discussion",
        standing="second-hand",
        chapter="13_safe_spectra",
        in_short="two criteria sort the spectra as stated; meeting both spares a model much of its loss",
        formula=Row(
            measure=measure_criteria,
            judge=judge_criteria,
            refuted_by={
                "base 500,000": {
                    "limit": 0.09,
                    "wide_limit": 0.03,
                    "turns": 0.002,
                    "done": 0.4,
                    "above_limit": 3.0,
                },
                "HalfRoPE": {
                    "limit": 0.7,
                    "wide_limit": 0.7,
                    "turns": 0.002,
                    "done": 0.5,
                    "above_limit": 0.2,
                },
                "HighFreq": {
                    "limit": 0.09,
                    "wide_limit": 0.03,
                    "turns": 2.0,
                    "done": 0.96,
                    "above_limit": 0.01,
                },
                "RoPE-ID": {
                    "limit": 0.7,
                    "wide_limit": 0.7,
                    "turns": 2.0,
                    "done": 0.5,
                    "above_limit": 0.0,
                },
            },
        ),
        consequence=Row(
            measure=measure_extrapolation,
            judge=judge_extrapolation,
            refuted_by={
                "texts": 5,
                "models": {
                    "byte RoPE-ID": {
                        "meeting_kept": {"mean": -2.0, "low": -2.1, "high": -1.9},
                        "other_lost": {"mean": 2.2, "low": 2.1, "high": 2.3},
                        "spared": {"mean": 0.1, "low": 0.05, "high": 0.15},
                        "settled": {"mean": 0.2, "low": 0.19, "high": 0.21},
                    }
                },
            },
            needs=("results",),
        ),
        history=(
            Earlier(
                until="2026-11-27",
                rule="The formula's row alone: do the criteria sort the spectra as stated?",
                why=(
                    "It left out the claim itself, that a spectrum that meets both criteria extrapolates. "
                    "The row of consequence was written before its models were measured."
                ),
                row="formula",
                judge=lambda numbers: judge_criteria(numbers).verdict,
            ),
        ),
    ),
)
