"""Make results that take too long for a build of the book, and keep them in `results/NAME`.

    python tools/results.py spectra ablations --workers 2    # grids of experiments, one after the other
    python tools/results.py precision_parts                  # any other result: see --help

Every grid in `experiments` is a result of its own; the functions below make the others. An interrupted run
continues where it stopped: finished cells and checkpoints stay in `rope-sweep-NAME` in the current folder,
measurements in the user's cache folder. Nothing is kept in `results` when a cell of a grid fails.
"""

import inspect
import shutil
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pandas as pd

from rope_lib.findings.same_tokens import copies
from rope_lib.findings.spectra import condensed
from rope_lib.measure.text import longer_text, reference_text, text_sha256
from rope_lib.runs.experiments import KINDS, run_grid
from rope_lib.runs.grid import SIZES, read_grid
from rope_lib.runs.store import circumstances, read_provenance, read_tables, save_tables, stored

# Modules that load torch are imported where they are used: listing results and running a grid need none.
if TYPE_CHECKING:
    from torch import Tensor

    from rope_lib.measure.load import LanguageModel
    from rope_lib.models.spec import ModelSpec

ROOT = Path(__file__).resolve().parent.parent
EXPERIMENTS = ROOT / "experiments"
RESULTS = ROOT / "results"

INTERVENTION_LENGTHS = [8_192, 10_240, 12_288, 16_384]
LONG_LENGTHS = [2**power for power in range(9, 18)]
SAME_TOKENS = 512  # at the end of each window of `same_tokens`
# Tokens that forecasts read. The byte models also read all of a long input, as the measurement of it does.
FORECAST_TOKENS = {
    "SmolLM2-135M": (128, 1_024),
    "Gemma 3 270M": (128, 512),
    "byte RoPE": (128, 256, 4_096),
    "byte RoPE-ID": (128, 256, 4_096),
}
LONG_TEXT = "reference and docstrings"  # the text of `long_input`
TIMED_LENGTH = 8_192  # of the shorter of two inputs whose cost is measured
DTYPES = ("float32", "bfloat16")
BREAK_LENGTH = 2_048  # bytes, 8 times what the byte models were trained on
BREAK_STRETCHES = 4  # of each text
# The byte models of Part II, by their configurations in `experiments`: text_rope.toml and text_rope_id.toml.
BYTE_CONFIGS = ("rope", "rope_id")
BYTE_MODELS = ("byte RoPE", "byte RoPE-ID")
GAPS = (0, 1 / 4, 1 / 2, 1, 2, 4)  # in declared lengths
GAP_TEXTS = ("language reference", "source code", "translations")  # that the two published models read
# Of the models of Part II, in tokens: to 16 times the declared length, to twice it, or what two cores can do.
GEOMETRY_LENGTHS = {
    "byte RoPE": (64, 128, 256, 512, 1_024, 2_048, 4_096),
    "byte RoPE-ID": (64, 128, 256, 512, 1_024, 2_048, 4_096),
    "Gemma 3 270M": (512, 2_048, 8_192),
    "SmolLM2-135M": (512, 2_048, 8_192, 16_384),
}
HEAD_MODELS = ("SmolLM2-135M", "Gemma 3 270M")  # whose oscillators are weighed
HEAD_TOKENS = 2_048
KINDS_OF_LAYERS = {"full": "full layers", "sliding": "layers with a window"}


@dataclass(frozen=True)
class Read:
    """A model that `matched` reads: up to which lengths, on which of TEXTS, and what a match is.

    `order` tokens: one where a token is a word or a part of one, four where it is a byte.
    """

    model: str
    lengths: tuple[int, ...]
    texts: slice
    order: int


BYTES = (256, 512, 1_024, 2_048, 4_096)
MATCHED = (
    Read("SmolLM2-135M", (512, 2_048, 8_192, 12_288), slice(3), order=1),
    Read("SmolLM2-135M", (512, 2_048), slice(3, 6), order=1),
    Read("Gemma 3 270M", (512, 2_048), slice(6), order=1),
    Read("byte RoPE", BYTES, slice(6), order=4),
    Read("byte RoPE-ID", BYTES, slice(6), order=4),
)


