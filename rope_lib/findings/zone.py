"""The Goldilocks zone against published models: who lies below it, inside it and above it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rope_lib.models.case_studies import CaseStudy
from rope_lib.theory.bounds import (
    allowed_drift,
    goldilocks_zone,
    max_context,
    precision_wall,
    stability_bound,
)

PLACES = ("below", "inside", "above")
BEHAVIORS = ("works", "degrades", "fails")


def places(cases: Sequence[CaseStudy], *, epsilon: float = 0.95, dtype: str = "float32") -> pd.DataFrame:
    """Where each case lies, by its own number of layers: columns model, context, base, observed, place.

    `place` is "below" where the base misses the depth bound, "above" where it is at or beyond the precision
    wall (also where the bound is), else "inside"; `context` is the longest distance that the case spans, in
    tokens, and `base` its effective base. Cases without a known base are left out.

    >>> from rope_lib.models.case_studies import case_studies
    >>> found = places([case for case in case_studies() if case.model == "LLaMA-3 8B"])
    >>> found[["context", "place"]].values.tolist()
    [[8192, 'inside']]
    """
    rows = []
    for case in cases:
        if case.effective_base is not None:
            length, base = case.longest_distance, case.effective_base
            zone = goldilocks_zone(length, epsilon=epsilon, layers=case.num_layers, dtype=dtype)
            place = "above" if base >= zone.upper else "below" if base < zone.lower else "inside"
            rows.append((case.model, length, base, case.observed, place))
    return pd.DataFrame(rows, columns=["model", "context", "base", "observed", "place"])


def counts(placed: pd.DataFrame) -> pd.DataFrame:
    """Cases by place (rows, from below to above) and behavior (columns, from works to fails).

    >>> counts(pd.DataFrame({"place": "below", "observed": ["works", "fails"]})).loc["below"].tolist()
    [1, 0, 1]
    """
    table = pd.crosstab(placed.place, placed.observed)
    return table.reindex(index=list(PLACES), columns=list(BEHAVIORS), fill_value=0)


def facts(
    placed: pd.DataFrame, *, epsilon: float, dtype: str, wanted_context: int, wanted_layers: int
) -> dict[str, str]:
    """The numbers of the chapter's text, by their glue names.

    `placed` is the table of `places`; the others are the chapter's parameters.
    """
    wall = float(precision_wall(dtype))
    law = float(np.sqrt(2 * np.log(1 / epsilon)))  # the square-root law for one layer
    turn = wanted_context / wall
    deepest = np.log(epsilon) / np.log(np.cos(turn)) if turn < np.pi / 2 else 0.0
    alone, lower = (float(stability_bound(wanted_context, epsilon, layers=n)) for n in (1, wanted_layers))
    table = counts(placed)
    outside = table.works.drop("inside").sum()
    return {
        "zone-law-error": f"{100 * (law / float(allowed_drift(epsilon)) - 1):.1f}",
        "zone-factor": f"{1 / law:.2f}",
        "zone-shallow": f"{float(max_context(wall, epsilon)) / 1e6:.2f} million",
        "zone-deep": f"{float(max_context(wall, epsilon, layers=wanted_layers)):,.0f}",
        "zone-half": f"{float(max_context(precision_wall('bfloat16'), epsilon, layers=wanted_layers)):.0f}",
        "zone-wanted-layers": f"{wanted_layers}",
        "zone-wanted": f"{wanted_context:,}",
        "zone-lower": f"{lower / 1e6:.1f} million",
        "zone-alone": f"{alone / 1e6:.1f} million",
        "zone-wall": f"{wall / 1e6:.1f} million",
        "zone-most-layers": f"{max(int(np.ceil(deepest)) - 1, 0)}",
        "zone-working": f"{table.works.sum()}",
        "zone-below": f"{table.works['below']}",
        "zone-above": f"{table.works['above']}",
        "zone-outside": f"{outside}",
        "zone-fails": f"{table.fails.sum()}",
        "zone-inside-fails": f"{table.fails['inside']}",
        "zone-inside-degrades": f"{table.degrades['inside']}",
    }
