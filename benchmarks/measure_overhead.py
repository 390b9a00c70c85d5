"""What measuring costs: wall time and peak memory of a measured pass over those of a bare one.

    python benchmarks/measure_overhead.py [LENGTH] [ROUNDS]

Both run the packaged model on the same tokens in this process, in turns, and compute the loss by position.
The ratio of times is that of the fastest rounds. Peak memory is what tensors hold, the weights included, by
torch's own account of a round apart: what the process holds beside them is freed blocks that glibc keeps, by
hundreds of MiB more in one bare pass than in the next. The second line is that of a model of half the layers.
"""

import sys
import time
from itertools import accumulate

import torch
from torch.nn import ModuleList
from torch.profiler import ProfilerActivity, profile
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


def seconds(run, *arguments):
    """Wall time of one run."""
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start


def peak(run, network, tokens):
    """The most that tensors hold at any moment of one run, the network's weights included, in MiB."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        run(network, tokens)
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    weights = sum(weight.nbytes for weight in network.parameters())
    return (weights + max(accumulate(event.nbytes() for event in events))) / MIB


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
    peaks = list(of_sizes(peak, 1))
    for count, (bare_time, time_), (bare_peak, peak_) in zip(sizes, times, peaks, strict=True):
        print(
            f"{length:,} tokens, {count} layers: {time_ / bare_time:.3f} times the wall time, "
            f"{peak_ / bare_peak:.3f} times the peak memory ({bare_peak:,.0f} → {peak_:,.0f} MiB)"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
