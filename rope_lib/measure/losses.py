"""Loss by position, with the logits of no more than a chunk of positions at a time."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from .huggingface import ModelOutput, PreTrainedModel

# Positions whose logits exist at once: 512 × 49,152 float32 logits are 100 MB.
LOGIT_CHUNK = 512


def loss_by_position(network: PreTrainedModel, outputs: ModelOutput, tokens: torch.Tensor) -> pd.DataFrame:
    """Loss of a causal model at each position, from what its decoder returned for `tokens` `(length,)`.

    A table with columns pass (the length), position, and nll: nats, of the token at that position given those
    before. The model's own code turns hidden states into logits, which some models scale or cap: it is
    given a chunk of hidden states in place of what its decoder would compute.
    """
    decoder, hidden = network.get_decoder(), outputs.last_hidden_state
    targets = tokens[1:].to(hidden.device)
    nll = []
    try:
        for start in range(0, len(targets), LOGIT_CHUNK):
            wanted = targets[start : start + LOGIT_CHUNK]
            chunk = replace(outputs, last_hidden_state=hidden[:, start : start + len(wanted)])
            decoder.forward = lambda *_, chunk=chunk, **__: chunk
            logits = network(wanted[None], use_cache=False).logits[0]
            nll.append(
                torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="none").cpu().numpy()
            )
    finally:
        del decoder.forward  # the class's own method shows again
    positions = np.arange(1, len(tokens))
    return pd.DataFrame({"pass": len(tokens), "position": positions, "nll": np.concatenate(nll)})
