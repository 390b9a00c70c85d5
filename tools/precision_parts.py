"""Round only some pairs of experiment 2's models, or open gaps in positions: `results/precision_parts`.

    python tools/precision_parts.py

Trains the models of `experiments/precision.toml` again, some ten minutes of one core. Interrupted, it goes on
where it was: checkpoints lie in `rope-sweep-precision-parts`.
"""

from pathlib import Path

import pandas as pd

from rope_lib.runs.experiments import KINDS
from rope_lib.runs.grid import read_grid
from rope_lib.runs.store import circumstances, save_tables
from rope_lib.train.loop import train
from rope_lib.train.rounding import first_step, plain, rounded_in_parts, with_gaps

ROOT = Path(__file__).resolve().parent.parent
GRID = ROOT / "experiments" / "precision.toml"
RESULTS = ROOT / "results" / "precision_parts"
CHECKPOINTS = Path("rope-sweep-precision-parts")

SETTINGS = (("float32", 10**9), ("bfloat16", 60_000), ("bfloat16", 10**6))
COUNTS = range(0, 17, 2)  # of 16 pairs
GAPS = (0, 32, 64, 128, 256, 512, 1024)


def main():
    cells = read_grid(GRID).cells
    tables = {"pairs": [], "gaps": []}
    for number, cell in enumerate(cells, 1):
        config = plain(cell.values)
        folder = CHECKPOINTS / config.digest
        folder.mkdir(parents=True, exist_ok=True)
        model, _ = train(config, folder)
        start = first_step("bfloat16", 60_000, config.evaluation.lengths[0])
        found = {
            "pairs": rounded_in_parts(config, model, SETTINGS, COUNTS),
            "gaps": with_gaps(config, model, GAPS, start),
        }
        for name, table in found.items():
            tables[name].append(table.assign(base=config.spectrum.base, seed=config.seed))
        print(f"{number} of {len(cells)}: {cell}", flush=True)
    joined = {name: pd.concat(each, ignore_index=True) for name, each in tables.items()}
    about = {
        "command": "python tools/precision_parts.py",
        "inputs": {"grid": GRID.read_text(encoding="utf-8"), **KINDS["train"].inputs()},
    }
    save_tables(RESULTS, joined, circumstances() | about)
    print(f"{RESULTS}: {', '.join(f'{name} ({len(table):,} rows)' for name, table in joined.items())}")


if __name__ == "__main__":
    main()
