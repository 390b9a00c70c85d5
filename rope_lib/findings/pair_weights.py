"""The banks of real heads: oscillators weighed as a head weighs them, instead of all alike."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.reversal import (
    band_share,
    fast_band,
    positional_sensitivity,
    reversal_share,
    scores,
)

from .kept import Tables
from .stats import Interval, student_interval
from .wording import rounded_up

HEAD = ["layer", "head"]
HALF = 0.5  # a similarity at which a bank counts as partly back


def by_head(weights: pd.DataFrame) -> pd.DataFrame:
    """The weights of `measure.pair_weights`, one row for each (layer, head) and one column for each pair."""
    return weights.pivot_table(index=HEAD, columns="pair", values="weight")


def effective_pairs(weights: pd.DataFrame) -> pd.Series:
    """How many oscillators a head leans on: 1/Σw², which is n for n equal weights. Indexed by layer and head.

    >>> table = pd.DataFrame({"layer": 0, "head": [0, 0, 1, 1], "pair": [0, 1, 0, 1]})
    >>> table["weight"] = [1, 0, 0.5, 0.5]
    >>> effective_pairs(table).tolist()
    [1.0, 2.0]
    """
    return 1 / (by_head(weights) ** 2).sum(axis=1)


def returns(weights: pd.DataFrame, inv_freq: ArrayLike, stop: int) -> pd.DataFrame:
    """How near each head's own bank comes back to where it was: one row for each (layer, head).

    A head's similarity at distance m is Σ w_i·cos(m·θ_i), with its weights over the frequencies `inv_freq`
    `(pairs,)`. `neighbor` is the similarity at distance 1, `at_horizon` that at the period of the slowest
    pair, `nearest` the largest from the distance where it is first negative up to `stop`, NaN if it is never
    negative. `own_period` is the period of the pair that weighs most, and `at_own_period` the largest
    similarity within a tenth of it. Raises ValueError for a `stop` before
    the slowest pair's period.
    """
    freqs = np.asarray(inv_freq, dtype=float)
    horizon = round(float(2 * np.pi / freqs[freqs > 0].min()))
    if stop < horizon:
        raise ValueError(f"stop must be at least {horizon}, the period of the slowest pair, got {stop}")
    periods = 2 * np.pi / np.where(freqs > 0, freqs, np.nan)
    rows = {}
    for head, row in by_head(weights).iterrows():
        similarity = scores(row.to_numpy(), freqs, stop + 1)
        own = float(periods[int(row.to_numpy().argmax())])
        near = slice(round(0.9 * own), round(1.1 * own) + 1) if np.isfinite(own) else slice(0)
        negative = np.flatnonzero(similarity < 0)
        rows[head] = {
            "neighbor": similarity[1],
            "at_horizon": similarity[horizon],
            "nearest": similarity[negative[0] :].max() if len(negative) else np.nan,
            "own_period": own,
            "at_own_period": similarity[near].max(initial=-1.0) if np.isfinite(own) else np.nan,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=HEAD)
    return table


def reversals(
    drawn: pd.DataFrame, inv_freq: ArrayLike, windows: Sequence[int], tolerance: float
) -> pd.DataFrame:
    """What Wu, Du and Peng (2609.39929) warn of, for drawn scores: one row for each window and draw.

    `drawn` is the table of `measure.pair_weights.drawn_scores`, `inv_freq` `(pairs,)` the spectrum. Columns:
    window, layer, head, draw; `reversed`, the share of distances in the window at which the other key beats
    the winner; `step`, the median over the window of how far neighboring positions' scores differ, relative
    to the norm of the coefficients; `noise`, the share of the norm that the certified fast band holds, at the
    given `tolerance`.
    """
    freqs = np.asarray(inv_freq, dtype=float)
    winners, others = (drawn.xs(key, level="key") for key in ("winner", "other"))
    rows = []
    for window in windows:
        band = fast_band(freqs, window, tolerance)
        for place, winner in winners.iterrows():
            z = winner.to_numpy()
            margin = z - others.loc[place].to_numpy()
            if margin.real.sum() > 0:
                step = float(np.median(positional_sensitivity(z, freqs, window)))
                share = reversal_share(margin, freqs, window)
                rows.append((window, *place, share, step, band_share(z, band)))
    return pd.DataFrame(rows, columns=["window", *HEAD, "draw", "reversed", "step", "noise"])


def every_bank(tables: Tables) -> pd.DataFrame:
    """The bank of every head of several models on several texts: the kept result `head_weights`.

    Its tables are `weights` (model, text, layer, head, pair, weight; pairs from the fastest) and `layers`
    (model, layer, kind, base, pairs, reach: the longest distance in tokens that the layer sees within the
    declared length). One row for each (kind, text, layer, head): `effective`, the effective number of
    oscillators; `unturned`, the weight on pairs that complete no turn within the reach; `turns`, how often
    the heaviest pair turns within it; `at_horizon`, the similarity at the period of the slowest pair; and
    `neighbor`, that at distance 1.

    >>> head = {"model": "a", "text": "prose", "layer": 0, "head": 0}
    >>> layer = {"model": "a", "layer": 0, "kind": "a", "base": 100.0, "pairs": 2, "reach": 10}
    >>> tables = {"weights": pd.DataFrame({**head, "pair": [0, 1], "weight": 0.5}),
    ...     "layers": pd.DataFrame([layer])}
    >>> every_bank(tables).round(2)[["effective", "unturned", "turns"]].to_dict("records")
    [{'effective': 2.0, 'unturned': 0.5, 'turns': 1.59}]
    """
    layers = tables["layers"].set_index(["model", "layer"])
    parts = []
    for (model, text, layer), rows in tables["weights"].groupby(["model", "text", "layer"], sort=False):
        known = layers.loc[(model, layer)]
        freqs = frequencies(float(known.base), 2 * int(known.pairs))
        periods = 2 * np.pi / freqs
        each = rows.pivot_table(index="head", columns="pair", values="weight").astype(float)
        weights = each.to_numpy()
        columns = {
            "kind": known.kind,
            "text": text,
            "layer": layer,
            "head": each.index,
            "effective": 1 / (weights**2).sum(axis=1),
            "unturned": weights[:, periods > known.reach].sum(axis=1),
            "turns": known.reach / periods[weights.argmax(axis=1)],
            "at_horizon": weights @ np.cos(round(periods[-1]) * freqs),
            "neighbor": weights @ np.cos(freqs),
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def by_kind(banks: pd.DataFrame) -> pd.DataFrame:
    """What the banks of each kind of layer are like on each text: one row for each (kind, text).

    `banks` is `every_bank`. Columns: heads, how many; effective, unturned, turns and at_horizon, medians
    over heads; most, the highest similarity at the horizon; half and collide, the shares of heads that are
    there at least `HALF` as similar as to themselves, and as similar as neighbors.
    """
    marked = banks.assign(half=banks.at_horizon >= HALF, collide=banks.at_horizon >= banks.neighbor)
    groups = marked.groupby(["kind", "text"], sort=False)
    medians = groups[["effective", "unturned", "turns", "at_horizon", "neighbor"]].median()
    shares = groups[["half", "collide"]].mean()
    most = groups.at_horizon.max().rename("most")
    return pd.concat([groups.size().rename("heads"), medians, shares, most], axis=1)


def over_texts(kinds: pd.DataFrame) -> Mapping[str, Mapping[str, Interval]]:
    """Each column of `by_kind` as (mean, low, high) over texts, by kind: Student's 95 % interval."""
    return {
        str(kind): {column: student_interval(rows[column]) for column in kinds.columns}
        for kind, rows in kinds.groupby("kind", sort=False)
    }


