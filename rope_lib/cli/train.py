"""`rope-lib train` and `rope-lib sweep`: controlled experiments, one model or a grid of them."""

import os

import click

from rope_lib.runs.errors import one_line

from .options import InputError, Number, say, scheduler_option, workers_errors


@click.command()
@click.argument("config")
@click.option("--out", metavar="DIR", help="Folder to write.  [default: rope-train-CONFIG]")
@click.option("--device", default="cpu", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--keep", is_flag=True, help="Keep the trained weights too, in DIR-training.")
def train(config, out, device, keep):
    """Train a small transformer as CONFIG says, question it, and write what was found as tables.

    CONFIG is a TOML file; what it leaves out has its default. A run that was stopped goes on where it was. On
    a CPU the same config and number of threads give the same tables, bit for bit. Exit status 2 for a config
    that cannot be run; then nothing is written.

    \b
    Examples:
      rope-lib train experiments/byte_rope_id.toml
      rope-lib train my.toml --device cuda --out my-run
    """
    try:
        from rope_lib.runs.store import PROVENANCE_FILE, circumstances, save_tables
        from rope_lib.train.config import Config
        from rope_lib.train.run import available, inputs, run
    except ModuleNotFoundError as error:
        message = f"training needs the package {error.name}: install rope-lib[models]"
        raise click.ClickException(message) from None
    import contextlib
    import time
    from pathlib import Path

    out = Path(out or f"rope-train-{Path(config).stem}").absolute()
    unfinished = out.with_name(f"{out.name}-training")  # beside the result, which appears when it is whole
    start = time.perf_counter()
    try:
        chosen = Config.from_toml(config)
        if out.exists() and not (out / PROVENANCE_FILE).is_file():
            raise ValueError(f"--out must be a new folder or one that this command wrote, got {out}")
        device = available(device)
        tables = run(chosen, unfinished, device=device, keep=keep)
        made = circumstances(seconds=round(time.perf_counter() - start, 1), device=device)
        save_tables(out, tables, {"name": "train", "inputs": inputs(chosen)} | made)
    except (ValueError, OSError, FloatingPointError) as error:
        raise InputError(one_line(error)) from None
    with contextlib.suppress(OSError):  # it stays where something is in it
        unfinished.rmdir()
    click.echo(os.path.join(out, "summary.parquet"))


@click.command()
@click.argument("grid", metavar="GRID.toml")
@click.option("--size", default="default", show_default=True, help="default, or full for a GPU.")
@scheduler_option
@click.option(
    "--workers", type=Number(int), help="Processes of this machine.  [default: one for each core, or GPU]"
)
@click.option("--out", metavar="DIR", help="Folder to write.  [default: rope-sweep-GRID]")
def sweep(grid, size, scheduler, workers, out):
    """Run every cell of a grid of experiments, and join their tables.

    A finished cell is kept in DIR: the same command, after whatever ended it, runs only what is missing.
    Cells that fail are told in a line each; the others finish, with exit status 1. Exit status 2 for a
    grid that is none.

    \b
    Examples:
      rope-lib sweep experiments/bases.toml
      rope-lib sweep experiments/bases.toml --size full --scheduler tcp://host:8786
    """
    try:
        from rope_lib.runs.experiments import run_grid
    except ModuleNotFoundError as error:
        message = f"a sweep needs the package {error.name}: install rope-lib[sweep]"
        raise click.ClickException(message) from None
    with workers_errors():
        tables, swept = run_grid(grid, size=size, scheduler=scheduler, workers=workers, out=out, say=say)
    click.echo(tables)
    if swept.failed:
        raise click.ClickException(f"{len(swept.failed)} cells failed; the same command tries them again")
