"""A5: the precision wall, the increment 1/base must exceed machine epsilon."""

import numpy as np

from rope_lib.findings.wording import rounded_up
from rope_lib.theory.bounds import precision_wall
from rope_lib.theory.precision import FLOAT32, Arithmetic, direct_product, merged_neighbors, phase_error

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Earlier, Finding, Numbers, Row, Verdict
from .practice import practice
from .settings import HEAD_DIM

DEPLOYED = 131_072  # tokens: about the longest context that published models are run at and known to work
WINDOW = 2_048  # positions in which neighbors are compared
SIDES = {"bfloat16": (64.0, 1e4), "float32": (1e4, 1e9)}  # a base below each wall, and one beyond it

FEW, HALF = 0.05, 0.5  # shares of the neighbors that are merged
HARM = 0.1  # nats per token: a loss that anybody would notice


def measure_merging() -> Numbers:
    """The share of neighbors that the slowest pair merges, on both sides of the wall of two number types.

    Either the angle alone is rounded, or the cosines and sines alone. Beside it stand the worst float32 phase
    errors at two positions.
    """

    def merged(arithmetic: Arithmetic, base: float, position: int = DEPLOYED) -> float:
        near = np.arange(position - WINDOW, position)
        return float(merged_neighbors(*direct_product(near, base, HEAD_DIM, arithmetic))[-1])

    def worst(position: int, base: float) -> float:
        near = np.arange(position - 512, position)
        return float(
            np.abs(phase_error(*direct_product(near, base, HEAD_DIM, FLOAT32), near, base, HEAD_DIM)).max()
        )

    cases = {}
    for dtype, (below, beyond) in SIDES.items():
        for step, arithmetic in (
            ("angles", Arithmetic(dtype, dtype, "float64")),
            ("tables", Arithmetic("float64", "float64", dtype)),
        ):
            cases[f"{dtype} {step}"] = {
                "below": merged(arithmetic, below),
                "beyond": merged(arithmetic, beyond),
            }
    far = Arithmetic("float32", "float32", "float64")
    return {
        "wall": float(precision_wall()),
        "cases": cases,
        "far_below": merged(far, SIDES["float32"][0], 2**27),
        "far_beyond": merged(far, SIDES["float32"][1], 2**27),
        "low_base": 1e4,
        "high_base": 1e12,
        "low_base_error": worst(2**17, 1e4),
        "high_base_error": worst(2**17, 1e12),
        "far_error": worst(2**20, 1e4),
    }


def judge_merging(numbers: Numbers) -> Finding:
    """The derivation is right if, near position 131,072, the slowest pair merges at least half of the
    neighbors for a base beyond the wall and at most a twentieth for one below it, in bfloat16 and in float32,
    whether angles are rounded or tables; a caveat if in some of these four cases; wrong if in none.
    """
    cases = numbers["cases"]
    decided = [case["below"] <= FEW and case["beyond"] >= HALF for case in cases.values()]
    listed = "; ".join(
        f"{name} {case['below']:.0%} below the wall and {case['beyond']:.0%} beyond it"
        for name, case in cases.items()
    )
    return Finding(
        HOLDS if all(decided) else CAVEAT if any(decided) else REFUTED,
        (
            "Neighbors that the slowest pair merges near position 131,072, one thing rounded at a time: "
            "{listed}. float32 angles merge {far_below:.0%} and {far_beyond:.0%} of them near position 134 "
            "million. Worst float32 phase error near 131,072: {low_base_error:.1e} rad at base "
            "{low_base:.0e}, {high_base_error:.1e} at base {high_base:.0e}; near 1,048,576 {far_error:.1e}."
        ).format(**numbers, listed=listed),
    )


def judge_worst_error(numbers: Numbers) -> Verdict:
    """The rule until 2026-11-27: is the worst error over all pairs larger beyond the wall?"""
    base_matters = numbers["high_base_error"] > 10 * numbers["low_base_error"]
    position_matters = numbers["far_error"] > 4 * numbers["low_base_error"]
    return HOLDS if base_matters else REFUTED if position_matters else NOT_TESTABLE


