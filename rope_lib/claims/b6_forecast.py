"""B6-forecast: what Theorem 1 predicts of the keys of a model, on longer inputs than were read."""

from rope_lib.findings.forecast import HOLDS as HELD
from rope_lib.findings.forecast import (
    IN_PART,
    LARGEST,
    TIMES,
    decided,
    errors_at,
    measured_keys,
    scored,
    verdict,
)
from rope_lib.findings.forecast import REFUTED as FAILED

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row


def measure_forecast() -> Numbers:
    """The error of the forecast of each model and kind of layers, and how far below its rivals it stays."""
    from rope_lib.findings.kept import kept

    heads = kept("geometry")[0]["heads"]
    errors = errors_at(scored(kept("forecast")[0]["keys"], measured_keys(heads)))
    _, intervals = verdict(errors)
    return {
        "texts": int(errors.text.nunique()),
        "cases": {", ".join(case): row.to_dict() for case, row in intervals.iterrows()},
    }


def judge_forecast(numbers: Numbers) -> Finding:
    """It holds if in every model the median error over key heads is at most 15 % and below that of both
    rivals, nothing changes and the trend goes on, each by more than the 95 % interval between texts; it does
    not if the error exceeds 15 % by more than its interval in any model, layers with a window apart.
    """
    import pandas as pd

    intervals = pd.DataFrame.from_dict(numbers["cases"], orient="index")
    listed = "; ".join(
        f"{case}: {row.error:.1%} ({row.low:.1%} to {row.high:.1%})" for case, row in intervals.iterrows()
    )
    return Finding(
        {HELD: HOLDS, IN_PART: CAVEAT, FAILED: REFUTED}[decided(intervals)],
        (
            f"At {TIMES} times the length the stable rank of a head's keys is forecast from a short input's "
            f"second moment, {numbers['texts']} texts each. Median error over heads, mean over texts and its "
            f"95 % interval, of at most {LARGEST:.0%} allowed: {listed}. It stays below both rivals by at "
            f"least {-intervals[['no change, high', 'trend, high']].max(axis=None):.1%}."
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
        in_short="one pass over a short input tells the stable rank of a model's keys at 16 times its length",
        consequence=Row(
            measure=measure_forecast,
            judge=judge_forecast,
            refuted_by={
                "texts": 6,
                "cases": {
                    "SmolLM2-135M, full": {
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
