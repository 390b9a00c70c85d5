"""Where the models measured here break: every set of weights under every spectrum, with intervals.

By one rule: a model breaks at the first length from which on, at all longer ones that were measured, its score
lies below what it was within the trained length. For a task the score is the accuracy, for the next byte the
probability of the right one (the exponential of minus the mean loss), and below means below `KEPT` of the score
at the trained length: the tolerance of RULER's and NoLiMa's thresholds. For a text that is read in bins, which
show how the loss varies within the trained length, below means a loss above every bin within it.

Only a model that works can break: one whose accuracy at the trained length is at least `LEARNED`, or, for a
spectrum exchanged under weights that were not trained for it, whose mean loss within the trained length is at
most `READABLE` nats above that of the weights' own. Variants of a test that are told the length of the input
have no length to foresee, and are left out, as is NoPE, which has no rotation; a temperature changes none, and
each spectrum counts once, without.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from rope_lib.models.spec import effective_base
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.scaling import scaled_frequencies
from rope_lib.train.config import TRAINED
from rope_lib.train.spectrum import Spectrum

from .break_rules import DECLARED, LONGEST, ORIGINAL, Training, as_tables, lengths_named, plain_training
from .breaks import BIN, breaks
from .kept import kept

KEPT = 0.85
LEARNED = 0.9
READABLE = 0.25

HEAD_DIM = 32  # of the models of all experiments

# SmolLM2-135M's rotation; its length is declared, and what it was trained at first is not known for sure.
_SMOLLM2 = {"declared": 8_192, "base": 100_000.0, "dim": 64, "layers": 30}
_STRETCHED = {"linear": {}, "ntk": {}, "yarn": {}, "llama3": {"low_freq_factor": 1, "high_freq_factor": 4}}
_STRETCH = 2

Rows = dict[str, dict[str, Any]]


def interval(scores: Mapping[int, float], trained: int) -> tuple[float, float]:
    """Where a model breaks, by its scores at some lengths: (longest that works, next one measured), in tokens.

    The second is infinite if it does not break. Raises KeyError if `trained` is not among the lengths.

    >>> interval({64: 1.0, 128: 0.9, 256: 0.3, 512: 0.2}, 64), interval({64: 1.0, 128: 0.3, 256: 0.9}, 64)
    ((128.0, 256.0), (256.0, inf))
    """
    works = max(length for length, score in scores.items() if score >= KEPT * scores[trained])
    later = [length for length in scores if length > works]
    return float(works), float(min(later, default=np.inf))


def measured(*, epsilon: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`(named, units)` for `break_rules.race`, of all models measured here.

    `units` has also the columns seeds, and earliest and latest: the first failing length of the seed (or the
    run) that breaks first, and of that which breaks last, infinite for one that does not break.
    """
    rows: Rows = {}
    for source in (spectra_on_text, trained_spectra, bands, tasks, bases):
        rows |= dict(source(epsilon=epsilon))
    return as_tables(rows)


