"""Losses by position of a model under several spectra, as means over several stretches of one text."""

from collections.abc import Iterable

import pandas as pd
import torch

from rope_lib.runs.store import stored
from rope_lib.theory.arguments import one, whole

from .attending import UNCHANGED, Intervention, keys_repeated
from .load import LanguageModel
from .losses import loss_by_position
from .store import identity


def losses_of_stretches(
    model: LanguageModel,
    tokens: torch.Tensor,
    *,
    length: int,
    size: int,
    intervention: Intervention = UNCHANGED,
) -> pd.DataFrame:
    """Mean loss by position over stretches of `length` tokens, side by side in `tokens` `(n,)`.

    Columns: first, the first position of each bin of `size`; nll, the mean over the bin and the stretches, in
    nats; stretches, their number. The first bin lacks token 0, which is not predicted. Raises ValueError
    unless `length` is a multiple of `size` and `tokens` hold one stretch or more.
    """
    one(whole, "size", size, 1)
    if length % size or not 0 < length <= len(tokens):
        raise ValueError(
            f"length must be a multiple of size {size} up to the {len(tokens)} tokens, got {length}"
        )
    network, parts = model.network, []
    with torch.inference_mode(), keys_repeated(network), intervention.applied(network):
        for start in range(0, len(tokens) - length + 1, length):
            read = tokens[start : start + length]
            outputs = network.get_decoder()(read[None].to(network.device), use_cache=False)
            losses = loss_by_position(network, outputs, read)
            parts.append(losses.groupby(losses.position // size * size).nll.mean())
    means = pd.concat(parts, axis=1).mean(axis=1)
    return means.rename_axis("first").rename("nll").reset_index().assign(stretches=len(parts))


def break_losses(
    model: LanguageModel,
    tokens: torch.Tensor,
    interventions: Iterable[Intervention],
    *,
    length: int,
    size: int,
) -> pd.DataFrame:
    """`losses_of_stretches` under each intervention, each kept when it is done: see `store`.

    A further first column: intervention, its name.
    """
    found = []
    for each in interventions:
        modules = [__name__, type(each).__module__]
        options = {"length": length, "size": size, "intervention": each.described()}

        def measure(each: Intervention = each) -> dict[str, pd.DataFrame]:
            return {"losses": losses_of_stretches(model, tokens, length=length, size=size, intervention=each)}

        table = stored("break_losses", identity(modules, model, tokens, **options), measure)["losses"]
        table.insert(0, "intervention", each.name)
        found.append(table)
    return pd.concat(found, ignore_index=True)
