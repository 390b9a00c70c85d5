"""What a report finds out about a model: measured or read from the store, and judged. `text` words it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pandas as pd
import torch

from rope_lib.findings.breaks import BIN, binned, break_point, trained_band
from rope_lib.findings.clusters import last_queries, of_length, ratios, summarize
from rope_lib.findings.kept import Json
from rope_lib.measure.interventions import Spectrum
from rope_lib.measure.load import LanguageModel, load_model, packaged_model, provenance, token_ids
from rope_lib.measure.sweep import measured
from rope_lib.measure.tables import Sweep
from rope_lib.measure.text import reference_text
from rope_lib.models import ModelSpec, judge, read_model
from rope_lib.models.record import record
from rope_lib.theory.scaling import scaled_frequencies

from .several import of_layers
from .source import check_texts

# Retrofits that change nothing but the spectrum, by the name of their scaling.
FIXES = {"linear": "position interpolation", "ntk": "NTK", "yarn": "YaRN"}
LONGEST_TEXT = 16 * 2**20  # bytes: some four million tokens, which take a tokenizer 20 s and 2 GB
FEWEST_BINS = 8  # in the declared length, for its band to mean something
REFERENCE = "language reference"  # names the text that is read where none is given


@dataclass(frozen=True)
class Text:
    """A text that a model is to read, whole and as its tokens."""

    name: str  # of its file
    text: str
    tokens: torch.Tensor  # (tokens of the text,)


@dataclass(frozen=True)
class Subject:
    """A model with what its files say of it, and the texts that it is to read."""

    model: LanguageModel
    spec: ModelSpec
    texts: tuple[Text, ...]  # one or more

    @property
    def tokens(self) -> torch.Tensor:
        """The tokens of the shortest text: what is measured must fit into each."""
        return min((each.tokens for each in self.texts), key=len)

    @property
    def declared(self) -> int:
        """The context that the model's files declare, in tokens."""
        return _declared(self.spec)


def _declared(spec: ModelSpec) -> int:
    """The declared length of a model, in tokens. Raises ValueError for a model that declares none."""
    if spec.declared_context is None:
        raise ValueError(
            f"model must declare a context to be measured past it, and {spec.name} declares none"
        )
    return spec.declared_context


def subject(
    source: str | Path | None = None,
    *,
    texts: Sequence[str | Path] = (),
    device: str = "cpu",
    dtype: str | None = None,
    download: bool = False,
) -> Subject:
    """Load a model and its texts: by default the packaged SmolLM2 and the reference text.

    `texts` are files in UTF-8. Raises ValueError or FileNotFoundError, in one line, for what `load_model` and
    `read_model` refuse, for a model without a tokenizer or a declared context, for a text that is given twice
    and for one that is no regular file, not in UTF-8, longer than `LONGEST_TEXT`, or shorter than two tokens.
    """
    places = check_texts(texts)
    names = [place.name for place in places]
    names = [name if names.count(name) == 1 else f"{n + 1}. {name}" for n, name in enumerate(names)]
    contents = [(name, _read_text(place)) for name, place in zip(names, places, strict=True)]
    contents = contents or [(REFERENCE, reference_text())]
    for index, (name, text) in enumerate(contents):
        same = [earlier for earlier, content in contents[:index] if content == text]
        if same:
            raise ValueError(f"texts must differ, but {same[0]} and {name} hold the same one")
    spec = read_model(packaged_model() if source is None else source, download=download)
    _declared(spec)
    model = load_model(source, device=device, dtype=dtype, download=download)
    read = tuple(Text(name, text, token_ids(model, text)) for name, text in contents)
    for each in read:
        if len(each.tokens) < 2:  # which a loss needs
            raise ValueError(f"text must have at least 2 tokens, got {len(each.tokens)}")
    return Subject(model, spec, read)


def _read_text(path: str | Path) -> str:
    """The text in a file, whose size is checked before it is decoded. Lines end as in Python."""
    (place,) = check_texts([path])
    try:
        with open(place, "rb") as file:
            content = file.read(LONGEST_TEXT + 1)
    except OSError as error:  # one of reading does not name its file
        raise OSError(error.errno, error.strerror, str(path)) from None
    if len(content) > LONGEST_TEXT:
        raise ValueError(f"{path}: must have at most {LONGEST_TEXT // 2**20} MiB of text")
    try:
        return TextIOWrapper(BytesIO(content), encoding="utf-8").read()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: must be text in UTF-8, got another byte at offset {error.start}") from None


