"""A8: a hard precision wall beyond about a million tokens."""

import numpy as np

from rope_lib.models.case_studies import case_studies
from rope_lib.theory.bounds import goldilocks_zone, max_context, precision_wall
from rope_lib.theory.precision import FLOAT64_ANGLE

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Earlier, Finding, Numbers, Row, Verdict
from .settings import EPSILON

MILLION = 1_000_000  # tokens
ENOUGH = 3  # published models that the practice must have
HARM = 0.1  # nats per token: a loss that anybody would notice


def measure_zone() -> Numbers:
    """The depths at which A4 and A5 together leave no base for a million tokens, and the longest contexts."""
    layers = np.arange(1, 257)
    empty = goldilocks_zone(MILLION, epsilon=EPSILON, layers=layers).is_empty

    def longest(depth: int, dtype: str) -> float:
        return float(max_context(precision_wall(dtype), EPSILON, layers=depth))

    return {
        "least_depth": int(layers[np.argmax(empty)]) if np.any(empty) else None,
        "deployed": min(case.num_layers for case in case_studies()),
        "longest_1": longest(1, "float32"),
        "longest_32": longest(32, "float32"),
        "longest_32_float64": longest(32, "float64"),
    }


def judge_zone(numbers: Numbers) -> Finding:
    """A8 follows from A4 and A5 if they leave no base in float32 for a million tokens at any depth; with a
    caveat if at no depth of the case studies; else it does not follow.
    """
    least = numbers["least_depth"]
    verdict = CAVEAT if least is not None and least <= numbers["deployed"] else REFUTED
    return Finding(
        HOLDS if least == 1 else verdict,
        (
            "In float32 A4 and A5 leave no base for a million tokens from {least} layers on; the case "
            "studies have {deployed} and more. The longest context with a base is {longest_1:,.0f} tokens "
            "for one layer, {longest_32:,.0f} for 32, and with float64 angles {longest_32_float64:.1e} for "
            "32."
        ).format(**numbers, least="no number of" if least is None else least),
    )


def measure_million() -> Numbers:
    """Loss of the packaged model with all positions shifted, in the angles it ships with and in float64.

    `short` is the change of 512 tokens raised by a million, `long` that of a whole declared context there.
    """
    from rope_lib.measure.load import load_model, tokenize
    from rope_lib.measure.positions import shifted_losses
    from rope_lib.measure.rounded import reference_rounding
    from rope_lib.measure.text import reference_text

    model = load_model()
    tokens = tokenize(model, reference_text(), 512)
    shipped = shifted_losses(model, tokens, [0, MILLION], {"float32": None}).loss
    accurate = shifted_losses(model, tokens, [10**9], {"float64": FLOAT64_ANGLE}).loss
    table = reference_rounding()
    long = table[table.scheme == "as shipped"].groupby("shift").nll.mean()
    return {
        "loss": float(shipped[0]),
        "change_at_million": abs(float(shipped[1] - shipped[0])),
        "change_at_billion_float64": abs(float(accurate[0] - shipped[0])),
        "tokens": int(table.position.max()) + 1,
        "long_change_at_million": abs(float(long[MILLION] - long[0])),
    }


def judge_million(numbers: Numbers) -> Finding:
    """A hard wall would show as a loss that rises by more than 0.1 nats at a million tokens, of a short input
    or of a long one, and with float64 angles at a billion by more than a thousandth. It occurs if both do;
    with a caveat if one does; else it does not occur.
    """
    changes = numbers["change_at_million"], numbers["long_change_at_million"]
    float32_wall = max(changes) > HARM
    any_wall = numbers["change_at_billion_float64"] > 1e-3
    return Finding(
        HOLDS if float32_wall and any_wall else CAVEAT if float32_wall or any_wall else REFUTED,
        (
            "With all positions raised by a million, the loss of SmolLM2-135M in its float32 angles changes "
            "by {change_at_million:.4f} nats of {loss:.3f} over 512 tokens and by "
            "{long_change_at_million:.4f} over {tokens:,}; raised by a billion, with float64 angles, by "
            "{change_at_billion_float64:.4f}."
        ).format(**numbers),
    )


def judge_short_input(numbers: Numbers) -> Verdict:
    """The rule until 2026-11-27: the same on 512 tokens alone."""
    float32_wall = numbers["change_at_million"] > HARM
    any_wall = numbers["change_at_billion_float64"] > 1e-3
    return HOLDS if float32_wall and any_wall else CAVEAT if float32_wall or any_wall else REFUTED


def measure_beyond_million() -> Numbers:
    """How many published models of known behavior are run beyond a million tokens, and how many work."""
    beyond = [case for case in case_studies() if case.context_length > MILLION and case.observed != "unknown"]
    return {
        "models": len({case.model for case in beyond}),
        "works": len({case.model for case in beyond if case.observed == "works"}),
        "longest_that_works": max(case.context_length for case in case_studies() if case.observed == "works"),
    }


def judge_beyond_million(numbers: Numbers) -> Finding:
    """A8 holds in practice if no published model of known behavior works beyond a million tokens; with a
    caveat if fewer than half do; else it fails. With fewer than three such models nothing is tested.
    """
    share = numbers["works"] / max(numbers["models"], 1)
    verdict = HOLDS if share == 0 else CAVEAT if share < 0.5 else REFUTED
    return Finding(
        NOT_TESTABLE if numbers["models"] < ENOUGH else verdict,
        (
            "Case studies of known behavior beyond a million tokens: {models}, of which {works} work. The "
            "longest context at which any works is {longest_that_works:,}."
        ).format(**numbers),
    )


CLAIMS = (
    Claim(
        id="A8",
        statement=(
            "Beyond about one million tokens there is a hard precision wall, independent of architecture or "
            "training."
        ),
        place="Abstract",
        standing="stated",
        chapter="05_precision_wall",
        in_short="with float64 angles a shift by a billion changes nothing; no case is known to work so far",
        formula=Row(
            measure=measure_zone,
            judge=judge_zone,
            refuted_by={
                "least_depth": 40,
                "deployed": 28,
                "longest_1": 6_000_000.0,
                "longest_32": 1_100_000.0,
                "longest_32_float64": 5e14,
            },
        ),
        consequence=Row(
            measure=measure_million,
            judge=judge_million,
            refuted_by={
                "loss": 2.8,
                "change_at_million": 0.0,
                "change_at_billion_float64": 0.0,
                "tokens": 8192,
                "long_change_at_million": 0.01,
            },
            needs=("model",),
        ),
        practice=Row(
            measure=measure_beyond_million,
            judge=judge_beyond_million,
            refuted_by={"models": 4, "works": 3, "longest_that_works": 2_000_000},
        ),
        history=(
            Earlier(
                until="2026-11-27",
                rule=(
                    "Holds if the loss of 512 tokens rises by more than 0.1 at a shift of a million in "
                    "float32 and by more than 0.001 at a billion in float64; a caveat if by one of them."
                ),
                why=(
                    "It judged the mechanism in a short input and called the whole claim refuted; whether a "
                    "model passes a million tokens is another question, and no published case answers it."
                ),
                row="consequence",
                judge=judge_short_input,
            ),
        ),
    ),
)
