"""Results of the packaged model: interventions, the same tokens in two contexts, long inputs."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from rope_lib.findings.same_tokens import copies
from rope_lib.measure.text import longer_text, reference_text, text_sha256

from . import kept

# Modules that load torch are imported where they are used: listing results and running a grid need none.
if TYPE_CHECKING:
    from torch import Tensor

    from rope_lib.measure.load import LanguageModel

INTERVENTION_LENGTHS = [8_192, 10_240, 12_288, 16_384]
LONG_LENGTHS = [2**power for power in range(9, 18)]
SAME_TOKENS = 512  # at the end of each window of `same_tokens`
TIMED_LENGTH = 8_192  # of the shorter of two inputs whose cost is measured
DTYPES = ("float32", "bfloat16")


def interventions() -> None:
    """Try every intervention on the packaged model: over an hour on two cores.

    Each intervention is a pass over 16,384 tokens.
    """
    from rope_lib.measure.load import load_model, tokenize
    from rope_lib.measure.store import identity
    from rope_lib.measure.trials import try_interventions

    text = reference_text()
    model = load_model()
    tokens = tokenize(model, text, max(INTERVENTION_LENGTHS))
    tables = try_interventions(model, tokens, INTERVENTION_LENGTHS)
    inputs = identity([try_interventions.__module__], model, tokens, lengths=INTERVENTION_LENGTHS)
    about = {"inputs": inputs, "text_sha256": text_sha256(text)}
    kept.keep("interventions", tables, command="interventions", about=about)


def same_tokens() -> None:
    """Read stretches of the text with less before them, with the packaged model: ten minutes on two cores.

    Up to its declared length in a quarter of that context, which shows what the text owes to copies of itself
    far back; beyond, in a context of the declared length, which is the control for the length.
    """
    from rope_lib.measure.load import load_model, tokenize
    from rope_lib.measure.same_tokens import same_tokens as measure_same_tokens
    from rope_lib.measure.store import identity
    from rope_lib.measure.tables import LOSS_BIN

    text = reference_text()
    model = load_model()
    tokens = tokenize(model, text, max(INTERVENTION_LENGTHS))
    declared = INTERVENTION_LENGTHS[0]
    ends = range(declared // 2 + SAME_TOKENS, 2 * declared, SAME_TOKENS)
    windows = [(declared // 4, end) for end in ends if end <= declared + SAME_TOKENS]
    windows += [(declared, end) for end in ends if declared < end <= 12_288 and end != 11_776]
    tables = {
        "losses": measure_same_tokens(model, tokens, windows, last=SAME_TOKENS),
        "copies": copies(tokens, LOSS_BIN),
    }
    about = {
        "inputs": identity([measure_same_tokens.__module__], model, tokens, windows=windows),
        "text_sha256": text_sha256(text),
    }
    kept.keep("same_tokens", tables, command="same_tokens", about=about)


def long_input(*, device: str = "cuda", text: Path | None = None) -> None:
    """Measure the packaged model on sixteen times its trained length: for a GPU.

    On a CPU, attention over 131,072 tokens takes hours. The model runs in two number types, which separates
    the effect of rounding from that of length; then, in float32, under every intervention of chapter 14, on
    half as many tokens, with the retrofits made for that length. The text is `longer_text()` unless a file is
    given, such as one that another release of Python wrote. Each step keeps what is finished.
    """
    from rope_lib.measure.attending import trained_length
    from rope_lib.measure.interventions import UNCHANGED, key_centers
    from rope_lib.measure.interventions import interventions as every_intervention
    from rope_lib.measure.load import load_model, tokenize
    from rope_lib.measure.store import identity
    from rope_lib.measure.sweep import measure, measured
    from rope_lib.measure.tables import CENTER_TOKENS, trial_tables

    words = longer_text() if text is None else text.read_text(encoding="utf-8")
    parts: dict[str, list[pd.DataFrame]] = {}

    def add(name, table, **where):
        for column, value in reversed(where.items()):
            table.insert(0, column, value)
        parts.setdefault(name, []).append(table)

    def add_trial(sweep, **where):
        for name, table in trial_tables(sweep).items():
            add(name, table, **where)

    def add_costs(run, model, tokens, *arguments):
        result, table = costs(model, run, tokens, *arguments)
        add("costs", table, dtype=model.dtype, length=len(tokens), run=run.__name__)
        return result

    def keep_so_far():
        tables = {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}
        command = f"long_input --device {device}" + (" --text FILE" if text else "")
        kept.keep("long_input", tables, command=command, about=about)

    for dtype in DTYPES:
        model = load_model(device=device, dtype=dtype)
        tokens = tokenize(model, words, max(LONG_LENGTHS))
        about = {
            "inputs": identity([every_intervention.__module__], model, tokens, lengths=LONG_LENGTHS)
            | {"dtype": ", ".join(DTYPES)},
            "text_sha256": text_sha256(words),
        }
        measure(model, tokens, LONG_LENGTHS[:1])  # warm up
        for length in (TIMED_LENGTH, max(LONG_LENGTHS)):
            add_costs(bare, model, tokens[:length])
        add_costs(measure, model, tokens[:TIMED_LENGTH], [TIMED_LENGTH])
        add_trial(add_costs(measure, model, tokens, LONG_LENGTHS), dtype=dtype, intervention=UNCHANGED.name)
        keep_so_far()
    model = load_model(device=device, dtype=DTYPES[0])
    centers = key_centers(model, tokens[:CENTER_TOKENS])
    lengths = LONG_LENGTHS[:-1]
    for intervention in every_intervention(model, centers, max(lengths) // trained_length(model.network)):
        if intervention is not UNCHANGED:
            sweep = measured(model, tokens, lengths, intervention=intervention)
            add_trial(sweep, dtype=model.dtype, intervention=intervention.name)
            keep_so_far()


def bare(model: "LanguageModel", tokens: "Tensor") -> None:
    """A forward pass that computes the loss and nothing else."""
    import torch

    from rope_lib.measure.attending import keys_repeated
    from rope_lib.measure.losses import loss_by_position

    with torch.inference_mode(), keys_repeated(model.network):
        outputs = model.network.get_decoder()(tokens[None].to(model.network.device), use_cache=False)
        loss_by_position(model.network, outputs, tokens)


def costs(model: "LanguageModel", run: Callable, *arguments: Any) -> tuple[Any, pd.DataFrame]:
    """What `run(model, *arguments)` returns, and a table of one row: its `seconds`, and `peak_gib` on a GPU.

    `run` must end with its numbers on the CPU, so that nothing is still running when the clock stops.
    """
    import torch

    cuda = model.device.startswith("cuda")
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    result = run(model, *arguments)
    seconds = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated() / 2**30 if cuda else float("nan")
    return result, pd.DataFrame({"seconds": [seconds], "peak_gib": [peak]})
