"""`rope-lib compare`: whether two models' files are the same rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rope_lib.runs.errors import one_line

from .options import NOT_UNDERSTOOD, InputError, Number, json_option, print_json, print_lines

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
@click.option("--download", is_flag=True, help="Fetch the config of a Hugging Face id that is not cached.")
@click.option(
    "--strict", is_flag=True, help="Refuse a file with a key that may bear on rotation, not understood."
)
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
    unknown = {side: found[side]["not_understood"] for side in ("a", "b") if found[side]["not_understood"]}
    if strict and unknown:
        from rope_lib.models.checks import listed

        lines = [f"{side.upper()}: {listed(keys)}" for side, keys in unknown.items()]
        raise InputError(f"not understood, and may bear on rotation: {'; '.join(lines)}")
    if as_json:
        print_json(found)
    else:
        from .compare_lines import compare_lines

        print_lines(compare_lines(found))
    if unknown:
        click.get_current_context().exit(NOT_UNDERSTOOD)
    if not found["same"]:
        click.get_current_context().exit(DIFFERENT)


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