def weight_by_turns(tables: Tables) -> pd.DataFrame:
    """The share of weight on pairs by how often they turn within what their layer sees, octave by octave.

    Columns: kind, turns (the lower end of an octave) and weight, the mean over the heads and texts of a kind.
    `tables` are those of `every_bank`.
    """
    known = tables["weights"].merge(tables["layers"], on=["model", "layer"])
    spectra = known.groupby(
        ["kind", "pair", "base", "pairs", "reach"], sort=False, as_index=False
    ).weight.mean()
    freqs = spectra.base ** (-spectra.pair / spectra.pairs)
    octave = 2.0 ** np.floor(np.log2(spectra.reach * freqs / (2 * np.pi)))
    found = spectra.assign(turns=octave).groupby(["kind", "turns"], sort=False, as_index=False).weight.sum()
    return found.sort_values(["kind", "turns"], ignore_index=True)


def facts_of_kinds(tables: Tables) -> dict[str, str]:
    """What the kept weights of several models say: see `every_bank`. *least* and *most* are over kinds."""
    kinds = over_texts(by_kind(every_bank(tables)))
    turns, most, half = ([found[name][0] for found in kinds.values()] for name in ("turns", "most", "half"))
    return {
        "heads-models": f"{tables['layers'].model.nunique()}",
        "heads-texts": f"{tables['weights'].text.nunique()}",
        "heads-kinds": f"{len(kinds)}",
        "heads-turns-least": f"{min(turns):.2f}",
        "heads-turns-most": f"{max(turns):.2f}",
        "heads-horizon-most": f"{max(most):.2f}",
        "heads-half": rounded_up(100 * max(half), 1) + " %",
    }