@dataclass(frozen=True)
class Findings:
    """All that a report says of a model on one text, with what it found on the `others`.

    `fixes` maps the label of each fix that was tried to its losses; where none was, `untried` says why in a
    sentence, else it is None.
    """

    name: str
    provenance: str
    spec: ModelSpec
    sweep: Sweep
    fixes: dict[str, pd.DataFrame]
    untried: str | None
    text: str = REFERENCE  # the name of the text
    others: tuple["Findings", ...] = ()

    @property
    def every(self) -> tuple["Findings", ...]:
        """What was found on each text, this one first."""
        return (self, *self.others)

    @property
    def broken(self) -> tuple["Findings", ...]:
        """What was found on each text on which the model breaks."""
        return tuple(each for each in self.every if each.break_point is not None)

    @cached_property
    def record(self) -> dict[str, Json]:
        """What paper A's bounds say: see `models.record`."""
        return record(judge(self.spec))

    @property
    def declared(self) -> int:
        """The context that the model's files declare, in tokens."""
        return _declared(self.spec)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row for each length, `findings.clusters.summarize`, over the layers that see all tokens.

        Over all layers where each has a window.
        """
        return summarize(of_layers(self.sweep, self._layers - self.windowed or self._layers))

    @cached_property
    def summary_windowed(self) -> pd.DataFrame | None:
        """As `summary` over the layers with a window, or None where there are none beside others."""
        windowed = self._layers & self.windowed
        return summarize(of_layers(self.sweep, windowed)) if windowed not in (set(), self._layers) else None

    @property
    def _layers(self) -> set[int]:
        return set(self.sweep.heads.layer)

    @property
    def lengths(self) -> list[int]:
        """The lengths that were measured, in tokens, the shortest first."""
        return [int(length) for length in self.summary.length]

    @property
    def longest(self) -> int:
        """The longest length that was measured."""
        return self.lengths[-1]

    @property
    def inside(self) -> int:
        """The longest length within the declared length, or the shortest of all."""
        return max((n for n in self.lengths if n <= self.declared), default=self.lengths[0])

    @cached_property
    def losses(self) -> pd.DataFrame:
        """Loss by position in the longest input."""
        return of_length(self.sweep.losses, self.longest)

    @property
    def bin(self) -> int:
        """Tokens that losses are averaged over: fewer where the context is too short for a band of bins."""
        return min(BIN, max(1, min(self.declared, self.longest) // FEWEST_BINS))

    @property
    def bins(self) -> pd.Series:
        """Mean loss by bin of positions: `findings.breaks.binned`."""
        return binned(self.losses, self.bin)

    @property
    def band(self) -> tuple[float, float]:
        """The lowest and the highest mean within the declared length: `findings.breaks.trained_band`."""
        return trained_band(self.losses, self.declared, self.bin)

    @property
    def break_point(self) -> int | None:
        """Where the loss leaves that band for good: `findings.breaks.break_point`."""
        return break_point(self.losses, self.declared, self.bin)

    @property
    def windowed(self) -> set[int]:
        """The layers that see no more than a window."""
        return {layer for one in self.spec.rotaries if one.window is not None for layer in one.layers}

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of the report by name: those of the sweep, its summary, the heads, the fixes' losses.

        Of several texts each table has the rows of all, with the text in its first column.
        """
        if not self.others:
            return self._tables()
        every: dict[str, list[pd.DataFrame]] = {}
        for each in self.every:
            for name, table in each._tables().items():
                named = table.copy()
                named.insert(0, "text", each.text)
                every.setdefault(name, []).append(named)
        return {name: pd.concat(tables, ignore_index=True) for name, tables in every.items()}

    def _tables(self) -> dict[str, pd.DataFrame]:
        fixes = [losses.assign(fix=label) for label, losses in self.fixes.items()]
        windowed = self.summary_windowed
        return (
            self.sweep.tables()
            | {"summary": self.summary, "worst_heads": worst_heads(self)}
            | ({} if windowed is None else {"summary_windowed": windowed})
            | ({"fixes": pd.concat(fixes, ignore_index=True)} if fixes else {})
        )


