"""A verdict as lines for the terminal; imports nothing slow, so that a verdict appears at once."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import click

from rope_lib.models.checks import shortened, shown
from rope_lib.models.record import BOUND_NAMES, base_text, holds, layers_text, scaling_and_length
from rope_lib.models.spec import scopes
from rope_lib.models.summary import record_sentence

from .options import Json
from .terminal import LABEL, row, text_width

_COLORS = {"stable": "green", "unstable_at_depth": "yellow", "no_rope": "cyan"}  # all others are red
_VALUE = 24  # columns

_row = partial(row, columns=_VALUE)


def verdict_lines(record: Mapping[str, Json]) -> Iterator[str]:
    """The lines of a verdict, a dict as `models.record.record` returns it."""
    original = record["original_context"]
    yield click.style(record["model"], bold=True) + f"  {record['architecture']}"
    for warning in record["warnings"]:
        yield from _labelled("warning", warning)
    yield _row("layers", f"{record['num_layers']:,}", _origin(record, "num_layers"))
    declared = record["declared_context"]
    stated = "none" if declared is None else f"{declared:,}"
    yield _row("declared context", stated, _origin(record, "context"))
    if record["context"] not in (declared, None):
        yield _row("judged at", f"{record['context']:,}")
    if original is not None:
        yield _row("original context", f"{original:,}", _origin(record, "original_context"))
    if record["unrotated_layers"]:
        layers = layers_text(record["unrotated_layers"])
        yield _row("without rotary", layers, _origin(record, "unrotated_layers"))
    kinds = [rotary["kind"] for rotary in record["rotaries"]]
    for scope, rotary in zip(scopes(kinds), record["rotaries"], strict=True):
        yield ""
        yield from _rotary_lines(record, rotary, scope)
    yield ""
    not_understood = record["keys"]["not_understood"]
    for name, value in not_understood.items():
        yield _row("not understood", f"{shortened(name)}: {shown(value)}")
    yield from _notes(record)
    yield from _summary(record, "  which may not stand: see the keys above" if not_understood else "")


def _notes(record: Mapping[str, Json]) -> Iterator[str]:
    """What a reader should know of the reading, and an empty line if there is any of it."""
    said = {sentence for part in record["summary"].values() for sentence in part}
    notes = [reason for reason in record["reasons"] if reason not in said]
    for note in notes:
        yield from _labelled("note", note)
    if notes or record["keys"]["not_understood"]:
        yield ""


def _summary(record: Mapping[str, Json], doubt: str) -> Iterator[str]:
    """What is known, what the paper says, and what nobody knows: a block each."""
    summary = record["summary"]
    yield from _block("known", summary["known"])
    yield _row("paper A's opinion", _verdict(record["verdict"], bold=True) + doubt)
    yield from _block("", summary["opinion"])
    yield from _block("nobody knows", summary["unknown"])


def _block(label: str, sentences: Sequence[str]) -> Iterator[str]:
    for number, sentence in enumerate(sentences):
        yield from _labelled("" if number else label, sentence)


def bound_lines(bounds: Mapping[str, Json]) -> Iterator[str]:
    """The lines of the bounds alone, and of a verdict if `bounds` holds one."""
    for name, value in bounds.items():
        if name == "verdict":
            yield _row("paper A's opinion", _verdict(value))
        elif name == "record":
            yield from _labelled("", record_sentence(value))
        else:
            yield _row(BOUND_NAMES[name], base_text(value))
    if bounds["depth"] >= bounds["precision"]:
        yield "  No base lies between the depth bound and the precision wall."


def _rotary_lines(record: Mapping[str, Json], rotary: Mapping[str, Json], scope: str) -> Iterator[str]:
    """The lines of one spectrum: its numbers with their origins, the bounds, and the verdict on it."""
    bounds, effective = rotary["bounds"], rotary["effective_base"]
    yield click.style(f"{rotary['kind']} attention", bold=True) + f"  layers {layers_text(rotary['layers'])}"
    yield _row("base", base_text(rotary["base"]), _origin(record, f"{scope}base"))
    rotating = 2 * sum(frequency > 0 for frequency in rotary["inv_freq"])
    channels = f"{rotating} of {rotary['head_dim']} channels"
    yield _row("rotates", channels, _origin(record, f"{scope}rotary_dim"))
    if rotary["window"] is not None:
        yield _row("window", f"{rotary['window']:,}", _origin(record, f"{scope}window"))
    yield _row("scaling", scaling_and_length(rotary["scaling"]), _origin(record, f"{scope}scaling"))
    if effective != rotary["base"]:
        yield _row("effective base", base_text(effective), "derived: base × how far the slowest pair slows")
    if rotary["attention_factor"] != 1:
        yield _row("attention factor", f"{rotary['attention_factor']:.4f}", "on cos and sin")
    for name, value in bounds.items():
        if value is None:
            yield _row(BOUND_NAMES[name], "not tabulated for this context")
        else:
            mark = click.style("holds", fg="green") if holds(rotary, name) else click.style("fails", fg="red")
            yield _row(BOUND_NAMES[name], f"{base_text(value):<{_VALUE}}  {mark}")
    without = rotary["verdict_without_scaling"]
    changed = f"  ({without} without the scaling)" if without != rotary["verdict"] else ""
    yield _row("verdict", _verdict(rotary["verdict"]) + changed)


def _labelled(label: str, text: str) -> Iterator[str]:
    """A label and a text beside it, over as many lines as it takes."""
    width = max(text_width() - LABEL - 2, 30)
    for number, line in enumerate(textwrap.wrap(text, width, break_on_hyphens=False)):
        yield _row("" if number else label, line)


def _origin(record: Mapping[str, Json], quantity: str) -> str:
    """Where a value comes from: its provenance and the key."""
    provenance = record["provenance"].get(quantity)
    return f"{provenance}: {record['sources'][quantity]}" if provenance else ""


def _verdict(name: str, bold: bool = False) -> str:
    return click.style(name, fg=_COLORS.get(name, "red"), bold=bold)
