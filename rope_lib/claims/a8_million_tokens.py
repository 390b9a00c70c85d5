"""A8: a hard precision wall beyond about a million tokens."""

from rope_lib.theory.precision import FLOAT64_ANGLE

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row


def measure_million() -> Numbers:
    """Loss of the packaged model with all positions shifted, in the angles it ships with and in float64."""
    from rope_lib.measure.load import load_model, tokenize
    from rope_lib.measure.positions import shifted_losses
    from rope_lib.measure.text import reference_text

    model = load_model()
    tokens = tokenize(model, reference_text(), 512)
    shipped = shifted_losses(model, tokens, [0, 10**6], {"float32": None}).loss
    accurate = shifted_losses(model, tokens, [10**9], {"float64": FLOAT64_ANGLE}).loss
    return {
        "loss": float(shipped[0]),
        "change_at_million": abs(float(shipped[1] - shipped[0])),
        "change_at_billion_float64": abs(float(accurate[0] - shipped[0])),
    }


def judge_million(numbers: Numbers) -> Finding:
    """A hard wall would show as a loss that rises near a million tokens whatever the arithmetic."""
    float32_wall = numbers["change_at_million"] > 0.1
    any_wall = numbers["change_at_billion_float64"] > 1e-3
    return Finding(
        HOLDS if float32_wall and any_wall else CAVEAT if float32_wall or any_wall else REFUTED,
        (
            "With all positions raised by a million, the loss of SmolLM2-135M in its float32 angles, "
            "{loss:.3f}, changes by {change_at_million:.4f}; raised by a billion, with float64 angles, by "
            "{change_at_billion_float64:.4f}."
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
        in_short="with float64 angles a shift by a billion tokens changes nothing",
        consequence=Row(
            measure=measure_million,
            judge=judge_million,
            refuted_by={
                "loss": 2.8,
                "change_at_million": 0.0,
                "change_at_billion_float64": 0.0,
            },
            needs=("model",),
        ),
    ),
)
