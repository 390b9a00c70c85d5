"""Where results are kept, and how one is written."""

from pathlib import Path
from typing import Any

import click
import pandas as pd

from rope_lib.runs.store import circumstances, save_tables

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = ROOT / "experiments"
RESULTS = ROOT / "results"


def keep(name: str, tables: dict[str, pd.DataFrame], *, command: str, about: dict[str, Any]) -> None:
    """Write the tables of a result, with `about` and the command that makes them in the provenance."""
    folder = RESULTS / name
    save_tables(folder, tables, circumstances() | {"command": f"python tools/results.py {command}"} | about)
    rows = ", ".join(f"{each} ({len(table):,} rows)" for each, table in tables.items())
    click.echo(f"{folder}: {rows}")
