"""Is there one threshold in the geometry? The loss above its healthy value, beside three measures."""

from collections.abc import Mapping, Sequence

import pandas as pd

from . import interventions, stats
from .interventions import LAST_POSITIONS
from .wording import signed


def healthy(same: pd.DataFrame, declared: int, lengths: Sequence[int]) -> dict[int, float]:
    """The loss of the last tokens of each input in a context of the declared length, in nats, by length.

    `same` are the losses of the result `same_tokens`: context, first and nll. Lengths whose last
    `LAST_POSITIONS` tokens were not all read so are left out.

    >>> same = pd.DataFrame({"first": range(9_728, 10_240, 128), "nll": [1.0, 2.0, 3.0, 4.0]})
    >>> healthy(same.assign(context=8_192), 8_192, [10_240, 12_288])
    {10240: 2.5}
    """
    own = same[same.context == declared].drop_duplicates("first").set_index("first").nll
    step = int(own.index.to_series().diff().min())
    found = {}
    for length in lengths:
        wanted = range(length - LAST_POSITIONS, length, step)
        if own.index.isin(wanted).sum() == len(wanted):
            found[length] = float(own[list(wanted)].mean())
    return found


def excess_losses(
    tables: Mapping[str, pd.DataFrame],
    spectra: Sequence[str],
    healthy: Mapping[int, float],
    factors: Mapping[str, float],
) -> pd.DataFrame:
    """How far the loss lies above its healthy value, beside the geometry: a row for each spectrum and length.

    `healthy` maps lengths to the loss of the same last tokens in a context of the declared length. Columns:
    intervention, those of `interventions.summaries`, length, excess in nats. Spectra keep their order.
    """
    rows = []
    for length, loss in healthy.items():
        table = interventions.summaries(tables, length, factors).loc[list(spectra)]
        rows.append(table.assign(length=length, excess=table.loss - loss))
    points = pd.concat(rows).rename_axis("intervention").sort_values("length", kind="stable")
    return points.loc[list(spectra)].reset_index()


def correlations(points: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation of three measures with the excess loss: measures × ("all", "without_hope").

    `points` is `excess_losses`. The spectrum "hope", whose slow pairs rest, is left out of the latter.
    """
    rotating = points[points.intervention != "hope"]
    found = {
        measure: [stats.spearman(each[measure], each.excess) for each in (points, rotating)]
        for measure in ("stable_rank", "silhouette", "sink_attention")
    }
    return pd.DataFrame.from_dict(found, orient="index", columns=["all", "without_hope"])


def facts(points: pd.DataFrame) -> dict[str, str]:
    """What the chapter on breaks states of `excess_losses`: names of `glue` and their texts."""
    found = {
        "points": f"{len(points)}",
        "point-spectra": f"{points.intervention.nunique()}",
        "point-lengths": f"{points.length.nunique()}",
    }
    for measure, row in correlations(points).iterrows():
        name = str(measure).replace("_", "-")
        found |= {name: signed(row["all"]), f"{name}-without": signed(row.without_hope)}
    return {f"meets-{name}": text for name, text in found.items()}
