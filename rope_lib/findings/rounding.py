"""What trained models lose with rounded angles at large positions, and what rounding does to the angles.

`summary` is that of the kept result of experiment 2 (`experiments/precision.toml`): accuracy and loss of each
base and seed under each variant, which its name describes: `float32_at_1000` is float32 angles with every
position raised by 1,000. Angles are in radians, positions and distances in tokens. `kept` is accuracy over
that of the same model, asked the same questions, with float64 angles.
"""

import numpy as np
import pandas as pd

from rope_lib.show.precision_interventions import marked
from rope_lib.theory.bounds import precision_wall
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.precision import Arithmetic, direct_product, phase_error, round_to
from rope_lib.train.evaluate import TRAINED

ARITHMETICS = ("bfloat16", "float16", "float32", "float64")
EXACT = "float64"

# Accuracies of one model under float64 angles may differ by this much between shifts and pass for equal.
EQUAL = 1e-3

# A pair of channels counts as displaced where its relative angle is off by more than this: cos 0.5 ≈ 0.88.
DISPLACED = 0.5  # radians, root mean square


def trials(summary):
    """One row for each base, seed, arithmetic and shift, with what it lost against float64 angles.

    Columns: base, seed, arithmetic, shift, accuracy, nll, kept, change (of accuracy) and extra_nll (nats).
    The reference is float64 at no shift. Raises ValueError where float64 itself changes with the shift: there
    is no reference then.
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


def float64_change(table):
    """The largest difference of one model's accuracy between two shifts under float64 angles."""
    exact = table[table.arithmetic == EXACT].groupby(["base", "seed"]).accuracy
    return float((exact.max() - exact.min()).max())


def means(table, column="kept"):
    """Mean over seeds of a column of `trials`: a frame of (arithmetic, shift) × base."""
    return table.pivot_table(index=["arithmetic", "shift"], columns="base", values=column, aggfunc="mean")


def first_below(table, share):
    """The smallest measured shift at which the mean of `kept` over seeds is below `share`.

    A frame of arithmetic × base; NaN where it is never below.
    """
    low = means(table) < share
    shifts = low.index.get_level_values("shift").to_numpy()[:, np.newaxis]
    reached = pd.DataFrame(np.where(low, shifts, np.nan), low.index, low.columns)
    return reached.groupby(level="arithmetic").min()


def displacements(base, head_dim, arithmetic, shift, length):
    """Errors of the relative angles between all pairs of tokens of an input: (distances, errors).

    The score of a query at q and a key at k turns by the difference of their angles, so that an error which
    all positions share does no harm. The errors, shape (length·(length-1)/2, head_dim/2), are what the
    rounded difference has beyond the exact (q-k)·θ_i, in [-π, π]; `distances` are the q-k > 0.

    >>> distances, errors = displacements(10_000, 4, "float32", 10**9, 3)
    >>> distances.tolist(), errors.round(2).tolist()
    ([1, 2, 1], [[-1.0, -0.01], [-2.0, -0.02], [-1.0, -0.01]])
    """
    positions = shift + np.arange(length)
    rounding = Arithmetic(arithmetic, arithmetic, "float32")
    error = phase_error(*direct_product(positions, base, head_dim, rounding), positions, base, head_dim)
    query, key = np.tril_indices(length, -1)
    return query - key, np.remainder(error[query] - error[key] + np.pi, 2 * np.pi) - np.pi


def weights(distances):
    """Weights, of sum 1, of pairs of tokens whose distance is log-uniform, as that of the questions is."""
    counts = np.bincount(distances)
    each = 1 / (distances * counts[distances])
    return each / each.sum()


def displaced(base, head_dim, arithmetic, shift, length):
    """Root mean square of `displacements` over pairs of tokens: radians, shape (head_dim/2,)."""
    distances, errors = displacements(base, head_dim, arithmetic, shift, length)
    return np.sqrt(weights(distances) @ errors**2)


def equal_neighbors(base, head_dim, arithmetic, shift, length):
    """Share of neighboring tokens whose angle in the slowest pair is the same number: what A5 is about.

    >>> equal_neighbors(10_000, 4, "float32", 0, 128), equal_neighbors(10_000, 4, "bfloat16", 10**6, 128)
    (0.0, 1.0)
    """
    frequency = round_to(frequencies(base, head_dim)[-1], arithmetic)
    positions = round_to(shift + np.arange(length), arithmetic)
    return float(np.mean(np.diff(round_to(positions * frequency, arithmetic)) == 0))


def predictors(table, head_dim, length, limit=DISPLACED):
    """What might tell the loss in each setting of `trials`, beside what was lost: a row for each setting.

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


def rounded_parts(pairs, head_dim, length, limit=DISPLACED):
    """The table `pairs` of the result `precision_parts` as a row for each setting, number and side of pairs.

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


def _over_seeds(table, keys, **more):
    """Mean, least and most of `kept` in each group of `keys`."""
    found = {"kept": ("kept", "mean"), "least": ("kept", "min"), "most": ("kept", "max")}
    return table.groupby(keys).agg(**found, **more).reset_index()


def sides_of_wall(table):
    """What models on either side of A5's wall keep, at the shift where each side keeps least.

    One row for each arithmetic that has bases on both sides: wall, below and beyond (the least, over shifts,
    of the mean of `kept` over bases and seeds), below_at and beyond_at (those shifts), and beyond_at_start:
    kept beyond the wall at the smallest shift.
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
