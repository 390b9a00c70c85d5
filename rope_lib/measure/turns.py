"""How each layer of a model turns, also where layers differ in their frequencies or have windows."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from .held import Turn, turned
from .huggingface import PreTrainedModel
from .intercept import LayerVectors, captured, probe_tokens, rotary_module, rotations


def turns_by_layer(network: PreTrainedModel) -> dict[int, Turn]:
    """The `Turn` of each rotating layer of a model, by layer, found and verified by a short pass.

    Of the frequencies that the model's rotary module holds, a layer has those by which its keys turn. Raises
    ValueError for a model that cannot be captured (see `intercept.rotations`), with saturating scores or
    learned sinks, or with a layer that turns otherwise.
    """
    module: Any = rotary_module(network)
    banks = [
        tuple(bank.double().tolist())
        for name, bank in module.named_buffers()
        if name.endswith("inv_freq") and not name.endswith("original_inv_freq")
    ]
    rotating = {each.layer: each for each in rotations(network) if each.layout}
    found: dict[int, Turn] = {}

    def visit(vectors: LayerVectors) -> None:
        if vectors.rule.softcap is not None or vectors.rule.sinks is not None:
            raise ValueError(
                f"model must attend by a plain softmax, but layer {vectors.layer} of "
                f"{type(network).__name__} has saturating scores or learned sinks"
            )
        if rotation := rotating.get(vectors.layer):
            assert rotation.layout is not None
            tried = (Turn(rotation.layout, rotation.channels, bank) for bank in banks)
            found[vectors.layer] = _fitting(network, vectors, tried, rotation.attention_factor)

    with torch.inference_mode(), captured(network, visit):
        network(probe_tokens(network)[None], use_cache=False)
    return found


def _fitting(
    network: PreTrainedModel, vectors: LayerVectors, tried: Iterable[Turn], attention_factor: float
) -> Turn:
    """The first of the turns that takes a layer's keys to where they are after the rotation."""
    before, after = vectors.key_pre[0].float(), vectors.key_post[0].float()
    tolerance = 32 * torch.finfo(torch.float32).eps
    for turn in tried:
        if len(turn.channels) != 2 * len(turn.inv_freq):
            continue
        channels = np.s_[..., turn.channels.start : turn.channels.stop]
        expected = attention_factor * turned(before, torch.arange(before.shape[1]), turn)[channels]
        if bool(((expected - after[channels]).norm(dim=-1) <= tolerance * after.norm(dim=-1)).all()):
            return turn
    raise ValueError(
        f"model must rotate by frequencies of its rotary module, but {type(network).__name__} does not in "
        f"layer {vectors.layer}"
    )