def measure_model() -> Numbers:
    """The loss of the packaged model at its declared length, and what rounding to bfloat16 adds to it."""
    from rope_lib.measure.rounded import WHOLE_MODEL, reference_rounding

    table = reference_rounding()
    loss = table[table["shift"] == 0].groupby("scheme").nll.mean()
    rise = loss - loss["as shipped"]
    return {
        "tokens": int(table.position.max()) + 1,
        "wall": float(precision_wall("bfloat16")),
        "loss": float(loss["as shipped"]),
        "tables": float(rise["bfloat16 tables"]),
        "angles": float(rise["bfloat16 angles"]),
        "slow": float(rise["bfloat16 angles, slow pairs"]),
        "fast": float(rise["bfloat16 angles, fast pairs"]),
        "model": float(rise[WHOLE_MODEL]),
    }


def judge_model(numbers: Numbers) -> Finding:
    """The model's base is far beyond bfloat16's wall, so its loss must suffer there. The mechanism occurs if
    the loss rises by at least 0.1 nats both where tables are rounded to bfloat16 and where angles are rounded
    in no other pairs than those whose increment is below epsilon; with a caveat if in one of the two; else it
    does not occur.
    """
    harmed = [numbers[name] >= HARM for name in ("tables", "slow")]
    return Finding(
        HOLDS if all(harmed) else CAVEAT if any(harmed) else REFUTED,
        (
            "Loss of SmolLM2-135M, of base 100,000, over {tokens:,} tokens: {loss:.3f} nats. bfloat16, whose "
            "wall stands at {wall:.0f}, changes it by {tables:+.4f} in the tables, by {angles:+.4f} in the "
            "angles of all pairs, by {slow:+.4f} in those with an increment below epsilon and {fast:+.4f} in "
            "the others; the whole model in bfloat16 by at most {model_at_most} either way, as the processor "
            "rounds its sums."
        ).format(**numbers, model_at_most=rounded_up(abs(numbers["model"]), 2)),
    )


CLAIMS = (
    Claim(
        id="A5",
        statement="Precision wall: the phase increment 1/base must exceed machine epsilon, base < 1/ε_mach.",
        place="Method",
        standing="stated",
        chapter="05_precision_wall",
        in_short="right for rounded tables, whose lost steps a model does not miss; angles fail by position",
        formula=Row(
            measure=measure_merging,
            judge=judge_merging,
            refuted_by={
                "wall": 8388608.0,
                "cases": {
                    "bfloat16 angles": {"below": 0.99, "beyond": 0.99},
                    "bfloat16 tables": {"below": 0.9, "beyond": 0.95},
                    "float32 angles": {"below": 0.0, "beyond": 0.0},
                    "float32 tables": {"below": 0.0, "beyond": 0.0},
                },
                "far_below": 0.9,
                "far_beyond": 0.9,
                "low_base": 10000.0,
                "high_base": 1000000000000.0,
                "low_base_error": 0.001,
                "high_base_error": 0.001,
                "far_error": 0.01,
            },
        ),
        consequence=Row(
            measure=measure_model,
            judge=judge_model,
            refuted_by={
                "tokens": 8192,
                "wall": 128.0,
                "loss": 2.4,
                "tables": 0.002,
                "angles": 1.5,
                "slow": 0.05,
                "fast": 1.3,
                "model": 0.004,
            },
            needs=("model",),
        ),
        practice=practice("A5"),
        history=(
            Earlier(
                until="2026-11-27",
                rule=(
                    "Holds if the worst float32 phase error over all pairs is ten times as large at a base "
                    "beyond the wall; refuted if it is not and grows with the position."
                ),
                why=(
                    "The fastest pairs, which the base does not move, dominate the worst error at every "
                    "base, so that the rule could hardly come out otherwise; and it left out tables, models "
                    "and practice."
                ),
                row="formula",
                judge=judge_worst_error,
            ),
        ),
    ),
)
