"""Which rule tells the length at which a model breaks? Lengths that rules name against intervals of breaks.

Written down, with `measured_breaks` and `published_breaks`, before any error was computed:

- A *unit* is one set of weights under one spectrum. Seeds are averaged: they are not further models. Its
  break is an interval in tokens: above the longest length at which it still works, up to the next one
  measured. A unit that never breaks is open above; one that works at no length is open below.
- A *rule* names a length for each unit, or none where it does not apply. Its *error* is the distance in
  octaves (log2) from that length to the interval, 0 inside. Lengths beyond what a unit's measurement could
  show count as half the shortest, or twice the longest, length measured.
- Each rule is tried as stated, and with one constant to multiply its lengths by. The constant is the one with
  the least mean error on the units of all *other* families: a family's own breaks never help to foresee it.
- The *baselines* know nothing of the rotation: one length for all units (the constant alone); the declared
  length; a constant share of it; the length of the original training.
- A rule *tells* if, in the better of its two forms, its mean error lies below that of every baseline on the
  units to which both apply, and the 95 % interval of the least of these gains, over the choice of families,
  lies above 0. It is *ahead* if the gains are positive but that interval reaches 0. Otherwise it is *no
  better*.
- The answer to the question is the rules that tell; if none does, it is that none does. What would change it:
  other public tables, or models of more families, under which one does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rope_lib.models.training import angles_seen
from rope_lib.theory.arguments import Floats
from rope_lib.theory.bounds import aliasing_bound, max_context
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.rivals import first_negative, liu_extrapolation_limit

from .stats import clustered_interval

TELLS, AHEAD, NO_BETTER = "tells", "ahead", "no better"

DECLARED, ORIGINAL, LONGEST = "declared length", "original training length", "longest training"
ONE_LENGTH, SHARE = "one length for all", "share of the declared length"
BASELINES = (ONE_LENGTH, DECLARED, SHARE, ORIGINAL)

BOUNDS = ("A2", "A3", "A4")
RULES = (*BOUNDS, "Men et al.", "Liu et al.", "NTK", "seen angles", LONGEST)

_ENDS = ("low", "high", "shortest", "longest")  # of a unit's interval, and of its measurement
_FARTHEST = 2**21  # tokens searched for a negative similarity of the bank: beyond all that was measured
_STEPS = 16  # constants tried for each octave
_WIDEST = 24  # octaves to either side of 1 that are tried


@dataclass(frozen=True)
class Training:
    """The training of a spectrum before any change of it."""

    length: int  # tokens
    base: float | None  # of plain RoPE; None for a spectrum without a base
    inv_freq: Floats  # (pairs,), radians per token


def lengths_named(
    inv_freq: Floats, effective_base: float, layers: int, original: Training | None, *, epsilon: float
) -> dict[str, float]:
    """The longest context by each rule on the rotation, in tokens, for frequencies `inv_freq` `(pairs,)`.

    Infinite where a rule forbids no length, NaN where it does not apply: those of Liu et al. and of NTK ask
    for an `original` training of plain RoPE, seen angles for any.

    >>> plain = frequencies(10_000, 128)
    >>> named = lengths_named(plain, 10_000, 32, Training(4_096, 10_000, plain), epsilon=0.95)
    >>> {name: round(length) for name, length in named.items()}  # doctest: +NORMALIZE_WHITESPACE
    {'A2': 62832, 'A3': 3176, 'A4': 566, 'Men et al.': 1707, 'Liu et al.': 4712, 'NTK': 4096,
     'seen angles': 4096}
    """
    dim = 2 * len(inv_freq)
    named = {
        "A2": effective_base / float(aliasing_bound(1)),
        "A3": float(max_context(effective_base, epsilon)),
        "A4": float(max_context(effective_base, epsilon, layers=layers)),
        "Men et al.": float(first_negative(inv_freq, _FARTHEST) or np.inf),
        "Liu et al.": np.nan,
        "NTK": np.nan,
        "seen angles": np.nan,
    }
    if original is not None:
        seen = angles_seen(inv_freq, original.inv_freq, original.length, original.length)
        named["seen angles"] = seen.after
    if original is not None and original.base is not None:
        stretch = (effective_base / original.base) ** ((dim - 2) / dim)
        limit = liu_extrapolation_limit(original.length, dim, original.base, effective_base)
        named |= {"Liu et al.": float(limit), "NTK": original.length * stretch}
    return named


def plain_training(length: int, base: float, dim: int) -> Training:
    """The `Training` of plain RoPE over `dim` channels.

    >>> plain_training(2_048, 100.0, 4).inv_freq.tolist()
    [1.0, 0.1]
    """
    return Training(length, base, frequencies(base, dim))


def octaves(named: pd.Series, units: pd.DataFrame) -> pd.Series:
    """The distance in octaves from each named length to the unit's interval; NaN where none is named.

    `units` has columns low, high, shortest and longest in tokens, see the module.

    >>> units = pd.DataFrame({"low": [1024, 1024], "high": 2048, "shortest": 512, "longest": 4096})
    >>> octaves(pd.Series([1500.0, np.inf]), units).tolist()
    [0.0, 2.0]
    """
    found = _distances(named.to_numpy(float), *(units[name].to_numpy(float) for name in _ENDS))
    return pd.Series(found, index=named.index)


def _distances(named: Floats, low: Floats, high: Floats, shortest: Floats, longest: Floats) -> Floats:
    """`octaves` of arrays; the first may have more axes, on the left."""
    shown = np.log2(np.clip(named, shortest / 2, 2 * longest))
    with np.errstate(divide="ignore"):
        away: Floats = np.maximum(np.log2(low) - shown, shown - np.log2(high))
    return np.maximum(away, 0)


def best_constant(named: pd.Series, units: pd.DataFrame) -> float:
    """The constant by which the named lengths err least; of several, the one in the middle (of their logs).

    >>> units = pd.DataFrame({"low": [1024, 2048], "high": [2048, 4096], "shortest": 512, "longest": 8192})
    >>> round(best_constant(pd.Series([512.0, 1024.0]), units), 2)
    2.83
    """
    exponents = np.arange(-_WIDEST * _STEPS, _WIDEST * _STEPS + 1) / _STEPS
    tried = 2 ** exponents[:, None] * named.to_numpy(float)  # constants × units
    errors = _distances(tried, *(units[name].to_numpy(float) for name in _ENDS)).mean(axis=1)
    return float(2 ** np.median(exponents[errors <= errors.min() + 1e-9]))


def foreseen(named: pd.Series, units: pd.DataFrame) -> pd.Series:
    """The errors in octaves of the named lengths times a constant, fitted on all other families.

    NaN where no length is named, and for a family without another one to fit on.
    """
    applies = named.notna()
    found = pd.Series(np.nan, index=units.index)
    for family in units.family[applies].unique():
        own, others = applies & (units.family == family), applies & (units.family != family)
        if others.any():
            constant = best_constant(named[others], units[others])
            found[own] = octaves(named[own] * constant, units[own])
    return found


def baselines(named: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
    """The errors in octaves of each of `BASELINES`: units × baselines."""
    return pd.DataFrame(
        {
            ONE_LENGTH: foreseen(pd.Series(1.0, index=units.index), units),
            DECLARED: octaves(named[DECLARED], units),
            SHARE: foreseen(named[DECLARED], units),
            ORIGINAL: octaves(named[ORIGINAL], units),
        }
    )


def race(named: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
    """Each rule against the baselines: one row for each of `RULES` that applies to 2 families or more.

    `named` holds the lengths in tokens, units × rules, with `DECLARED` and `ORIGINAL`; `units` has columns
    family, low, high, shortest and longest. Columns: units and families, to which the rule applies; stated
    and fitted, its mean errors in octaves; constant, fitted on all units; form, the better one; rival, the
    baseline over which its gain is least, and rival_error; gain, low and high, of that gain; verdict.
    """
    rivals, rows = baselines(named, units), {}
    for rule in RULES:
        forms = {"stated": octaves(named[rule], units), "fitted": foreseen(named[rule], units)}
        applies = named[rule].notna()
        if units.family[applies].nunique() < 2:
            continue
        means = {form: float(error.mean()) for form, error in forms.items()}
        form = min(means, key=lambda each: means[each])
        gains = {name: (rivals[name] - forms[form]).dropna() for name in BASELINES}
        gains = {name: own for name, own in gains.items() if units.family[own.index].nunique() > 1}
        rival = min(gains, key=lambda name: gains[name].mean())
        gain, low, high = clustered_interval(
            np.mean, [gains[rival].to_numpy()], units.family[gains[rival].index]
        )
        rows[rule] = {
            "units": int(applies.sum()),
            "families": units.family[applies].nunique(),
            **means,
            "constant": best_constant(named[rule][applies], units[applies]),
            "form": form,
            "rival": rival,
            "rival_error": float(rivals[rival][gains[rival].index].mean()),
            "gain": gain,
            "low": low,
            "high": high,
            "verdict": TELLS if low > 0 else AHEAD if gain > 0 else NO_BETTER,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def telling(raced: pd.DataFrame, rules: tuple[str, ...] = RULES) -> list[str]:
    """Those of `rules` that tell where models break, by `race`.

    >>> telling(pd.DataFrame({"verdict": ["tells", "ahead"]}, index=["A3", "A4"]))
    ['A3']
    """
    return [rule for rule in rules if rule in raced.index and raced.verdict[rule] == TELLS]


def as_tables(rows: Mapping[str, Mapping[str, object]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`(named, units)` of rows by unit name, each with the columns of both: see `race`."""
    table = pd.DataFrame.from_dict(rows, orient="index")
    names = [*RULES, DECLARED, ORIGINAL]
    return table[names].astype(float), table.drop(columns=names)
