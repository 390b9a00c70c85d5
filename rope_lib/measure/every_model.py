"""The geometry of one model on one text, in the small tables that the result `geometry` keeps.

What a measurement of several lengths says of every head is kept whole; of the queries the last ones of each
length, of the losses means over bins. Each table can take the place of that of its name in a `tables.Sweep`.
"""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from rope_lib.runs.store import stored

from .huggingface import PreTrainedModel
from .intercept import LayerVectors, captured, probe_tokens
from .load import LanguageModel
from .store import identity
from .sweep import measure
from .tables import LAST_QUERIES, LOSS_BIN, Sweep

# Binary digits of the numbers in `queries`, of which there are many: to one part in 2,000.
QUERY_BITS = 11

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def geometry_tables(
    model: LanguageModel, tokens: torch.Tensor, lengths: Iterable[int]
) -> dict[str, pd.DataFrame]:
    """`reduced` of a model measured on the first L tokens for each L in `lengths`, or what was kept of it.

    `tokens` has shape `(length,)`. The further table `costs` has one row: length, the tokens of the longest
    input; seconds, the wall time; peak_gib, the most memory that the process held, weights included, NaN
    where the system does not tell. Raises ValueError as `sweep.measure` does.
    """
    wanted = sorted({int(length) for length in lengths})
    read = tokens[: wanted[-1]] if wanted else tokens

    def compute() -> dict[str, pd.DataFrame]:
        _forget_peak()
        start = time.perf_counter()
        sweep = measure(model, read, wanted)
        seconds = time.perf_counter() - start
        costs = pd.DataFrame({"length": [len(read)], "seconds": [seconds], "peak_gib": [_peak_gib()]})
        return reduced(sweep, windows(model.network)) | {"costs": costs}

    return stored("geometry", identity([__name__], model, read, lengths=wanted), compute)


def reduced(sweep: Sweep, of_layers: Mapping[int, int | None]) -> dict[str, pd.DataFrame]:
    """A `Sweep` in small tables, floats in single precision; `of_layers` are the `windows` of the model.

    `heads`     as in a `Sweep`, with window, the tokens that a query of the layer sees, NaN where it is all;
    `pairs`     as in a `Sweep`;
    `queries`   as in a `Sweep`, of the last `LAST_QUERIES` queries of each length, to `QUERY_BITS` digits;
    `profiles`  as in a `Sweep`;
    `norms`     as in a `Sweep`, of the keys;
    `losses`    by pass and first: mean nll in nats of `LOSS_BIN` positions from there on.
    """
    window = sweep.heads.layer.map(
        {layer: np.nan if seen is None else seen for layer, seen in of_layers.items()}
    )
    ends = sorted(sweep.heads.length.unique())
    positions = sweep.queries.position
    late = np.any([(positions >= end - LAST_QUERIES) & (positions < end) for end in ends], axis=0)
    bins = [sweep.losses["pass"], (sweep.losses.position // LOSS_BIN * LOSS_BIN).rename("first")]
    tables = {
        "heads": sweep.heads.assign(window=window.astype(float)),
        "pairs": sweep.pairs,
        "queries": sweep.queries[late],
        "profiles": sweep.profiles,
        "norms": sweep.norms[sweep.norms.role == "key"],
        "losses": sweep.losses.nll.groupby(bins).mean().reset_index(),
    }
    tables = {name: _single(table) for name, table in tables.items()}
    scores = tables["queries"].select_dtypes("float32")
    return tables | {"queries": tables["queries"].assign(**scores.apply(rounded))}


def rounded(values: pd.Series, bits: int = QUERY_BITS) -> pd.Series:
    """Numbers rounded to so many binary digits, which a file holds in less space.

    >>> rounded(pd.Series([1.0, 1000.3, float("nan")]), 11).tolist()
    [1.0, 1000.5, nan]
    """
    mantissa, exponent = np.frexp(values.to_numpy())
    return pd.Series(np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits), values.index)


def windows(network: PreTrainedModel) -> dict[int, int | None]:
    """How many of the last tokens a query sees in each layer that attends, None where it sees all.

    A pass over a few tokens tells. Raises ValueError as `intercept.captured` does.
    """
    found: dict[int, int | None] = {}

    def visit(vectors: LayerVectors) -> None:
        found[vectors.layer] = vectors.rule.window

    with torch.inference_mode(), captured(network, visit):
        network(probe_tokens(network)[None], use_cache=False)
    return found


def _single(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(dict.fromkeys(table.select_dtypes("float64").columns, np.float32))


def _forget_peak() -> None:
    """Let Linux count the peak of this process's memory from here on."""
    if _RESET.exists():
        _RESET.write_text("5")


def _peak_gib() -> float:
    """The most memory that this process has held since `_forget_peak`; NaN where the system does not tell."""
    lines = _STATUS.read_text().splitlines() if _RESET.exists() else []
    return next((int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmHWM")), float("nan"))
