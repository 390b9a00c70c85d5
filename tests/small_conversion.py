"""Small tables of a conversion, in which every number is said."""

import pandas as pd

STEPS = (0, 8, 16)
TEXTS = tuple("abcdef")


def curve_of(**excesses):
    """Learning curves: the control falls from 2.5 to 2.4; arms lie by a number for each step above it.

    The texts differ by up to 0.5 in their losses, and by up to ±0.01 in the excess.
    """
    control = dict(zip(STEPS, (2.5, 2.45, 2.4), strict=True))
    rows = []
    for arm, above in {"control": (0, 0, 0), **excesses}.items():
        for step, more in zip(STEPS, above, strict=True):
            for number, text in enumerate(TEXTS):
                own = 0.0 if arm == "control" else 0.004 * number - 0.01
                rows.append((arm, 0, step, text, control[step] + 0.1 * number + more + own))
    return pd.DataFrame(rows, columns=["arm", "seed", "step", "text", "nll"])


def far_of(**rises):
    """Losses by position of two texts: 2 within 8,192 tokens, and more beyond by a rise, 1 of the control."""
    rows = [
        (arm, text, first, 2.0 + (first >= 8_192) * rise)
        for arm, rise in {"untouched": 1.2, "control": 1.0, **rises}.items()
        for text in TEXTS[:2]
        for first in range(0, 12_288, 512)
    ]
    return pd.DataFrame(rows, columns=["arm", "text", "first", "nll"])


def tables_of(**arms):
    """The tables of a result: arms by name, each with its excesses by step and its rise."""
    training = pd.DataFrame({"arm": "control", "seed": 0, "step": range(16), "learning_rate": 3e-4})
    curve = curve_of(**{arm: above for arm, (above, _) in arms.items()})
    return {
        "curve": curve,
        "far": far_of(**{arm: rise for arm, (_, rise) in arms.items()}),
        "training": training,
    }
