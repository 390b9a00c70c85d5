"""The forecast of dispersal: one pass over a short input, and how a model's keys will look on longer ones.

The pass records each head's keys and queries before the rotation, reduced to what `theory.forecast` needs.
The forecast assumes that the network goes on writing such keys and queries; only the rotation acts. What it
cannot know is how they change with the input: with another text, and where a model has lost its way.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from rope_lib.theory.arguments import Floats
from rope_lib.theory.forecast import cosine_between, forecast_cloud
from rope_lib.theory.oscillators import rotate, to_complex

from .clouds import Cloud, cloud_columns, pair_columns
from .geometry import first_singular_value, silhouette
from .intercept import LayerVectors, captured, rotations
from .load import LanguageModel
from .rotation import LayerRotation
from .sweep import depends_on_length


@dataclass(frozen=True)
class Forecast:
    """What is forecast of a model from a short input of `tokens` tokens, in two tables.

    `keys`   by length, layer, head (a key head): stable_rank, fsv_ratio (first singular value after the
             rotation over that before) and mean_cosine, of all keys of an input of that length;
    `pairs`  by length, layer, head (a query head) with key_head: cosine, the mean over all its queries and
             keys, and their silhouette.

    In both, window is that of the layer in tokens, NaN where it sees all; columns that end in `_now` were
    measured on the short input and are the same at every length. A query of a layer with a window sees no
    more than that many keys, which look as all keys do at the length `window`.
    """

    tokens: int
    keys: pd.DataFrame
    pairs: pd.DataFrame


def forecast(model: LanguageModel, tokens: torch.Tensor, lengths: Iterable[int]) -> Forecast:
    """Forecast how the keys and queries of a model disperse at longer `lengths`, from a pass over `tokens`.

    `tokens` `(length,)` are some thousand of a text like those of interest; a pass over them takes about a
    second. Layers that do not rotate are left out. Raises ValueError for lengths below 2, for fewer than 64
    tokens, for a model whose rotation depends on the length of the input (dynamic NTK, LongRoPE), since the
    frequencies at another length cannot be seen in a short pass, and as `intercept.rotations` does.

    >>> from rope_lib.measure.load import load_model, tokenize
    >>> from rope_lib.measure.text import reference_text
    >>> model = load_model()  # doctest: +SKIP
    >>> found = forecast(model, tokenize(model, reference_text(), 1_024), [16_384])  # doctest: +SKIP
    >>> found.keys[["stable_rank_now", "stable_rank"]].median().round(1).tolist()  # doctest: +SKIP
    [1.6, 2.5]
    """
    wanted = sorted({int(length) for length in lengths})
    if not wanted or wanted[0] < 2:
        raise ValueError(f"lengths must be whole numbers of at least 2 tokens, got {wanted}")
    if len(tokens) < LEAST:
        raise ValueError(f"tokens must be at least {LEAST} to forecast from, got {len(tokens)}")
    if depends_on_length(model.network):
        raise ValueError(
            f"model must rotate alike at every length to forecast from a short one, and {model.name} does not"
        )
    turning = {each.layer: each for each in rotations(model.network) if each.layout}
    keys: list[pd.DataFrame] = []
    pairs: list[pd.DataFrame] = []

    def visit(vectors: LayerVectors) -> None:
        if vectors.layer in turning:
            layer = _layer(vectors, turning[vectors.layer])
            keys.append(_table(layer, _measured_keys(vectors), [_keys_at(layer, n) for n in wanted]))
            pairs.append(_table(layer, _measured_pairs(vectors), [_pairs_at(layer, n) for n in wanted]))

    with torch.inference_mode(), captured(model.network, visit):
        model.network.get_decoder()(tokens[None].to(model.network.device), use_cache=False)
    order = ["length", "layer", "head"]
    whole = [
        pd.concat(parts, ignore_index=True).sort_values(order, ignore_index=True) for parts in (keys, pairs)
    ]
    return Forecast(len(tokens), *whole)


LEAST = 64  # tokens


@dataclass(frozen=True)
class _Layer:
    """A layer's clouds before the rotation, channels half split, those at rest last of each half.

    `factor` multiplies every rotated vector. Shapes: `inv_freq` `(pairs,)`, `moment` `(key_heads, dim, dim)`,
    the mean directions `(heads, dim)`, the samples `(heads, sample, dim)`.
    """

    layer: int
    window: float
    inv_freq: Floats
    factor: float
    moment: Floats
    key_mean: Floats
    query_mean: Floats
    key_sample: Floats
    query_sample: Floats


def _layer(vectors: LayerVectors, rotation: LayerRotation) -> _Layer:
    order = half_split_order(vectors.key_pre.shape[-1], rotation)
    key, query = Cloud(vectors.key_pre[0][..., order]), Cloud(vectors.query_pre[0][..., order])
    window = vectors.rule.window
    return _Layer(
        layer=vectors.layer,
        window=float("nan") if window is None else float(window),
        inv_freq=measured_frequencies(vectors, rotation),
        factor=rotation.attention_factor,
        moment=key.moment.numpy(),
        key_mean=(key.sums[:, 1] / key.length).numpy(),
        query_mean=(query.sums[:, 1] / query.length).numpy(),
        key_sample=key.sample.numpy(),
        query_sample=query.sample.numpy(),
    )


def half_split_order(dim: int, rotation: LayerRotation) -> list[int]:
    """The channels of a head in the half-split order of all its pairs, those that do not rotate last.

    >>> half_split_order(6, LayerRotation(0, "interleaved", range(4), 1.0))
    [0, 2, 4, 1, 3, 5]
    """
    turning = list(rotation.channels)
    resting = [channel for channel in range(dim) if channel not in rotation.channels]
    half, rest = len(turning) // 2, len(resting) // 2
    if rotation.layout == "interleaved":
        turning = turning[0::2] + turning[1::2]
    return turning[:half] + resting[:rest] + turning[half:] + resting[rest:]


def measured_frequencies(vectors: LayerVectors, rotation: LayerRotation) -> Floats:
    """The angle per token of each pair of a head, `(dim/2,)`, as the layer turned its keys; 0 at rest.

    Read off the turns at position 1, then 2, 4, 8 …: each step halves the error and knows the whole turns
    from the one before. Its sign is that of the turn.
    """
    channels, half = rotation.channels, vectors.key_pre.shape[-1] // 2
    layout = rotation.layout or "half_split"
    places = [2**power for power in range((vectors.key_pre.shape[2] - 1).bit_length())]
    before, after = (
        to_complex(x[0][:, places][..., channels.start : channels.stop].cpu().double().numpy(), layout)
        for x in (vectors.key_pre, vectors.key_post)
    )
    turns = np.angle(np.sum(after * before.conj(), axis=0))  # (places, pairs), all heads together
    found: Floats = turns[0]
    for place, turn in zip(places[1:], turns[1:], strict=True):
        whole = np.round((found * place - turn) / (2 * np.pi))
        found = (turn + 2 * np.pi * whole) / place
    return np.concatenate([found, np.zeros(half - len(channels) // 2)])


def _keys_at(layer: _Layer, length: int) -> dict[str, Floats]:
    found = forecast_cloud(layer.moment, layer.key_mean, layer.inv_freq, length)
    return {
        "length": np.full(len(layer.moment), length),
        "stable_rank": np.asarray(found.stable_rank),
        "fsv_ratio": np.asarray(found.fsv_ratio) * layer.factor,
        "mean_cosine": np.asarray(found.mean_cosine),
    }


def _pairs_at(layer: _Layer, length: int) -> dict[str, Floats]:
    """The sample is spread over the longer input, as a sample of it would be."""
    group = len(layer.query_mean) // len(layer.key_mean)
    key_mean = np.repeat(layer.key_mean, group, axis=0)
    places = np.linspace(0, length - 1, layer.key_sample.shape[1]).astype(int)
    key, query = (
        torch.from_numpy(rotate(sample, places, layer.inv_freq, "half_split"))
        for sample in (layer.key_sample, layer.query_sample)
    )
    return {
        "length": np.full(len(layer.query_mean), length),
        "cosine": np.asarray(cosine_between(key_mean, layer.query_mean, layer.inv_freq, length)),
        "silhouette": silhouette(key.repeat_interleave(group, dim=0), query).numpy(),
    }


def _measured_keys(vectors: LayerVectors) -> dict[str, torch.Tensor]:
    before, after = Cloud(vectors.key_pre[0]), Cloud(vectors.key_post[0])
    columns = cloud_columns(after)
    return {
        "stable_rank_now": columns["stable_rank"],
        "fsv_ratio_now": columns["first_singular_value"] / first_singular_value(before.moment),
        "mean_cosine_now": columns["mean_cosine"],
    }


def _measured_pairs(vectors: LayerVectors) -> dict[str, torch.Tensor]:
    columns = pair_columns(Cloud(vectors.key_post[0]), Cloud(vectors.query_post[0]))
    return {
        "key_head": columns["key_head"],
        "cosine_now": columns["cosine"],
        "silhouette_now": columns["silhouette"],
    }


def _table(layer: _Layer, now: dict[str, torch.Tensor], later: list[dict[str, Floats]]) -> pd.DataFrame:
    measured = {name: value.numpy() for name, value in now.items()}
    heads = np.arange(len(next(iter(measured.values()))))
    where = {"layer": layer.layer, "head": heads, "window": layer.window}
    return pd.concat([pd.DataFrame(where | columns | measured) for columns in later])