def facts(
    weights: pd.DataFrame, banks: pd.DataFrame, turned: pd.DataFrame, inv_freq: ArrayLike, trained: int
) -> dict[str, str]:
    """The numbers of the chapter's text, by their glue names.

    `weights` are those of `measure.pair_weights`, `banks` their `returns`, `turned` the `reversals`, and
    `trained` is the trained length in tokens.
    """
    periods = 2 * np.pi / np.asarray(inv_freq, dtype=float)
    table = by_head(weights)
    mean = table.mean()
    unturned = periods > trained
    heaviest = [int(pair) for pair in sorted(mean.nlargest(2).index)]
    texts = {
        "heads-count": f"{len(table)}",
        "heads-pairs": f"{table.shape[1]}",
        "heads-effective": f"{effective_pairs(weights).median():.0f}",
        "heads-unturned": f"{int(unturned.sum())}",
        "heads-unturned-weight": f"{100 * mean[unturned].sum():.0f} %",
        "heads-heaviest": " and ".join(map(str, heaviest)),
        "heads-heaviest-weight": f"{100 * mean[heaviest].sum():.0f} %",
        "heads-heaviest-turns": " and ".join(f"{trained / periods[pair]:.2f}" for pair in heaviest),
        "heads-at-horizon": f"{banks.at_horizon.median():.2f}",
        "heads-at-horizon-most": f"{banks.at_horizon.max():.2f}",
        "heads-neighbor": f"{banks.neighbor.median():.2f}",
        "heads-nearest": f"{banks.nearest.median():.2f}",
        "heads-nearest-most": f"{banks.nearest.max():.2f}",
        "heads-own-period": f"{banks.own_period.median():,.0f}",
        "heads-own-turns": f"{banks.own_period.median() / trained:.1f}",
        "heads-at-own": f"{banks.at_own_period.median():.2f}",
        "heads-collide": f"{int((banks.nearest >= banks.neighbor).sum())}",
    }
    for window, rows in turned.groupby("window"):
        texts[f"heads-reversed-{window}"] = f"{100 * rows.reversed.median():.0f} %"
        texts[f"heads-noise-{window}"] = f"{100 * rows.noise.median():.0f} %"
    return texts
