"""What programs make of a file, as lines for the terminal."""

from collections.abc import Iterator, Mapping

import click

from rope_lib.models.checks import shortened, shown
from rope_lib.models.record import base_text, layers_text, scaling_and_length

from .compare_lines import parting_lines, phase_lines
from .options import Json
from .terminal import wrapped

_LABEL = 22  # columns

_OUTCOMES = {
    "same": ("the same rotation", "green"),
    "different": ("another rotation", "red"),
    "refused": ("refuses the file", "red"),
    "not_known": ("not known", "yellow"),
}


def loader_lines(record: Mapping[str, Json]) -> Iterator[str]:
    """The lines of what several programs make of a file, as `cli.loaders` collects it."""
    yield f"{click.style(record['model'], bold=True)}  {record['architecture']}, a {record['kind']}"
    for name, value in record["not_understood"].items():
        yield f"  {'not understood':<{_LABEL}}{shortened(name)}: {shown(value)}"
    for loader in record["loaders"]:
        yield ""
        yield from _one(loader)


def _one(loader: Mapping[str, Json]) -> Iterator[str]:
    """The lines of one program."""
    text, color = _OUTCOMES[loader["outcome"]]
    yield f"{click.style(loader['program'], bold=True)}: {click.style(text, fg=color, bold=True)}"
    if loader["why"] is not None:
        yield from wrapped(loader["why"])
    for group in loader["groups"]:
        yield from _group(group)
    for other in loader["elsewhere"]:
        if not other["same"]:
            worst = "" if other["worst"] is None else f", worst phase error {other['worst']:,.4g} rad"
            yield f"  at {other['context']:,} tokens: another rotation{worst}"
    for note in loader["notes"]:
        yield from wrapped(note)
    if loader["outcome"] in ("same", "different"):
        yield from (click.style(line, dim=True) for line in wrapped(loader["known_by"]))


def _group(group: Mapping[str, Json]) -> Iterator[str]:
    """What the program reads for the layers of one group, and how far that is from the file."""
    yield f"  layers {layers_text(group['layers'])}: {_reads(group['b'])}"
    if group["same"]:
        return
    yield f"    {'':<{_LABEL}}{'the file':<26}the program"
    for parting in group["partings"]:
        for line in parting_lines(parting, ("the file", "the program")):
            yield f"  {line}"
    if group["phase"] is not None and group["phase"]["worst"] > 0:
        for line in phase_lines(group["phase"], "the file"):
            yield f"  {line}"
    file, program = (f"{number:.4g}" if number is not None else "none" for number in group["slowest"])
    yield f"    {'slowest pair':<{_LABEL}}{file + ' rad/token':<26}{program} rad/token"


def _reads(rotary: Mapping[str, Json] | None) -> str:
    """A spectrum in a few words."""
    if rotary is None:
        return "no rotation"
    size = f"{rotary['rotary_dim']} of {rotary['head_dim']} channels"
    return f"base {base_text(rotary['base'])}, {scaling_and_length(rotary['scaling'])}, {size}"