def examine(
    subject: Subject, lengths: Sequence[int], say: Callable[[str], object] = lambda line: None
) -> Findings:
    """Measure a `Subject` at `lengths` on each of its texts, and under each of the fixes where it breaks.

    What was measured before is read from the store: each text is a measurement of its own. `say` gets a line
    before each measurement. Raises ValueError as `measure.sweep.measure`.
    """
    first, *others = (_examine(subject, text, lengths, say) for text in subject.texts)
    return replace(first, others=tuple(others))


def _examine(subject: Subject, text: Text, lengths: Sequence[int], say: Callable[[str], object]) -> Findings:
    """What is found on one text."""
    on = f" of {text.name}" if len(subject.texts) > 1 else ""
    say(f"Measuring {subject.model.name} on {max(lengths):,} tokens{on}")
    sweep = measured(subject.model, text.tokens, lengths)
    line = provenance(subject.model, text.text)
    found = Findings(subject.model.name, line, subject.spec, sweep, {}, None, text.name)
    if found.break_point is None:
        return found
    fixes: dict[str, pd.DataFrame] = {}
    untried = None
    try:
        for fix in spectra(subject.spec, found.longest):
            say(f"Measuring it under {fix.label}")
            tried = measured(subject.model, text.tokens, [found.longest], intervention=fix)
            fixes[fix.label] = tried.losses
    except ValueError as error:
        fixes, untried = {}, str(error)
    return replace(found, fixes=fixes, untried=untried)


def spectra(spec: ModelSpec, longest: int) -> list[Spectrum]:
    """The fixes as interventions that stretch the declared length to `longest` tokens.

    Raises ValueError for a model that rotates by more than one spectrum, or by one that is scaled already.
    """
    kinds = [rotary.scaling["type"] for rotary in spec.rotaries]
    if kinds != ["default"]:
        raise ValueError(
            f"model must rotate by one unscaled spectrum to be stretched, got {', '.join(kinds)}"
        )
    (rotary,), declared = spec.rotaries, _declared(spec)
    stretch = longest / declared
    parameters = {"factor": stretch, "original_max_position_embeddings": declared}
    # The store knows an intervention by its name, which therefore holds all that its numbers follow from.
    suffix = f"{declared}_to_{longest}"
    return [
        Spectrum(
            f"{name}_{suffix}",
            f"{label} ×{stretch:.3g}",
            *scaled_frequencies(name, rotary.base, rotary.rotary_dim, parameters, longest),
        )
        for name, label in FIXES.items()
    ]


def fix_rows(found: Findings) -> pd.DataFrame:
    """One row for each fix, the model as it is first: label, mean loss inside and past, and `restores`.

    `inside` is the mean within the declared length, `past` that from the break point on; a fix restores the
    loss if it brings the mean past the break point back into the band.
    """
    tried = {"as it is": found.losses} | found.fixes
    rows = []
    for label, losses in tried.items():
        inside = losses.nll[losses.position < found.declared].mean()
        past = losses.nll[losses.position >= found.break_point].mean()
        rows.append({"label": label, "inside": inside, "past": past, "restores": past <= found.band[1]})
    return pd.DataFrame(rows)


def worst_heads(found: Findings) -> pd.DataFrame:
    """One row for each pair of a query head and its key head, with what length does to it.

    Columns: layer, head, key_head; fsv_ratio, first singular value of the keys after the rotation over
    before, at the longest length; sink_inside and sink_longest, attention to token 0 at the longest length
    within the declared length and at the longest; sink_loss, their difference; windowed.
    """
    sweep = found.sweep
    pairs = sweep.pairs[["layer", "head", "key_head"]].drop_duplicates()
    fsv = ratios(sweep)[found.longest].rename("fsv_ratio").rename_axis(["layer", "key_head"]).reset_index()
    sink = last_queries(sweep, "sink_attention")[sorted({found.inside, found.longest})]
    sinks = pd.DataFrame(
        {
            "sink_inside": sink[found.inside],
            "sink_longest": sink[found.longest],
            "sink_loss": sink[found.inside] - sink[found.longest],
        }
    ).reset_index()
    table = pairs.merge(fsv, on=["layer", "key_head"]).merge(sinks, on=["layer", "head"])
    return table.assign(windowed=table.layer.isin(found.windowed)).reset_index(drop=True)
