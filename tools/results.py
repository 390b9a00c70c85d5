"""Make results that take too long for a build of the book, and keep them in `results/NAME`.

    python tools/results.py spectra ablations --workers 2    # grids of experiments, one after the other
    python tools/results.py precision_parts                  # any other result: see --help

Every grid in `experiments` is a result of its own; the functions in `tools/makers` make the others. An
interrupted run continues where it stopped: finished cells and checkpoints stay in `rope-sweep-NAME` in the
current folder, measurements in the user's cache folder. Nothing is kept in `results` when a cell of a grid
fails.
"""

import inspect
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
from makers import kept, packaged, part_two, trained

from rope_lib.findings.spectra import condensed
from rope_lib.runs.experiments import run_grid
from rope_lib.runs.grid import SIZES
from rope_lib.runs.store import read_provenance, read_tables

# Grids of experiments


def grid_files() -> dict[str, Path]:
    """The files in `experiments` that hold a grid, by name; the others hold one configuration each."""
    files = sorted(kept.EXPERIMENTS.glob("*.toml"))
    return {file.stem: file for file in files if "kind" in tomllib.loads(file.read_text(encoding="utf-8"))}


def grid(
    file: Path, *, size: str = SIZES[0], workers: int | None = None, scheduler: str | None = None
) -> None:
    """Run what is missing of a grid: about a minute on one core for each cell of the default size.

    What is kept is small: answers are summarized by octave of their distance.
    """
    folder, swept = run_grid(file, size=size, workers=workers, scheduler=scheduler)
    if swept.failed:
        raise click.ClickException(f"{file.stem}: {len(swept.failed)} cells failed, nothing is kept")
    made = read_provenance(folder)
    tables = condensed(read_tables(folder))
    about = {
        "inputs": made["inputs"],
        "cells": made["cells"],
        "processor": ", ".join(sorted(set(tables["cells"].processor))),
    }
    name, options = (file.stem, "") if size == SIZES[0] else (f"{file.stem}_{size}", f" --size {size}")
    kept.keep(name, tables, command=file.stem + options, about=about)


# The command


@dataclass(frozen=True)
class Maker:
    """What makes a result: a function, whose keyword arguments are its options, and one line about it."""

    make: Callable[..., None]
    about: str

    @property
    def options(self) -> tuple[str, ...]:
        parameters = inspect.signature(self.make).parameters.values()
        return tuple(each.name for each in parameters if each.kind is each.KEYWORD_ONLY)


def makers() -> dict[str, Maker]:
    """Every result that can be made, by name."""
    grids = {
        name: Maker(partial(grid, file), tomllib.loads(file.read_text(encoding="utf-8"))["about"])
        for name, file in grid_files().items()
    }
    others = (
        packaged.interventions,
        packaged.same_tokens,
        packaged.long_input,
        part_two.head_weights,
        trained.precision_parts,
        trained.attention_entropy,
        trained.byte_models,
        part_two.geometry,
        part_two.mechanism,
        part_two.forecast,
        part_two.same_bytes,
        part_two.gaps,
        part_two.breaks,
        part_two.matched,
    )
    return grids | {make.__name__: Maker(make, inspect.getdoc(make).partition("\n")[0]) for make in others}


MAKERS = makers()


def check_options(names: tuple[str, ...], given: dict[str, Any]) -> None:
    """Refuse an option that one of the named results does not take."""
    for name in names:
        taken = MAKERS[name].options
        for option in given.keys() - set(taken):
            takes = " and ".join(f"--{each}" for each in taken) or "no options"
            raise click.UsageError(f"--{option} must be left out for {name}, which takes {takes}")


class Command(click.Command):
    """A command whose help lists the results."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Results"):
            formatter.write_dl([(name, maker.about) for name, maker in MAKERS.items()])


@click.command(cls=Command, help=__doc__.partition("\n")[0])
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=click.Choice(list(MAKERS)))
@click.option("--size", type=click.Choice(SIZES), help="Of a grid: `full` is for a GPU.")
@click.option("--workers", type=click.IntRange(1), help="Of a grid: worker processes on this machine.")
@click.option("--scheduler", help="Of a grid: the address of a running Dask cluster to use instead.")
@click.option("--texts", type=click.IntRange(1), help="Of mechanism: how many texts, from the first.")
@click.option("--longest", type=click.IntRange(2), help="Of geometry: the most tokens of an input.")
@click.option("--device", help="Of long_input: where the model runs, by default cuda.")
@click.option(
    "--checkpoints",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Of byte_models: a folder with weights that were trained already.",
)
@click.option(
    "--text",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of long_input: a file with the text to measure on.",
)
def main(names: tuple[str, ...], **options: Any) -> None:
    given = {name: value for name, value in options.items() if value is not None}
    check_options(names, given)
    for name in names:
        MAKERS[name].make(**given)


if __name__ == "__main__":
    main()
