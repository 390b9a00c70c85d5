"""Run the grids of `experiments` and keep what they found in `results/<name>`.

    python tools/experiments.py                # every grid, one after the other
    python tools/experiments.py spectra --workers 2

Each cell of a default size takes about a minute of one core. A run that was stopped goes on where it was:
finished cells lie in `rope-sweep-<name>`. What is kept is small: answers by octave of their distance.
"""

import argparse
from pathlib import Path

from rope_lib.findings.spectra import condensed
from rope_lib.runs.experiments import run_grid
from rope_lib.runs.store import circumstances, read_provenance, read_tables, save_tables

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("spectra", "ablations", "precision", "which_bound", "which_bound_longer", "better", "next_byte")


def keep(name, size, workers, scheduler):
    """Run what is missing of one grid and keep its tables; SystemExit where a cell failed."""
    folder, swept = run_grid(
        ROOT / "experiments" / f"{name}.toml", size=size, workers=workers, scheduler=scheduler
    )
    if swept.failed:
        raise SystemExit(f"{name}: {len(swept.failed)} cells failed, nothing is kept")
    made = read_provenance(folder)
    tables = condensed(read_tables(folder))
    processors = sorted(set(tables["cells"].processor))
    about = {
        "command": f"python tools/experiments.py {name}" + (f" --size {size}" if size != "default" else ""),
        "inputs": made["inputs"],
        "cells": made["cells"],
        "processor": ", ".join(processors),
    }
    out = ROOT / "results" / (name if size == "default" else f"{name}_{size}")
    save_tables(out, tables, circumstances() | about)
    print(f"{out}: {', '.join(f'{each} ({len(table):,} rows)' for each, table in tables.items())}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], default=[], metavar="NAME")
    parser.add_argument("--size", default="default")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--scheduler")
    options = parser.parse_args()
    for name in options.names or NAMES:
        keep(name, options.size, options.workers, options.scheduler)


if __name__ == "__main__":
    main()
