"""Which oscillators a head weighs: the size of queries and keys, pair of channels by pair of channels."""

import numpy as np
import pandas as pd
import torch

from rope_lib.theory.oscillators import to_complex

from .intercept import LayerVectors, captured, rotations
from .load import LanguageModel


def pair_weights(model: LanguageModel, tokens: torch.Tensor, *, skip: int = 1) -> pd.DataFrame:
    """How much of a head's scores each pair of channels can make: the mean of |q_i|·|k_i| over positions.

    `tokens` has shape `(length,)`. Vectors are taken before the rotation, which does not change these sizes,
    and the first `skip` positions are left out, since a sink's key is unlike all others. One row for each
    (layer, head, pair) of the layers that rotate: `query` and `key`, the mean sizes, and `weight`, their
    product over the sum of the head's products. Layers and heads count from 0, pairs from the fastest.
    Raises ValueError as `rotations` does, and for fewer than `skip` + 1 tokens.
    """
    if len(tokens) <= skip:
        raise ValueError(f"tokens must be more than the {skip} that are skipped, got {len(tokens)}")
    turns = {each.layer: (each.channels, each.layout) for each in rotations(model.network) if each.layout}
    parts: list[pd.DataFrame] = []

    def visit(vectors: LayerVectors) -> None:
        if vectors.layer not in turns:
            return
        channels, layout = turns[vectors.layer]

        def sizes(x: torch.Tensor) -> np.ndarray:
            rotated = x[0, :, skip:, channels.start : channels.stop].double().cpu().numpy()
            mean: np.ndarray = np.abs(to_complex(rotated, layout)).mean(axis=1)
            return mean

        query, key = sizes(vectors.query_pre), sizes(vectors.key_pre)
        key = np.repeat(key, len(query) // len(key), axis=0)
        heads, pairs = query.shape
        product = query * key
        parts.append(
            pd.DataFrame(
                {
                    "layer": vectors.layer,
                    "head": np.repeat(np.arange(heads), pairs),
                    "pair": np.tile(np.arange(pairs), heads),
                    "query": query.ravel(),
                    "key": key.ravel(),
                    "weight": (product / product.sum(axis=1, keepdims=True)).ravel(),
                }
            )
        )

    with captured(model.network, visit), torch.inference_mode():
        model.network(tokens[None].to(model.network.device), use_cache=False)
    return pd.concat(parts, ignore_index=True)
