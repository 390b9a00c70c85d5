"""How well a trained byte model, and a table of counts, predict text that neither has read.

Both are asked for the same bytes: those of segments that lie evenly over the validation part of the corpus. A
model reads a segment of its trained length from its first byte on; the counts may look at what stands before
the segment too.
"""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from .config import Config
from .corpus import corpus
from .evaluate import answers
from .loop import autocast
from .ngrams import witten_bell
from .questions import NOWHERE, Batch
from .transformer import Transformer

SEGMENTS = 256
MOST_BEFORE = 6  # bytes before a byte that the largest table of counts goes by


def validation_segments(length: int, count: int = SEGMENTS) -> NDArray[np.int64]:
    """Where segments of `length` bytes begin in the validation text, `(count,)`, evenly spread.

    A further byte follows each. Raises ValueError where they would overlap.
    """
    size = len(corpus().validation)
    starts = np.linspace(0, size - length - 1, count).astype(np.int64)
    if count > 1 and np.diff(starts).min() < length:
        raise ValueError(
            f"count × length must be at most {size} (the bytes of the text), got {count * length}"
        )
    return starts


def model_losses(config: Config, model: Transformer, count: int = SEGMENTS) -> pd.DataFrame:
    """Mean loss of a trained model on each of `validation_segments`: columns first (byte), nll (nats a byte).

    A segment has the length of training. Raises ValueError as `validation_segments` does.
    """
    length = config.training.length
    starts = validation_segments(length, count)
    rotation = config.spectrum.at(length, length, config.model.head_dim)
    at = torch.from_numpy(starts[:, None] + np.arange(length + 1))
    window = corpus().validation[at].long()
    tokens, targets = window[:, :-1], window[:, 1:]
    batch = Batch(tokens, targets, torch.full_like(tokens, NOWHERE))
    with torch.inference_mode(), autocast("float32", "cpu"):
        found = answers(model.eval(), batch, rotation)
    return pd.DataFrame({"first": starts, "nll": found.groupby("example").nll.mean().to_numpy()})


def count_losses(length: int, count: int = SEGMENTS, before: int = MOST_BEFORE) -> pd.DataFrame:
    """The same of counts in the training text (`ngrams.witten_bell`), by 0, 1, … `before` bytes of context.

    Columns: before, first, nll. A segment has `length` bytes, and the bytes asked for are those of
    `model_losses`. Raises ValueError as `validation_segments` and `witten_bell` do.
    """
    starts = validation_segments(length, count)
    losses = witten_bell(corpus().train.numpy(), corpus().validation.numpy(), before)
    asked = starts[:, None] + 1 + np.arange(length)
    means = losses[:, asked].mean(axis=-1)
    return pd.DataFrame(
        {
            "before": np.repeat(np.arange(before + 1), count),
            "first": np.tile(starts, before + 1),
            "nll": means.ravel(),
        }
    )
