"""A7-lengths: do paper A's bounds, read as limits on the length, tell where models break?"""

from rope_lib.findings.break_race import OURS, RULER
from rope_lib.findings.break_rules import BOUNDS, race
from rope_lib.findings.measured_breaks import measured
from rope_lib.findings.published_breaks import published

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row
from .settings import EPSILON


def measure_lengths() -> Numbers:
    """For the models measured here and for RULER's, each bound's error and gain over its best baseline.

    Gains are in octaves, with the interval over the choice of families: see `findings.break_rules`.
    """
    asked = {OURS: measured(epsilon=EPSILON), RULER: published("RULER", epsilon=EPSILON)}
    numbers = {}
    for name, (named, units) in asked.items():
        raced = race(named, units).loc[list(BOUNDS)]
        numbers[name] = {
            "units": len(units),
            "families": units.family.nunique(),
            "bounds": {
                bound: {
                    "error": float(row[row.form]),
                    "rival": row.rival,
                    "gain": float(row.gain),
                    "low": float(row.low),
                    "high": float(row.high),
                }
                for bound, row in raced.iterrows()
            },
        }
    return numbers


def judge_lengths(numbers: Numbers) -> Finding:
    """It holds if one of the bounds tells where models break both here and in RULER's table; a caveat if one
    tells in one of the two. A bound tells if it errs less than every baseline, and the interval of that gain
    over the choice of families lies above 0.
    """
    told = [{bound for bound, row in found["bounds"].items() if row["low"] > 0} for found in numbers.values()]
    parts = []
    for name, found in numbers.items():
        bounds = ", ".join(
            f"{bound} {row['error']:.2f}, {row['gain']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f}) over "
            f"{row['rival']}"
            for bound, row in found["bounds"].items()
        )
        parts.append(f"{name}, {found['units']} units of {found['families']} families: {bounds}")
    return Finding(
        HOLDS if set.intersection(*told) else CAVEAT if any(told) else REFUTED,
        (
            "Mean distance in octaves from the length that a bound names to the interval in which the model "
            f"breaks, and the gain over the best rule that knows no rotation. {'. '.join(parts)}. RULER's "
            "scores are its authors' and model makers'; some lengths of training are from memory."
        ),
    )


_BEHIND = {"error": 1.5, "rival": "declared length", "gain": -0.3, "low": -0.9, "high": 0.4}

CLAIMS = (
    Claim(
        id="A7-lengths",
        statement=(
            "The bounds on the base, read as limits on the length, tell at which length a model breaks, "
            "better than its declared length does."
        ),
        place="our reading of what the bounds predict of deployed models",
        standing="reconstructed",
        chapter="15_bounds_and_breaks",
        in_short="as limits on the length the bounds err more than rules that know nothing of the rotation",
        practice=Row(
            measure=measure_lengths,
            judge=judge_lengths,
            refuted_by={
                name: {"units": 20, "families": 7, "bounds": {bound: dict(_BEHIND) for bound in BOUNDS}}
                for name in (OURS, RULER)
            },
            needs=("results",),
        ),
    ),
)
