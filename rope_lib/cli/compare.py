"""`rope-lib compare`: whether two models' files are the same rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rope_lib.runs.errors import one_line

from .compare_lines import compare_lines
from .options import (
    NOT_UNDERSTOOD,
    InputError,
    Number,
    conclude,
    download_option,
    json_option,
    refuse_not_understood,
    strict_option,
)

if TYPE_CHECKING:
    from rope_lib.models import ModelSpec

DIFFERENT = 1  # the exit status where the two are not the same rotation


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--context", type=Number(int), help="Tokens to compare at.  [default: the larger that either declares]"
)
@json_option
@download_option
@strict_option
def compare(a: str, b: str, context: int | None, as_json: bool, download: bool, strict: bool) -> None:
    """Say whether two models' files are the same rotation, where they part, and what would explain it.

    A and B are each what `rope-lib check` takes: a config.json, a params.json or a .gguf file, a folder that
    holds one, a Hugging Face id in the local cache, or atlas:NAME. Numbers are the same within float32's
    rounding.

    \b
    Exit status:
      0  the same rotation, of every input up to the context
      1  different
      2  one of the two cannot be read
      3  a key of either that may bear on rotation was not understood (2 with --strict)

    \b
    Examples:
      rope-lib compare config.json model.gguf
      rope-lib compare path/to/base path/to/fine-tune --context 131072
      rope-lib compare params.json "atlas:Llama 3.1 8B" --json
    """
    from rope_lib.models.compare import compare as compare_models
    from rope_lib.models.compare_record import compare_record
    from rope_lib.models.explanations import explain

    first, second = _both(a, b, download)
    try:
        comparison = compare_models(first, second, context)
        found = compare_record(comparison, explain(comparison))
    except ValueError as error:
        raise InputError(one_line(error)) from None
    unknown = {side.upper(): found[side]["not_understood"] for side in ("a", "b")}
    if strict:
        refuse_not_understood(unknown)
    status = NOT_UNDERSTOOD if any(unknown.values()) else 0 if found["same"] else DIFFERENT
    conclude(found, compare_lines, as_json=as_json, status=status)


def _both(a: str, b: str, download: bool) -> tuple[ModelSpec, ModelSpec]:
    """The models of both sources; one line says which of them cannot be read."""
    from .sources import read_source

    models: list[ModelSpec] = []
    refusals: list[str] = []
    for name, source in ("A", a), ("B", b):
        try:
            models.append(read_source(source, download=download))
        except (ValueError, OSError) as error:
            refusals.append(f"{name}: {one_line(error)}")
    if refusals:
        raise InputError("; ".join(refusals))
    first, second = models
    return first, second
