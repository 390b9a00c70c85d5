"""`rope-lib train` and `rope-lib sweep`: controlled experiments, one model or a grid of them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from rope_lib.runs.errors import one_line

from .options import (
    InputError,
    Number,
    force_option,
    needs,
    print_path,
    say,
    scheduler_option,
    workers_errors,
)


@click.command()
@click.argument("config")
@click.option("--out", metavar="DIR", help="Folder to write.  [default: rope-train-CONFIG]")
@click.option("--device", default="cpu", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--keep", is_flag=True, help="Keep the trained weights too, in DIR-training, for good.")
@force_option
def train(config: str, out: str | None, device: str, keep: bool, force: bool) -> None:
    """Train a small transformer as CONFIG says, test it, and write the results as tables.

    CONFIG is a TOML file; what it leaves out has its default. A run that was stopped resumes where it left
    off. On a CPU the same config and number of threads give the same tables, bit for bit. If the config
    cannot be run, nothing is written and the exit status is 2. An earlier result of this command is replaced
    in one step; a folder that holds anything else is refused.

    \b
    Examples:
      rope-lib train experiments/byte_rope_id.toml
      rope-lib train my.toml --device cuda --out my-run
    """
    with needs("training needs", "models"):
        from rope_lib.measure.device import choose_device
        from rope_lib.runs.folders import alone, beside, made_if_missing
        from rope_lib.runs.links import refuse_links
        from rope_lib.runs.mark import check_elsewhere, check_replaceable, output_folder
        from rope_lib.runs.store import circumstances, save_tables
        from rope_lib.train.config import Config
        from rope_lib.train.run import forget, inputs, keep_weights, others_weights, run
    import time

    start = time.perf_counter()
    try:
        chosen = Config.from_toml(config)
        folder = output_folder(out, f"rope-train-{Path(config).stem}").absolute()
        check_elsewhere(folder)
        if not force:
            check_replaceable(folder, "train")
        device = choose_device(device)
        # Beside the result, which appears when it is complete.
        unfinished = folder.with_name(f"{folder.name}-training")
        with made_if_missing(folder.parent), alone(unfinished), _gone_when_empty(unfinished):
            refuse_links(unfinished)
            if other := others_weights(chosen, unfinished):
                aside = beside(unfinished)
                if not force:
                    raise FileExistsError(
                        f"{other}: must be weights of this config, got those of another: name another folder "
                        f"with --out, or add --force to keep {unfinished.name} as {aside.name}"
                    )
                unfinished.rename(aside)
            tables = run(chosen, unfinished, device=device, keep=True)
            if keep:
                keep_weights(unfinished)
            made = circumstances(seconds=round(time.perf_counter() - start, 1), device=device)
            save_tables(folder, tables, {"name": "train", "inputs": inputs(chosen)} | made)
            if not keep:
                forget(unfinished)
    except (ValueError, OSError, FloatingPointError) as error:
        raise InputError(one_line(error)) from None
    except KeyboardInterrupt:
        say("Stopped. The same command goes on where this one left off.")
        sys.exit(130)
    print_path(folder, "summary.parquet")


@contextmanager
def _gone_when_empty(folder: Path) -> Iterator[None]:
    """Remove a folder at the end, unless something is in it."""
    try:
        yield
    finally:
        with suppress(OSError):
            folder.rmdir()


@click.command()
@click.argument("grid", metavar="GRID.toml")
@click.option("--size", default="default", show_default=True, help="default, or full for a GPU.")
@scheduler_option
@click.option(
    "--workers", type=Number(int), help="Processes of this machine.  [default: one for each core, or GPU]"
)
@click.option("--out", metavar="DIR", help="Folder to write.  [default: rope-sweep-GRID]")
@force_option
def sweep(
    grid: str, size: str, scheduler: str | None, workers: int | None, out: str | None, force: bool
) -> None:
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
        tables, swept = run_grid(
            grid, size=size, scheduler=scheduler, workers=workers, out=out, force=force, say=say
        )
    print_path(tables)
    if swept.failed:
        raise click.ClickException(f"{len(swept.failed)} cells failed; the same command tries them again")
