"""What retrofits do to each pair of a head, and what a larger base would do instead."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rope_lib.theory.arguments import Floats
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.precision import round_to
from rope_lib.theory.rivals import longest_with_seen_angles, seen_by_each_pair
from rope_lib.theory.scaling import ORIGINAL_LENGTH, scaled_frequencies

_ROUNDING = 1e-9  # relative: a factor or an angle reached exactly is not passed

# The scaling that each name of the chapter stands for.
SCHEMES = {
    "position interpolation": "linear",
    "NTK": "ntk",
    "YaRN": "yarn",
    "llama3": "llama3",
}
_LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0}  # those of Llama 3.1


def spectra(base: float, dim: int, trained: int, factor: float) -> dict[str, Floats]:
    """The frequencies `(dim/2,)` of each scheme, by name, that stretches `trained` tokens by `factor`.

    >>> {name: freqs.round(4).tolist() for name, freqs in spectra(10_000, 4, 1_000, 10).items()}["NTK"]
    [1.0, 0.001]
    """
    parameters = {"factor": factor, ORIGINAL_LENGTH: trained, **_LLAMA3}
    return {
        name: scaled_frequencies(scaling, base, dim, parameters, trained * factor)[0]
        for name, scaling in SCHEMES.items()
    }


def dynamic(base: float, dim: int, trained: int, length: int) -> Floats:
    """The frequencies of dynamic NTK at `length` tokens, with the factor 1: stretched by `length`/`trained`.

    >>> bool(np.allclose(dynamic(10_000, 8, 1_000, 10_000), spectra(10_000, 8, 1_000, 10)["NTK"]))
    True
    """
    return scaled_frequencies("dynamic", base, dim, {"factor": 1.0, ORIGINAL_LENGTH: trained}, length)[0]


def by_pair(inv_freq: ArrayLike, plain: ArrayLike, trained: int, length: int) -> pd.DataFrame:
    """What a scheme does to each pair: one row for each, from the fastest.

    `plain` `(pairs,)` are the frequencies of the training, `inv_freq` those of the scheme at `length` tokens.
    Columns: pair; `turns` and `turns_after`, within the trained length, before and after; `slowed`, by what
    factor; `unseen`, whether the pair turns farther within `length` than it did in training.

    >>> table = by_pair([1.0, 0.0005], [1.0, 0.001], 1_000, 4_000)
    >>> table.slowed.tolist(), table.unseen.tolist()
    ([1.0, 2.0], [False, True])
    """
    now, before = np.asarray(inv_freq, dtype=float), np.asarray(plain, dtype=float)
    return pd.DataFrame(
        {
            "pair": np.arange(now.size),
            "turns": trained * before / (2 * np.pi),
            "turns_after": trained * now / (2 * np.pi),
            "slowed": before / now,
            "unseen": seen_by_each_pair(now, before, trained) < length * (1 - _ROUNDING),
        }
    )


def summary(inv_freq: ArrayLike, plain: ArrayLike, trained: int, length: int) -> dict[str, float]:
    """A scheme in a few numbers: how many pairs stay, are slowed in part and in full, and what is unseen.

    `full` counts the pairs that are slowed by the whole stretch, `length`/`trained`, or more; `fastest` is by
    what the fastest pair is slowed; `known` the tokens up to which no pair turns farther than in training,
    and `unseen` the pairs that do within `length`.

    >>> summary([1.0, 0.00025], [1.0, 0.001], 1_000, 4_000)["known"]
    4000.0
    """
    table = by_pair(inv_freq, plain, trained, length)
    stay = table.slowed <= 1 + _ROUNDING
    full = table.slowed >= length / trained * (1 - _ROUNDING)
    return {
        "stay": int(stay.sum()),
        "between": int((~stay & ~full).sum()),
        "full": int(full.sum()),
        "fastest": float(table.slowed.iloc[0]),
        "known": longest_with_seen_angles(inv_freq, plain, trained),
        "unseen": int(table.unseen.sum()),
    }


# A larger base instead


def by_base(
    drawn: pd.DataFrame, bases: Sequence[float], windows: Sequence[int], sensitivity: float
) -> pd.DataFrame:
    """What Wu, Du and Peng (2609.39929) warn of, for drawn scores under the spectra of several bases.

    `drawn` is the table of `measure.pair_weights.drawn_scores`; its coefficients stay as they are. One row
    for each base, window and draw, without draws whose two keys tie. Columns: base, window; `reversed`, the
    share of the distances in the window at which the other key beats the winner; `told`, the share at which
    the winner's score at the next distance differs by at least `sensitivity` times the norm of its
    coefficients; `largest`, the largest such difference over the norm.

    It is `theory.reversal` for many coefficients at once: `reversal_share` of each margin, and
    `positional_sensitivity` of each winner, up to the step that leaves the window.
    """
    winners, others = (drawn.xs(key, level="key").to_numpy() for key in ("winner", "other"))
    ahead = (winners - others).real.sum(axis=1) > 0
    winners, margins = winners[ahead], (winners - others)[ahead]
    norms = np.linalg.norm(winners, axis=1)[:, np.newaxis]
    parts = []
    for base in bases:
        freqs = frequencies(base, 2 * winners.shape[1])
        steps = winners * np.expm1(1j * freqs) / norms  # the coefficients of S(m+1) - S(m)
        reversals, told, largest = (np.zeros(len(winners)) for _ in range(3))
        done = 0
        for window in sorted(windows):
            for first in range(done, window, 4096):
                angles = np.multiply.outer(freqs, np.arange(first, min(first + 4096, window)))
                cos, sin = np.cos(angles), np.sin(angles)
                reversals += (margins.real @ cos - margins.imag @ sin < 0).sum(axis=1)
                size = np.abs(steps.real @ cos - steps.imag @ sin)
                told += (size >= sensitivity).sum(axis=1)
                largest = np.maximum(largest, size.max(axis=1))
            done = window
            found = {"reversed": reversals / window, "told": told / window, "largest": largest}
            parts.append(pd.DataFrame({"base": base, "window": window, **found}))
    return pd.concat(parts, ignore_index=True)


def both_kept(table: pd.DataFrame, reversal: float, sensitivity: float) -> pd.DataFrame:
    """The share of draws that keep order and tell positions apart: windows in rows, bases in columns.

    `table` is that of `by_base`. Order is kept where at most a share `reversal` of the distances is reversed;
    positions are told apart where some neighbors' scores differ by at least `sensitivity` times the norm.
    Wu, Du and Peng prove that for every spectrum and margin it fails beyond some window.
    """
    both = (table.reversed <= reversal) & (table.largest >= sensitivity)
    return table.assign(both=both).pivot_table(index="window", columns="base", values="both")


def enough(shares: pd.Series, of_best: float = 0.9) -> float:
    """The smallest base at which a share, indexed by base, is at least `of_best` times its largest value.

    >>> enough(pd.Series({1e4: 0.0, 1e5: 0.19, 1e6: 0.2, 1e7: 0.19}))
    100000.0
    """
    return float(shares.index[shares >= of_best * shares.max()].min())


def idle_pairs(bases: Sequence[float], dim: int, trained: int) -> pd.DataFrame:
    """How many of the dim/2 pairs of a plain bank hardly move within the trained length, by base.

    Columns: `unturned`, pairs that complete no turn; `tenth_turn`, that make less than a tenth of one;
    `tenth_radian`, that turn by less than 0.1 radian; `cosine_one`, whose cosine, rounded to bfloat16, is 1
    at every position.

    >>> idle_pairs([1e4, 1e9], 64, 8_192).tenth_radian.tolist()
    [0, 14]
    """
    rows = []
    for base in bases:
        farthest = trained * frequencies(base, dim)
        limits = {"unturned": 2 * np.pi, "tenth_turn": 0.2 * np.pi, "tenth_radian": 0.1}
        counts = {name: int((farthest < limit).sum()) for name, limit in limits.items()}
        slow = farthest[farthest < np.pi]  # whose cosine falls all the way
        counts["cosine_one"] = int((round_to(np.cos(slow), "bfloat16") == 1).sum())
        rows.append(counts)
    return pd.DataFrame(rows, index=pd.Index(bases, name="base"))


def facts(
    summaries: Mapping[str, Mapping[str, float]],
    table: pd.DataFrame,
    idle: pd.DataFrame,
    *,
    pairs: int,
    reversal: float,
    sensitivity: float,
    low_sensitivity: float,
) -> dict[str, str]:
    """The numbers of the chapter's text, by their glue names.

    `summaries` maps schemes to their `summary`; `table` is that of `by_base`, `idle` of `idle_pairs` for
    heads of `pairs` pairs; the others are the tolerances of `both_kept`, of which the lower one is compared.
    """
    middle = table.groupby(["window", "base"])[["reversed", "told", "largest"]].median()
    low, high = table.base.min(), table.base.max()
    first, *_, last = sorted(table.window.unique())
    both = both_kept(table, reversal, sensitivity)
    relaxed = both_kept(table, reversal, low_sensitivity)
    ntk = summaries["NTK"]
    return {
        "retrofit-ntk-slowed": f"{ntk['between']:.0f}",
        "retrofit-ntk-known": f"{ntk['known']:,.0f}",
        "retrofit-ntk-unseen": f"{ntk['unseen']:.0f}",
        "retrofit-yarn-stay": f"{summaries['YaRN']['stay']:.0f}",
        "retrofit-llama3-stay": f"{summaries['llama3']['stay']:.0f}",
        "retrofit-yarn-full": f"{summaries['YaRN']['full']:.0f}",
        "retrofit-reversed-low": f"{100 * middle.reversed[first, low]:.0f} %",
        "retrofit-reversed-high": f"{100 * middle.reversed[first, high]:.0f} %",
        "retrofit-far-low": f"{100 * middle.reversed[last, low]:.0f} %",
        "retrofit-far-high": f"{100 * middle.reversed[last, high]:.0f} %",
        "retrofit-told-low": f"{100 * middle.told[first, low]:.0f} %",
        "retrofit-told-high": f"{100 * middle.told[first, high]:.0f} %",
        "retrofit-largest-low": f"{middle.largest[first, low]:.3f}",
        "retrofit-largest-high": f"{middle.largest[first, high]:.3f}",
        "retrofit-idle": f"{idle.tenth_radian.iloc[-1]} of {pairs}",
        "retrofit-cosine-one": f"{idle.cosine_one.iloc[-1]}",
        "retrofit-enough-near": _power(enough(both.loc[first])),
        "retrofit-enough-far": _power(enough(both.loc[last])),
        "retrofit-both-near": f"{100 * both.loc[first].max():.0f} %",
        "retrofit-both-far": f"{100 * both.loc[last].max():.0f} %",
        "retrofit-enough-relaxed": _power(enough(relaxed.loc[first])),
    }


def _power(base: float) -> str:
    """A power of ten as it stands in a text: 10⁵."""
    return "10" + f"{round(np.log10(base))}".translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
