"""One config in, plain tables out: what a cell of a sweep does, and what `rope-lib train` does once."""

from pathlib import Path

import torch

from .config import Config
from .corpus import corpus
from .evaluate import evaluate
from .loop import CHECKPOINT, train


def run(config, folder, *, device="cpu", keep=False):
    """Train and question the model of a `Config`: a dict from names to DataFrames, one row per observation.

    training   step, loss, learning_rate
    losses     variant, length, first, last (a bin of positions), nll, accuracy, questions
    answers    variant, length, example, position, distance, nll, correct; not where every byte is an answer
    geometry   variant, length, example, layer, head, stable_rank_pre, stable_rank, first_singular_ratio,
               sink_attention, sink_norm
    summary    variant, length, nll, accuracy, questions, examples

    The checkpoint is kept in `folder` while the run lasts, so that a run that was killed goes on, and
    afterwards if `keep`. `device` is "cpu", whose tables are the same in every bit each time, "cuda", "mps",
    or "auto", the best there is.
    """
    model, losses = train(config, folder, device=available(device))
    tables = {"training": losses, **evaluate(config, model)}
    if not keep:
        (Path(folder) / CHECKPOINT).unlink()
    return tables


def run_cell(cell, folder):
    """The tables of one cell of a sweep: the dict of a `Config`, and the `device` that it may name besides.

    A checkpoint lies in `folder` while the cell is unfinished.
    """
    values = dict(cell)
    device = values.pop("device", "cpu")
    return run(Config.from_dict(values), folder, device=device)


def available(device):
    """The name of a device of this machine: the one given, or for "auto" the best. ValueError for no such.

    >>> available("cpu")
    'cpu'
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    names = [name for name, there in present.items() if there]
    if device == "auto":
        return names[0]
    if str(device).partition(":")[0] not in names:
        raise ValueError(f"device must be auto or one that is here ({', '.join(names)}), got {device!r}")
    return device


def inputs(config):
    """What determines the tables of a run besides this program, JSON-able: for a store or a provenance."""
    text = {"text_sha256": corpus().sha256} if config.task.name == "bytes" else {}
    return {"config": config.to_dict(), "digest": config.digest, **text}
