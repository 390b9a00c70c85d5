"""Which oscillators a head weighs: the size of queries and keys, pair of channels by pair of channels."""

import numpy as np
import pandas as pd
import torch

from rope_lib.theory.arguments import Complexes, Floats
from rope_lib.theory.oscillators import to_complex
from rope_lib.theory.reversal import score_coefficients

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
    parts: list[pd.DataFrame] = []
    for layer, query, key, layout in _rotated_vectors(model, tokens, skip):
        sizes_of_query, sizes_of_key = (np.abs(to_complex(x, layout)).mean(axis=1) for x in (query, key))
        heads, pairs = sizes_of_query.shape
        product = sizes_of_query * sizes_of_key
        columns = {
            "layer": layer,
            "head": np.repeat(np.arange(heads), pairs),
            "pair": np.tile(np.arange(pairs), heads),
            "query": sizes_of_query.ravel(),
            "key": sizes_of_key.ravel(),
            "weight": (product / product.sum(axis=1, keepdims=True)).ravel(),
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def drawn_scores(
    model: LanguageModel, tokens: torch.Tensor, draws: int, *, seed: int = 0, skip: int = 1
) -> pd.DataFrame:
    """Coefficients of the scores of drawn queries and keys: see `theory.reversal.score_coefficients`.

    For each head `draws` queries are drawn, each with two keys at earlier positions, and ordered by their
    score at distance 0. One row for each (layer, head, draw, key), where `key` is "winner" or "other", and
    one complex column for each pair of channels; c is the scale by which the layer divides its scores.
    Positions below `skip` are left out. Raises ValueError as `pair_weights` does, and for fewer than
    `skip` + 3 tokens.
    """
    if len(tokens) < skip + 3:
        raise ValueError(f"tokens must be at least {skip + 3}, got {len(tokens)}")
    random = np.random.default_rng(seed)
    index: list[tuple[int, int, int, str]] = []
    rows: list[Complexes] = []
    for layer, query, key, layout in _rotated_vectors(model, tokens, skip):
        for head, (queries, keys) in enumerate(zip(query, key, strict=True)):
            at = random.integers(2, len(queries), draws)
            first = random.integers(0, at)
            second = (first + 1 + random.integers(0, at - 1)) % at  # another one of the earlier positions
            scale = 1 / np.sqrt(queries.shape[-1])
            both = [score_coefficients(queries[at], keys[each], layout, scale) for each in (first, second)]
            wins = both[0].real.sum(axis=-1) >= both[1].real.sum(axis=-1)
            for draw, (one, two) in enumerate(zip(*both, strict=True)):
                winner, other = (one, two) if wins[draw] else (two, one)
                index += [(layer, head, draw, "winner"), (layer, head, draw, "other")]
                rows += [winner, other]
    names = ["layer", "head", "draw", "key"]
    return pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(index, names=names))


def _rotated_vectors(
    model: LanguageModel, tokens: torch.Tensor, skip: int
) -> list[tuple[int, Floats, Floats, str]]:
    """`(layer, queries, keys, layout)` of every layer that rotates, the rotated channels before the rotation.

    Queries and keys are float64, `(query heads, length - skip, channels)`: a key that several heads share is
    there for each.
    """
    if len(tokens) <= skip:
        raise ValueError(f"tokens must be more than the {skip} that are skipped, got {len(tokens)}")
    turns = {each.layer: (each.channels, each.layout) for each in rotations(model.network) if each.layout}
    found: list[tuple[int, Floats, Floats, str]] = []

    def visit(vectors: LayerVectors) -> None:
        if vectors.layer in turns:
            channels, layout = turns[vectors.layer]
            query, key = (
                x[0, :, skip:, channels.start : channels.stop].double().cpu().numpy()
                for x in (vectors.query_pre, vectors.key_pre)
            )
            found.append((vectors.layer, query, np.repeat(key, len(query) // len(key), axis=0), layout))

    with captured(model.network, visit), torch.inference_mode():
        # Without the scores of the vocabulary, which take gigabytes in a model with many words.
        model.network.get_decoder()(tokens[None].to(model.network.device), use_cache=False)
    return found
