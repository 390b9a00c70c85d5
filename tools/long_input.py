"""Measure the packaged model on sixteen times its trained length and keep the tables in `results/long_input`.

    python tools/long_input.py --device cuda

For a GPU: attention over 131,072 tokens takes a CPU hours. The model runs in two number types, so that what
rounding does to it shows beside what length does; then, in float32, under every intervention of chapter 14,
on half as many tokens, the retrofits made for that length. What is done is kept when a run is interrupted.
The text is the book's, and the standard library's docstrings where that ends, unless `--text` names a file:
one that another release of Python wrote, as `longer_text` has it there.
"""

import ast
import importlib.util
import sys
import time
from pathlib import Path

import click
import pandas as pd
import torch

from rope_lib.measure.attending import keys_repeated, trained_length
from rope_lib.measure.interventions import UNCHANGED, interventions, key_centers
from rope_lib.measure.load import load_model, tokenize
from rope_lib.measure.losses import loss_by_position
from rope_lib.measure.store import identity
from rope_lib.measure.sweep import measure, measured
from rope_lib.measure.tables import CENTER_TOKENS, trial_tables
from rope_lib.measure.text import reference_text, text_sha256
from rope_lib.runs.store import circumstances, save_tables

LENGTHS = [2**power for power in range(9, 18)]
DTYPES = ("float32", "bfloat16")
RESULTS = Path(__file__).resolve().parent.parent / "results" / "long_input"
GIB = 2**30


def longer_text():
    """The book's text, and after it the docstrings of the standard library's modules, by name."""
    specs = (importlib.util.find_spec(name) for name in sorted(sys.stdlib_module_names))
    sources = [Path(spec.origin) for spec in specs if spec and spec.has_location]
    docstrings = (ast.get_docstring(ast.parse(file.read_bytes())) for file in sources if file.suffix == ".py")
    return "\n".join([reference_text(), *filter(None, docstrings)])


def bare(model, tokens):
    """A pass that only computes the loss."""
    with torch.inference_mode(), keys_repeated(model.network):
        outputs = model.network.get_decoder()(tokens[None].to(model.network.device), use_cache=False)
        loss_by_position(model.network, outputs, tokens)


def costs(model, run, *arguments):
    """What `run` returns, and a table of one row: its wall time and the most memory that a GPU lent it."""
    cuda = model.device.startswith("cuda")
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    result = run(model, *arguments)  # ends with numbers on the CPU: nothing is left running
    seconds = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated() / GIB if cuda else float("nan")
    return result, pd.DataFrame({"seconds": [seconds], "peak_gib": [peak]})


def save(tables, about):
    """What there is so far."""
    save_tables(RESULTS, {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}, about)
    print({name: len(parts) for name, parts in tables.items()}, flush=True)


@click.command(help=__doc__.partition("\n\n")[0])
@click.option("--device", default="cuda", show_default=True)
@click.option("--text", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(device, file):
    text = longer_text() if file is None else file.read_text(encoding="utf-8")
    tables = {}

    def add(name, table, **where):
        for column, value in reversed(where.items()):
            table.insert(0, column, value)
        tables.setdefault(name, []).append(table)

    def add_trial(sweep, **where):
        for name, table in trial_tables(sweep).items():
            add(name, table, **where)

    def add_costs(run, model, tokens, *arguments):
        result, table = costs(model, run, tokens, *arguments)
        add("costs", table, dtype=model.dtype, length=len(tokens), run=run.__name__)
        return result

    for dtype in DTYPES:
        model = load_model(device=device, dtype=dtype)
        tokens = tokenize(model, text, max(LENGTHS))
        about = {
            "command": f"python tools/long_input.py --device {device}" + (" --text FILE" if file else ""),
            "inputs": identity(model, tokens, lengths=LENGTHS) | {"dtype": ", ".join(DTYPES)},
            "text_sha256": text_sha256(text),
        }
        measure(model, tokens, LENGTHS[:1])  # warm up
        for length in (8_192, max(LENGTHS)):
            add_costs(bare, model, tokens[:length])
        add_costs(measure, model, tokens[:8_192], [8_192])
        add_trial(add_costs(measure, model, tokens, LENGTHS), dtype=dtype, intervention=UNCHANGED.name)
        save(tables, circumstances() | about)
    model = load_model(device=device, dtype=DTYPES[0])
    centers = key_centers(model, tokens[:CENTER_TOKENS])
    lengths = LENGTHS[:-1]
    for intervention in interventions(model, centers, max(lengths) // trained_length(model.network)):
        if intervention is not UNCHANGED:
            sweep = measured(model, tokens, lengths, intervention=intervention)
            add_trial(sweep, dtype=model.dtype, intervention=intervention.name)
            save(tables, circumstances() | about)


if __name__ == "__main__":
    main()
