"""Paper B's criteria in numbers: spectra whose dispersal has a bound (C1) that training reaches (C2).

v holds random directions of clouds X = u vᵀ, `(directions, head_dim)`; spectra are frequencies in radians per
token, `(head_dim/2,)`; lengths are in tokens. A *ratio* is the first singular value of a cloud after the
rotation over that before.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rope_lib.theory import dispersal
from rope_lib.theory.arguments import Floats

from . import by_text, clusters
from .dispersal import ratios_by_length
from .every_model import FULL
from .kept import Tables
from .wording import with_interval

# The ratio at `CHECKED` tokens that another program computed for one direction, with a head of 128 channels
# and a training length of 4,096 tokens.
ONE_DRAW = {
    "base 10,000": [0.575, 0.422, 0.253, 0.166],
    "base 500,000": [0.760, 0.664, 0.557, 0.451],
    "HalfRoPE": [0.908, 0.896, 0.857, 0.803],
    "HighFreq": [0.333, 0.203, 0.161, 0.160],
    "RoPE-ID": [0.751, 0.735, 0.735, 0.735],
}
CHECKED = [1_024, 4_096, 16_384, 65_536]


def turns_in_training(inv_freq: ArrayLike, trained: int) -> float:
    """Turns that the slowest rotating pair makes within the trained length.

    >>> round(turns_in_training([1.0, 2 * np.pi / 100, 0.0], 250), 6)
    2.5
    """
    inv_freq = np.asarray(inv_freq, dtype=float)
    return float(trained * inv_freq[inv_freq > 0].min() / (2 * np.pi))


def even_limit(name: str, head_dim: int, trained: int) -> float:
    """The limit of the ratio of one of `theory.dispersal.COMPARED`, for a direction spread evenly.

    >>> round(even_limit("RoPE-ID", 128, 4_096), 3)  # the root of the share at rest
    0.707
    """
    inv_freq = dispersal.compared_spectra(head_dim, trained)[name]
    return float(dispersal.limiting_ratio(np.ones(head_dim), inv_freq))


def criteria(v: Floats, trained: int) -> pd.DataFrame:
    """The two criteria for each of `theory.dispersal.COMPARED`: a row for each spectrum.

    Columns: limit and limit_of_large, the ratio's limit for an even direction, with the head's channels and
    with eight times as many; turns, as `turns_in_training`; done, the share of the fall from 1 to the limit
    that is complete at the trained length, and above_limit, the ratio there over the limit (medians over the
    directions, equal weights). Boolean columns: C1, the limit does not depend on the size of the head; and C2
    in three readings: turned, the slowest pair completes a turn; settled, nine tenths of the fall are
    complete; strict, the ratio is within 5 % of its limit.
    """
    head_dim, rows = v.shape[-1], {}
    for name, inv_freq in dispersal.compared_spectra(head_dim, trained).items():
        (now,) = ratios_by_length(v, inv_freq, [trained])
        limit = dispersal.limiting_ratio(v, inv_freq)
        rows[name] = {
            "limit": even_limit(name, head_dim, trained),
            "limit_of_large": even_limit(name, 8 * head_dim, trained),
            "turns": turns_in_training(inv_freq, trained),
            "done": float(np.median((1 - now) / (1 - limit))),
            "above_limit": float(np.median(now / limit)),
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.assign(
        C1=table.limit_of_large > 0.9 * table.limit,
        turned=table.turns >= 1,
        settled=table.done >= 0.9,
        strict=table.above_limit <= 1.05,
    )


def one_draw_in_bands(bands: Mapping[str, Floats], lengths: Sequence[int]) -> pd.DataFrame:
    """The values of `ONE_DRAW` beside bands of many draws: a row for each spectrum and length.

    `bands` maps a spectrum to (low, middle, high) at `lengths`, `(3, lengths)`. Columns: spectrum, length,
    low, high, value, and inside, whether the value lies in the band.

    >>> bands = {"HalfRoPE": np.array([[0.8], [0.9], [0.95]])}
    >>> one_draw_in_bands(bands, [1_024]).values.tolist()
    [['HalfRoPE', 1024, 0.8, 0.95, 0.908, True]]
    """
    rows = []
    for name, edges in bands.items():
        low, _, high = (dict(zip(lengths, edge, strict=True)) for edge in edges)
        rows += [
            {"spectrum": name, "length": length, "low": low[length], "high": high[length], "value": value}
            for length, value in zip(CHECKED, ONE_DRAW[name], strict=True)
            if length in low
        ]
    table = pd.DataFrame(rows, columns=["spectrum", "length", "low", "high", "value"])
    return table.assign(inside=(table.low <= table.value) & (table.value <= table.high))


def last_ahead(first: Floats, second: Floats, lengths: Sequence[int]) -> NDArray[np.int64]:
    """The longest of `lengths` at which one spectrum keeps a higher ratio than another, for each direction.

    `first` and `second` have shape `(lengths, directions)`. Where the first is never ahead, the result is the
    shortest length.

    >>> last_ahead(np.array([[0.9, 0.5], [0.8, 0.4], [0.1, 0.3]]), np.full((3, 2), 0.6), [1, 2, 3]).tolist()
    [2, 1]
    """
    ahead, each = first > second, np.asarray(lengths)
    latest = each.size - 1 - np.argmax(ahead[::-1], axis=0)
    return np.where(ahead.any(axis=0), each[latest], each[0])


def band(share: float, turns: float, head_dim: int, trained: int) -> Floats:
    """A spectrum in which a share of the pairs rotates and the others rest: RoPE-ID is `band(0.5, 2, …)`.

    The rotating pairs are log-uniform, from one turn in 32 tokens down to `turns` in the trained length.

    >>> bool(np.allclose(band(0.5, 2, 128, 4_096), dispersal.compared_spectra(128, 4_096)["RoPE-ID"]))
    True
    """
    rotating = round(share * head_dim / 2)
    inv_freq = np.zeros(head_dim // 2)
    inv_freq[:rotating] = np.geomspace(2 * np.pi / 32, 2 * np.pi * turns / trained, rotating)
    return inv_freq


def fall_after(v: Floats, inv_freq: Floats, trained: int) -> float:
    """How much of the ratio is lost after the trained length: median over directions, equal weights.

    >>> round(fall_after(np.ones((1, 128)), band(0.5, 2, 128, 4_096), 4_096), 4)
    0.0005
    """
    (now,) = ratios_by_length(v, inv_freq, [trained])
    return float(np.median(now - dispersal.limiting_ratio(v, inv_freq)))


# The length in bytes that the two models were trained at.
TRAINED_BYTES = 256


def of_models(tables: Tables, losses: pd.DataFrame) -> pd.DataFrame:
    """The ratio of the keys and the loss of the same bytes by length, of the models with RoPE and RoPE-ID.

    `tables` and `losses` are those of `by_text.extrapolation_parts`. Rows (model, kind, length,
    quantity), the quantity ratio, a mean over key heads, or nll, in nats; columns mean, low, high over texts.
    """
    ratios = {
        (model, FULL, text): clusters.ratios(seen.sweep).mean()
        for (model, text), seen in by_text.observations(tables)
        if model in (by_text.SIBLING, by_text.CONTROL)
    }
    ratio = pd.concat(ratios, names=["model", "kind", "text", "length"])
    nll = losses.assign(kind=FULL, length=losses.context).set_index(ratio.index.names).nll
    return by_text.between_texts(pd.DataFrame({"ratio": ratio, "nll": nll}))


def facts_of_models(tables: Tables, losses: pd.DataFrame) -> dict[str, str]:
    """What the chapter on safe spectra states of the two models: names of `glue` and their texts."""
    by_context = losses.pivot(index=["model", "text"], columns="context", values="nll").sort_index(axis=1)
    shortest, longest = by_context.columns[0], by_context.columns[-1]
    rise = pd.DataFrame({"rise": by_context[longest] - by_context[shortest]})
    rises = by_text.between_texts(rise).xs("rise", level="quantity")
    spared = by_text.between_texts(by_text.extrapolation_parts(tables, losses)).loc[by_text.CONTROL, "spared"]
    found = {
        "declared": f"{shortest}",
        "factor": f"{longest // shortest}",
        "texts": f"{losses.text.nunique()}",
        "bytes": f"{losses.tokens.iloc[0]:,}",
        "rise-rope": with_interval(rises.loc[by_text.SIBLING], ".2f"),
        "rise-id": with_interval(rises.loc[by_text.CONTROL], ".2f"),
        "spared": with_interval(spared, ".0%"),
    }
    return {f"safe-{name}": said for name, said in found.items()}
