"""What measuring costs: wall time and peak memory of a measured pass over those of a bare one.

    python benchmarks/measure_overhead.py [LENGTH] [ROUNDS]

Both run the packaged model on the same tokens in this process, in turns, and compute the loss by position.
The ratio of times is that of the fastest rounds. Peak memory is the process's, weights included, which
Linux counts anew for each pass; it is taken in a round of its own, in which glibc gives every large block
back when it is freed. As it starts out, glibc keeps freed blocks in amounts that differ by hundreds of MiB
from one bare pass to the next. The second line is that of a model of half the layers.
"""

import ctypes
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

M_MMAP_THRESHOLD = -3  # of glibc's malloc.h
MMAP_THRESHOLD = 128 * 1024  # bytes, where glibc's own threshold starts before it grows with what is freed


def bare(network, tokens):
    """A pass that only computes the loss."""
    with torch.inference_mode():
        outputs = network.get_decoder()(tokens[None], use_cache=False)
        loss_by_position(network, outputs, tokens)


def measured(network, tokens):
    """The same pass, measured."""
    measure_pass(network, tokens, [len(tokens)], UNCHANGED, tqdm(disable=True))


def seconds(run, *arguments):
    """Wall time of one run."""
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start


def peak(run, *arguments):
    """The process's peak resident memory during one run, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is resident now
    run(*arguments)
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def give_back_freed_blocks():
    """From here on, give large blocks back to the system when they are freed, and those free now at once."""
    glibc = ctypes.CDLL(None)
    if not glibc.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD):
        raise OSError(f"glibc must take a threshold of {MMAP_THRESHOLD} bytes, but refused it")
    glibc.malloc_trim(0)


def in_turns(figure, network, tokens, rounds):
    """The least `figure` of a bare and of a measured pass, over several rounds."""
    found = [[figure(run, network, tokens) for run in (bare, measured)] for _ in range(rounds)]
    return [min(each) for each in zip(*found, strict=True)]


def main(length=8_192, rounds=3):
    model = load_model()
    tokens = tokenize(model, reference_text(), length)
    layers = model.network.model.layers
    sizes = (len(layers), len(layers) // 2)

    def of_sizes(figure, rounds):
        for count in sizes:
            model.network.model.layers = ModuleList(layers[:count])
            bare(model.network, tokens[:512])  # warm up
            yield in_turns(figure, model.network, tokens, rounds)

    times = list(of_sizes(seconds, rounds))
    give_back_freed_blocks()
    peaks = list(of_sizes(peak, 1))
    for count, (bare_time, time_), (bare_peak, peak_) in zip(sizes, times, peaks, strict=True):
        print(
            f"{length:,} tokens, {count} layers: {time_ / bare_time:.3f} times the wall time, "
            f"{peak_ / bare_peak:.3f} times the peak memory ({bare_peak:,.0f} → {peak_:,.0f} MiB)"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
