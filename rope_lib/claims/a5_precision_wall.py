"""A5: the precision wall, the increment 1/base must exceed machine epsilon."""

import numpy as np

from rope_lib.theory.bounds import precision_wall
from rope_lib.theory.precision import FLOAT32, direct_product, phase_error

from .claim import HOLDS, NOT_TESTABLE, REFUTED, Claim, Finding, Numbers, Row
from .settings import HEAD_DIM


def measure_wall() -> Numbers:
    """Worst float32 phase error at two positions, for a base below the wall and one far beyond it."""

    def worst(position: int, base: float) -> float:
        near = np.arange(position - 512, position)
        return float(
            np.abs(phase_error(*direct_product(near, base, HEAD_DIM, FLOAT32), near, base, HEAD_DIM)).max()
        )

    return {
        "wall": float(precision_wall()),
        "low_base": 1e4,
        "high_base": 1e12,
        "low_base_error": worst(2**17, 1e4),
        "high_base_error": worst(2**17, 1e12),
        "far_error": worst(2**20, 1e4),
    }


def judge_wall(numbers: Numbers) -> Finding:
    """A wall in the base would make the error beyond it far larger; one in the position grows with it."""
    base_matters = numbers["high_base_error"] > 10 * numbers["low_base_error"]
    position_matters = numbers["far_error"] > 4 * numbers["low_base_error"]
    return Finding(
        HOLDS if base_matters else REFUTED if position_matters else NOT_TESTABLE,
        (
            "Worst float32 phase error near position 131,072: {low_base_error:.1e} rad at base "
            "{low_base:.0e}, {high_base_error:.1e} at base {high_base:.0e}, far beyond "
            "the wall of {wall:,.0f}. Near position 1,048,576 it is {far_error:.1e}."
        ).format(**numbers),
    )


CLAIMS = (
    Claim(
        id="A5",
        statement="Precision wall: the phase increment 1/base must exceed machine epsilon, base < 1/ε_mach.",
        place="Method",
        standing="stated",
        chapter="05_precision_wall",
        in_short="rounding limits the position, hardly the base",
        consequence=Row(
            measure=measure_wall,
            judge=judge_wall,
            refuted_by={
                "wall": 8388608.0,
                "low_base": 10000.0,
                "high_base": 1000000000000.0,
                "low_base_error": 0.001,
                "high_base_error": 0.001,
                "far_error": 0.01,
            },
        ),
    ),
)
