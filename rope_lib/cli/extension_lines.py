"""An extension as lines for the terminal; imports nothing slow."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import click

from rope_lib.models.checks import shown
from rope_lib.models.record import BOUND_NAMES, base_text, layers_text, scaling_and_length

from .options import Json
from .terminal import row, wrapped

_SHOWN = 8  # pairs of a spectrum

_row = partial(row, columns=26)


def extension_lines(record: Mapping[str, Json]) -> Iterator[str]:
    """The lines of an extension, a dict as `models.extension_record.extension_record` returns it."""
    yield click.style(record["model"], bold=True) + f"  {record['architecture']}"
    yield _row("original context", f"{record['original_context']:,}", record["original_from"])
    declared = record["declared_context"]
    yield _row("declared context", "none" if declared is None else f"{declared:,}")
    yield _row("to reach", f"{record['context']:,}", f"{record['method']} × {record['factor']:.6g}")
    yield ""
    yield from _fragment_lines(record)
    for rotary in record["rotaries"]:
        yield ""
        yield from _rotary_lines(record, rotary)
    yield ""
    before, after = record["verdict_before"], record["verdict"]
    changed = f"  (before: {before})" if before != after else ""
    yield _row("paper A's verdict", after + changed)
    yield from _cost_lines(record)
    for name, value in record["not_understood"].items():
        yield _row("not understood", f"{name}: {shown(value)}", "the fragment may not stand")
    for note in record["notes"]:
        yield from wrapped(note)


def _fragment_lines(record: Mapping[str, Json]) -> Iterator[str]:
    """What to write, on lines of its own: the JSON for a config, or the command line."""
    if record["arguments"]:
        yield click.style(f"Arguments for {record['for']}", bold=True)
        yield shlex.join(record["arguments"]).replace(" --", " \\\n  --")
        return
    yield click.style(f"Merge into config.json for {record['for']}", bold=True)
    yield from json.dumps(record["fragment"], indent=2).splitlines()


def _rotary_lines(record: Mapping[str, Json], rotary: Mapping[str, Json]) -> Iterator[str]:
    """What changes in one spectrum: its scaling, a few of its pairs, the bounds."""
    kind = click.style(f"{rotary['kind']} attention", bold=True)
    yield f"{kind}  layers {layers_text(rotary['layers'])}"
    if not rotary["changed"]:
        window = rotary["window"]
        yield _row("scaling", "stays as it is", f"sees {window:,} tokens" if window else "")
        return
    was, now = scaling_and_length(rotary["scaling_before"]), scaling_and_length(rotary["scaling"])
    yield _row("scaling", now, f"before: {was}" if was != now else "")
    if rotary["base"] != rotary["base_before"]:
        yield _row("base", base_text(rotary["base"]), f"before: {base_text(rotary['base_before'])}")
    if rotary["attention_factor"] != rotary["attention_factor_before"]:
        factor = f"before: {rotary['attention_factor_before']:.4f}"
        yield _row("attention factor", f"{rotary['attention_factor']:.4f}", factor)
    effective = base_text(rotary["effective_base"])
    yield _row("effective base", effective, f"before: {base_text(rotary['effective_base_before'])}")
    for name in ("aliasing", "stability", "depth"):
        bound = rotary["bounds"][name]
        holds = ("fails", "holds")[rotary["effective_base"] >= bound]
        held = ("fails", "holds")[rotary["effective_base_before"] >= bound]
        yield _row(BOUND_NAMES[name], f"{base_text(bound):<19}{holds}", f"before: {held}")
    reach = rotary["reach"]
    farthest = "every pair completed a turn in training" if reach is None else f"{reach:,.0f} tokens"
    yield _row("no new angle up to", farthest)
    yield from _pair_lines(record, rotary["pairs"])


def _pair_lines(record: Mapping[str, Json], pairs: Sequence[Mapping[str, Json]]) -> Iterator[str]:
    """A table of a few pairs from the fastest to the slowest that rotates."""
    rotating = [pair for pair in pairs if pair["turns_in_training"] > 0]
    last = len(rotating) - 1
    chosen = sorted({round(last * step / (_SHOWN - 1)) for step in range(_SHOWN)})
    original, context = f"{record['original_context']:,}", f"{record['context']:,}"
    yield f"  {'turns of pair':<16}{f'in {original}':>16}{f'in {context}':>18}{'with it':>16}"
    for index in chosen:
        pair = rotating[index]
        turns = (pair["turns_in_training"], pair["turns_before"], pair["turns"])
        texts = (f"{value:,.0f}" if value >= 1000 else f"{value:.4g}" for value in turns)
        trained, before, after = texts
        yield f"  {pair['pair']:>13}   {trained:>16}{before:>18}{after:>16}"


def _cost_lines(record: Mapping[str, Json]) -> Iterator[str]:
    """What was measured of the method within the trained length and beyond."""
    costs = record["costs"]
    if not costs["measured"]:
        yield _row("measured cost", "nothing was measured", f"of {record['method']}, in this book")
        return
    for one in costs["measured"]:
        times = f"× {one['stretch']:g}"
        yield _row(
            f"measured at {times}",
            f"{one['cost']:+.2f} nats a token inside",
            f"{one['beyond_before']:.2f} to {one['beyond']:.2f} in the last half of {times}",
        )
    other = "" if costs["is_measured"] else f" A stretch × {record['factor']:.6g} was not measured."
    yield from wrapped(costs["scope"] + other)
