"""The loss of the same tokens where the text before them lies far back: a gap in the positions.

A long text brings distances that a model was not made for, and many more keys. A gap brings the distances
alone, at the cost of a short input. Layers with a window keep their positions: in a longer text other tokens
would fill their window.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from rope_lib.runs.store import stored

from .attending import UNCHANGED, keys_repeated
from .huggingface import PreTrainedModel
from .intercept import LayerVectors, Vectors, captured, replaced_tables, rotary_module
from .load import LanguageModel
from .losses import loss_by_position
from .scores import attention_tables
from .store import identity
from .tables import LAST_QUERIES

_FULL = "full_attention"


@contextmanager
def gap_in_positions(network: PreTrainedModel, first: int, gap: int) -> Iterator[None]:
    """Within the context, full layers turn tokens from `first` on as if `gap` more tokens stood before them.

    Raises ValueError, when the model runs, for one with windows that turns them as it does full layers.
    """
    rotary = rotary_module(network)
    own = rotary.forward
    windows = getattr(network.config.get_text_config(), "sliding_window", None) is not None

    def tables(hidden: torch.Tensor, position_ids: torch.Tensor, layer_type: str | None = None) -> Vectors:
        if layer_type is None and windows:
            raise ValueError(
                f"model must tell the rotation of its windows apart, got {type(network).__name__}"
            )
        kind = () if layer_type is None else (layer_type,)
        if layer_type in (None, _FULL):
            far = torch.arange(position_ids.shape[-1], device=position_ids.device) >= first
            position_ids = position_ids + gap * far
        return own(hidden, position_ids, *kind)

    with replaced_tables(network, tables):
        yield


def losses_by_gap(
    model: LanguageModel, tokens: torch.Tensor, gaps: Sequence[int], *, last: int
) -> pd.DataFrame:
    """Loss of the `last` of `tokens` `(length,)` with each gap after the first half, and without that half.

    Columns: gap, NaN where of the first half token 0 alone was read; nll, nats, the mean over those tokens;
    sink_attention, of the last queries to token 0, the mean over the query heads of full layers.
    """
    first = len(tokens) // 2
    rows = [{"gap": float(gap)} | _read(model, tokens, first, gap, last) for gap in gaps]
    near = torch.cat([tokens[:1], tokens[first:]])
    return pd.DataFrame([*rows, {"gap": np.nan} | _read(model, near, first, 0, last)])


def measured_by_gap(
    model: LanguageModel, tokens: torch.Tensor, gaps: Sequence[int], *, last: int
) -> pd.DataFrame:
    """`losses_by_gap`, or what it returned before for the same model, tokens, gaps and code: see `store`."""
    inputs = identity([__name__], model, tokens, gaps=list(gaps), last=last)
    return stored("gaps", inputs, lambda: {"losses": losses_by_gap(model, tokens, gaps, last=last)})["losses"]


def _read(model: LanguageModel, tokens: torch.Tensor, first: int, gap: int, last: int) -> dict[str, float]:
    network = model.network
    kinds = getattr(network.config.get_text_config(), "layer_types", None)
    attention: list[np.ndarray] = []

    def visit(vectors: LayerVectors) -> None:
        if kinds is None or kinds[vectors.layer] == _FULL:
            (_, columns), _ = attention_tables(vectors, UNCHANGED, [len(tokens)])
            attention.append(columns["sink_attention"][:, -LAST_QUERIES:].mean(axis=1))

    with torch.inference_mode(), keys_repeated(network), gap_in_positions(network, first, gap):
        with captured(network, visit):
            outputs = network.get_decoder()(tokens[None].to(network.device), use_cache=False)
        end = replace(outputs, last_hidden_state=outputs.last_hidden_state[:, -last - 1 :])
        losses = loss_by_position(network, end, tokens[-last - 1 :])
    return {"nll": float(losses.nll.mean()), "sink_attention": float(np.concatenate(attention).mean())}
