"""Compute the base that Men et al. demand for every context and rotary size that the atlas declares.

    python tools/men_bounds.py [--all]

Adds the rows that `rope_lib/models/men_bounds.csv` lacks, or with `--all` computes every row afresh. A row
takes from milliseconds to minutes; one that takes longer than LIMIT is left out and reported.
"""

import argparse
import csv
import multiprocessing
import sys
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal, localcontext
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rope_lib.models.atlas import AtlasModel, atlas  # noqa: E402
from rope_lib.theory.rivals import men_minimum_base  # noqa: E402

TABLE = ROOT / "rope_lib" / "models" / "men_bounds.csv"
COLUMNS = ("context", "head_dim", "base")
LIMIT = 600  # seconds for one row
POWERS_OF_TWO = [(2**exponent, head_dim) for exponent in range(10, 21) for head_dim in (64, 128)]

Place = tuple[int, int]  # context and head_dim


def needed(models: Iterable[AtlasModel]) -> set[Place]:
    """`{(context, rotary_dim)}` of the spectra in which every pair rotates, at the models' own contexts."""
    return {
        (min(model.declared_context, rotary.window or model.declared_context), rotary.rotary_dim)
        for model in models
        if model.declared_context is not None
        for rotary in model.rotaries
        if rotary.scaling["type"] != "proportional"
    }


def written(base: float) -> str:
    """A base as the table writes it: 10 significant digits, rounded up, so that it passes as well.

    >>> written(4293.437567003)
    '4293.437568'
    """
    with localcontext(prec=10, rounding=ROUND_CEILING):
        return f"{+Decimal(base):f}"


def read(table: Path) -> dict[Place, str]:
    """`{(context, head_dim): base as written}`, empty if there is no table yet."""
    if not table.exists():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        return {(int(row["context"]), int(row["head_dim"])): row["base"] for row in csv.DictReader(file)}


def write(table: Path, rows: Mapping[Place, str]) -> None:
    """Write the rows, ordered by context and then by head_dim."""
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((*key, rows[key]) for key in sorted(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description="Fill the table of Men et al.'s bases.")
    parser.add_argument("--all", action="store_true", help="compute every row afresh")
    known = {} if parser.parse_args().all else read(TABLE)
    wanted = needed(atlas()) | set(POWERS_OF_TWO)
    rows = {key: known[key] for key in wanted & known.keys()}
    for context, head_dim in sorted(wanted - known.keys(), key=lambda key: (key[1], key[0])):
        with multiprocessing.Pool(1) as pool:  # a process of its own, which a timeout can end
            try:
                base = pool.apply_async(men_minimum_base, (context, head_dim)).get(LIMIT)
            except (multiprocessing.TimeoutError, ValueError, ArithmeticError) as error:
                why = str(error) or f"no base within {LIMIT} s"
                print(f"{context},{head_dim} left out: {why}", file=sys.stderr)
                continue
        rows[context, head_dim] = written(base)
        write(TABLE, rows)
    write(TABLE, rows)


if __name__ == "__main__":
    main()
