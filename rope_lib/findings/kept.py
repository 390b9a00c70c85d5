"""Results of runs too long for a build, kept in the folder `results` with their provenance."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from rope_lib.runs.store import read_provenance, read_tables

Json: TypeAlias = Any  # what JSON can hold: numbers, strings, lists, dicts
Tables: TypeAlias = Mapping[str, pd.DataFrame]  # kept tables by name
Provenance: TypeAlias = Mapping[str, Json]  # where kept tables come from

# In a checkout a symbolic link to the repository's folder `results`; a wheel carries the files.
RESULTS = Path(__file__).resolve().parent.parent / "results"


def kept(name: str) -> tuple[dict[str, pd.DataFrame], dict[str, Json]]:
    """The tables of the folder `results/name`, by name, and their provenance, a dict.

    Raises FileNotFoundError if there is no such result, and ValueError for one that is damaged.

    >>> tables, provenance = kept("interventions")
    >>> sorted(tables), provenance["command"]
    (['keys', 'losses', 'pairs'], 'python tools/interventions.py')
    """
    folder = RESULTS / name
    return read_tables(folder), read_provenance(folder)


def described(provenance: Provenance) -> str:
    """One line on where a kept result comes from: the command, the machine, the day.

    >>> described(kept("interventions")[1]).partition(",")[0]
    'python tools/interventions.py'
    """
    on = provenance["accelerator"] or provenance["processor"]
    return f"{provenance['command']}, on {on}, {provenance['utc'][:10]}"
