"""A comparison as lines for the terminal."""

import math
import shutil
from collections.abc import Iterator, Mapping

import click

from rope_lib.models.checks import shortened, shown
from rope_lib.models.record import base_text, layers_text, scaling_and_length

from .options import Json

_LABEL, _VALUE = 22, 26  # columns
_GROUPS = 16  # of layers, at most, that the lines describe


def compare_lines(record: Mapping[str, Json]) -> Iterator[str]:
    """The lines of a comparison, a dict as `models.compare_record.compare_record` returns it."""
    for side in "a", "b":
        model = record[side]
        head = f"{side.upper()}  {click.style(model['model'], bold=True)}  {model['architecture']}"
        yield f"{head}  {_context(model)}"
    if record["context"] is not None:
        yield f"at {record['context']:,} tokens: {record['context_from']}"
    groups = sorted(record["groups"], key=lambda group: bool(group["same"]))
    for group in groups[:_GROUPS]:
        yield ""
        yield from _group_lines(record, group)
    if len(groups) > _GROUPS:
        yield ""
        yield f"and {len(groups) - _GROUPS:,} more groups of layers, which --json prints"
    if record["elsewhere"]:
        yield ""
    for other in record["elsewhere"]:
        yield _elsewhere(other)
    yield ""
    yield from _conclusion(record)


def _context(model: Mapping[str, Json]) -> str:
    """The depth of a model and the contexts that it states."""
    declared, original = model["declared_context"], model["original_context"]
    stated = "no context stated" if declared is None else f"context {declared:,}"
    before = "" if original is None else f", {original:,} before scaling"
    return f"{model['num_layers']:,} layers, {stated}{before}"


def _group_lines(record: Mapping[str, Json], group: Mapping[str, Json]) -> Iterator[str]:
    """The lines of the layers with one pair of spectra: how they are, where they part, and by how much."""
    mark = click.style("same", fg="green") if group["same"] else click.style("different", fg="red")
    yield (
        click.style(f"layers {layers_text(group['layers'])}", bold=True) + f"  {mark}{_common(record, group)}"
    )
    partings = group["partings"]
    if partings:
        yield f"  {'':<{_LABEL}}{'A':<{_VALUE}}B".rstrip()
    for parting in partings:
        yield from _parting_lines(parting)
    phase = group["phase"]
    if phase is not None and not group["same"] and phase["worst"] > 0:
        yield from _phase_lines(phase)
    elif phase is not None and phase["worst"] > 0:
        yield f"  to float32's rounding: {phase['worst']:.2g} rad at most"


def _common(record: Mapping[str, Json], group: Mapping[str, Json]) -> str:
    """What the layers of a group that are the same have in common."""
    if not group["same"]:
        return ""
    if group["a"] is None:
        return "  without rotary"
    a = record["a"]["rotaries"][group["a"]]
    return f"  {a['kind']}, base {base_text(a['base'])}, {scaling_and_length(a['scaling'])}"


def _parting_lines(parting: Mapping[str, Json]) -> Iterator[str]:
    """The two values of a quantity, and where they come from."""
    quantity = parting["quantity"]
    a, b = (_value(quantity, parting[side]) for side in ("a", "b"))
    remark = "" if parting["bears_on_rotation"] else click.style("  no difference to the rotation", dim=True)
    yield f"  {quantity:<{_LABEL}}{a:<{_VALUE}}{b}{remark}"
    origins = [
        f"{side.upper()} {parting[f'origin_{side}']}" for side in ("a", "b") if parting[f"origin_{side}"]
    ]
    if origins:
        yield click.style(f"    {'; '.join(origins)}", dim=True)


def _value(quantity: str, value: Json) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return scaling_and_length(value)
    if quantity == "base":
        return base_text(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _phase_lines(phase: Mapping[str, Json]) -> Iterator[str]:
    share = 100 * phase["largest_relative"]
    percent = f"{share:,.0f}" if 1_000 <= share < 1e9 else f"{share:.3g}"
    yield f"  {'largest difference':<{_LABEL}}{percent}% of A's frequency"
    yield f"  {'worst phase error':<{_LABEL}}{_radians(phase['worst'])} at the last position"
    for name, key in ("error above 0.1 rad", "first_beyond_tenth"), ("error above π", "first_beyond_pi"):
        yield f"  {name:<{_LABEL}}from position {phase[key]:,}"


def _radians(angle: float) -> str:
    turns = angle / (2 * math.pi)
    return f"{angle:,.4g} rad" + (f" ({turns:,.1f} turns)" if turns >= 1 else "")


def _elsewhere(other: Mapping[str, Json]) -> str:
    worst = (
        "" if other["same"] or other["worst"] is None else f", worst phase error {_radians(other['worst'])}"
    )
    return f"at {other['context']:,} tokens: {'the same' if other['same'] else 'different'}{worst}"


def _conclusion(record: Mapping[str, Json]) -> Iterator[str]:
    """The answer, what would explain it, and what else to know."""
    for side in "a", "b":
        for name, value in record[side]["not_understood"].items():
            yield f"  {f'{side.upper()}: not understood':<{_LABEL}}{shortened(name)}: {shown(value)}"
    if record["same"]:
        answer = click.style("the same rotation", fg="green", bold=True)
    else:
        parted = sum(len(group["layers"]) for group in record["groups"] if not group["same"])
        layers = sum(len(group["layers"]) for group in record["groups"])
        answer = click.style("different", fg="red", bold=True)
        answer += f" in {parted:,} of {layers:,} layers" if parted else ", at a shorter length"
    doubt = any(record[side]["not_understood"] for side in ("a", "b"))
    yield answer + ("; this may not stand: see the keys not understood" if doubt else "")
    for explanation in record["explanations"]:
        yield f"  {explanation['text']} (made, and compared with the other)"
    if not record["same"] and not record["explanations"]:
        yield f"  none of {record['tried']:,} changes tried makes the one from the other"
    width = min(shutil.get_terminal_size().columns, 100)
    for remark in record["remarks"]:
        yield click.wrap_text(remark, width, initial_indent="  ", subsequent_indent="    ")
