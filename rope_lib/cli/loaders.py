"""`rope-lib check --loader`: what other programs make of a model's file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from rope_lib.runs.errors import one_line

from .loader_lines import loader_lines
from .options import NOT_UNDERSTOOD, InputError, conclude, refuse_not_understood
from .sources import ATLAS

DIFFERENT = 1  # the exit status where a program rotates otherwise, or refuses the file


class LoaderName(click.ParamType):
    """The name of a program whose rules are known, or "all"."""

    name = "loader"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from rope_lib.models.loaders import LOADERS

        if value != "all" and value not in LOADERS:
            raise InputError(f"--loader must be one of {', '.join(LOADERS)} or all, got {value!r}")
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from rope_lib.models.loaders import LOADERS

        return [CompletionItem(name) for name in (*LOADERS, "all") if name.startswith(incomplete)]


def check_loaders(
    source: str, names: Sequence[str], context: int | None, as_json: bool, download: bool, strict: bool
) -> None:
    """Print what each of these programs makes of a file, and exit as `check` documents."""
    from rope_lib.models.loaders import LOADERS, model_file
    from rope_lib.models.loaders.record import DIFFERENT as PARTS
    from rope_lib.models.loaders.record import NOT_KNOWN, REFUSED, loader_record

    if source.startswith(ATLAS):
        raise InputError(f"{source}: a row of the atlas keeps no keys that a program could read: name a file")
    chosen = LOADERS if "all" in names else {name: LOADERS[name] for name in names}
    try:
        file = model_file(source, download=download)
        records = [loader_record(file, loader, context) for loader in chosen.values()]
    except (ValueError, OSError) as error:
        raise InputError(one_line(error)) from None
    not_understood = file.spec.keys.not_understood.plain()
    if strict:
        refuse_not_understood({file.spec.name: not_understood})
    found: dict[str, Any] = {
        "model": file.spec.name,
        "architecture": file.spec.architecture,
        "num_layers": file.spec.num_layers,
        "declared_context": file.spec.declared_context,
        "kind": file.kind,
        "not_understood": not_understood,
        "loaders": records,
    }
    outcomes = {record["outcome"] for record in records}
    status = NOT_UNDERSTOOD if not_understood else 0
    if outcomes == {NOT_KNOWN}:
        status = InputError.exit_code
    if outcomes & {PARTS, REFUSED}:
        status = DIFFERENT
    conclude(found, loader_lines, as_json=as_json, status=status)
