"""A5 on trained models: models beyond the precision wall lose their accuracy, those below it keep it.

The measurement is the kept result of experiment 2, which chapter 19 draws from and runs a part of again.
"""

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Finding, Numbers, Row

# A model withstands the rounding if it keeps this share of its accuracy with exact angles.
KEPT = 0.9


# Two mean shares count as alike if they differ by at most this much.
ALIKE = 0.02


def measure_trained_wall() -> Numbers:
    """What models below and beyond the wall keep, at the worst shift, in each arithmetic that has both."""
    from rope_lib.findings.kept import kept
    from rope_lib.findings.rounding import EXACT, float64_change, sides_of_wall, trials

    table = trials(kept("precision")[0]["summary"])
    return {
        "bases": table.base.nunique(),
        "seeds": table.seed.nunique(),
        "float64_change": float64_change(table),
        "float64_shift": int(table[table.arithmetic == EXACT]["shift"].max()),
        "sides": sides_of_wall(table).to_dict(orient="index"),
    }


def judge_trained_wall(numbers: Numbers) -> Finding:
    """A wall in the base would show as models beyond it that lose more than a tenth of their accuracy and
    models below it that do not, in every arithmetic. A caveat if in some arithmetic those beyond it at least
    lose more than those below; not testable if no model loses a tenth in any.
    """
    sides = list(numbers["sides"].values())
    walls = [side["beyond"] < KEPT <= side["below"] for side in sides]
    more = [side["beyond"] < side["below"] - ALIKE for side in sides]
    unharmed = all(min(side["beyond"], side["below"]) >= KEPT for side in sides)
    verdict = NOT_TESTABLE if unharmed else HOLDS if all(walls) else CAVEAT if any(more) else REFUTED
    listed = "; ".join(
        (
            f"{arithmetic} (wall {side['wall']:,.0f}) {side['below']:.0%} below it and {side['beyond']:.0%} "
            f"beyond, {side['beyond_at_start']:.0%} there at no shift"
        )
        for arithmetic, side in numbers["sides"].items()
    )
    return Finding(
        verdict,
        (
            f"Recall by models of 2 layers and 64 channels, {numbers['bases']} bases, {numbers['seeds']} "
            "seeds, all positions raised by a constant. Share of the accuracy with float64 angles that is "
            f"kept in the mean at the shift where each side keeps least: {listed}. With float64 angles "
            f"accuracy changes by at most {numbers['float64_change']:.4f} up to a shift of "
            f"{numbers['float64_shift']:,}."
        ),
    )


CLAIMS = (
    Claim(
        id="A5-trained",
        statement=(
            "Precision wall, on models trained at each base: the phase increment 1/base must exceed machine "
            "epsilon, base < 1/ε_mach."
        ),
        place="not in the paper as far as we know: what A5 predicts of trained models is our reading",
        standing="reconstructed",
        chapter="19_precision_by_intervention",
        in_short="of models trained at four bases, the lowest loses most to rounding, in every arithmetic",
        consequence=Row(
            measure=measure_trained_wall,
            judge=judge_trained_wall,
            refuted_by={
                "bases": 4,
                "seeds": 3,
                "float64_change": 0.0,
                "float64_shift": 1000000000,
                "sides": {
                    "bfloat16": {
                        "wall": 128.0,
                        "below": 0.5,
                        "beyond": 0.9,
                        "beyond_at_start": 1.0,
                    },
                    "float32": {
                        "wall": 8388608.0,
                        "below": 0.9,
                        "beyond": 1.0,
                        "beyond_at_start": 1.0,
                    },
                },
            },
            needs=("results",),
        ),
    ),
)
