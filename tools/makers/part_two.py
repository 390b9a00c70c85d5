"""Results of the models of Part II, on several texts."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import pandas as pd

from rope_lib.measure.text import longer_text, text_sha256
from rope_lib.runs.store import read_tables, stored

from . import kept, packaged

if TYPE_CHECKING:
    from rope_lib.models.spec import ModelSpec

# Tokens that forecasts read. The byte models also read all of a long input, as the measurement of it does.
FORECAST_TOKENS = {
    "SmolLM2-135M": (128, 1_024),
    "Gemma 3 270M": (128, 512),
    "byte RoPE": (128, 256, 4_096),
    "byte RoPE-ID": (128, 256, 4_096),
}
LONG_TEXT = "reference and docstrings"  # the text of `long_input`
BREAK_LENGTH = 2_048  # bytes, 8 times what the byte models were trained on
BREAK_STRETCHES = 4  # of each text
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
        kept.keep("matched", condensed(tables), command="matched", about={"inputs": inputs})


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
        kept.keep("geometry", tables, command=command, about={"inputs": inputs, "texts_sha256": digests})

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
    kept.keep("mechanism", tables, command=command, about={"inputs": inputs, "texts_sha256": digests})


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
    kept.keep("head_weights", tables, command="head_weights", about={"inputs": inputs})


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

    there = read_tables(kept.RESULTS / "geometry")["costs"].groupby("model").text.unique()
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
            add(forecast_tables(model, tokens, packaged.LONG_LENGTHS[1:]), model=subject, text=LONG_TEXT)
            add({"clouds": typical_head(reference_sweep()[0], longest // TIMES, longest)}, model=subject)
        elif max(reads) == longest:
            tokens = tokenize(model, text(next(iter(TEXTS))), longest)
            sweep = measured(model, tokens, [longest // TIMES, longest])
            add({"clouds": typical_head(sweep, longest // TIMES, longest)}, model=subject)
    tables = {name: pd.concat(each, ignore_index=True) for name, each in parts.items()}
    kept.keep("forecast", tables, command="forecast", about={"inputs": inputs})


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
    kept.keep("breaks", {"losses": losses}, command="breaks", about={"inputs": inputs})


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
    kept.keep("same_bytes", {"losses": pd.DataFrame(rows)}, command="same_bytes", about={"inputs": inputs})


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
    kept.keep("gaps", {"losses": pd.concat(parts)[columns]}, command="gaps", about={"inputs": inputs})
