"""Make results that take too long for a build of the book, and keep them in `results/NAME`.

    python tools/results.py spectra ablations --workers 2    # grids of experiments, one after the other
    python tools/results.py long_input                       # any other result: see --help

Every grid in `experiments` is a result of its own; the functions in `tools/makers` make the others. An
interrupted run continues where it stopped: finished cells and checkpoints stay in `rope-sweep-NAME` in the
current folder, measurements in the user's cache folder. Nothing is kept in `results` when a cell of a grid
fails.
"""

import inspect
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import pandas as pd
from makers import kept, packaged, part_two, trained

from rope_lib.findings.spectra import condensed
from rope_lib.runs.experiments import kind_of, run_grid, save_collected
from rope_lib.runs.grid import SIZES, Grid, read_grid
from rope_lib.runs.mark import output_folder
from rope_lib.runs.store import JsonObject, Tables, digest, read_provenance, read_tables

# Grids of experiments


def grid_files() -> dict[str, Path]:
    """The files in `experiments` that hold a grid, by name; the others hold one configuration each."""
    files = sorted(kept.EXPERIMENTS.glob("*.toml"))
    return {file.stem: file for file in files if "kind" in tomllib.loads(file.read_text(encoding="utf-8"))}


def grid(
    file: Path,
    *,
    size: str = SIZES[0],
    workers: int | None = None,
    scheduler: str | None = None,
    finished: bool = False,
    verify: int | None = None,
) -> None:
    """Run what is missing of a grid: about a minute on one core for each cell of the default size.

    Cells that were kept before are not run again; for those of other code see `check_code`. With `finished`
    nothing else is run: the cells that an interrupted run finished are kept. What is kept is small: answers
    are summarized by octave of their distance.
    """
    name, options = (file.stem, "") if size == SIZES[0] else (f"{file.stem}_{size}", f" --size {size}")
    every = read_grid(file, size)
    inputs = kind_of(every, file).inputs()
    before = kept_before(name)
    verified = set(read_provenance(kept.RESULTS / name).get("verified", ())) if before else set[str]()
    if before:
        verified |= check_code(before, file, size, inputs, verify)
    done = frozenset(before["cells"].cell) if before else frozenset[str]()
    if finished:
        folder = output_folder(None, f"rope-sweep-{every.name}")
        missing = tuple(cell for cell in every.cells if cell.digest not in done)
        save_collected(file, replace(every, cells=missing), inputs, folder)
        folder = folder / size
    else:
        folder, swept = run_grid(file, size=size, workers=workers, scheduler=scheduler, done=done)
        if swept.failed:
            raise click.ClickException(f"{file.stem}: {len(swept.failed)} cells failed, nothing is kept")
    now = condensed(read_tables(folder))
    if finished and "cells" in now:
        verified |= check_code(joined(None, now, every), file, size, inputs, verify)
    tables = joined(before, now, every)
    about = {
        "inputs": read_provenance(folder)["inputs"],
        "cells": len(every.cells),
        "finished": len(tables["cells"]),
        "processor": ", ".join(sorted(set(tables["cells"].processor))),
    }
    if verified:
        about["verified"] = sorted(verified)
    kept.keep(name, tables, command=file.stem + options, about=about)


def kept_before(name: str) -> Tables | None:
    """The tables of a grid that were kept, if they name their cells."""
    if not (kept.RESULTS / name).exists():
        return None
    tables = read_tables(kept.RESULTS / name)
    return tables if "cell" in tables["cells"] else None


def check_code(
    tables: Tables, file: Path, size: str, inputs: JsonObject, verify: int | None
) -> frozenset[str]:
    """Refuse cells that other code made, unless `verify` of each such code, run again, come out the same.

    Returns the digests of the cells that were run again. Raises ClickException where one comes out otherwise,
    or where there are such cells and nothing is to be verified.
    """
    cells = tables["cells"][tables["cells"].inputs != digest(inputs)]
    if cells.empty:
        return frozenset()
    if verify is None:
        raise click.ClickException(
            f"{file.stem}: {len(cells)} cells come from other code or versions: add --verify N to run N of "
            "them again and trust the others if those come out alike, or move the result away to run all"
        )
    chosen = cells.sample(frac=1, random_state=0).groupby("inputs").head(verify)
    others = frozenset(cell.digest for cell in read_grid(file, size).cells) - set(chosen.cell)
    with tempfile.TemporaryDirectory() as scratch:
        folder, _ = run_grid(file, size=size, out=Path(scratch) / "again", done=others)
        again = condensed(read_tables(folder))
    axes = [name for name in cells.columns[: cells.columns.get_loc("cell")] if name in again["cells"]]
    for name in ("ended", "summary"):
        if name not in tables:
            continue
        one, two = (_of_cells(each[name], chosen[axes]) for each in (tables, again))
        shared = [column for column in one if column in two]
        rows = (each[shared].reset_index(drop=True) for each in (one, two))
        try:
            pd.testing.assert_frame_equal(*rows, check_dtype=False, check_exact=True)
        except AssertionError:
            raise click.ClickException(
                f"{file.stem}: {name} of {len(chosen)} cells run again must be as kept, and differs: move "
                "the result away to run all of them again"
            ) from None
    return frozenset(chosen.cell)


def _of_cells(table: pd.DataFrame, axes: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table that have the axes of some cells, in a fixed order."""
    order = [*axes.columns, *(name for name in ("variant", "length") if name in table)]
    return table.merge(axes.drop_duplicates(), on=list(axes.columns)).sort_values(order)


def joined(before: Tables | None, now: Tables, every: Grid) -> Tables:
    """The tables of the cells that were kept before and of those that are finished now.

    Raises ClickException where the grid no longer has a cell that was kept: its rows would be lost.
    """
    if "cells" in now:
        now = dict(now) | {"cells": now["cells"][now["cells"].finished.astype(bool)]}
    if before is None:
        return now
    gone = set(before["cells"].cell) - {cell.digest for cell in every.cells}
    if gone:
        raise click.ClickException(
            f"{every.name}: must hold the {len(gone)} cells that were kept: move the kept result away"
        )
    names = dict.fromkeys((*before, *now))
    parts = {name: [each[name] for each in (before, now) if name in each] for name in names}
    return {name: pd.concat(each, ignore_index=True) for name, each in parts.items()}


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
        trained.attention_entropy,
        trained.byte_models,
        trained.converted,
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
@click.option("--finished", is_flag=True, default=None, help="Of a grid: run nothing, keep what is finished.")
@click.option(
    "--verify",
    type=click.IntRange(1),
    help="Of a grid: trust cells of an earlier code if N come out the same.",
)
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
