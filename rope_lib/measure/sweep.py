"""Loss and geometry of a model at several lengths, from as few forward passes as the model allows.

A causal model cannot look ahead: it processes the first L tokens of a longer input exactly as an input of
L tokens. So one pass at the longest length measures all shorter ones, unless the model's rotation itself
depends on the input length, and then each length takes a pass of its own. While a layer runs, its queries
and keys are reduced to a few numbers for each head, then dropped: memory does not grow with the number of
layers, and no length×length matrix is formed.
"""

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from rope_lib.runs.store import stored
from rope_lib.theory.scaling import is_length_dependent

from .attending import keys_repeated
from .clouds import Cloud, cloud_columns, coordinates, norm_profile, pair_columns, shared_axes
from .intercept import captured
from .interventions import UNCHANGED
from .losses import loss_by_position
from .memory import check_fits
from .scores import LAST_QUERIES, attention_tables, doubling_bins
from .store import identity


@dataclass(frozen=True)
class Sweep:
    """Plain tables of one sweep, one row per observation; layers, heads and positions count from 0.

    Columns that say what a row is of: `length`, of the input, or `pass`, the tokens that the forward pass
    read, where a row is the same for every length; `role`, key or query; `stage`, pre or post rotation.
    `head` is a query head where queries meet keys, with the `key_head` that it attends to.

    `heads`     by length, layer, role, head, stage: stable_rank and first_singular_value of all tokens;
                first_norm of token 0 and mean_norm of the others; mean_cosine between two different tokens.
    `pairs`     by length, layer, head, stage: mean cosine and mean dot product of a query and a key, over
                all pairs; silhouette and davies_bouldin of `clouds.SAMPLE` of each (see `geometry`).
    `queries`   by pass, layer, head, position: what sampled queries attend to: `scores.attention_tables`.
    `profiles`  by length, layer, head and distance, first to last: mean score and cosine of the last queries
                and their attention (`scores.attention_tables`); first = last = -1 is token 0.
    `norms`     by pass, layer, role, head and position, first to last: mean norm, before the rotation.
    `losses`    by pass, position: nll, nats, of the token at that position given those before.
    `clouds`    by length, layer, role, head, stage, position: x and y of `clouds.SAMPLE` keys of a key head
                (`head`), and of queries of the first query head that attends to it, on the two principal
                axes that both together have before the rotation at the shortest length.
    """

    heads: pd.DataFrame
    pairs: pd.DataFrame
    queries: pd.DataFrame
    profiles: pd.DataFrame
    norms: pd.DataFrame
    losses: pd.DataFrame
    clouds: pd.DataFrame

    def tables(self):
        """The tables by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def measure(model, tokens, lengths, *, intervention=UNCHANGED):
    """Measure `model` (a `LanguageModel`) on the first L tokens for each L in `lengths`; returns a `Sweep`.

    `tokens` has shape `(length,)`. Under an `intervention` (see `interventions`) the keys after the rotation
    are those that the last token of each length sees, and the scores those that the model attends by.
    Raises ValueError for a length below 2 or above the number of tokens, and before the pass starts for one
    that needs more memory than there is.
    """
    lengths = sorted({int(length) for length in lengths})
    if not lengths or lengths[0] < 2 or lengths[-1] > len(tokens):
        raise ValueError(
            f"lengths must be whole numbers from 2 to {len(tokens)} (the tokens given), got {lengths}"
        )
    network = model.network
    check_fits(network, lengths[-1])
    passes = [[length] for length in lengths] if depends_on_length(network) else [lengths]
    layers = network.config.get_text_config().num_hidden_layers
    with tqdm(total=len(passes) * layers, unit="layer", desc="measure", disable=None) as progress:
        parts = [
            measure_pass(network, tokens[: together[-1]], together, intervention, progress)
            for together in passes
        ]
    return Sweep(**{name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]})


def measured(model, tokens, lengths, *, intervention=UNCHANGED):
    """`measure`, or what it returned before for the same model, tokens, lengths and code: see `store`."""
    lengths = sorted({int(length) for length in lengths})
    inputs = identity(
        model,
        tokens[: lengths[-1]] if lengths else tokens,
        lengths=lengths,
        intervention=intervention.described(),
    )
    return Sweep(
        **stored("sweep", inputs, lambda: measure(model, tokens, lengths, intervention=intervention).tables())
    )


def of_length(table, length):
    """The rows of a table with a column `pass` that hold for `length`: of the shortest pass that reads it.

    Raises ValueError where no pass was that long.
    """
    longer = table["pass"][table["pass"] >= length]
    if longer.empty:
        raise ValueError(f"length must be at most {table['pass'].max()}, the longest pass, got {length}")
    return table[table["pass"] == longer.min()]


def last_queries(sweep, column):
    """Mean of a column of `sweep.queries` over the last queries of each length: pairs × lengths.

    `column` may be `top_score`, the largest score of a query over all keys, token 0 among them.
    """
    found = {}
    for length in sorted(sweep.heads.length.unique()):
        queries = of_length(sweep.queries, length)
        last = queries[(queries.position >= length - LAST_QUERIES) & (queries.position < length)]
        values = top_score(last) if column == "top_score" else last[column]
        found[length] = values.groupby([last.layer, last["head"]]).mean()
    return pd.DataFrame(found).rename_axis(columns="length")


def top_score(queries):
    """The largest score of each query over all keys, token 0 among them."""
    return queries[["sink_score", "largest_score"]].max(axis=1)


def depends_on_length(network):
    """Whether the rotation of a model depends on the length of its input: each length takes its own pass."""
    parameters = network.config.get_text_config().rope_parameters or {}
    nested = [value for value in parameters.values() if isinstance(value, dict)]  # by type of layer
    return any(is_length_dependent(each.get("rope_type")) for each in (nested or [parameters]))


def measure_pass(network, tokens, lengths, intervention, progress):
    """One forward pass over `tokens` `(length,)`, measured at each of `lengths`: a dict of tables."""
    reducer = Reducer(lengths, intervention, progress)
    with torch.inference_mode(), keys_repeated(network), intervention.applied(network):
        with captured(network, reducer):
            outputs = network.get_decoder()(tokens[None].to(network.device), use_cache=False)
        losses = loss_by_position(network, outputs, tokens)
    return reducer.tables() | {"losses": losses}


class Reducer:
    """Reduces each layer's queries and keys as they pass, to rows of the tables of a `Sweep`."""

    def __init__(self, lengths, intervention, progress):
        self.lengths, self.intervention, self.progress = lengths, intervention, progress
        self.rows = {name: [] for name in ("heads", "pairs", "queries", "profiles", "norms", "clouds")}

    def __call__(self, vectors):
        axes = None
        for length in self.lengths:
            where = {"length": length, "layer": vectors.layer}
            seen = self.intervention.seen_keys(vectors.layer, vectors.key_post[0, :, :length])
            keys = {"pre": Cloud(vectors.key_pre[0, :, :length]), "post": Cloud(seen)}
            queries = {
                "pre": Cloud(vectors.query_pre[0, :, :length]),
                "post": Cloud(vectors.query_post[0, :, :length]),
            }
            axes = shared_axes(keys["pre"], queries["pre"]) if axes is None else axes
            for stage in ("pre", "post"):
                for role, clouds in (("key", keys), ("query", queries)):
                    here = where | {"role": role, "stage": stage}
                    self._add("heads", here, cloud_columns(clouds[stage]))
                    x, y = coordinates(clouds[stage], axes)
                    self._add("clouds", here, {"x": x, "y": y}, position=clouds[stage].sampled)
                self._add("pairs", where | {"stage": stage}, pair_columns(keys[stage], queries[stage]))
        here = {"pass": self.lengths[-1], "layer": vectors.layer}
        (positions, columns), profiles = attention_tables(vectors, self.intervention, self.lengths)
        self._add("queries", here, columns, position=positions)
        for length, (bins, columns) in profiles.items():
            where = {"length": length, "layer": vectors.layer}
            self._add("profiles", where, columns, first=bins[:, 0], last=bins[:, 1])
        bins = doubling_bins(self.lengths[-1])
        for role, cloud in (("key", keys["pre"]), ("query", queries["pre"])):
            columns = {"norm": norm_profile(cloud, bins)}
            self._add("norms", here | {"role": role}, columns, first=bins[:, 0], last=bins[:, 1])
        self.progress.update()

    def tables(self):
        """The tables of the layers so far, by name: all but `losses`."""
        return {name: _table(parts) for name, parts in self.rows.items()}

    def _add(self, table, where, columns, **second):
        """Rows for each head, and for each value of a second index if `columns` have one."""
        columns = {name: torch.as_tensor(column).cpu().numpy() for name, column in columns.items()}
        shape = next(iter(columns.values())).shape
        head = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
        rows = where | {"head": head} | second | columns
        self.rows[table].append({name: np.broadcast_to(value, shape).ravel() for name, value in rows.items()})


def _table(parts):
    return pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
