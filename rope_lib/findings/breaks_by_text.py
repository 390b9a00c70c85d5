"""Where the models of Part II break on several texts, as units of `break_rules`: published and byte models.

Written down before any of their losses were made:

- On one text a model breaks by the text rule of `measured_breaks`: from a position on, every bin of its loss
  lies above the highest bin within the declared length; with fewer than `FEW` bins past it, it is not seen to
  break. Bins have 256 tokens, or an eighth of the declared length where that is shorter.
- The break of a unit is the median over its texts, of an even number the lower of the two in the middle; a
  text on which it does not break counts as infinitely late. `earliest` and `latest` are over the texts.
- A retrofit of a byte model is a unit if its mean loss within the trained length, over all texts, lies at
  most `READABLE` nats above that of the model's own spectrum, as for the other exchanged spectra.
- Of Gemma only the layers that see all tokens count for the rules, by their own base. The byte models are one
  family: one corpus, one shape.
- SmolLM2-135M as shipped is one unit, whatever it was read on: these texts take the place of the one text of
  `measured_breaks`; the longest length measured stays the longest of all its measurements.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rope_lib.models.spec import effective_base
from rope_lib.theory.arguments import Floats
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.scaling import scaled_frequencies

from .break_rules import DECLARED, LONGEST, ORIGINAL, Training, lengths_named
from .breaks import BIN, FEW, break_point

OWN = "unchanged"  # the name of the spectrum that a model came with
BINS = 8  # of the declared length, at least
STRETCHES = (2,)  # of the trained length, by the retrofits of a byte model
TRIED = ("ntk", "yarn")  # the retrofits of a byte model
RETROFITS: Mapping[str, Mapping[str, float]] = {
    "linear": {},
    "ntk": {},
    "yarn": {},
    "llama3": {"low_freq_factor": 1, "high_freq_factor": 4},
}


@dataclass(frozen=True)
class Rotating:
    """What the rules need to know of a model: its layers that see all tokens, and how they rotate."""

    family: str
    declared: int  # tokens
    base: float | None  # of plain RoPE; None for another spectrum
    inv_freq: Floats  # (pairs,), radians per token
    layers: int  # that see all tokens


SUBJECTS: Mapping[str, Rotating] = {
    "SmolLM2-135M": Rotating("SmolLM2-135M", 8_192, 100_000, frequencies(100_000, 64), 30),
    "Gemma 3 270M": Rotating("Gemma", 32_768, 1_000_000, frequencies(1_000_000, 256), 3),
    "byte RoPE": Rotating("bytes, 256 tokens", 256, 10_000, frequencies(10_000, 64), 4),
    "byte RoPE-ID": Rotating(
        "bytes, 256 tokens",
        256,
        None,
        scaled_frequencies(
            "rope_id", 10_000, 64, {"original_max_position_embeddings": 256, "shortest_period": 8}, 256
        )[0],
        4,
    ),
}


def retrofit(name: str, stretch: int, of: Rotating) -> tuple[Floats, float]:
    """Frequencies `(pairs,)` and attention factor of one of `RETROFITS` that stretches a model by `stretch`.

    Raises ValueError for a model that has no base.
    """
    if of.base is None:
        raise ValueError("of must rotate by plain RoPE to be retrofitted, got a spectrum without a base")
    reached = {"factor": stretch, "original_max_position_embeddings": of.declared, **RETROFITS[name]}
    return scaled_frequencies(name, of.base, 2 * len(of.inv_freq), reached, stretch * of.declared)


def bin_size(declared: int) -> int:
    """Tokens that losses are averaged over.

    >>> bin_size(8_192), bin_size(256)
    (256, 32)
    """
    return min(BIN, declared // BINS)


def break_on_text(losses: pd.DataFrame, declared: int) -> float:
    """Where a model breaks on one text, in tokens; infinite if it is not seen to.

    `losses` has columns first and nll: means over bins of equal size, at most that of `bin_size`.
    """
    first = losses["first"].sort_values()
    step, size = int(first.diff().min()), bin_size(declared)
    table = pd.DataFrame({"position": losses["first"] + step - 1, "nll": losses.nll})
    found = break_point(table, declared, size)
    latest = first.max() + step - FEW * size
    return float(found) if found is not None and found <= latest else np.inf


def breaks_by_text(losses: pd.DataFrame) -> pd.DataFrame:
    """Where each model breaks: a row for each model, intervention and text, with at in tokens, and inside.

    `losses` has columns model, text, intervention, first and nll; `inside` is the mean within the declared
    length.
    """
    rows = []
    for (model, name, text), own in losses.groupby(["model", "intervention", "text"], sort=False):
        declared = SUBJECTS[model].declared
        inside = own.nll[own["first"] < declared].mean()
        at = break_on_text(own, declared)
        rows.append({"model": model, "intervention": name, "text": text, "at": at, "inside": inside})
    return pd.DataFrame(rows)


def units(losses: pd.DataFrame, *, epsilon: float, readable: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """The units of a table of losses as for `breaks_by_text`, by name, as `measured_breaks` has them.

    An intervention is `OWN` or the name of a retrofit, "_" and its stretch, such as "yarn_2".
    """
    found = breaks_by_text(losses)
    inside = found.groupby(["model", "intervention"]).inside.mean()
    for (model, name), own in found.groupby(["model", "intervention"], sort=False):
        if inside[model, name] > inside[model, OWN] + readable:
            continue
        subject = SUBJECTS[model]
        scaling, _, stretch = name.partition("_")
        factor = int(stretch or 1)
        inv_freq = subject.inv_freq if name == OWN else retrofit(scaling, factor, subject)[0]
        longest = int(losses["first"][losses.model == model].max()) + _step(losses[losses.model == model])
        at = np.sort(own["at"])[(len(own) - 1) // 2]
        original = Training(subject.declared, subject.base, subject.inv_freq)
        base = (
            float(1 / inv_freq[inv_freq > 0].min())
            if subject.base is None
            else effective_base(inv_freq, subject.base)
        )
        yield (
            model if name == OWN else f"{model}, {scaling} ×{factor}",
            {
                "family": subject.family,
                "low": longest if np.isinf(at) else at - bin_size(subject.declared),
                "high": at,
                "shortest": bin_size(subject.declared),
                "longest": longest,
                "seeds": len(own),
                "earliest": own["at"].min(),
                "latest": own["at"].max(),
                **lengths_named(inv_freq, base, subject.layers, original, epsilon=epsilon),
                LONGEST: subject.declared,
                DECLARED: factor * subject.declared,
                ORIGINAL: subject.declared,
            },
        )


def _step(losses: pd.DataFrame) -> int:
    return int(losses["first"].drop_duplicates().sort_values().diff().min())
