"""What rounding does to tables of cosines and sines, and to the loss of a model that rotates by them.

Errors are in radians, positions in tokens, losses in nats per token. A *scheme* is a way to compute the
tables: see `theory.precision.SCHEMES`.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from rope_lib.models.case_studies import CaseStudy
from rope_lib.theory.bounds import goldilocks_zone, max_context, precision_wall
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.precision import SCHEMES, Scheme, merged_neighbors, phase_error

from .wording import rounded_up, signed

WINDOW = 512  # positions near the one that is named: neighbors round unlike each other
FEW = 0.05  # the share of its neighbors that a pair may merge and still keep them apart
SHIPPED = "as shipped"


def errors_near(
    positions: Iterable[int],
    bases: Iterable[float],
    head_dim: int,
    schemes: Mapping[str, Scheme] = SCHEMES,
    *,
    window: int = WINDOW,
) -> pd.DataFrame:
    """Errors of the tables in the `window` before each position: one row for each (scheme, base, position).

    `worst` is the largest error of any pair, `typical` that of the middle pair: the median over pairs of the
    largest error of each.

    >>> exact = {"float64 angles": SCHEMES["float64 angles"]}
    >>> errors_near([131_072], [1e4], 128, exact).round(8).to_dict("records")
    [{'scheme': 'float64 angles', 'base': 10000.0, 'position': 131072, 'worst': 4e-08, 'typical': 4e-08}]
    """
    rows = []
    bases = list(bases)
    for position in positions:
        near = np.arange(max(position - window, 0), position)
        for base in bases:
            for name, scheme in schemes.items():
                error = np.abs(phase_error(*scheme(near, base, head_dim), near, base, head_dim)).max(axis=0)
                rows.append((name, base, position, float(error.max()), float(np.median(error))))
    return pd.DataFrame(rows, columns=["scheme", "base", "position", "worst", "typical"])


def merging_near(
    positions: Iterable[int],
    bases: Iterable[float],
    head_dim: int,
    schemes: Mapping[str, Scheme] = SCHEMES,
    *,
    window: int = WINDOW,
) -> pd.DataFrame:
    """Which neighbors the tables merge from each position on: one row for each (scheme, base, position).

    Neighbors are looked at up to twice the position, but no more than `window` of them. `slowest` is the
    share of neighbors that the slowest pair merges, `apart` the number of pairs that keep neighbors apart:
    that merge at most a twentieth of them.

    >>> tables = {"bfloat16 tables": SCHEMES["bfloat16 tables"]}
    >>> merging_near([8192], [1e4], 128, tables).round(2).to_dict("records")
    [{'scheme': 'bfloat16 tables', 'base': 10000.0, 'position': 8192, 'slowest': 0.96, 'apart': 41}]
    """
    rows = []
    bases = list(bases)
    for position in positions:
        near = np.arange(position, position + min(window, position) + 1)
        for base in bases:
            for name, scheme in schemes.items():
                merged = merged_neighbors(*scheme(near, base, head_dim))
                rows.append((name, base, position, float(merged[-1]), int(np.sum(merged <= FEW))))
    return pd.DataFrame(rows, columns=["scheme", "base", "position", "slowest", "apart"])


def span(errors: pd.DataFrame, column: str = "worst") -> pd.DataFrame:
    """The least and the most of an error over the bases, by scheme and position: columns least and most.

    `errors` is a table of `errors_near`; schemes stay in its order.
    """
    groups = errors.groupby(["scheme", "position"], sort=False)[column]
    return groups.agg(least="min", most="max").reset_index()


def short(value: float) -> str:
    """A number to two digits, as a power of ten where it is below a hundredth.

    >>> short(0.1714), short(0.00027)
    ('0.17', '2.7e-4')
    """
    return f"{value:.2g}" if value >= 0.01 else f"{value:.1e}".replace("e-0", "e-")


def interval(least: float, most: float) -> str:
    """Two errors from the least to the most, each as `short` writes it, or one where they agree.

    >>> interval(0.00027, 0.00049), interval(3.1406, 3.1415)
    ('2.7e-4 to 4.9e-4', '3.1')
    """
    texts = dict.fromkeys(short(value) for value in (least, most))
    return " to ".join(texts)


def rise_by_octave(losses: pd.DataFrame, ends: Iterable[int]) -> pd.DataFrame:
    """How far each run's loss lies above that of the model as shipped, by octave of the position.

    `losses` is a table of `measure.rounded.rounded_losses` with rows of the scheme "as shipped" at shift 0.
    One row for each (scheme, shift, end) but those: the tokens are at positions from half of `end` up to
    `end`, the first octave from 1 on.

    >>> one = pd.DataFrame({"scheme": "as shipped", "shift": 0, "position": [1, 2, 3], "nll": [3.0, 2, 1]})
    >>> other = one.assign(scheme="rounded", nll=[3.0, 2.5, 2.5])
    >>> rise_by_octave(pd.concat([one, other]), [2, 4]).to_dict("records")  # doctest: +NORMALIZE_WHITESPACE
    [{'scheme': 'rounded', 'shift': 0, 'end': 2, 'rise': 0.0},
     {'scheme': 'rounded', 'shift': 0, 'end': 4, 'rise': 1.0}]
    """
    ends = sorted(ends)
    octave = np.array(ends)[np.searchsorted(ends, losses.position, side="right").clip(max=len(ends) - 1)]
    mean = losses.assign(end=octave).groupby(["scheme", "shift", "end"]).nll.mean()
    rise = mean - mean[SHIPPED, 0].reindex(mean.index.get_level_values("end")).to_numpy()
    table = rise.rename("rise").reset_index()
    return table[(table.scheme != SHIPPED) | (table["shift"] != 0)].reset_index(drop=True)


def facts(
    errors: pd.DataFrame, merging: pd.DataFrame, losses: pd.DataFrame, shifted: pd.DataFrame, *, head_dim: int
) -> dict[str, str]:
    """The numbers of the chapter, as it prints them.

    `errors` and `merging` are tables of `errors_near` and `merging_near`, `losses` the table of
    `measure.rounded.reference_rounding`, `shifted` has columns scheme, shift and rise.
    """
    found = _facts_of_tables(errors, merging, head_dim) | _facts_of_losses(losses) | _facts_of_shifts(shifted)
    return {f"precision-{name}": text for name, text in found.items()}


def facts_of_cases(cases: Iterable[CaseStudy], *, million: int = 1_000_000) -> dict[str, str]:
    """What published models say of A5 and A8, and where A4 and A5 leave no base for a million tokens.

    `cases` are case studies; those of unknown behavior count for nothing. *wall* is float32's.
    """
    known = [case for case in cases if case.observed != "unknown"]
    beyond = [case for case in known if (case.effective_base or 0) >= float(precision_wall())]
    works = [case for case in beyond if case.observed == "works"]
    depths = np.arange(1, 257)
    empty = goldilocks_zone(million, layers=depths).is_empty
    found = {
        "beyond": f"{len(beyond)}",
        "beyond-works": f"{len(works)}",
        "beyond-degrades": f"{sum(case.observed == 'degrades' for case in beyond)}",
        "longest-works": f"{max(case.context_length for case in known if case.observed == 'works'):,}",
        "past-million": f"{len({case.model for case in known if case.context_length > million})}",
        "zone-depth": f"{depths[np.argmax(empty)]}",
        "zone-one": f"{float(max_context(precision_wall())):,.0f}",
        "zone-32": f"{float(max_context(precision_wall(), layers=32)):,.0f}",
    }
    return {f"precision-{name}": text for name, text in found.items()}


def facts_of_traps(near: pd.DataFrame, at: pd.DataFrame, base: float) -> dict[str, str]:
    """How errors at a position compare with those near it, and what the powers of a base cost.

    `near` and `at` are tables of `errors_near` of a window before one position and of it alone. Their
    schemes are "rounded once" and "float32 powers", two ways to the frequencies of a product, and
    "recurrence". What is said of one base is said of `base`.
    """
    worst, alone = (table.pivot(index="base", columns="scheme", values="worst") for table in (near, at))
    powers = worst["float32 powers"] / worst["rounded once"]
    found = {
        "trap-at-product": short(alone["rounded once"][base]),
        "trap-at-recurrence": short(alone["recurrence"][base]),
        "trap-near-product": short(worst["rounded once"][base]),
        "trap-near-recurrence": short(worst["recurrence"][base]),
        "trap-powers": f"{powers.max():.1f}",
        "trap-powers-base": f"{powers.idxmax():,.0f}",
    }
    return {f"precision-{name}": text for name, text in found.items()}


def _facts_of_tables(errors: pd.DataFrame, merging: pd.DataFrame, head_dim: int) -> dict[str, str]:
    """*low* and *high* are the lowest and the highest base; the product is that next to a million."""
    low, high = errors.base.min(), errors.base.max()
    near = int(merging.position.min())
    far = min(errors.position, key=lambda position: abs(position - 10**6))
    product = errors[(errors.scheme == "float32 product") & (errors.position == far)].worst
    ratio = errors.pivot(index=["base", "position"], columns="scheme", values="worst")
    worse = ratio["float32 recurrence"] / ratio["float32 product"]
    tables = errors[(errors.scheme == "bfloat16 tables") & (errors.base == low)].typical
    apart = merging[(merging.position == near)].set_index(["scheme", "base"]).apart
    return {
        "wall-float32": f"{float(precision_wall()):,.0f}",
        "wall-bfloat16": f"{float(precision_wall('bfloat16')):,.0f}",
        "pairs": f"{head_dim // 2}",
        "low": f"{low:,.0f}",
        "near": f"{near:,}",
        "product": f"{product.min():.2f} to {product.max():.2f}",
        "recurrence-times": f"{worse.min():.1f} to {worse.max():.1f}",
        "tables-typical": f"{tables.iloc[0]:.4f}",
        "increment": f"{frequencies(float(low), head_dim)[-1]:.5f}",
        "merge-low": f"{head_dim // 2 - apart['bfloat16 tables', low]}",
        "merge-high": f"{head_dim // 2 - apart['bfloat16 tables', high]}",
    }


def _facts_of_losses(losses: pd.DataFrame) -> dict[str, str]:
    start = losses[losses["shift"] == 0].groupby("scheme").nll.mean()
    rise = start - start[SHIPPED]
    shipped = losses[losses.scheme == SHIPPED].groupby("shift").nll.mean()
    return {
        "length": f"{losses.position.max() + 1:,}",
        "loss": f"{start[SHIPPED]:.3f}",
        "rise-tables": signed(rise["bfloat16 tables"], 4),
        "rise-angles": signed(rise["bfloat16 angles"]),
        "rise-slow": signed(rise["bfloat16 angles, slow pairs"], 3),
        "rise-fast": signed(rise["bfloat16 angles, fast pairs"], 3),
        "rise-model": rounded_up(abs(rise["bfloat16 model"]), 2),
        "long-million": rounded_up(abs(shipped[10**6] - shipped[0]), 4),
    }


def _facts_of_shifts(shifted: pd.DataFrame) -> dict[str, str]:
    rise = shifted.pivot(index="shift", columns="scheme", values="rise")
    return {
        "shift-million": rounded_up(abs(rise[SHIPPED][10**6] - rise[SHIPPED][0]), 4),
        "shift-ten": signed(rise[SHIPPED][10**7], 3),
        "shift-hundred": signed(rise[SHIPPED][10**8], 1),
        "shift-recurrence": signed(rise["float32 recurrence"][10**6], 4),
        "shift-float64": rounded_up(rise["float64 angles"].abs().max(), 5),
    }