def keep(name: str, tables: dict[str, pd.DataFrame], *, command: str, about: dict[str, Any]) -> None:
    """Write the tables of a result, with `about` and the command that makes them in the provenance."""
    folder = RESULTS / name
    save_tables(folder, tables, circumstances() | {"command": f"python tools/results.py {command}"} | about)
    rows = ", ".join(f"{each} ({len(table):,} rows)" for each, table in tables.items())
    click.echo(f"{folder}: {rows}")


# Grids of experiments


def grid_files() -> dict[str, Path]:
    """The files in `experiments` that hold a grid, by name; the others hold one configuration each."""
    files = sorted(EXPERIMENTS.glob("*.toml"))
    return {file.stem: file for file in files if "kind" in tomllib.loads(file.read_text(encoding="utf-8"))}


def grid(
    file: Path, *, size: str = SIZES[0], workers: int | None = None, scheduler: str | None = None
) -> None:
    """Run what is missing of a grid: about a minute on one core for each cell of the default size.

    What is kept is small: answers are summarized by octave of their distance.
    """
    folder, swept = run_grid(file, size=size, workers=workers, scheduler=scheduler)
    if swept.failed:
        raise click.ClickException(f"{file.stem}: {len(swept.failed)} cells failed, nothing is kept")
    made = read_provenance(folder)
    tables = condensed(read_tables(folder))
    about = {
        "inputs": made["inputs"],
        "cells": made["cells"],
        "processor": ", ".join(sorted(set(tables["cells"].processor))),
    }
    name, options = (file.stem, "") if size == SIZES[0] else (f"{file.stem}_{size}", f" --size {size}")
    keep(name, tables, command=file.stem + options, about=about)


# The packaged model


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
    keep("interventions", tables, command="interventions", about=about)


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
    keep("same_tokens", tables, command="same_tokens", about=about)


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
        keep("long_input", tables, command=command, about=about)

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


# The models of Part II


def matched() -> None:
    """Compare matched with unmatched pairs, model by model and text by text: minutes on two cores.

    The byte models read all texts to 16 times their trained length. Of the pairs those of match heads are
    kept, and of every head the argmax and the sink: `findings.matched.condensed`.
    """
    from rope_lib.findings.matched import condensed
    from rope_lib.measure.load import tokenize
    from rope_lib.measure.matched_scores import stored_pairs
    from rope_lib.measure.store import identity
    from rope_lib.measure.subjects import declared_length, load_subject
    from rope_lib.measure.texts import TEXTS, text

    parts: dict[str, list[pd.DataFrame]] = {}
    inputs = {}
    for read in MATCHED:
        model, lengths, order = load_subject(read.model), list(read.lengths), read.order
        for kind in list(TEXTS)[read.texts]:
            tokens = tokenize(model, text(kind), lengths[-1])
            for table, rows in stored_pairs(model, tokens, lengths, order).items():
                rows = rows.assign(model=read.model, text=kind, declared=declared_length(read.model))
                first = ["model", "text", "declared"]
                parts.setdefault(table, []).append(rows[[*first, *rows.columns.difference(first, False)]])
            module = [stored_pairs.__module__]
            inputs[f"{read.model}, {kind}"] = identity(module, model, tokens, lengths=lengths, order=order)
            click.echo(f"{read.model}, {kind}")
        tables = {table: pd.concat(each, ignore_index=True) for table, each in parts.items()}
        keep("matched", condensed(tables), command="matched", about={"inputs": inputs})


