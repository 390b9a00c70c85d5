"""Results of small models that are trained here, beside the grids of experiments."""

import shutil
from dataclasses import asdict
from pathlib import Path

import click
import pandas as pd

from rope_lib.runs.experiments import KINDS
from rope_lib.runs.store import stored

from . import kept

# The byte models of Part II, by their configurations in `experiments`: text_rope.toml and text_rope_id.toml.
BYTE_CONFIGS = ("rope", "rope_id")


def byte_models(*, checkpoints: Path | None = None) -> None:
    """Train the two byte models of Part II and write them as Llama folders: an hour on two cores.

    `checkpoints`, if it is given, is a folder where `rope-lib train text_X.toml --keep --out X` ran, with X
    rope and rope_id: the weights are taken as they are there, after however many steps of the plan.
    """
    from rope_lib.train.checkpoint import CHECKPOINT, KEPT
    from rope_lib.train.config import Config
    from rope_lib.train.export import of_checkpoint, rounded, save_llama
    from rope_lib.train.loop import learning_rate, train
    from rope_lib.train.run import inputs as inputs_of
    from rope_lib.train.validated import count_losses, model_losses

    folder = kept.RESULTS / "byte_models"
    configs = {name: Config.from_toml(kept.EXPERIMENTS / f"text_{name}.toml") for name in BYTE_CONFIGS}
    models, training, validation, inputs = {}, [], [], {}
    for name, config in configs.items():
        if checkpoints is None:
            models[name], table = train(config, Path("rope-sweep-byte-models") / name)
        else:
            at = checkpoints / f"{name}-training"
            models[name], losses = of_checkpoint(config, at / (KEPT if (at / KEPT).exists() else CHECKPOINT))
            rates = [learning_rate(config.training, step) for step in range(len(losses))]
            table = pd.DataFrame({"step": range(len(losses)), "loss": losses, "learning_rate": rates})
        training.append(table.assign(model=name)[["model", *table.columns]])
        validation.append(model_losses(config, rounded(models[name])).assign(model=name))
        inputs[name] = inputs_of(config) | {"steps": len(table)}
    counts = count_losses(config.training.length)
    counts.insert(0, "model", "counts, " + counts.pop("before").astype(str) + " bytes before")
    tables = {
        "training": pd.concat(training, ignore_index=True),
        "validation": pd.concat([*validation, counts], ignore_index=True)[["model", "first", "nll"]],
    }
    for name in configs:
        shutil.rmtree(folder / name, ignore_errors=True)
    command = "byte_models" + ("" if checkpoints is None else " --checkpoints DIR")
    kept.keep("byte_models", tables, command=command, about={"inputs": inputs})
    for name, config in configs.items():
        save_llama(models[name], config, folder / name)


def attention_entropy() -> None:
    """Train models below and above the DC-stability bound and look at their attention: half an hour.

    That is on two cores, a model on each. Finished models stay in the user's cache folder.
    """
    from multiprocessing import get_context

    from rope_lib.train.collapse import cells

    parts: dict[str, list[pd.DataFrame]] = {}
    with get_context("spawn").Pool(2) as pool:
        for number, tables in enumerate(pool.imap(_collapse_cell, range(len(cells()))), 1):
            for name, table in tables.items():
                parts.setdefault(name, []).append(table)
            click.echo(f"{number} of {len(cells())}: {tables['training'].iloc[-1].to_dict()}")
    tables = {name: pd.concat(each, ignore_index=True) for name, each in parts.items()}
    about = {"inputs": KINDS["train"].inputs() | {"compute": _COLLAPSE}}
    kept.keep("attention_entropy", tables, command="attention_entropy", about=about)


_COLLAPSE = "rope_lib.train.collapse:collapse"


def _collapse_cell(number: int) -> dict[str, pd.DataFrame]:
    """The tables of one model of `attention_entropy`, from the store if it is finished."""
    import torch

    from rope_lib.train.collapse import cells, collapse, named

    torch.set_num_threads(1)
    config = cells()[number]
    inputs = KINDS["train"].inputs() | {"compute": _COLLAPSE, "config": config.to_dict()}
    return stored("attention_entropy", inputs, lambda: named(config, collapse(config)))


def converted() -> None:
    """Tune the packaged model to other rotations, then read long inputs: an hour on two cores.

    Two at a time, on a core each. Tuned weights stay in `rope-sweep-converted` in the current folder,
    finished tables in the user's cache folder.
    """
    from multiprocessing import get_context

    from rope_lib.train.conversion import EVERY, PLAN
    from rope_lib.train.converted import FAR_TEXTS, TUNED, UNTOUCHED

    jobs = [(arm, None) for arm in TUNED]
    jobs += [(arm, title) for title in FAR_TEXTS for arm in (UNTOUCHED, *TUNED)]
    parts: dict[str, list[pd.DataFrame]] = {}
    with get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        for job, tables in zip(jobs, pool.imap(_converted_job, jobs, chunksize=1), strict=True):
            for name, table in tables.items():
                parts.setdefault(name, []).append(table)
            click.echo(", ".join(each for each in job if each))
    tables = {name: pd.concat(each, ignore_index=True) for name, each in parts.items()}
    about = {
        "inputs": KINDS["train"].inputs() | {"compute": _CONVERTED, "plan": asdict(PLAN), "every": EVERY}
    }
    kept.keep("converted", tables, command="converted", about=about)


_CONVERTED = "rope_lib.train.converted:curves"


def _converted_job(job: tuple[str, str | None]) -> dict[str, pd.DataFrame]:
    """The tables of an arm by its name: of its tuning, or of one long text that the tuned model reads."""
    import torch

    from rope_lib.train.converted import curves, far_losses

    torch.set_num_threads(1)
    arm, title = job
    folder = Path("rope-sweep-converted")
    return curves(arm, folder) if title is None else {"far": far_losses(arm, title, folder)}
