"""What measuring costs: wall time and peak memory of a measured pass over those of a bare one.

    python benchmarks/measure_overhead.py [LENGTH] [ROUNDS]

Both run the packaged model on the same tokens in this process, in turns, and compute the loss by position.
The ratio of times is that of the fastest rounds. Peak memory is the process's, weights included, which
Linux counts anew for each pass. The second line is that of a model of half the layers.
"""

import sys
import time
from pathlib import Path

import torch
from torch.nn import ModuleList
from tqdm import tqdm

from rope_lib.measure.interventions import UNCHANGED
from rope_lib.measure.load import load_model, tokenize
from rope_lib.measure.losses import loss_by_position
from rope_lib.measure.sweep import measure_pass
from rope_lib.measure.text import reference_text

MIB = 2**20


def bare(network, tokens):
    """A pass that only computes the loss."""
    with torch.inference_mode():
        outputs = network.get_decoder()(tokens[None], use_cache=False)
        loss_by_position(network, outputs, tokens)


def measured(network, tokens):
    """The same pass, measured."""
    measure_pass(network, tokens, [len(tokens)], UNCHANGED, tqdm(disable=True))


def cost(run, *arguments):
    """Seconds, and the process's peak resident memory in MiB, of one run."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is resident now
    start = time.perf_counter()
    run(*arguments)
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return seconds, int(peak.split()[1]) / 1024


def compare(network, tokens, rounds):
    """The least seconds and the least peak of each kind of pass, over several rounds."""
    costs = {bare: [], measured: []}
    for _ in range(rounds):
        for run, found in costs.items():
            found.append(cost(run, network, tokens))
    return {run: [min(each) for each in zip(*found, strict=True)] for run, found in costs.items()}


def main(length=8_192, rounds=3):
    model = load_model()
    tokens = tokenize(model, reference_text(), length)
    layers = model.network.model.layers
    for count in (len(layers), len(layers) // 2):
        model.network.model.layers = ModuleList(layers[:count])
        bare(model.network, tokens[:512])  # warm up
        found = compare(model.network, tokens, rounds)
        (bare_time, bare_peak), (time_, peak) = found[bare], found[measured]
        print(
            f"{length:,} tokens, {count} layers: {time_ / bare_time:.3f} times the wall time, "
            f"{peak / bare_peak:.3f} times the peak memory ({bare_peak:,.0f} → {peak:,.0f} MiB)"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
