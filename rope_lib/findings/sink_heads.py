"""Head by head: what accompanies the loss of the sink when the input grows beyond the trained length.

`tables` are those of `measure.trials` (see `interventions`). A head has a *sink* if its last queries give
much of their attention to token 0 at the trained length. Intervals resample whole layers, since the heads of
a layer read the same hidden states.
"""

from collections.abc import Sequence

import pandas as pd

from . import stats
from .interventions import Factors, Tables, heads
from .wording import signed

# What changes in a head: columns of `interventions.heads`, with their names in tables.
CHANGES = {
    "silhouette": "silhouette",
    "davies_bouldin": "Davies–Bouldin index",
    "fsv_ratio": "FSV ratio",
    "stable_rank": "stable rank",
    "sink_score": "score of token 0",
    "largest_score": "largest other score",
}
INTERVAL = ["value", "low", "high"]


def with_sink(pairs: pd.DataFrame, trained: int, strong: float) -> pd.Series:
    """Whether the unchanged model's heads give at least `strong` of their attention to token 0 at `trained`.

    `pairs` is the table of that name; a Series of booleans by (layer, head).

    >>> from rope_lib.findings.kept import kept
    >>> int(with_sink(kept("interventions")[0]["pairs"], 8_192, strong=0.3).sum())
    100
    """
    rows = pairs[(pairs.intervention == "unchanged") & (pairs.length == trained)]
    return rows.set_index(["layer", "head"]).sink_attention >= strong


def changes(tables: Tables, lengths: Sequence[int], factors: Factors, strong: float) -> pd.DataFrame:
    """What changes in the heads with a sink from the trained length, the first of `lengths`, to each other.

    Index: length, layer, head. Columns: the change of each of `CHANGES` in the unchanged model, and kept, the
    share of its attention to token 0 that the head keeps.
    """
    trained, *longer = lengths
    table = heads(tables, "unchanged", factors).set_index(["length", "layer", "head"])
    then = table.loc[trained]
    chosen = then[then.sink_attention >= strong]
    columns = list(CHANGES)
    found = {}
    for length in longer:
        now = table.loc[length].loc[chosen.index]
        kept = now.sink_attention / chosen.sink_attention
        found[length] = (now[columns] - chosen[columns]).assign(kept=kept)
    return pd.concat(found, names=["length"])


def correlations(changed: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation of each change with the share of the sink that is kept, by (measure, length).

    `changed` is `changes`. Columns: value, and low and high, its 95 % interval.
    """
    found = {
        (measure, length): stats.clustered_interval(stats.spearman, [own[measure], own.kept], _layers(own))
        for length, own in changed.groupby("length")
        for measure in CHANGES
    }
    index = pd.MultiIndex.from_tuples(found, names=["measure", "length"])
    return pd.DataFrame(list(found.values()), index, columns=INTERVAL)


def interval(row: pd.Series) -> str:
    """A correlation with its interval, as the book writes it.

    >>> interval(pd.Series({"value": 0.5, "low": -0.1, "high": 0.75}))
    '+0.50 (−0.10 to +0.75)'
    """
    return f"{signed(row.value)} ({signed(row.low)} to {signed(row.high)})"


def _layers(own: pd.DataFrame) -> pd.Index:
    return own.index.get_level_values("layer")
