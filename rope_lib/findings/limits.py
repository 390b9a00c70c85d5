"""Where the bounds say that a set of weights stops working, beside where it breaks under each spectrum."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from rope_lib.models.spec import effective_base
from rope_lib.theory.arguments import Floats
from rope_lib.theory.bounds import aliasing_bound, max_context
from rope_lib.theory.rivals import first_negative, liu_extrapolation_limit, longest_with_seen_angles

from . import interventions, stats
from .wording import signed


def limits(
    spectra: Mapping[str, Floats],
    *,
    base: float,
    trained: int,
    head_dim: int,
    layers: int,
    epsilon: float,
) -> pd.DataFrame:
    """The longest context of one set of weights under each bound, in tokens: spectra × bounds.

    `spectra` maps names to frequencies `(pairs,)` in radians per token, the first the shipped one, plain RoPE
    at `base`. NaN where a bound does not apply (that of Liu et al. is for plain RoPE only), infinite where it
    forbids no length.

    >>> from rope_lib.theory.oscillators import frequencies
    >>> shipped = {"shipped": frequencies(10_000, 64)}
    >>> table = limits(shipped, base=10_000, trained=2_048, head_dim=64, layers=30, epsilon=0.95)
    >>> table.loc["shipped"].round().to_dict()  # doctest: +NORMALIZE_WHITESPACE
    {'A4, depth': 585.0, 'A3, DC stability': 3176.0, 'A2, aliasing': 62832.0, 'Men et al.': 725.0,
     'Liu et al.': 2650.0, 'seen angles': 2048.0}
    """
    shipped = next(iter(spectra.values()))
    rows = {}
    for name, inv_freq in spectra.items():
        effective = effective_base(inv_freq, base)
        rows[name] = {
            "A4, depth": float(max_context(effective, epsilon, layers=layers)),
            "A3, DC stability": float(max_context(effective, epsilon)),
            "A2, aliasing": effective / float(aliasing_bound(1)),
            "Men et al.": float(first_negative(inv_freq) or np.inf),
            "Liu et al.": np.nan,
            "seen angles": longest_with_seen_angles(inv_freq, shipped, trained),
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.iloc[0, table.columns.get_loc("Liu et al.")] = liu_extrapolation_limit(
        trained, head_dim, base, base
    )
    return table


def readable(broken: pd.DataFrame, tolerance: float) -> pd.Index:
    """The spectra that the weights can read: their band within training is near that of the first one.

    `broken` is `breaks.breaks`, the shipped spectrum first; the band may reach `tolerance` nats higher.

    >>> readable(pd.DataFrame({"band": [3.0, 3.2, 5.0]}, index=["shipped", "yarn", "hope"]), 0.25).tolist()
    ['shipped', 'yarn']
    """
    return broken.index[broken.band <= broken.band.iloc[0] + tolerance]


def errors(allowed: pd.DataFrame, broken: pd.DataFrame, losses: pd.DataFrame, trained: int) -> pd.DataFrame:
    """How often each limit is wrong beyond the trained length: limits × (False, True, "mean").

    `allowed` is `limits` and `broken` is `breaks.breaks`, both of the spectra to be counted. Column False: of
    the bins of `losses` in which the model works, the share that the limit forbids; True: of those in which
    it is broken, the share that the limit allows.
    """
    rows = []
    for name in allowed.index:
        first = losses["first"][(losses.intervention == name) & (losses["first"] >= trained)].to_numpy()
        fails = first >= np.nan_to_num(broken.shipped[name], nan=np.inf)
        rows += [
            pd.DataFrame({"bound": bound, "broken": fails, "wrong": (first < limit) == fails})
            for bound, limit in allowed.loc[name].dropna().items()
        ]
    table = pd.concat(rows).groupby(["bound", "broken"]).wrong.mean().unstack()
    return table.assign(mean=table.mean(axis=1))


def excess_losses(
    tables: Mapping[str, pd.DataFrame],
    spectra: Sequence[str],
    healthy: Mapping[int, float],
    factors: Mapping[str, float],
) -> pd.DataFrame:
    """How far the loss lies above its healthy value, beside the geometry: a row for each spectrum and length.

    `healthy` maps lengths to the loss of the same last tokens in a context of the trained length. Columns:
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


def facts(
    allowed: pd.DataFrame, broken: pd.DataFrame, wrong: pd.DataFrame, points: pd.DataFrame, trained: int
) -> dict[str, str]:
    """What the chapter on bounds and breaks states: names of `glue` and their texts.

    The arguments are `limits`, `breaks.breaks`, `errors` and `excess_losses`.
    """
    own, point = allowed.iloc[0], broken.own.iloc[0]
    found = {
        "trained": f"{trained:,}",
        "spectra": f"{len(allowed)}",
        "points": f"{len(points)}",
        "break": f"{point:,.0f}",
        "break-ratio": f"{point / trained:.2f}",
        "forbidden": f"{1 - own['A4, depth'] / trained:.0%}",
        "depth": f"{own['A4, depth']:,.0f}",
        "stability": f"{own['A3, DC stability']:,.0f}",
        "stability-ratio": f"{own['A3, DC stability'] / point:.1f}",
        "errors-depth": f"{wrong['mean']['A4, depth']:.0%}",
        "errors-dc-stability": f"{wrong['mean']['A3, DC stability']:.0%}",
        "errors-seen-angles": f"{wrong['mean']['seen angles']:.0%}",
    }
    for name in ("linear", "yarn", "hope"):
        found[f"band-{name}"] = f"{broken.band[name]:.2f}"
    for measure, row in correlations(points).iterrows():
        name = str(measure).replace("_", "-")
        found |= {name: signed(row["all"]), f"{name}-without": signed(row.without_hope)}
    return {f"meets-{name}": text for name, text in found.items()}
