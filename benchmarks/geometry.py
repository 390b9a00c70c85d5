"""What it costs to measure the queries and keys of a real model, beside other ways to see them.

    python benchmarks/geometry.py    (after `make peers`)

Each contestant is a process of its own, which waits for its turn. All of them run the packaged model on the
same tokens, under the same limit of memory, and compute the loss of every token.

Since a busy machine varies by more than `measure` adds, that is also measured a second way: within one pass
every other layer is measured, by turns, and the others are bare.
"""

import ctypes
import multiprocessing
import os
import resource
import time
from pathlib import Path
from statistics import median

from harness import ROUNDS, add_peers, keep  # before numpy: it sets the number of threads

# isort: split
import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from rope_lib.measure.converted import dequantized
from rope_lib.measure.intercept import captured
from rope_lib.measure.interventions import UNCHANGED
from rope_lib.measure.load import load_model, packaged_model, tokenize
from rope_lib.measure.losses import loss_by_position
from rope_lib.measure.sweep import Reducer, measure_pass
from rope_lib.measure.text import reference_text
from rope_lib.runs.mark import file_sha256

MEMORY = 8 * 2**30  # what a process may allocate, in bytes
LAYERS_AT = {1_024: 4, 2_048: 2, 4_096: 2, 8_192: 1}  # tokens, and how many passes


def forward(network, tokens, **options):
    """A pass and the loss of every token."""
    with torch.inference_mode():
        outputs = network.get_decoder()(tokens[None], use_cache=False, **options)
        loss_by_position(network, outputs, tokens)
    return outputs


# Each contestant takes a `LanguageModel` and returns what runs it on tokens `(length,)`. What a run returns
# is what its user would hold, so it counts as memory.


def bare(model):
    return lambda tokens: forward(model.network, tokens)


def measured(model):
    quiet = tqdm(disable=True)
    return lambda tokens: measure_pass(model.network, tokens, [len(tokens)], UNCHANGED, quiet)


def hooked(model, reduce=lambda vectors: vectors):
    """What hooks on the projections see: queries and keys before the rotation, `(length, channels)` each."""
    seen = []
    for layer in model.network.model.layers:
        for module in (layer.self_attn.q_proj, layer.self_attn.k_proj):
            module.register_forward_hook(lambda module, inputs, output: seen.append(reduce(output[0])))

    def run(tokens):
        seen.clear()
        forward(model.network, tokens)
        return seen

    return run


def hooked_and_reduced(model):
    """The same hooks, and the singular values of every head: one of the numbers that `measure` returns."""
    head_dim = model.network.config.head_dim

    def singular_values(vectors):
        return torch.linalg.svdvals(vectors.unflatten(-1, (-1, head_dim)).transpose(0, 1))

    return hooked(model, singular_values)


def attentions(model):
    model.network.set_attn_implementation("eager")
    return lambda tokens: forward(model.network, tokens, output_attentions=True)


def transformer_lens(model, names=None):
    from transformer_lens.model_bridge import TransformerBridge

    gguf = packaged_model()
    folder = dequantized(gguf, file_sha256(gguf))
    bridge = TransformerBridge.boot_transformers(str(folder), dtype=torch.float32, device="cpu")

    def run(tokens):
        with torch.inference_mode():
            return bridge.run_with_cache(tokens[None], names_filter=names)

    return run


def transformer_lens_rotated(model):
    return transformer_lens(model, lambda name: name.endswith(("attn.hook_rot_q", "attn.hook_rot_k")))


def rope_profiler(model):
    from rope_profiler import RoPEMonitor

    monitor = RoPEMonitor(model.network)

    def run(tokens):
        with monitor.evaluation(), monitor.batch(input_ids=tokens[None]):
            forward(model.network, tokens)
        return monitor.last_metrics

    return run


def attnread(model):
    from attnread import extract_attention

    heads = [(0, head) for head in range(model.network.config.num_attention_heads)]
    return lambda tokens: extract_attention(model.network, {"input_ids": tokens[None]}, heads)


BARE, MEASURE = "bare pass", "rope_lib: measure"
ATTENTIONS = "transformers: output_attentions"
ATTNREAD = "attnread: attention of one layer, times 30"
CONTESTANTS = {
    BARE: bare,
    MEASURE: measured,
    "rope-profiler: two scores": rope_profiler,
    "hooks that keep queries and keys": hooked,
    "hooks, then singular values": hooked_and_reduced,
    "TransformerLens: queries and keys": transformer_lens_rotated,
    "TransformerLens: everything": transformer_lens,
    ATTENTIONS: attentions,
    ATTNREAD: attnread,
}
SCALE = {ATTNREAD: 30}
ALL_BUT_ATTNREAD = [name for name in CONTESTANTS if name != ATTNREAD]
# attnread takes a pass for every 64 tokens and layer: a short input has to do.
TIMED_AT = {1_024: ALL_BUT_ATTNREAD, 256: [BARE, ATTNREAD]}
# Peaks need no rounds.
PEAKS_AT = {2_048: ALL_BUT_ATTNREAD, 4_096: [BARE, MEASURE, ATTENTIONS]}


