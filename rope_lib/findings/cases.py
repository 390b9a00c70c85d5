"""The case studies against the bounds: what each bound rejects and accepts, and how those models behave.

A bound is given by its *reach*: the longest context, in tokens, that it allows each case; NaN where it
does not apply. It accepts a case whose context lies within its reach and rejects one whose context does not.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rope_lib.models.case_studies import RULER_THRESHOLD, CaseStudy

# The bounds of the chapter, by the part of a glue name that stands for each.
BOUNDS = {
    "a2": "A2 aliasing",
    "a3": "A3 stability",
    "a4": "A4 depth",
    "a4-stated": "A4 depth, stated base",
    "men": "Men et al.",
    "liu": "Liu et al.",
    "trained": "training length",
}


def scoreboard(cases: Sequence[CaseStudy], reach: Mapping[str, ArrayLike]) -> pd.DataFrame:
    """How each bound judges `cases` of known behavior: one row for each name in `reach`, columns of counts.

    `cases`, those the bound applies to; `rejects_works` and `rejects_degrades`, the rejected that work and
    that degrade; `accepts_degrades` and `accepts_fails`, the accepted that degrade and that fail. `reach`
    maps the name of a bound to one length for each case.

    >>> from rope_lib.models.case_studies import case_studies
    >>> llama, longer = [case for case in case_studies() if case.model == "LLaMA-1 7B"]
    >>> llama.observed, longer.observed
    ('works', 'fails')
    >>> scoreboard([llama, longer], {"one token": [1, 1], "any length": [np.inf, np.inf]}).T
                      one token  any length
    cases                     2           2
    rejects_works             1           0
    rejects_degrades          0           0
    accepts_degrades          0           0
    accepts_fails             0           1
    """
    context = np.array([case.context_length for case in cases], dtype=float)
    works, degrades, fails = (_behaves(cases, as_known) for as_known in ("works", "degrades", "fails"))
    rows = {}
    for name, limits in reach.items():
        accepts, rejects = np.asarray(limits) >= context, np.asarray(limits) < context
        rows[name] = {
            "cases": np.sum(accepts | rejects),
            "rejects_works": np.sum(rejects & works),
            "rejects_degrades": np.sum(rejects & degrades),
            "accepts_degrades": np.sum(accepts & degrades),
            "accepts_fails": np.sum(accepts & fails),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def facts(cases: Sequence[CaseStudy], reach: Mapping[str, ArrayLike], wall: float) -> dict[str, str]:
    """The numbers of the chapter's text, by their glue names.

    `cases` are those of known behavior, `reach` is as in `scoreboard` and must hold every name of `BOUNDS`,
    and `wall` is the precision wall on the base.
    """
    works, degrades, fails = (_behaves(cases, as_known) for as_known in ("works", "degrades", "fails"))
    beyond_wall = np.array([(case.effective_base or 0) >= wall for case in cases])
    past_training = np.array([case.context_length > (case.train_length or np.inf) for case in cases])
    texts = {
        "cases-threshold": f"{RULER_THRESHOLD}",
        "cases-known": f"{len(cases)}",
        "cases-models": f"{len({case.model for case in cases})}",
        "cases-memory": f"{sum(case.confidence == 'memory' for case in cases)}",
        "cases-works": f"{works.sum()}",
        "cases-degrades": f"{degrades.sum()}",
        "cases-fails": f"{fails.sum()}",
        "cases-wall-works": f"{np.sum(beyond_wall & works)}",
        "cases-wall-fails": f"{np.sum(beyond_wall & fails)}",
        "cases-past-works": f"{np.sum(past_training & works)}",
    }
    scores = scoreboard(cases, reach)
    for key, name in BOUNDS.items():
        score = scores.loc[name]
        texts |= {
            f"cases-{key}-cases": f"{score.cases}",
            f"cases-{key}-rejected": f"{score.rejects_works}",
            f"cases-{key}-caught": f"{score.rejects_degrades}",
            f"cases-{key}-degraded": f"{score.accepts_degrades}",
            f"cases-{key}-failed": f"{score.accepts_fails}",
            f"cases-{key}-strict": f"{score.rejects_works + score.accepts_degrades + score.accepts_fails}",
        }
    return texts


def _behaves(cases: Sequence[CaseStudy], observed: str) -> NDArray[np.bool_]:
    return np.array([case.observed == observed for case in cases], dtype=bool)
