"""`rope-lib train` and `rope-lib sweep`: controlled experiments, one model or a grid of them."""

import os

import click

from rope_lib.runs.errors import one_line

from .options import InputError, Number, needs, say, scheduler_option, workers_errors


@click.command()
@click.argument("config")
@click.option("--out", metavar="DIR", help="Folder to write.  [default: rope-train-CONFIG]")
@click.option("--device", default="cpu", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--keep", is_flag=True, help="Keep the trained weights too, in DIR-training.")
def train(config: str, out: str | None, device: str, keep: bool) -> None:
    """Train a small transformer as CONFIG says, test it, and write the results as tables.

    CONFIG is a TOML file; what it leaves out has its default. A run that was stopped resumes where it left
    off. On a CPU the same config and number of threads give the same tables, bit for bit. If the config
    cannot be run, nothing is written and the exit status is 2.

    \b
    Examples:
      rope-lib train experiments/byte_rope_id.toml
      rope-lib train my.toml --device cuda --out my-run
    """
    with needs("training needs", "models"):
        from rope_lib.measure.device import choose_device
        from rope_lib.runs.store import PROVENANCE_FILE, circumstances, save_tables
        from rope_lib.train.config import Config
        from rope_lib.train.run import inputs, run
    import contextlib
    import time
    from pathlib import Path

    folder = Path(out or f"rope-train-{Path(config).stem}").absolute()
    unfinished = folder.with_name(f"{folder.name}-training")  # beside the result, which appears when complete
    start = time.perf_counter()
    try:
        chosen = Config.from_toml(config)
        if folder.exists() and not (folder / PROVENANCE_FILE).is_file():
            raise ValueError(f"--out must be a new folder or one that this command wrote, got {folder}")
        device = choose_device(device)
        tables = run(chosen, unfinished, device=device, keep=keep)
        made = circumstances(seconds=round(time.perf_counter() - start, 1), device=device)
        save_tables(folder, tables, {"name": "train", "inputs": inputs(chosen)} | made)
    except (ValueError, OSError, FloatingPointError) as error:
        raise InputError(one_line(error)) from None
    with contextlib.suppress(OSError):  # a folder that is not empty stays
        unfinished.rmdir()
    click.echo(os.path.join(folder, "summary.parquet"))


@click.command()
@click.argument("grid", metavar="GRID.toml")
@click.option("--size", default="default", show_default=True, help="default, or full for a GPU.")
@scheduler_option
@click.option(
    "--workers", type=Number(int), help="Processes of this machine.  [default: one for each core, or GPU]"
)
@click.option("--out", metavar="DIR", help="Folder to write.  [default: rope-sweep-GRID]")
def sweep(grid: str, size: str, scheduler: str | None, workers: int | None, out: str | None) -> None:
    """Run every cell of a grid of experiments, and join their tables.

    Finished cells are kept in DIR: after an interruption the same command runs only those that are missing.
    A cell that fails is reported in one line; the others still run, and the exit status is 1. The exit status
    is 2 for a file that does not describe a grid.

    \b
    Examples:
      rope-lib sweep experiments/spectra.toml
      rope-lib sweep experiments/spectra.toml --size full --scheduler tcp://host:8786
    """
    with needs("a sweep needs", "sweep"):
        from rope_lib.runs.experiments import run_grid
    with workers_errors():
        tables, swept = run_grid(grid, size=size, scheduler=scheduler, workers=workers, out=out, say=say)
    click.echo(tables)
    if swept.failed:
        raise click.ClickException(f"{len(swept.failed)} cells failed; the same command tries them again")
