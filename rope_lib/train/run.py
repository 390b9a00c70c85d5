"""One config in, plain tables out: for each cell of a sweep, and once for `rope-lib train`."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from rope_lib.measure.device import choose_device

from .checkpoint import CHECKPOINT, KEPT, owner
from .config import Config, Json
from .converge import train_until
from .corpus import corpus
from .evaluate import evaluate
from .loop import train


def run(
    config: Config, folder: str | Path, *, device: str = "cpu", keep: bool = False
) -> dict[str, pd.DataFrame]:
    """Train and evaluate the model of a `Config`: tables by name, one row per observation.

    training   step, loss, learning_rate; of a config with `convergence`: steps, loss, fresh_loss, accuracy
    ended      steps, fresh_loss, accuracy, ended, met: only of a config with `convergence`; see `train_until`
    losses     variant, length, first, last (a bin of positions), nll, accuracy, questions
    answers    variant, length, example, position, distance, nll, correct; not where every byte is an answer
    geometry   variant, length, example, layer, head, stable_rank_pre, stable_rank, first_singular_ratio,
               sink_attention, sink_norm
    summary    variant, length, nll, accuracy, questions, examples

    The checkpoint is in `folder` during the run, so that a run that was killed can continue, and afterwards
    if `keep`. `device` is as in `measure.device.choose_device`; on "cpu" the tables are the same in every bit
    each time. Raises ValueError and FloatingPointError as `train` does.
    """
    device = choose_device(device)
    if config.convergence is None:
        model, losses = train(config, folder, device=device)
        tables = {"training": losses}
    else:
        model, tries, ended = train_until(config, folder, device=device)
        tables = {"training": tries, "ended": ended}
    tables |= evaluate(config, model)
    if not keep:
        forget(folder)
    return tables


def others_weights(config: Config, folder: str | Path) -> Path | None:
    """The checkpoint or kept weights in a folder that are not of this config, if any are there."""
    paths = (Path(folder) / name for name in (KEPT, CHECKPOINT))
    return next((path for path in paths if path.exists() and owner(path) != config.digest), None)


def keep_weights(folder: str | Path) -> None:
    """Give the checkpoint of a finished run the name under which no later run removes or replaces it."""
    with suppress(FileNotFoundError):  # kept already, by an earlier run
        (Path(folder) / CHECKPOINT).rename(Path(folder) / KEPT)


def forget(folder: str | Path) -> None:
    """Remove the checkpoint of a run, once its tables are safe; weights that a user kept stay."""
    (Path(folder) / CHECKPOINT).unlink(missing_ok=True)


def run_cell(cell: Mapping[str, Any], folder: str | Path) -> dict[str, pd.DataFrame]:
    """The tables of one cell of a sweep: the dict of a `Config`, which may also name a `device`.

    The checkpoint stays in `folder`, which the sweep removes once the tables are kept.
    """
    values = dict(cell)
    device = values.pop("device", "cpu")
    return run(Config.from_dict(values), folder, device=device, keep=True)


def inputs(config: Config) -> dict[str, Json]:
    """What determines the tables of a run, apart from this program: for a store or a provenance."""
    text = {"text_sha256": corpus().sha256} if config.task.name == "bytes" else {}
    return {"config": config.to_dict(), "digest": config.digest, **text}