def spectra_on_text(*, epsilon: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """SmolLM2-135M under each spectrum that its weights can read, on one long text in float32."""
    losses = kept("long_input")[0]["losses"]
    losses = losses[losses.dtype == "float32"].drop(columns="dtype")
    declared, base, dim = (_SMOLLM2[name] for name in ("declared", "base", "dim"))
    plain, stretched = frequencies(base, int(dim)), _STRETCH * int(declared)
    broken = breaks(losses, int(declared)).own
    inside = losses[losses["first"] < declared].groupby("intervention").nll.mean()
    spectra = {"unchanged": plain} | {
        name: scaled_frequencies(
            name,
            float(base),
            int(dim),
            {"factor": _STRETCH, "original_max_position_embeddings": declared} | own,
            stretched,
        )[0]
        for name, own in _STRETCHED.items()
    }
    longest = int(losses["first"].max()) + 128
    for name, inv_freq in spectra.items():
        if inside[name] > inside["unchanged"] + READABLE:
            continue
        at = broken[name]
        yield (
            f"SmolLM2-135M, {name}",
            {
                "family": "SmolLM2-135M",
                "low": longest if np.isnan(at) else at - BIN,
                "high": np.inf if np.isnan(at) else at,
                "shortest": BIN,
                "longest": longest,
                "seeds": 1,
                "earliest": np.inf if np.isnan(at) else at,
                "latest": np.inf if np.isnan(at) else at,
                **lengths_named(
                    inv_freq,
                    effective_base(inv_freq, float(base)),
                    int(_SMOLLM2["layers"]),
                    Training(int(declared), float(base), plain),
                    epsilon=epsilon,
                ),
                LONGEST: declared,
                DECLARED: declared if name == "unchanged" else stretched,
                ORIGINAL: declared,
            },
        )


def trained_spectra(*, epsilon: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """The spectra of experiment 3, on recall and on the next byte."""
    summary = kept("spectra")[0]["summary"].assign(trained=128, name="recall")
    yield from _trained(summary, ["scaling"], layers=2, epsilon=epsilon)
    summary = kept("next_byte")[0]["summary"].assign(trained=64, name="bytes")
    yield from _trained(summary, ["scaling"], layers=2, epsilon=epsilon)


def bands(*, epsilon: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """The bands of experiment 4, on recall."""
    summary = kept("ablations")[0]["summary"].assign(trained=128, name="recall", scaling="band")
    yield from _trained(summary, ["scaling", "share", "shortest_period", "turns"], layers=2, epsilon=epsilon)


def tasks(*, epsilon: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """The spectra of experiment 5 on the tasks that experiment 3 does not have."""
    summary = kept("better")[0]["summary"]
    yield from _trained(summary[summary.name != "recall"], ["scaling"], layers=2, epsilon=epsilon)


def bases(*, epsilon: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """The bases of experiment 1, at two trained lengths and depths; those trained longer are others."""
    grids = {
        400: kept("which_bound")[0]["summary"],
        1_200: kept("which_bound_longer")[0]["summary"].assign(trained=64),
    }
    for steps, summary in grids.items():
        summary = summary.assign(name=f"recall, {steps:,} steps", scaling="default")
        for layers, own in summary.groupby("layers"):
            yield from _trained(own, ["scaling", "base"], layers=int(layers), epsilon=epsilon)


def _trained(
    summary: pd.DataFrame, spectrum: list[str], *, layers: int, epsilon: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The units of a kept summary: one for each task, trained length and spectrum, where it was learned."""
    rows = summary[(summary.variant == TRAINED) & (summary.scaling != "nope")]
    is_text = rows.name.str.startswith("bytes")
    rows = rows.assign(score=rows.accuracy.where(~is_text, np.exp(-rows.nll)))
    for (task, trained, *_), own in rows.groupby(["name", "trained", *spectrum], dropna=False):
        by_seed = own.pivot_table(index="seed", columns="length", values="score")
        means, first = by_seed.mean(), own.iloc[0]
        if not task.startswith("bytes") and means[trained] < LEARNED:
            continue
        low, high = interval(means.to_dict(), int(trained))
        singly = [interval(scores.to_dict(), int(trained))[1] for _, scores in by_seed.iterrows()]
        family = f"{task.partition(',')[0]}, {trained:,} tokens"
        described = ", ".join(f"{first[name]:g}" for name in spectrum[1:])
        yield (
            f"{task}, {trained:,} tokens, {layers} layers, {first.scaling} {described}".strip(),
            {
                "family": family,
                "low": low,
                "high": high,
                "shortest": int(own.length.min()),
                "longest": int(own.length.max()),
                "seeds": len(by_seed),
                "earliest": min(singly),
                "latest": max(singly),
                **_named(first, int(trained), layers, epsilon),
                LONGEST: trained,
                DECLARED: trained,
                ORIGINAL: trained,
            },
        )


def _named(row: pd.Series, trained: int, layers: int, epsilon: float) -> dict[str, float]:
    """What the rules say of a spectrum in a row of a summary; without plain RoPE's base by 1/lowest."""
    stated = {name: row.get(name, np.nan) for name in ("p", "share", "shortest_period", "turns")}
    parameters = {name: float(value) for name, value in stated.items() if pd.notna(value)}
    base = float(row["base"]) if pd.notna(row.get("base", np.nan)) else 10_000.0
    inv_freq = np.array(Spectrum(row.scaling, base, parameters).at(trained, trained, HEAD_DIM).inv_freq)
    if row.scaling == "default":
        original, effective = plain_training(trained, base, HEAD_DIM), base
    else:
        original, effective = Training(trained, None, inv_freq), float(1 / inv_freq[inv_freq > 0].min())
    return lengths_named(inv_freq, effective, layers, original, epsilon=epsilon)
