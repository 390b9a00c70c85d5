"""Where the models measured here break: every set of weights under every spectrum, with intervals.

By one rule: a model breaks at the first length from which on, at all longer ones that were measured, its
score lies below what it was within the trained length. For a task the score is the accuracy, for the next
byte the probability of the right one (the exponential of minus the mean loss), and below means below `KEPT`
of the score at the trained length: the tolerance of RULER's and NoLiMa's thresholds. For a text that is read
in bins, which show how the loss varies within the trained length, below means a loss above every bin in it.

Only a model that works can break: one whose accuracy at the trained length is at least `LEARNED`, or, for a
spectrum exchanged under weights that were not trained for it, whose mean loss within the trained length is at
most `READABLE` nats above that of the weights' own. Variants of a test that are told the length of the input
have no length to foresee, and are left out, as is NoPE, which has no rotation; a temperature changes none,
and each spectrum counts once, without. For the models of Part II, on several texts, see `breaks_by_text`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from rope_lib.measure.tables import LOSS_BIN
from rope_lib.models.spec import effective_base
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.scaling import scaled_frequencies
from rope_lib.train.config import TRAINED
from rope_lib.train.spectrum import Spectrum

from . import breaks_by_text
from .break_rules import DECLARED, LONGEST, ORIGINAL, Training, as_tables, lengths_named, plain_training
from .breaks import BIN, breaks
from .kept import kept

KEPT = 0.85
LEARNED = 0.9
READABLE = 0.25

HEAD_DIM = 32  # of the models of all experiments

# SmolLM2-135M's rotation; its length is declared, and what it was trained at first is not known for sure.
_SMOLLM2 = {"declared": 8_192, "base": 100_000, "dim": 64, "layers": 30}
# The spectra of `measure.interventions` that keep all pairs turning, with their parameters.
_SPECTRA: Mapping[str, Mapping[str, float]] = {breaks_by_text.OWN: {}} | dict(breaks_by_text.RETROFITS)

Rows = dict[str, dict[str, Any]]


def interval(scores: Mapping[int, float], trained: int) -> tuple[float, float]:
    """Where a model breaks, by its scores at some lengths: (longest that works, next one), in tokens.

    The second is infinite if it does not break. Raises KeyError if `trained` is not among the lengths.

    >>> interval({64: 1.0, 128: 0.9, 256: 0.3, 512: 0.2}, 64), interval({64: 1.0, 128: 0.3, 256: 0.9}, 64)
    ((128.0, 256.0), (256.0, inf))
    """
    works = max(length for length, score in scores.items() if score >= KEPT * scores[trained])
    later = [length for length in scores if length > works]
    return float(works), float(min(later, default=np.inf))


def measured(*, epsilon: float, readable: float = READABLE) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`(named, units)` for `break_rules.race`, of all models measured here.

    `units` has also the columns seeds, and earliest and latest: the first failing length of the seed (or the
    run) that breaks first, and of that which breaks last, infinite for one that does not break.
    """
    rows: Rows = dict(spectra_on_text(epsilon=epsilon, readable=readable))
    for source in (trained_spectra, bands, tasks, bases):
        rows |= dict(source(epsilon=epsilon))
    for name, unit in breaks_by_text.units(read_on_texts(), epsilon=epsilon, readable=readable):
        farther = rows.get(name, unit)["longest"]
        rows[name] = unit | {"longest": max(unit["longest"], farther)}
    return as_tables(rows)


def read_on_texts() -> pd.DataFrame:
    """The losses of the models of Part II on several texts, as `breaks_by_text.units` takes them.

    The byte models' are of the result `breaks`; the published models', of `geometry`.
    """
    published = kept("geometry")[0]["losses"]
    published = published[~published.model.str.startswith("byte ")]
    whole = published.groupby(["model", "text"])["pass"].transform("max")
    published = published[published["pass"] == whole].assign(intervention=breaks_by_text.OWN)
    columns = ["model", "text", "intervention", "first", "nll"]
    return pd.concat([published[columns], kept("breaks")[0]["losses"][columns]], ignore_index=True)


def spectra_on_text(*, epsilon: float, readable: float = READABLE) -> Iterator[tuple[str, dict[str, Any]]]:
    """SmolLM2-135M under each spectrum that its weights can read, on one text, at two stretches."""
    far = kept("long_input")[0]["losses"]
    far = far[far.dtype == "float32"].drop(columns="dtype")
    yield from _on_text(far, 16, epsilon, readable)
    near = kept("interventions")[0]["losses"]
    yield from _on_text(near[near.intervention != "unchanged"], 2, epsilon, readable, near)


def _on_text(
    losses: pd.DataFrame, stretch: int, epsilon: float, readable: float, every: pd.DataFrame | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The units of one kept table of losses, whose retrofits stretch the declared length by `stretch`."""
    every = losses if every is None else every
    declared, base, dim = _SMOLLM2["declared"], _SMOLLM2["base"], _SMOLLM2["dim"]
    plain, broken = frequencies(base, dim), breaks(every, declared).own
    inside = every[every["first"] < declared].groupby("intervention").nll.mean()
    reached = {"factor": stretch, "original_max_position_embeddings": declared}
    longest = int(losses["first"].max()) + LOSS_BIN
    for name, own in _SPECTRA.items():
        if name not in set(losses.intervention) or inside[name] > inside["unchanged"] + readable:
            continue
        is_plain, at = name == "unchanged", float(broken[name])
        scaling = "default" if is_plain else name
        inv_freq = scaled_frequencies(scaling, base, dim, {**reached, **own}, stretch * declared)[0]
        high = np.inf if np.isnan(at) else at
        yield (
            "SmolLM2-135M" if is_plain else f"SmolLM2-135M, {name} ×{stretch}",
            {
                "family": "SmolLM2-135M",
                "low": longest if np.isnan(at) else at - BIN,
                "high": high,
                "shortest": BIN,
                "longest": longest,
                "seeds": 1,
                "earliest": high,
                "latest": high,
                **lengths_named(
                    inv_freq,
                    effective_base(inv_freq, base),
                    _SMOLLM2["layers"],
                    Training(declared, base, plain),
                    epsilon=epsilon,
                ),
                LONGEST: declared,
                DECLARED: declared if is_plain else stretch * declared,
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
