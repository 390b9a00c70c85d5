"""B6-forecast: what Theorem 1 predicts of the keys of a model, on longer inputs than were read."""

from rope_lib.findings.forecast import HOLDS as HELD
from rope_lib.findings.forecast import (
    IN_PART,
    LARGEST,
    TIMES,
    decided,
    errors_by_text,
    measured_keys,
    of_the_rule,
    scored,
    verdict,
)
from rope_lib.findings.forecast import REFUTED as FAILED

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row


def measure_forecast() -> Numbers:
    """The error of the forecast of each model and kind of layers, and how far below its rivals it stays."""
    from rope_lib.findings.kept import kept

    heads = kept("geometry")[0]["heads"]
    errors = errors_by_text(of_the_rule(scored(kept("forecast")[0]["keys"], measured_keys(heads))))
    _, intervals = verdict(errors)
    counted = intervals.assign(texts=errors.groupby(["model", "layers"]).text.nunique())
    return {"cases": {" with ".join(case): row.to_dict() for case, row in counted.iterrows()}}


def judge_forecast(numbers: Numbers) -> Finding:
    """It holds if in every model the median error over key heads is at most 15 % and below that of both
    rivals, nothing changes and the trend goes on, each by more than the 95 % interval between texts; it does
    not if the error exceeds 15 % by more than its interval in any model, layers with a window apart.
    """
    import pandas as pd

    intervals = pd.DataFrame.from_dict(numbers["cases"], orient="index")
    listed = "; ".join(
        f"{case} {row.error:.1%} ({row.low:.1%} to {row.high:.1%}, {row.texts:.0f} texts)"
        for case, row in intervals.iterrows()
    )
    beaten = intervals.index[(intervals[["no change, high", "trend, high"]] >= 0).any(axis=1)]
    return Finding(
        {HELD: HOLDS, IN_PART: CAVEAT, FAILED: REFUTED}[decided(intervals)],
        (
            f"The stable rank of each head's keys at {TIMES} times the length, forecast from the second "
            f"moment of a short input. Median error over heads, mean over texts and its 95 % interval, where "
            f"{LARGEST:.0%} is allowed: {listed}. A rival does as well or better in: "
            f"{', '.join(beaten) or 'none'}."
        ),
    )


CLAIMS = (
    Claim(
        id="B6-forecast",
        statement=(
            "The rotation alone makes the stable rank of a model's keys grow: from a short input it can be "
            "told for an input 16 times as long."
        ),
        place="what Theorem 1 predicts of a model",
        standing="reconstructed",
        chapter="11_dispersal",
        in_short=(
            "a short pass tells the stable rank of keys at 16 times its length; where the spectrum keeps "
            "them together, that nothing changes is as good a guess"
        ),
        consequence=Row(
            measure=measure_forecast,
            judge=judge_forecast,
            refuted_by={
                "cases": {
                    "SmolLM2-135M with full": {
                        "texts": 6,
                        "error": 0.25,
                        "low": 0.2,
                        "high": 0.3,
                        "no change, high": -0.1,
                        "trend, high": -0.05,
                    }
                },
            },
            needs=("results",),
        ),
    ),
)
