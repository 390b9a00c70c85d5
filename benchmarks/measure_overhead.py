"""What measuring costs: wall time and peak memory of a measured pass over those of a bare one.

    python benchmarks/measure_overhead.py [LENGTH] [ROUNDS]

Both run the packaged model on the same tokens in this process and compute the loss by position.

Wall time, first: in each pass every other layer is measured, by turns, so that a busy machine slows measured
and bare layers alike. What the median measured layer takes longer than the median bare one, for each layer,
and what a pass does once, the probe before and the tables after, is divided by a bare pass. Second, as a
check: whole passes, in turns, by their medians; on a machine that others share it varies by several percent.

Peak memory is what tensors hold, the weights included, by torch's own account of a round apart: what the
process holds beside them is freed blocks that glibc keeps, by hundreds of MiB more in one bare pass than in
the next. It is also given for half of the layers, since it must not grow with their number.
"""

import sys
import time
from itertools import accumulate
from statistics import median

import numpy as np
import torch
from torch.nn import ModuleList
from torch.profiler import ProfilerActivity, profile
from tqdm import tqdm

from rope_lib.measure.intercept import captured
from rope_lib.measure.interventions import UNCHANGED
from rope_lib.measure.load import load_model, tokenize
from rope_lib.measure.losses import loss_by_position
from rope_lib.measure.sweep import Reducer, measure_pass
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


def by_turns(network, tokens, rounds):
    """Wall times of bare layers, of measured layers, and of what a measured pass does once, in seconds."""
    layers, ticks, times = network.model.layers, [], ([], [], [])

    def tick(*_):
        ticks.append(time.perf_counter())

    # The last module that runs a tick is the one after the layers.
    hooks = [module.register_forward_pre_hook(tick) for module in (*layers, network.model.norm)]
    for turn in range(rounds):
        reduce = Reducer([len(tokens)], UNCHANGED, tqdm(disable=True))

        def visit(vectors, reduce=reduce, turn=turn):
            if vectors.layer % 2 == turn % 2:
                reduce(vectors)

        with torch.inference_mode():
            start = time.perf_counter()
            with captured(network, visit):
                once = time.perf_counter() - start
                ticks.clear()
                network.get_decoder()(tokens[None], use_cache=False)
            once += 2 * seconds(reduce.tables)  # half of the layers are in them
        for layer, duration in enumerate(np.diff(ticks)):
            times[layer % 2 == turn % 2].append(duration)
        times[2].append(once)
    for hook in hooks:
        hook.remove()
    return times


def peak(run, network, tokens):
    """The most that tensors hold at any moment of one run, the network's weights included, in MiB."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        run(network, tokens)
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    weights = sum(weight.nbytes for weight in network.parameters())
    return (weights + max(accumulate(event.nbytes() for event in events))) / MIB


def main(length=8_192, rounds=4):
    model = load_model()
    network, tokens = model.network, tokenize(model, reference_text(), length)
    layers = network.model.layers
    bare(network, tokens[:512])  # warm up
    alone, together, once = map(median, by_turns(network, tokens, rounds))
    passes = [[seconds(run, network, tokens) for run in (bare, measured)] for _ in range(rounds)]
    bare_pass, measured_pass = map(median, zip(*passes, strict=True))
    extra = len(layers) * (together - alone) + once
    print(
        f"{length:,} tokens: {1 + extra / bare_pass:.3f} times the wall time, "
        f"{1e3 * (together - alone):.0f} ms beside the {1e3 * alone:.0f} of a layer and "
        f"{1e3 * once:.0f} once; {measured_pass / bare_pass:.3f} by whole passes"
    )
    for count in (len(layers), len(layers) // 2):
        network.model.layers = ModuleList(layers[:count])
        bare_peak, measured_peak = (peak(run, network, tokens) for run in (bare, measured))
        print(
            f"{length:,} tokens, {count} layers: {measured_peak / bare_peak:.3f} times the peak memory "
            f"({bare_peak:,.0f} → {measured_peak:,.0f} MiB)"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