def geometry(*, longest: int | None = None) -> None:
    """Measure every model of Part II on every text, at several lengths: half an hour on two idle cores.

    Lengths above `longest`, if it is given, are left out, and so is a model that is not at hand. Each
    measurement is kept when it is made; the provenance lists those that are.
    """
    from rope_lib.measure.every_model import geometry_tables
    from rope_lib.measure.load import tokenize
    from rope_lib.measure.store import identity
    from rope_lib.measure.subjects import SUBJECTS, load_subject
    from rope_lib.measure.texts import TEXTS, text

    found: dict[tuple[str, str], dict[str, pd.DataFrame]] = {}
    inputs, digests = {}, {}

    def keep_so_far():
        order = sorted(found, key=lambda cell: list(SUBJECTS).index(cell[0]))  # texts stay in theirs
        names = found[order[0]]
        tables = {name: pd.concat([found[cell][name] for cell in order], ignore_index=True) for name in names}
        command = "geometry" + ("" if longest is None else f" --longest {longest}")
        keep("geometry", tables, command=command, about={"inputs": inputs, "texts_sha256": digests})

    for subject in GEOMETRY_LENGTHS:
        try:
            model = load_subject(subject)
        except FileNotFoundError as error:
            click.echo(f"{subject} is left out: {error}")
            continue
        wanted = [n for n in GEOMETRY_LENGTHS[subject] if longest is None or n <= longest]
        for name in TEXTS:
            tokens = tokenize(model, text(name), max(wanted))
            tables = geometry_tables(model, tokens, wanted)
            for table in tables.values():
                table.insert(0, "text", name)
                table.insert(0, "model", subject)
            found[subject, name] = tables
            cell = f"{subject}, {name}"
            inputs[cell] = identity([geometry_tables.__module__], model, tokens, lengths=wanted)
            digests[name] = text_sha256(text(name))
            click.echo(f"{cell}: {tables['costs'].seconds.item():.0f} s")
            keep_so_far()


def mechanism(*, texts: int | None = None) -> None:
    """Cut the chain of the mechanism at each link, on every model and text: 15 minutes on one core.

    Texts after the first `texts`, if it is given, are left out, and so is a model that is not at hand.
    """
    from rope_lib.measure.load import token_ids
    from rope_lib.measure.mechanism import KINDS, PLANS, stretches, try_mechanism
    from rope_lib.measure.store import identity
    from rope_lib.measure.subjects import load_subject
    from rope_lib.measure.texts import TEXTS, text

    parts: dict[str, list[pd.DataFrame]] = {}
    inputs, digests = {}, {}
    for subject, plan in PLANS.items():
        try:
            model = load_subject(subject)
        except FileNotFoundError as error:
            click.echo(f"{subject} is left out: {error}")
            continue
        for name in list(TEXTS)[:texts]:
            tokens = stretches(token_ids(model, text(name)), plan, KINDS[subject])
            for kind in KINDS[subject]:
                start = time.perf_counter()
                for each, table in try_mechanism(model, tokens, plan, kind).items():
                    for column, value in (("kind", kind), ("text", name), ("model", subject)):
                        table.insert(0, column, value)
                    parts.setdefault(each, []).append(table)
                click.echo(f"{subject}, {name}, {kind}: {time.perf_counter() - start:.0f} s")
            inputs[f"{subject}, {name}"] = identity(
                [try_mechanism.__module__], model, tokens.flatten(), plan=plan, kinds=list(KINDS[subject])
            )
            digests[name] = text_sha256(text(name))
    tables = {name: pd.concat(each, ignore_index=True) for name, each in parts.items()}
    command = "mechanism" + ("" if texts is None else f" --texts {texts}")
    keep("mechanism", tables, command=command, about={"inputs": inputs, "texts_sha256": digests})


def head_weights() -> None:
    """Weigh the oscillators of every head of two models on six texts: three minutes on two cores.

    What is finished stays in the user's cache folder.
    """
    from rope_lib.measure.load import tokenize
    from rope_lib.measure.pair_weights import pair_weights
    from rope_lib.measure.store import identity
    from rope_lib.measure.subjects import SUBJECTS, declared_length, load_subject
    from rope_lib.measure.texts import TEXTS
    from rope_lib.models.read import read_model

    layers, parts, inputs = [], [], []
    for name in HEAD_MODELS:
        layers.append(spectra_of(name, read_model(SUBJECTS[name].file()), declared_length(name)))
        model = load_subject(name)
        for title, read in TEXTS.items():
            tokens = tokenize(model, read(), HEAD_TOKENS)
            key = identity([pair_weights.__module__], model, tokens)
            table = stored("head_weights", key, lambda m=model, t=tokens: {"weights": pair_weights(m, t)})
            columns = table["weights"][["layer", "head", "pair", "weight"]].astype({"weight": "float32"})
            columns.insert(0, "model", name)
            columns.insert(1, "text", title)
            parts.append(columns)
            inputs.append(key | {"text": title, "text_sha256": text_sha256(read())})
            click.echo(f"{name}: {title}")
    tables = {"weights": pd.concat(parts, ignore_index=True), "layers": pd.concat(layers, ignore_index=True)}
    keep("head_weights", tables, command="head_weights", about={"inputs": inputs})


