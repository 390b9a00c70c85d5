"""Where a model breaks: the position from which its loss stays above its values within the trained length."""

import numpy as np
import pandas as pd

from rope_lib.measure.tables import LOSS_BIN
from rope_lib.theory.rivals import liu_critical_dimension

BIN = 256  # tokens
FEW = 4  # fewer bins past a break point are too little evidence of one


def binned(losses: pd.DataFrame, size: int = BIN) -> pd.Series:
    """Mean loss in bins of `size` positions, a Series by the first position of each bin.

    `losses` has columns position and nll, of one pass of `measure.sweep.measure`. A last bin that the input
    does not fill is left out; the first bin lacks token 0, which is not predicted.

    >>> losses = pd.DataFrame({"position": range(1, 8), "nll": [2.0, 3.0, 4.0, 2.0, 2.0, 4.0, 5.0]})
    >>> binned(losses, 4).to_dict()
    {0: 3.0, 4: 3.25}
    """
    means = losses.nll.groupby(losses.position // size * size).mean()
    return means[means.index + size <= losses.position.max() + 1]


def trained_band(losses: pd.DataFrame, trained: int, size: int = BIN) -> tuple[float, float]:
    """The lowest and the highest mean loss among the bins that lie within the `trained` length.

    Raises ValueError if none does.

    >>> losses = pd.DataFrame({"position": range(1, 8), "nll": [2.0, 3.0, 3.0, 2.0, 2.0, 4.0, 5.0]})
    >>> trained_band(losses, 4, size=2)
    (2.0, 3.0)
    """
    bins = binned(losses, size)
    inside = bins[bins.index + size <= trained]
    if inside.empty:
        raise ValueError(f"trained must hold a bin of {size} measured tokens, got {trained}")
    return float(inside.min()), float(inside.max())


def break_point(losses: pd.DataFrame, trained: int, size: int = BIN) -> int | None:
    """The first position from which every bin lies above the trained band; None if there is none.

    The band reaches up to the highest bin within `trained` tokens, so that the ups and downs of the text
    itself are no break. A bin whose loss is not a number lies above it. Raises ValueError as `trained_band`.

    >>> import pandas as pd
    >>> losses = pd.DataFrame({"position": range(1, 8), "nll": [2.0, 3.0, 3.0, 2.0, 2.0, 4.0, 5.0]})
    >>> break_point(losses, 4, size=2), break_point(losses[:5], 4, size=2)
    (6, None)
    """
    losses = losses.assign(nll=losses.nll.fillna(np.inf))
    bins = binned(losses, size)
    _, highest = trained_band(losses, trained, size)
    after = bins.index[bins <= highest].max() + size
    return int(after) if after <= bins.index.max() else None


def breaks(losses: pd.DataFrame, trained: int) -> pd.DataFrame:
    """Where each intervention breaks: a DataFrame with columns band, own and shipped, by intervention.

    `band` is the highest mean loss within the `trained` length (see `break_point`); `own` the first position
    from which every bin lies above it; `shipped` the first position beyond the trained length from which
    every bin lies above the band of the first intervention, the unchanged model. NaN if there is none, or if
    fewer than `FEW` bins past it were measured: the ups and downs of the text could cause those.

    >>> from rope_lib.findings.kept import kept
    >>> breaks(kept("interventions")[0]["losses"], 8_192).own[["unchanged", "clipped"]].tolist()
    [10496.0, nan]
    """
    rows, shipped = {}, None
    for name, own in losses.groupby("intervention", sort=False):
        table = pd.DataFrame({"position": own["first"] + LOSS_BIN - 1, "nll": own.nll})
        shipped = table if shipped is None else shipped
        inside = shipped.position < trained
        compared = pd.concat([shipped[inside], table[table.position >= trained]])
        found = break_point(table, trained), break_point(compared, trained)
        latest = table.position.max() + 1 - FEW * BIN
        seen = (np.nan if at is None or at > latest else at for at in found)
        rows[name] = [trained_band(table, trained)[1], *seen]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["band", "own", "shipped"])


def facts(
    losses: pd.DataFrame, summary: pd.DataFrame, *, trained: int, head_dim: int, base: float
) -> dict[str, str]:
    """The numbers of the chapter's text, by their glue names.

    `losses` is as in `break_point`, `summary` as `clusters.summarize` makes it, with at least one length
    within the `trained` one. Raises ValueError for losses without a break.
    """
    broken = break_point(losses, trained)
    if broken is None:
        raise ValueError(f"losses must leave the band of the trained length, {trained:,} tokens, for good")
    rows = summary.set_index("length")
    shortest, longest, inside = rows.index.min(), rows.index.max(), rows.index[rows.index <= trained].max()
    pairs, turned = head_dim // 2, liu_critical_dimension(trained, head_dim, base) // 2
    return {
        "break-trained": f"{trained:,}",
        "break-inside": f"{inside:,}",
        "break-beyond": f"{longest:,}",
        "break-point": f"{broken:,}",
        "break-point-ratio": f"{broken / trained:.2f}",
        "break-loss-inside": f"{rows.nll_last[inside]:.2f}",
        "break-loss-beyond": f"{rows.nll_last[longest]:.2f}",
        "break-rank-short": f"{rows.key_stable_rank_post[shortest]:.2f}",
        "break-rank-inside": f"{rows.key_stable_rank_post[inside]:.2f}",
        "break-sink-drop": f"{rows.sink_attention[inside] / rows.sink_attention[longest]:.0f}",
        "break-pairs": f"{pairs}",
        "break-turned": f"{turned}",
        "break-unturned": f"{pairs - turned}",
    }
