"""The loss of the same tokens read in a shorter context that ends at the same place.

How hard a text is changes from place to place, so a loss that rises or falls along one long input says little
about the length. Read with fewer tokens before them, the same tokens differ in nothing else.
"""

from collections.abc import Iterable

import pandas as pd
import torch

from rope_lib.runs.store import stored

from .attending import keys_repeated
from .load import LanguageModel
from .losses import loss_by_position
from .store import identity
from .tables import LOSS_BIN


def losses_at_end(
    model: LanguageModel, tokens: torch.Tensor, end: int, *, context: int, last: int
) -> pd.DataFrame:
    """Loss of the `last` tokens before `end`, of which none sees farther back than `context` tokens.

    One pass over `tokens[end - context : end]`. Columns: context, first and nll, the mean over `LOSS_BIN`
    tokens from position `first` of the whole text on, in nats. Raises ValueError unless `end` and `last` are
    multiples of `LOSS_BIN` with last < context ≤ end ≤ the number of tokens.
    """
    whole = end % LOSS_BIN == 0 == last % LOSS_BIN
    if not (whole and 0 < last < context <= end <= len(tokens)):
        raise ValueError(
            f"end and last must be multiples of {LOSS_BIN} with 0 < last < context <= end <= {len(tokens)}, "
            f"got end {end}, last {last}, context {context}"
        )
    window = tokens[end - context : end]
    network = model.network
    with torch.inference_mode(), keys_repeated(network):
        outputs = network.get_decoder()(window[None].to(network.device), use_cache=False)
        losses = loss_by_position(network, outputs, window)
    late = losses.nll[losses.position >= context - last]
    place = late.index.to_series().map(losses.position) + end - context
    means = late.groupby(place // LOSS_BIN * LOSS_BIN).mean()
    return means.rename_axis("first").reset_index().assign(context=context)[["context", "first", "nll"]]


def same_tokens(
    model: LanguageModel, tokens: torch.Tensor, windows: Iterable[tuple[int, int]], *, last: int
) -> pd.DataFrame:
    """`losses_at_end` of every window (context, end), each kept when it is done: see `store`."""
    found = []
    for context, end in windows:
        inputs = identity([__name__], model, tokens[end - context : end], end=end, context=context, last=last)

        def measure(context: int = context, end: int = end) -> dict[str, pd.DataFrame]:
            return {"losses": losses_at_end(model, tokens, end, context=context, last=last)}

        found.append(stored("same_tokens", inputs, measure)["losses"])
    return pd.concat(found, ignore_index=True)
