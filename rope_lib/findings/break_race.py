"""What the chapter on breaks states: every rule of `break_rules` on all models that are known to break."""

import numpy as np
import pandas as pd

from .break_rules import BOUNDS, DECLARED, RULES, baselines, octaves, race, telling
from .breaks_by_text import OWN, SUBJECTS, breaks_by_text
from .measured_breaks import measured
from .published_breaks import published, relative
from .wording import signed

OURS, RULER = "measured here", "RULER"
ANY_SPECTRUM, RELATIVE = "measured here, unreadable spectra too", "RULER, by each model's own score"

Pair = tuple[pd.DataFrame, pd.DataFrame]  # lengths named, units × rules; and units: see `break_rules.race`


def questions(*, epsilon: float) -> dict[str, Pair]:
    """Lengths named and units of the two races that decide, and of two that show what a choice does to them.

    The former are `OURS` and `RULER`. `ANY_SPECTRUM` has also the spectra that the weights cannot read,
    `RELATIVE` a threshold for each model of RULER.
    """
    return {
        OURS: measured(epsilon=epsilon),
        RULER: published("RULER", epsilon=epsilon),
        ANY_SPECTRUM: measured(epsilon=epsilon, readable=np.inf),
        RELATIVE: relative("RULER", epsilon=epsilon),
    }


def facts(asked: dict[str, Pair], read: pd.DataFrame, *, epsilon: float) -> dict[str, str]:
    """The numbers of the chapter's text by glue name, of `questions` and `measured_breaks.read_on_texts`."""
    raced = {name: race(named, units) for name, (named, units) in asked.items()}
    told = sorted({rule for name in (OURS, RULER) for rule in telling(raced[name])}, key=RULES.index)
    found = {"rules": f"{len(RULES)}", "telling": ", ".join(told) or "none"}
    for key, name in {"ours": OURS, "ruler": RULER, "any": ANY_SPECTRUM, "relative": RELATIVE}.items():
        found |= {f"{key}-{what}": text for what, text in _of_race(raced[name], *asked[name]).items()}
    found |= _of_nolima(epsilon) | _of_texts(read)
    return {f"meets-{name}": text for name, text in found.items()}


def _of_race(raced: pd.DataFrame, named: pd.DataFrame, units: pd.DataFrame) -> dict[str, str]:
    plain = baselines(named, units).mean()
    best = raced.loc[raced.gain.idxmax()]
    better_form = raced[["stated", "fitted"]].min(axis=1)
    return {
        "telling": ", ".join(telling(raced)) or "none",
        "units": f"{len(units)}",
        "families": f"{units.family.nunique()}",
        "unbroken": f"{np.isinf(units.high).sum()}",
        "baseline": str(plain.idxmin()),
        "baseline-error": f"{plain.min():.2f}",
        "declared-error": f"{plain[DECLARED]:.2f}",
        "best": str(raced.gain.idxmax()),
        "best-gain": signed(best.gain),
        "best-low": signed(best.low),
        "best-high": signed(best.high),
        "behind": f"{(raced.gain <= 0).sum()}",
        "angles-gain": signed(raced.gain["seen angles"]),
        **{f"{rule}-error": f"{better_form[rule]:.2f}" for rule in BOUNDS},
        **{f"{rule}-gain": signed(raced.gain[rule]) for rule in BOUNDS},
    }


def _of_nolima(epsilon: float) -> dict[str, str]:
    named, units = published("NoLiMa", epsilon=epsilon)
    errors = {rule: octaves(named[rule], units).mean() for rule in (*BOUNDS, DECLARED)}
    return {
        "nolima-units": f"{len(units)}",
        "nolima-highest": f"{units.high.max():,.0f}",
        "nolima-A4": f"{named['A4'].min():,.0f}",
        "nolima-error": f"{min(errors[rule] for rule in BOUNDS):.1f}",
        "nolima-declared-error": f"{errors[DECLARED]:.1f}",
    }


def _of_texts(read: pd.DataFrame) -> dict[str, str]:
    found = {"texts": f"{read.text.nunique()}"}
    breaks = breaks_by_text(read)
    for model, own in breaks[breaks.intervention == OWN].groupby("model"):
        key = str(model).lower().replace(" ", "-")
        finite = own["at"][np.isfinite(own["at"])]
        found |= {
            f"{key}-broken": f"{len(finite)} of {len(own)}",
            f"{key}-earliest": f"{finite.min():,.0f}" if len(finite) else "–",
            f"{key}-latest": f"{finite.max():,.0f}" if len(finite) else "–",
            f"{key}-median": f"{np.sort(own['at'])[(len(own) - 1) // 2]:,.0f}",
            f"{key}-declared": f"{SUBJECTS[str(model)].declared:,}",
        }
    return found