def spectra_of(name: str, spec: "ModelSpec", declared: int) -> pd.DataFrame:
    """The layers of a model whose spectra are those of a base: see `findings.pair_weights.every_bank`."""
    parts = []
    for rotary in spec.rotaries:
        if rotary.scaling["type"] != "default":
            raise click.ClickException(f"{name}: must have plain spectra, got {rotary.scaling}")
        kind = name if len(spec.rotaries) == 1 else f"{name}, {KINDS_OF_LAYERS[rotary.kind]}"
        columns = {"model": name, "layer": rotary.layers, "kind": kind, "base": rotary.base}
        columns |= {"pairs": rotary.rotary_dim // 2, "reach": min(declared, rotary.window or declared)}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def forecast() -> None:
    """Forecast the keys of each model of Part II on each text, from short inputs: minutes, after `geometry`.

    The long inputs that the forecasts are held against are those of `geometry`, and for the packaged model
    also that of `long_input`; models and texts that `geometry` lacks are left out. `clouds` is of one head of
    three models, at two lengths, which no other result keeps.
    """
    from rope_lib.findings.forecast import TIMES, typical_head
    from rope_lib.measure.forecasts import forecast_tables
    from rope_lib.measure.load import tokenize
    from rope_lib.measure.reference import reference_sweep
    from rope_lib.measure.store import identity
    from rope_lib.measure.subjects import load_subject
    from rope_lib.measure.sweep import measured
    from rope_lib.measure.texts import TEXTS, text

    parts: dict[str, list[pd.DataFrame]] = {}
    inputs = {}

    def add(found: dict[str, pd.DataFrame], **where: str) -> None:
        for name, table in found.items():
            parts.setdefault(name, []).append(table.assign(**where)[[*where, *table.columns]])

    there = read_tables(RESULTS / "geometry")["costs"].groupby("model").text.unique()
    for subject, reads in FORECAST_TOKENS.items():
        if subject not in there:
            click.echo(f"{subject} is left out: geometry does not hold it")
            continue
        model = load_subject(subject)
        longest = max(GEOMETRY_LENGTHS[subject])
        for name in there[subject]:
            tokens = tokenize(model, text(name), longest)
            for read in reads:
                # All lengths from a sixteenth of the longest input, and from others the longest alone.
                lengths = [read, *GEOMETRY_LENGTHS[subject]] if read == longest // TIMES else [longest]
                found = forecast_tables(model, tokens[:read], [each for each in lengths if each >= read])
                add(found, model=subject, text=name)
            inputs[f"{subject}, {name}"] = identity([forecast_tables.__module__], model, tokens)
            click.echo(f"{subject}, {name}")
        if subject == "SmolLM2-135M":
            tokens = tokenize(model, longer_text(), max(reads))
            add(forecast_tables(model, tokens, LONG_LENGTHS[1:]), model=subject, text=LONG_TEXT)
            add({"clouds": typical_head(reference_sweep()[0], longest // TIMES, longest)}, model=subject)
        elif max(reads) == longest:
            tokens = tokenize(model, text(next(iter(TEXTS))), longest)
            sweep = measured(model, tokens, [longest // TIMES, longest])
            add({"clouds": typical_head(sweep, longest // TIMES, longest)}, model=subject)
    tables = {name: pd.concat(each, ignore_index=True) for name, each in parts.items()}
    keep("forecast", tables, command="forecast", about={"inputs": inputs})


def breaks() -> None:
    """Read every text with the byte models, plain RoPE also under retrofits: a minute on two cores.

    A loss belongs to a position; several stretches of each text make it less of a matter of the text.
    """
    from rope_lib.findings.breaks_by_text import OWN, STRETCHES, SUBJECTS, TRIED, bin_size, retrofit
    from rope_lib.measure.break_losses import break_losses
    from rope_lib.measure.interventions import UNCHANGED, Spectrum
    from rope_lib.measure.load import tokenize
    from rope_lib.measure.store import identity
    from rope_lib.measure.subjects import load_subject
    from rope_lib.measure.texts import TEXTS, text

    parts, inputs = [], {}
    for name, subject in SUBJECTS.items():
        if not name.startswith("byte "):
            continue
        tried = [UNCHANGED]
        if subject.base is not None:
            tried += [
                Spectrum(f"{each}_{stretch}", f"{each} ×{stretch}", *retrofit(each, stretch, subject))
                for each in TRIED
                for stretch in STRETCHES
            ]
        model, size = load_subject(name), bin_size(subject.declared)
        for title in TEXTS:
            tokens = tokenize(model, text(title), BREAK_STRETCHES * BREAK_LENGTH)
            table = break_losses(model, tokens, tried, length=BREAK_LENGTH, size=size)
            table.insert(0, "text", title)
            table.insert(0, "model", name)
            parts.append(table)
            inputs[f"{name}, {title}"] = identity(
                [break_losses.__module__], model, tokens, length=BREAK_LENGTH, size=size
            )
            click.echo(f"{name}, {title}: {table.nll[table.intervention == OWN].mean():.2f} nats")
    losses = pd.concat(parts, ignore_index=True)
    keep("breaks", {"losses": losses}, command="breaks", about={"inputs": inputs})


# Small models, trained here


def precision_parts() -> None:
    """Round only some pairs in the models of the grid `precision`, or open gaps in positions: ten minutes.

    That is on one core, and includes training the models of the grid.
    """
    from rope_lib.train.loop import train
    from rope_lib.train.rounding import first_step, plain, rounded_in_parts, with_gaps

    settings = (("float32", 10**9), ("bfloat16", 60_000), ("bfloat16", 10**6))
    counts = range(0, 17, 2)  # of 16 pairs
    gaps = (0, 32, 64, 128, 256, 512, 1024)
    file = grid_files()["precision"]
    cells = read_grid(file).cells
    parts: dict[str, list[pd.DataFrame]] = {"pairs": [], "gaps": []}
    for number, cell in enumerate(cells, 1):
        config = plain(cell.values)
        checkpoints = Path("rope-sweep-precision-parts") / config.digest
        checkpoints.mkdir(parents=True, exist_ok=True)
        model, _ = train(config, checkpoints)
        start = first_step("bfloat16", 60_000, config.evaluation.lengths[0])
        found = {
            "pairs": rounded_in_parts(config, model, settings, counts),
            "gaps": with_gaps(config, model, gaps, start),
        }
        for name, table in found.items():
            parts[name].append(table.assign(base=config.spectrum.base, seed=config.seed))
        click.echo(f"{number} of {len(cells)}: {cell}")
    tables = {name: pd.concat(each, ignore_index=True) for name, each in parts.items()}
    inputs = {"grid": file.read_text(encoding="utf-8"), **KINDS["train"].inputs()}
    keep("precision_parts", tables, command="precision_parts", about={"inputs": inputs})


def byte_models(*, checkpoints: Path | None = None) -> None:
    """Train the two byte models of Part II and write them as Llama folders: an hour on two cores.

    `checkpoints`, if it is given, is a folder where `rope-lib train text_X.toml --keep --out X` ran, with X
    rope and rope_id: the weights are taken as they are there, after however many steps of the plan.
    """
    from rope_lib.train.config import Config
    from rope_lib.train.export import of_checkpoint, rounded, save_llama
    from rope_lib.train.loop import CHECKPOINT, KEPT, learning_rate, train
    from rope_lib.train.run import inputs as inputs_of
    from rope_lib.train.validated import count_losses, model_losses

    folder = RESULTS / "byte_models"
    configs = {name: Config.from_toml(EXPERIMENTS / f"text_{name}.toml") for name in BYTE_CONFIGS}
    models, training, validation, inputs = {}, [], [], {}
    for name, config in configs.items():
        if checkpoints is None:
            models[name], table = train(config, Path("rope-sweep-byte-models") / name)
        else:
            at = checkpoints / f"{name}-training"
            models[name], losses = of_checkpoint(config, at / (KEPT if (at / KEPT).exists() else CHECKPOINT))
            rates = [learning_rate(config.training, step) for step in range(len(losses))]
            table = pd.DataFrame({"step": range(len(losses)), "loss": losses, "learning_rate": rates})
        training.append(table.assign(model=name)[["model", *table.columns]])
        validation.append(model_losses(config, rounded(models[name])).assign(model=name))
        inputs[name] = inputs_of(config) | {"steps": len(table)}
    counts = count_losses(config.training.length)
    counts.insert(0, "model", "counts, " + counts.pop("before").astype(str) + " bytes before")
    tables = {
        "training": pd.concat(training, ignore_index=True),
        "validation": pd.concat([*validation, counts], ignore_index=True)[["model", "first", "nll"]],
    }
    for name in configs:
        shutil.rmtree(folder / name, ignore_errors=True)
    command = "byte_models" + ("" if checkpoints is None else " --checkpoints DIR")
    keep("byte_models", tables, command=command, about={"inputs": inputs})
    for name, config in configs.items():
        save_llama(models[name], config, folder / name)


def attention_entropy() -> None:
    """Train models below and above the DC-stability bound and look at their attention: half an hour.

    That is on two cores, a model on each. Finished models stay in the user's cache folder.
    """
    from multiprocessing import get_context

    from rope_lib.train.collapse import cells

    parts: dict[str, list[pd.DataFrame]] = {}
    with get_context("spawn").Pool(2) as pool:
        for number, tables in enumerate(pool.imap(_collapse_cell, range(len(cells()))), 1):
            for name, table in tables.items():
                parts.setdefault(name, []).append(table)
            click.echo(f"{number} of {len(cells())}: {tables['training'].iloc[-1].to_dict()}")
    tables = {name: pd.concat(each, ignore_index=True) for name, each in parts.items()}
    about = {"inputs": KINDS["train"].inputs() | {"compute": _COLLAPSE}}
    keep("attention_entropy", tables, command="attention_entropy", about=about)


_COLLAPSE = "rope_lib.train.collapse:collapse"


def _collapse_cell(number: int) -> dict[str, pd.DataFrame]:
    """The tables of one model of `attention_entropy`, from the store if it is finished."""
    import torch

    from rope_lib.train.collapse import cells, collapse, named

    torch.set_num_threads(1)
    config = cells()[number]
    inputs = KINDS["train"].inputs() | {"compute": _COLLAPSE, "config": config.to_dict()}
    return stored("attention_entropy", inputs, lambda: named(config, collapse(config)))


def same_bytes() -> None:
    """Read the same bytes of several texts in contexts of several lengths, with both byte models: minutes.

    The shortest context is the length at which the models were trained. Each of its windows predicts its
    second half, and so does each of the longer ones.
    """
    from rope_lib.measure.load import tokenize
    from rope_lib.measure.same_tokens import same_tokens as measure_same_tokens
    from rope_lib.measure.store import identity
    from rope_lib.measure.subjects import declared_length, load_subject
    from rope_lib.measure.texts import SEEN_BY_BYTE_MODELS, TEXTS, text

    rows, inputs = [], {}
    for name in BYTE_MODELS:
        model, declared = load_subject(name), declared_length(name)
        contexts = [declared * 2**power for power in range(5)]
        read = max(contexts)
        for kind in TEXTS:
            if kind in SEEN_BY_BYTE_MODELS:
                continue
            tokens = tokenize(model, text(kind), read)
            for context in contexts:
                last = context // 2
                windows = [(context, end) for end in range(read // 2 + last, read + 1, last)]
                found = measure_same_tokens(model, tokens, windows, last=last)
                where = {"model": name, "text": kind, "context": context, "tokens": read // 2}
                rows.append(where | {"nll": found.nll.mean()})
            module = [measure_same_tokens.__module__]
            inputs[f"{name}, {kind}"] = identity(module, model, tokens, contexts=contexts)
    keep("same_bytes", {"losses": pd.DataFrame(rows)}, command="same_bytes", about={"inputs": inputs})


def gaps() -> None:
    """Move the first half of inputs back by up to four declared lengths, with every model: minutes.

    A published model reads 1,024 tokens of three texts of different kinds, a byte model eight stretches of
    its trained length of all texts.
    """
    from rope_lib.measure.gaps import measured_by_gap
    from rope_lib.measure.load import tokenize
    from rope_lib.measure.store import identity
    from rope_lib.measure.subjects import SUBJECTS, load_subject
    from rope_lib.measure.texts import TEXTS, text

    parts, inputs = [], {}
    for name, subject in SUBJECTS.items():
        model, declared = load_subject(name), subject.declared_length
        read, stretches = (declared, 8) if name in BYTE_MODELS else (1_024, 1)
        distances = [int(share * declared) for share in GAPS]
        for kind in TEXTS if name in BYTE_MODELS else GAP_TEXTS:
            tokens = tokenize(model, text(kind), read * stretches)
            found = [
                measured_by_gap(model, stretch, distances, last=read // 4) for stretch in tokens.split(read)
            ]
            mean = pd.concat(found).groupby("gap", dropna=False, sort=False).mean().reset_index()
            parts.append(mean.assign(model=name, text=kind, stretches=stretches, tokens=read))
            module = [measured_by_gap.__module__]
            inputs[f"{name}, {kind}"] = identity(module, model, tokens, gaps=distances, last=read // 4)
    columns = ["model", "text", "gap", "nll", "sink_attention", "stretches", "tokens"]
    keep("gaps", {"losses": pd.concat(parts)[columns]}, command="gaps", about={"inputs": inputs})


# The command


@dataclass(frozen=True)
class Maker:
    """What makes a result: a function, whose keyword arguments are its options, and one line about it."""

    make: Callable[..., None]
    about: str

    @property
    def options(self) -> tuple[str, ...]:
        parameters = inspect.signature(self.make).parameters.values()
        return tuple(each.name for each in parameters if each.kind is each.KEYWORD_ONLY)


def makers() -> dict[str, Maker]:
    """Every result that can be made, by name."""
    grids = {
        name: Maker(partial(grid, file), tomllib.loads(file.read_text(encoding="utf-8"))["about"])
        for name, file in grid_files().items()
    }
    others = (
        interventions,
        same_tokens,
        long_input,
        head_weights,
        precision_parts,
        attention_entropy,
        byte_models,
        geometry,
        mechanism,
        forecast,
        same_bytes,
        gaps,
        breaks,
        matched,
    )
    return grids | {make.__name__: Maker(make, inspect.getdoc(make).partition("\n")[0]) for make in others}


MAKERS = makers()


def check_options(names: tuple[str, ...], given: dict[str, Any]) -> None:
    """Refuse an option that one of the named results does not take."""
    for name in names:
        taken = MAKERS[name].options
        for option in given.keys() - set(taken):
            takes = " and ".join(f"--{each}" for each in taken) or "no options"
            raise click.UsageError(f"--{option} must be left out for {name}, which takes {takes}")


class Command(click.Command):
    """A command whose help lists the results."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Results"):
            formatter.write_dl([(name, maker.about) for name, maker in MAKERS.items()])


@click.command(cls=Command, help=__doc__.partition("\n")[0])
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=click.Choice(list(MAKERS)))
@click.option("--size", type=click.Choice(SIZES), help="Of a grid: `full` is for a GPU.")
@click.option("--workers", type=click.IntRange(1), help="Of a grid: worker processes on this machine.")
@click.option("--scheduler", help="Of a grid: the address of a running Dask cluster to use instead.")
@click.option("--texts", type=click.IntRange(1), help="Of mechanism: how many texts, from the first.")
@click.option("--longest", type=click.IntRange(2), help="Of geometry: the most tokens of an input.")
@click.option("--device", help="Of long_input: where the model runs, by default cuda.")
@click.option(
    "--checkpoints",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Of byte_models: a folder with weights that were trained already.",
)
@click.option(
    "--text",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of long_input: a file with the text to measure on.",
)
def main(names: tuple[str, ...], **options: Any) -> None:
    given = {name: value for name, value in options.items() if value is not None}
    check_options(names, given)
    for name in names:
        MAKERS[name].make(**given)


if __name__ == "__main__":
    main()
