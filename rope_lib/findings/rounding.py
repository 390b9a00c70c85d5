"""What trained models lose with rounded angles at large positions, and what might predict the loss.

`summary` is that of the kept result of experiment 2 (`experiments/precision.toml`): accuracy and loss of each
base and seed under each variant, which its name describes: `float32_at_1000` is float32 angles with every
position raised by 1,000. Angles are in radians, positions and distances in tokens. `kept` is accuracy over
that of the same model on the same questions with float64 angles.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rope_lib.theory.bounds import precision_wall
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.precision import Arithmetic, direct_product, phase_error, round_to
from rope_lib.train.config import TRAINED
from rope_lib.train.spectrum import marked

from .angle_errors import DISPLACED, displaced, displacements, equal_neighbors, weights
from .breaks import breaks
from .kept import Tables
from .long_inputs import octave_losses
from .stats import spearman
from .wording import rounded_up

ARITHMETICS = ("bfloat16", "float16", "float32", "float64")
EXACT = "float64"

# Accuracies of one model with float64 angles may differ by this much between shifts and still count as equal.
EQUAL = 1e-3

# A base whose models keep less than this share of their accuracy counts as hurt.
HURT = 0.99


def trials(summary: pd.DataFrame) -> pd.DataFrame:
    """One row for each base, seed, arithmetic and shift, with what it lost against float64 angles.

    Columns: base, seed, arithmetic, shift, accuracy, nll, kept, change (of accuracy) and extra_nll (nats).
    The reference is float64 at no shift. Raises ValueError if float64 itself changes with the shift: then
    there is no reference.

    >>> from rope_lib.findings.kept import kept
    >>> table = trials(kept("precision")[0]["summary"])
    >>> sorted(set(table.arithmetic)), sorted(set(table.base))
    (['bfloat16', 'float16', 'float32', 'float64'], [100, 10000, 1000000, 100000000])
    """
    named = summary[summary.variant != TRAINED]
    parts = named.variant.str.extract(r"^(?P<arithmetic>\w+)_at_(?P<shift>\d+)$")
    unknown = named.variant[~parts.arithmetic.isin(ARITHMETICS)]
    if len(unknown):
        raise ValueError(f"variants must be named <arithmetic>_at_<shift>, got {unknown.iloc[0]!r}")
    columns = {"arithmetic": parts.arithmetic, "shift": parts["shift"].astype(int)}
    table = named[["base", "seed"]].assign(**columns, accuracy=named.accuracy, nll=named.nll)
    change = float64_change(table)
    if not change <= EQUAL:
        raise ValueError(
            f"float64 angles must give one accuracy at every shift, got a change of {change:.4f}"
        )
    exact = table[(table.arithmetic == EXACT) & (table["shift"] == 0)].set_index(["base", "seed"])
    own = exact.loc[list(zip(table.base, table.seed, strict=True))]
    return table.assign(
        kept=table.accuracy.to_numpy() / own.accuracy.to_numpy(),
        change=table.accuracy.to_numpy() - own.accuracy.to_numpy(),
        extra_nll=table.nll.to_numpy() - own.nll.to_numpy(),
    ).reset_index(drop=True)


def float64_change(table: pd.DataFrame) -> float:
    """The largest difference of one model's accuracy between two shifts under float64 angles."""
    exact = table[table.arithmetic == EXACT].groupby(["base", "seed"]).accuracy
    return float((exact.max() - exact.min()).max())


def means(table: pd.DataFrame, column: str = "kept") -> pd.DataFrame:
    """Mean over seeds of a column of `trials`: a DataFrame of (arithmetic, shift) × base.

    >>> from rope_lib.findings.kept import kept
    >>> means(trials(kept("precision")[0]["summary"])).loc[("bfloat16", 60_000)].round(2).to_dict()
    {100: 0.59, 10000: 0.9, 1000000: 0.93, 100000000: 0.97}
    """
    return table.pivot_table(index=["arithmetic", "shift"], columns="base", values=column, aggfunc="mean")


