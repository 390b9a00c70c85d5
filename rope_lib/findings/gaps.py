"""Do windows, or few full layers, spare a model its failure? What losses with a gap in the positions say.

The first half of an input is moved back: in full layers its tokens stand `gap` positions farther from the
second half than they do in the text, so that distances occur that the model was not made for, at no more
keys than before. Layers with a window keep their positions, since in a longer text other tokens would fill
their window. A model's *rise* is the loss of the last tokens with a gap less that without one.

The rule, written before anything was measured: a model with windows is spared the failure if with gaps of up
to four declared lengths its rise is at most 0.1 nats, the upper end of every interval between texts; it is
spared a part of it if at four declared lengths its rise is below that of SmolLM2-135M, interval against
interval; else it is not spared. A rise is no failure to use far tokens but harm where it exceeds that of a
model which did not read the first half at all, but for token 0 (`forgotten`).

`losses` has a row for each model, text and reading: gap (tokens; NaN where the first half was not read), nll
(nats) and sink_attention (mean over the pairs of full layers, of the last queries).
"""

from typing import Literal

import pandas as pd

from rope_lib.measure.subjects import declared_length

from .by_text import between_texts
from .every_model import FULL
from .wording import with_interval

SPARED = 0.1  # nats
WITH_WINDOWS, REFERENCE = "Gemma 3 270M", "SmolLM2-135M"

Outcome = Literal["spared", "spared a part", "not spared"]


def by_gap(losses: pd.DataFrame) -> pd.DataFrame:
    """Rise of the loss, in nats, and attention to token 0: rows (model, kind, length, quantity).

    The quantity is rise or sink_attention; `length` is the gap, in declared lengths; `kind` is that of the
    layers with the gap, full. Columns mean, low and high: over texts.
    """
    read = losses.dropna(subset="gap").set_index(["model", "text"])
    whole = read[read.gap == 0].nll
    declared = read.index.get_level_values("model").map(declared_length)
    table = read.assign(
        kind=FULL, rise=read.nll - whole.reindex(read.index), length=read.gap / declared
    ).set_index(["kind", "length"], append=True)
    return between_texts(
        table.reorder_levels(["model", "kind", "text", "length"])[["rise", "sink_attention"]]
    )


def forgotten(losses: pd.DataFrame) -> pd.DataFrame:
    """Rise of the loss where the first half was not read: rows by model; columns mean, low and high."""
    read = losses.set_index(["model", "text"])
    rise = read[read.gap.isna()].nll - read[read.gap == 0].nll
    return between_texts(rise.to_frame("rise")).xs("rise", level="quantity")


def outcome(rises: pd.DataFrame) -> Outcome:
    """Whether windows and few full layers spare the failure: see the module. `rises` is `by_gap`.

    >>> index = pd.MultiIndex.from_product([[WITH_WINDOWS, REFERENCE], [FULL], [4.0], ["rise"]])
    >>> outcome(pd.DataFrame({"mean": [0.3, 2.0], "low": [0.2, 1.0], "high": [0.4, 3.0]}, index))
    'spared a part'
    """
    rise = rises.xs("rise", level=3).droplevel(1)
    own, other = rise.loc[WITH_WINDOWS], rise.loc[REFERENCE]
    if own.high.max() <= SPARED:
        return "spared"
    return "spared a part" if own.high[own.index.max()] < other.low[other.index.max()] else "not spared"


def facts(losses: pd.DataFrame) -> dict[str, str]:
    """What the chapter states of the gaps: names of `glue` and their texts."""
    rises, without = by_gap(losses), forgotten(losses)
    found = {"outcome": outcome(rises), "texts": f"{losses.text.nunique()}"}
    for name, model in (("gemma", WITH_WINDOWS), ("smollm2", REFERENCE)):
        own = rises.loc[model].droplevel("kind").sort_index()
        longest = own.index.get_level_values(0).max()
        found |= {
            "factor": f"{longest:g}",
            f"{name}-rise": with_interval(own.loc[(longest, "rise")], ".2f"),
            f"{name}-forgotten": with_interval(without.loc[model], ".2f"),
            f"{name}-sink": with_interval(own.loc[(0.0, "sink_attention")], ".2f"),
            f"{name}-sink-far": with_interval(own.loc[(longest, "sink_attention")], ".2f"),
        }
    return {f"gaps-{name}": said for name, said in found.items()}