class Worker:
    """A contestant in a process of its own, forked from this one with the model in it."""

    def __init__(self, name, model, tokens):
        forked = multiprocessing.get_context("fork")
        self._pipe, theirs = forked.Pipe()
        self._process = forked.Process(target=serve, args=(name, model, tokens, theirs))
        self._process.start()
        theirs.close()

    def run(self, length):
        """What `cost` says of a run, or a dict with an error."""
        try:
            self._pipe.send(length)
            return self._pipe.recv()
        except (EOFError, BrokenPipeError):
            self._process.join()
            return {"error": f"ended with status {self._process.exitcode}"}

    def stop(self):
        if self._process.is_alive():
            self._pipe.send(None)
        self._process.join()


def serve(name, model, tokens, pipe):
    """Run a contestant on as many tokens as the pipe says, until it says none."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    add_peers()
    run = CONTESTANTS[name](model)
    run(tokens[:64])
    while length := pipe.recv():
        try:
            pipe.send(cost(lambda length=length: run(tokens[:length])))
        except (RuntimeError, MemoryError) as error:
            pipe.send({"error": str(error).strip().splitlines()[0]})


def cost(run):
    """Seconds and the most memory that this process held during a run, in bytes."""
    ctypes.CDLL(None).malloc_trim(0)  # give back what earlier runs freed
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak counts
    cpu, wall = time.process_time(), time.perf_counter()
    held = run()
    spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    del held
    status = Path("/proc/self/status").read_text().split()
    return spent | {"peak": 1024 * int(status[status.index("VmHWM:") + 1])}


def side_by_side(model, tokens):
    """Rows of times, as `harness.by_turns` gives them, and of peaks: contestant, length, bytes, error."""
    runs, peaks = [], []
    workers = {name: Worker(name, model, tokens) for name in CONTESTANTS}
    for length, names in TIMED_AT.items():
        answers = {name: [] for name in names}
        for number in range(1, ROUNDS + 1):
            for name in names:
                answers[name].append(workers[name].run(length))
                print(length, number, name, answers[name][-1], flush=True)
        for name, costs in answers.items():
            scale = SCALE.get(name, 1.0)
            times = [(number, each["cpu"], each["wall"], scale) for number, each in enumerate(costs, 1)]
            runs += [(f"{length:,} tokens", name, *row) for row in times]
            peaks.append((name, length, median(each["peak"] for each in costs), ""))
    for length, names in PEAKS_AT.items():
        for name in names:
            answer = workers[name].run(length)
            print(length, name, answer, flush=True)
            peaks.append((name, length, answer.get("peak", np.nan), answer.get("error", "")))
    for worker in workers.values():
        worker.stop()
    columns = ["task", "contestant", "round", "cpu", "wall", "scale"]
    return (
        pd.DataFrame(runs, columns=columns),
        pd.DataFrame(peaks, columns=["contestant", "length", "bytes", "error"]),
    )


def layers_by_turns(model, tokens, turns):
    """CPU seconds of each layer, bare or measured by turns, and of what a pass does besides.

    Rows: length, turn, part, seconds. The parts are "bare layer", "measured layer", "once", what a measured
    pass does before and after, and "rest", what a bare pass does outside its layers.
    """
    network, length = model.network, len(tokens)
    layers, ticks, rows = network.model.layers, [], []
    now = time.process_time
    # The last module that runs a tick is the one after the layers.
    modules = (*layers, network.model.norm)
    hooks = [module.register_forward_pre_hook(lambda *_: ticks.append(now())) for module in modules]
    for turn in range(turns):
        reduce = Reducer([length], UNCHANGED, tqdm(disable=True))

        def visit(vectors, reduce=reduce, turn=turn):
            if vectors.layer % 2 == turn % 2:
                reduce(vectors)

        start = now()
        with torch.inference_mode(), captured(network, visit):
            entered = now()
            ticks.clear()
            forward(network, tokens)
        done, inside = now(), ticks[len(layers)] - ticks[0]
        reduce.tables()
        once = entered - start + 2 * (now() - done)  # half of the layers are in the tables
        for layer, seconds in enumerate(np.diff(ticks[: len(modules)])):
            part = "measured layer" if layer % 2 == turn % 2 else "bare layer"
            rows.append((length, turn, part, seconds))
        rows += [(length, turn, "once", once), (length, turn, "rest", done - entered - inside)]
    for hook in hooks:
        hook.remove()
    return pd.DataFrame(rows, columns=["length", "turn", "part", "seconds"])


def main():
    torch.set_num_threads(1)
    load = os.getloadavg()
    model = load_model()
    tokens = tokenize(model, reference_text(), max(*LAYERS_AT, *PEAKS_AT))
    runs, peaks = side_by_side(model, tokens)
    forward(model.network, tokens[:512])  # warm up
    layers = [layers_by_turns(model, tokens[:length], turns) for length, turns in LAYERS_AT.items()]
    add_peers()
    packages = ["torch", "transformers", "transformer-lens", "rope-profiler", "attnread"]
    keep("geometry", load, packages, runs=runs, peaks=peaks, layers=pd.concat(layers, ignore_index=True))


if __name__ == "__main__":
    main()