def hurt(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `means` of a table of `trials` in which some base keeps less than `HURT`."""
    kept = means(table)
    return kept[kept.min(axis=1) < HURT]


def first_below(table: pd.DataFrame, share: float) -> pd.DataFrame:
    """The smallest measured shift at which the mean of `kept` over seeds is below `share`.

    A DataFrame of arithmetic × base; NaN where it is never below.
    """
    low = means(table) < share
    shifts = low.index.get_level_values("shift").to_numpy()[:, np.newaxis]
    reached = pd.DataFrame(np.where(low, shifts, np.nan), low.index, low.columns)
    return reached.groupby(level="arithmetic").min()


def predictors(table: pd.DataFrame, head_dim: int, length: int, limit: float = DISPLACED) -> pd.DataFrame:
    """What might predict the loss in each setting of `trials`, beside that loss: a row for each setting.

    Columns: base, arithmetic, shift; kept, its least and most over seeds, extra_nll; and
    wall        base·ε: above 1 the base is beyond the wall of claim A5
    position    (shift + length)·ε: above 1 or 2 the type no longer holds every whole position
    displaced   share of pairs of channels whose relative angles are off by more than `limit`, see `displaced`
    lost        1 - mean of cos(error of the relative angle) over pairs of channels and of tokens
    neighbors   see `equal_neighbors`
    farthest    distance between the rounded positions of the first and the last token, over the exact one
    """
    settings = _over_seeds(table, ["arithmetic", "shift", "base"], extra_nll=("extra_nll", "mean"))
    rows = []
    for base, arithmetic, shift in zip(settings.base, settings.arithmetic, settings["shift"], strict=True):
        distances, errors = displacements(float(base), head_dim, arithmetic, int(shift), length)
        weight = weights(distances)
        ends = round_to([shift, shift + length - 1], arithmetic)
        epsilon = 1 / float(precision_wall(arithmetic))
        rows.append(
            {
                "wall": base * epsilon,
                "position": (shift + length) * epsilon,
                "displaced": float(np.mean(np.sqrt(weight @ errors**2) > limit)),
                "lost": float(1 - (weight @ np.cos(errors)).mean()),
                "neighbors": equal_neighbors(float(base), head_dim, arithmetic, int(shift), length),
                "farthest": float(np.ptp(ends) / (length - 1)),
            }
        )
    return settings.join(pd.DataFrame(rows))


def rounded_parts(pairs: pd.DataFrame, head_dim: int, length: int, limit: float = DISPLACED) -> pd.DataFrame:
    """The table `pairs` of the result `precision_parts`: one row for each setting, number and side of pairs.

    Columns: arithmetic, shift, base, side, rounded; kept, its least and most over seeds; and displaced, the
    share of all pairs that is rounded and off by more than `limit` (see `displaced`).
    """
    keys = ["arithmetic", "shift", "base", "side"]
    none = pairs[pairs.rounded == 0].set_index([*keys, "seed"]).accuracy
    own = none.loc[list(pairs[[*keys, "seed"]].itertuples(index=False, name=None))]
    rows = _over_seeds(pairs.assign(kept=pairs.accuracy / own.to_numpy()), [*keys, "rounded"])
    off = {
        key: displaced(float(key[2]), head_dim, key[0], int(key[1]), length) > limit
        for key in set(rows[keys[:3]].itertuples(index=False, name=None))
    }
    shares = [
        np.mean(off[row.arithmetic, row.shift, row.base] & marked(row.side, row.rounded, head_dim // 2))
        for row in rows.itertuples()
    ]
    return rows.assign(displaced=shares)


def _over_seeds(table: pd.DataFrame, keys: Sequence[str], **more: tuple[str, str]) -> pd.DataFrame:
    """Mean, least and most of `kept` in each group of `keys`."""
    found = {"kept": ("kept", "mean"), "least": ("kept", "min"), "most": ("kept", "max")}
    return table.groupby(list(keys)).agg(**found, **more).reset_index()


def sides_of_wall(table: pd.DataFrame) -> pd.DataFrame:
    """What models on either side of A5's wall keep, at the shift where each side keeps least.

    One row for each arithmetic that has bases on both sides: wall, below and beyond (the least, over shifts,
    of the mean of `kept` over bases and seeds), below_at and beyond_at (those shifts), and beyond_at_start:
    kept beyond the wall at the smallest shift.

    >>> from rope_lib.findings.kept import kept
    >>> found = sides_of_wall(trials(kept("precision")[0]["summary"]))
    >>> found[["wall", "below", "beyond"]].round(2).values.tolist()
    [[128.0, 0.49, 0.93], [1024.0, 0.76, 1.0], [8388608.0, 0.89, 1.0]]
    """
    rows = {}
    for arithmetic, part in table.groupby("arithmetic"):
        wall = float(precision_wall(arithmetic))
        inside, outside = (
            rows_of_side.groupby("shift").kept.mean()
            for rows_of_side in (part[part.base < wall], part[part.base >= wall])
        )
        if len(inside) and len(outside):
            rows[arithmetic] = {
                "wall": wall,
                "below": float(inside.min()),
                "below_at": int(inside.idxmin()),
                "beyond": float(outside.min()),
                "beyond_at": int(outside.idxmin()),
                "beyond_at_start": float(outside.iloc[0]),
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def torn(points: pd.DataFrame) -> pd.Series:
    """Where rounding puts the ends of an input farther apart than they are, by half or more: a Boolean mask.

    `points` is a table of `predictors`.

    >>> torn(pd.DataFrame({"farthest": [0.0, 1.0, 2.0]})).tolist()
    [False, False, True]
    """
    return points.farthest > 1.5


def at_gaps(parts: Tables) -> tuple[pd.DataFrame, pd.DataFrame]:
    """bfloat16 at a million and at 60,000 beside exact angles at two positions: (rings, both).

    `parts` are the tables of the result `precision_parts`. `rings` are the models with bfloat16 angles, with
    the `gap` that is left between their tokens; `both` joins to each the same model with exact angles at that
    gap: accuracy_rounded and accuracy_gap.
    """
    pairs = all_rounded(parts["pairs"])
    rings = pairs[pairs.arithmetic == "bfloat16"]
    rings = rings.assign(gap=rings["shift"].map({60_000: 256, 10**6: 0}))
    return rings, rings.merge(parts["gaps"], on=["base", "seed", "gap"], suffixes=("_rounded", "_gap"))


def all_rounded(pairs: pd.DataFrame) -> pd.DataFrame:
    """The rows of the table `pairs` in which every pair of channels is rounded, each model once in a setting.

    With all of them rounded, the fastest and the slowest are the same.
    """
    return pairs[(pairs.rounded == pairs.rounded.max()) & (pairs.side == "fast")]


# What chapter 19 states


def facts(table: pd.DataFrame, parts: Tables, *, head_dim: int, length: int) -> dict[str, str]:
    """The numbers of the chapter about trained models, as it prints them.

    `table` holds the `trials`, `parts` the tables of the result `precision_parts`; `length` is that of an
    input, in tokens. What is kept is a mean over seeds. *Low* is the lowest base, *second* the next.
    """
    points = predictors(table[table.arithmetic != EXACT], head_dim, length)
    found = _facts_of_models(table, head_dim) | _facts_of_shifts(table) | _facts_of_points(table, points)
    found |= _facts_of_limits(table, points, head_dim, length)
    found |= _facts_of_parts(table, parts["pairs"], head_dim, length) | _facts_of_gaps(table, parts)
    return {f"rounding-{name}": text for name, text in found.items()}


def _facts_of_models(table: pd.DataFrame, head_dim: int) -> dict[str, str]:
    exact = _exact(table)
    low, high = float(table.base.min()), float(table.base.max())
    learned = exact[exact.base == low].accuracy
    return {
        "seeds": f"{table.seed.nunique()}",
        "models": f"{len(exact)}",
        "change": f"{float64_change(table):.4f}",
        "low-least": f"{learned.min():.2f}",
        "low-most": f"{learned.max():.2f}",
        "slowest-low": f"{frequencies(low, head_dim)[-1]:.3f}",
        "slowest-high": f"{frequencies(high, head_dim)[-1]:.0e}",
    }


def _facts_of_shifts(table: pd.DataFrame) -> dict[str, str]:
    rounded = table[table.arithmetic != EXACT]
    kept, others = means(rounded), sorted(table.base.unique())[1:]
    by_seed = rounded.pivot(index=["arithmetic", "shift", "seed"], columns="base", values="kept")
    torn_apart, merged = (kept.loc[("bfloat16", shift), others] for shift in (60_000, 10**6))
    found = {
        "start-least": f"{kept.xs(0, level='shift').min().min():.1%}",
        "hurt": f"{len(hurt(rounded))}",
        "settings": f"{len(kept)}",
        "cases": f"{(by_seed.min(axis=1) < HURT).sum()}",
        "torn": _span(torn_apart),
        "merged": f"{merged.min():.0%}",
    }
    for arithmetic, side in sides_of_wall(table).iterrows():
        found[f"below-{arithmetic}"] = f"{side.below:.0%}"
        found[f"beyond-{arithmetic}"] = f"{side.beyond:.0%}"
    return found


def _facts_of_points(table: pd.DataFrame, points: pd.DataFrame) -> dict[str, str]:
    """By the share of pairs that rounding displaces; *neighbors* are of bfloat16 at a shift of 1,000."""
    low, second = sorted(table.base.unique())[:2]
    early = points[(points.arithmetic == "bfloat16") & (points["shift"] == 1_000)].set_index("base")
    few, half = points[points.displaced <= 0.25], points[points.displaced == 0.5].set_index("base")
    return {
        "neighbors": _span(early.neighbors),
        "neighbors-kept": f"{early.kept.iloc[-1]:.0%}",
        "neighbors-kept-low": f"{early.kept[low]:.0%}",
        "few": f"{len(few)}",
        "none": f"{(points.displaced == 0).sum()}",
        "few-kept": f"{few.kept.min():.1%}",
        "half-low": _span(half.kept.loc[low]),
        "half-second": _span(half.kept.loc[second]),
        "full": _span(points[points.displaced == 1].kept),
    }


def _facts_of_limits(table: pd.DataFrame, points: pd.DataFrame, head_dim: int, length: int) -> dict[str, str]:
    """How the correlation with the loss depends on the limit beyond which a pair counts as displaced."""
    rounded = table[table.arithmetic != EXACT]
    shares = (predictors(rounded, head_dim, length, limit).displaced for limit in (0.1, 0.25, 1.0, 1.5))
    found = [spearman(share, 1 - points.kept) for share in shares]
    return {"limits": f"{min(found):.2f} to {max(found):.2f}"}


def _facts_of_parts(table: pd.DataFrame, pairs: pd.DataFrame, head_dim: int, length: int) -> dict[str, str]:
    """Rounding in the fastest or the slowest pairs only; *twice* compares with the models of the grid."""
    keys = ["arithmetic", "shift", "base", "side", "rounded"]
    parts = rounded_parts(pairs, head_dim, length).set_index(keys).sort_index()
    low, second = sorted(table.base.unique())[:2]
    twice = all_rounded(pairs).merge(table, on=["base", "seed", "arithmetic", "shift"])
    found = {
        "fastest": f"{parts.xs((2, 'fast'), level=('rounded', 'side')).kept.min():.1%}",
        "astray": f"{parts.kept['bfloat16', 60_000, second, 'slow', 8]:.0%}",
        "twice": f"{(twice.accuracy_x - twice.accuracy_y).abs().max():.3f}",
    }
    for name, setting in (("ends", ("float32", 10**9)), ("ends-merged", ("bfloat16", 10**6))):
        fast, slow = (parts.kept[(*setting, low, side, 8)] for side in ("fast", "slow"))
        found[name] = f"{fast:.0%} and {slow:.0%}"
    return found


def _facts_of_gaps(table: pd.DataFrame, parts: Tables) -> dict[str, str]:
    """Exact angles at two positions: what is lost against gap 0, and how far off bfloat16 is."""
    _, both = at_gaps(parts)
    off = (both.accuracy_rounded - both.accuracy_gap).abs()
    by_gap = parts["gaps"].groupby(["gap", "base"]).accuracy.mean().unstack("base")
    low, others = by_gap.columns[0], by_gap.columns[1:]
    lower = by_gap.loc[0] - by_gap
    exact = _exact(table)
    widest = lower.loc[1024, others]
    return {
        "gap-off": f"{off.max():.2f}",
        "gap-mean": f"{off[both.gap == 256].mean():.3f}",
        "gap-inside": f"{lower.loc[:128, others].max().max():.2f}",
        "gap-beyond": f"{widest.min():.2f} to {widest.max():.2f}",
        "gap-low": f"{by_gap.loc[0, low]:.2f}",
        "gap-low-exact": f"{exact[exact.base == low].accuracy.mean():.2f}",
    }


def facts_of_pretrained(
    losses: pd.DataFrame, lengths: Sequence[int], *, trained: int, base: float, rotary_dim: int
) -> dict[str, str]:
    """The numbers of the chapter about a pretrained model in float32 and in bfloat16, as it prints them.

    `losses` are those of the kept table `long_input` by `dtype`, without an intervention; `lengths` are the
    ends of its octaves in tokens; the model learned from `trained` tokens. Losses are in nats. *error* is the
    largest error of its float32 angles in the last tokens, in radians.
    """
    longest = lengths[-1]
    octaves = octave_losses(losses, lengths, by="dtype")
    change = (octaves.loc["bfloat16"] - octaves.loc["float32"]).abs()
    positions = np.arange(longest - 512, longest)
    cos, sin = direct_product(positions, base, rotary_dim, Arithmetic())
    error = np.abs(phase_error(cos, sin, positions, base, rotary_dim)).max()
    first = float(breaks(losses[losses.dtype == "float32"], trained).own.item())
    found = {
        "base": f"{base:,.0f}",
        "longest": f"{longest:,}",
        "stretch": f"{longest // trained}",
        "most": rounded_up(change.max(), 3),
        "inside": rounded_up(change[change.index <= trained].max(), 3),
        "rise": f"{octaves.loc['float32', longest] - octaves.loc['float32', trained]:.1f}",
        "break": f"{first:,.0f}",
        "wall-bfloat16": f"{float(precision_wall('bfloat16')):,.0f}",
        "error": f"{error:.3f}",
    }
    return {f"rounding-real-{name}": text for name, text in found.items()}


def _exact(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `trials` that others are compared with: float64 angles at no shift."""
    return table[(table.arithmetic == EXACT) & (table["shift"] == 0)]


def _span(values: pd.Series) -> str:
    """The least and the most of some shares."""
    return f"{values.min():.0%} to {values.max():.0%}"
