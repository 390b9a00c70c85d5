"""Loss and geometry of a model at several lengths, from as few forward passes as the model allows.

A causal model cannot look ahead: it processes the first L tokens of a longer input exactly as an input of
L tokens. So one pass at the longest length measures all shorter ones, unless the model's rotation itself
depends on the input length, and then each length takes a pass of its own. While a layer runs, its queries
and keys are reduced to a few numbers for each head, then dropped: memory does not grow with the number of
layers, and no length×length matrix is formed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from tqdm import tqdm

from rope_lib.runs.store import stored
from rope_lib.theory.scaling import is_length_dependent

from .attending import UNCHANGED, Intervention, keys_repeated
from .clouds import Cloud, cloud_columns, coordinates, norm_profile, pair_columns, shared_axes
from .huggingface import PreTrainedModel
from .intercept import LayerVectors, captured
from .load import LanguageModel
from .losses import loss_by_position
from .memory import check_fits
from .scores import attention_tables, doubling_bins
from .store import identity
from .tables import Sweep

Rows = dict[str, np.ndarray]  # columns by name, all of one length


def measure(
    model: LanguageModel,
    tokens: torch.Tensor,
    lengths: Iterable[int],
    *,
    intervention: Intervention = UNCHANGED,
) -> Sweep:
    """Measure `model` on the first L tokens for each L in `lengths`.

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


def measured(
    model: LanguageModel,
    tokens: torch.Tensor,
    lengths: Iterable[int],
    *,
    intervention: Intervention = UNCHANGED,
) -> Sweep:
    """`measure`, or what it returned before for the same model, tokens, lengths and code: see `store`."""
    lengths = sorted({int(length) for length in lengths})
    inputs = identity(
        [__name__, type(intervention).__module__],
        model,
        tokens[: lengths[-1]] if lengths else tokens,
        lengths=lengths,
        intervention=intervention.described(),
    )
    return Sweep(
        **stored("sweep", inputs, lambda: measure(model, tokens, lengths, intervention=intervention).tables())
    )


def depends_on_length(network: PreTrainedModel) -> bool:
    """Whether a model rotates by the length of its input, so that each length takes a pass of its own."""
    parameters = network.config.get_text_config().rope_parameters or {}
    nested = [value for value in parameters.values() if isinstance(value, dict)]  # by type of layer
    return any(is_length_dependent(each.get("rope_type")) for each in (nested or [parameters]))


def measure_pass(
    network: PreTrainedModel,
    tokens: torch.Tensor,
    lengths: Sequence[int],
    intervention: Intervention,
    progress: tqdm,
) -> dict[str, pd.DataFrame]:
    """One forward pass over `tokens` `(length,)`, measured at each of `lengths`: the tables of a `Sweep`."""
    reducer = Reducer(lengths, intervention, progress)
    with torch.inference_mode(), keys_repeated(network), intervention.applied(network):
        with captured(network, reducer):
            outputs = network.get_decoder()(tokens[None].to(network.device), use_cache=False)
        losses = loss_by_position(network, outputs, tokens)
    return reducer.tables() | {"losses": losses}


class Reducer:
    """Reduces each layer's queries and keys as they pass, to rows of the tables of a `Sweep`."""

    def __init__(self, lengths: Sequence[int], intervention: Intervention, progress: tqdm) -> None:
        self.lengths, self.intervention, self.progress = lengths, intervention, progress
        names = ("heads", "pairs", "queries", "profiles", "norms", "clouds")
        self.rows: dict[str, list[Rows]] = {name: [] for name in names}

    def __call__(self, vectors: LayerVectors) -> None:
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
            profile = {"norm": norm_profile(cloud, bins)}
            self._add("norms", here | {"role": role}, profile, first=bins[:, 0], last=bins[:, 1])
        self.progress.update()

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of the layers so far, by name: all but `losses`."""
        return {name: _table(parts) for name, parts in self.rows.items()}

    def _add(
        self,
        table: str,
        where: dict[str, Any],
        columns: Mapping[str, ArrayLike | torch.Tensor],
        **second: ArrayLike,
    ) -> None:
        """Add rows for each head, and for each value of a second index if `columns` have one."""
        values = {name: torch.as_tensor(column).cpu().numpy() for name, column in columns.items()}
        shape = next(iter(values.values())).shape
        head = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
        rows = where | {"head": head} | second | values
        self.rows[table].append({name: np.broadcast_to(value, shape).ravel() for name, value in rows.items()})


def _table(parts: Sequence[Rows]) -> pd.DataFrame:
    return pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
