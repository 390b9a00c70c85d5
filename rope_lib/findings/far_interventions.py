"""The interventions out to eight times the trained length: which repairs last, and which wear off.

The tables are the kept `long_input` in float32 (`long_inputs.of_dtype`). Losses are in nats, lengths in
tokens; an *octave* is named by the length at which it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rope_lib.measure.tables import LOSS_BIN

from . import breaks, interventions, long_inputs
from .interventions import Factors
from .kept import Provenance, Tables, described
from .wording import rounded_up, signed


@dataclass(frozen=True)
class Far:
    """What the interventions do far beyond the trained length, beside the healthy unchanged model.

    `octaves` are lengths, the trained one first; `losses` has means by intervention and octave. The next two
    are for the last octave, by intervention: `summaries` is `interventions.summaries`, and `sink` the mean
    attention to token 0 of the heads with a sink (column True) and of the others. `then` is the row of the
    same table for the unchanged model at the trained length.
    """

    octaves: list[int]
    losses: pd.DataFrame
    summaries: pd.DataFrame
    sink: pd.DataFrame
    then: pd.Series

    @property
    def shares(self) -> pd.DataFrame:
        """Share of the damage repaired in each octave: 0 as unchanged, 1 as with clipped distances."""
        clipped, unchanged = self.losses.loc["clipped"], self.losses.loc["unchanged"]
        return interventions.repaired(self.losses, clipped, unchanged)


def longest_input(tables: Tables) -> int:
    """The longest input, in tokens, on which the interventions were tried; the unchanged model went on."""
    losses = tables["losses"]
    return int(losses.loc[losses.intervention == "clipped", "first"].max()) + LOSS_BIN


def far(tables: Tables, near: Tables, trained: int, factors: Factors, with_sink: pd.Series) -> Far:
    """Summarize the interventions of `tables` at the longest input that all of them were tried on.

    `near` are the tables that begin at the trained length; for `with_sink` see `sink_heads.with_sink`.
    """
    longest = longest_input(tables)
    octaves = [2**n * trained for n in range(int(np.log2(longest / trained)) + 1)]
    return Far(
        octaves,
        long_inputs.octave_losses(tables["losses"], octaves),
        interventions.summaries(tables, longest, factors),
        long_inputs.sink_attention(tables["pairs"], longest, with_sink),
        long_inputs.sink_attention(near["pairs"], trained, with_sink).loc["unchanged"],
    )


def largest_change(tables: Tables, near: Tables, stretched: Sequence[str]) -> float:
    """The largest change of a mean loss between two machines, over the interventions that stretch nothing."""
    either = [
        {name: table[~table.intervention.isin(stretched)] for name, table in each.items()}
        for each in (near, tables)
    ]
    return float(long_inputs.differences(*either).largest["nll"])


def last_losses(tables: Tables, found: Far) -> pd.Series:
    """Mean loss of each intervention in the last tokens, half as many as the trained length."""
    longest, trained = found.octaves[-1], found.octaves[0]
    return interventions.mean_losses(tables["losses"], longest - trained // 2, longest)


def facts(tables: Tables, found: Far, *, healthy_silhouette: float) -> dict[str, str]:
    """What the chapter on cause and symptom states of long inputs: names of `glue` and their texts."""
    trained, longest = found.octaves[0], found.octaves[-1]
    end, shares, silhouette = found.losses[longest], found.shares[longest], found.summaries.silhouette
    last = last_losses(tables, found)
    broke = breaks.breaks(tables["losses"], trained).own
    texts = {
        "longest": f"{longest:,}",
        "stretch": f"{longest // trained}",
        "bin": f"{LOSS_BIN}",
        "last": f"{trained // 2:,}",
        "last-clipped": f"{last['clipped']:.2f}",
        "last-cost": f"{last['all_but_sink'] - last['clipped']:.1f}",
        "trained-loss": f"{found.losses.loc['unchanged', trained]:.2f}",
        "sink-cost": f"{end['all_but_sink'] - end['clipped']:.1f}",
        "sink-attention": f"{found.summaries.sink_attention['sink']:.3f}",
        "then": f"{found.then[True]:.2f}",
        "then-others": f"{found.then[False]:.2f}",
        "all-but-sink-attention": f"{found.sink.loc['all_but_sink', True]:.2f}",
        "all-but-sink-others": f"{found.sink.loc['all_but_sink', False]:.2f}",
        "cluster-attention": f"{found.sink.loc['cluster', True]:.2f}",
        "all-but-cluster-attention": f"{found.sink.loc['all_but_cluster', True]:.2f}",
        "silhouette-reference": f"{healthy_silhouette:.2f}",
        "yarn-price": f"{found.losses[trained]['yarn'] - found.losses[trained]['unchanged']:.1f}",
        "ntk-break": f"{broke['ntk']:,.0f}",
    }
    for name in ("clipped", "unchanged", "hope", "linear"):
        texts[f"silhouette-{name}"] = f"{silhouette[name]:.2f}"
    for name in ("unchanged", "clipped", "sink", "cluster", "all_but_cluster", "hope", "linear"):
        texts[f"{name}-loss".replace("_", "-")] = f"{end[name]:.2f}"
    for name in ("all_but_sink", "cluster", "all_but_cluster"):
        texts[f"{name}-share".replace("_", "-")] = f"{100 * shares[name]:.0f} %"
    return {f"cause-far-{name}": text for name, text in texts.items()}


def facts_of_the_kept(
    tables: Tables, provenance: Provenance, near: Tables, *, trained: int, stretched: Sequence[str]
) -> dict[str, str]:
    """What the same chapter states of the kept result itself, and of the unchanged model to its end.

    `tables` are those of the kept `long_input` in all number types, `near` the tables of `interventions`,
    and `stretched` names the interventions that are made for a length.
    """
    in_float32 = long_inputs.of_dtype(tables, "float32")
    means = long_inputs.means_by_length(long_inputs.trial(tables, "float32"))
    end = means.index.max()
    change = means.loc[end] - means.loc[trained]
    shared = set(near["losses"].intervention) - set(stretched)
    texts = {
        "kept": described(provenance),
        "shared": f"{len(shared)}",
        "moved": rounded_up(largest_change(in_float32, near, stretched), 5),
        "very-longest": f"{end:,}",
        "own-score": signed(change.sink_score, 1),
        "other-score": signed(change.largest_score, 1),
    }
    return {f"cause-far-{name}": text for name, text in texts.items()}
