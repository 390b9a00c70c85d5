"""What the cells of tests/runs/test_grids.py compute. Workers import this, so that it needs no pytest."""

import os
import time
from pathlib import Path

import pandas as pd
from distributed import get_worker


def compute(values, scratch):
    """Note the start in a file that all tries share, then do what `values` ask for."""
    folder = scratch.parents[2]
    first = not (scratch / "begun").exists()
    with open(folder / "log", "a") as log:
        log.write(f"{values['x']} {os.getpid()}\n")
    (scratch / "begun").touch()
    print("said", values["x"])
    match values.get("act"):
        case "hang" if first:
            time.sleep(600)
        case "raise":
            raise RuntimeError("two\nlines")
        case "exit":
            raise SystemExit("gave up")
        case "die":
            time.sleep(0.1)  # let the cells beside it begin
            os._exit(1)
        case "no table":
            return {"t": [1]}
        case "wait":
            wait_for((folder / "go").exists)
    time.sleep(values.get("seconds", 0))
    devices, threads = os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ["OMP_NUM_THREADS"]
    seen = {"worker": get_worker().name, "devices": devices, "threads": threads, "resumed": not first}
    return {"seen": pd.DataFrame([seen]), "squares": pd.DataFrame({"n": [1, 2], "y": [values["x"] ** 2] * 2})}


def wait_for(found):
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline, "waited a minute in vain"
        time.sleep(0.02)


def log(folder):
    """The starts so far, as pairs of a cell's x and a process."""
    path = Path(folder) / "log"
    lines = path.read_text().splitlines() if path.exists() else []
    return [tuple(int(word) for word in line.split()) for line in lines]
