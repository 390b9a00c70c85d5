"""`rope-lib extend`: the retrofit to write for a longer context, and what it does."""

import click

from rope_lib.runs.errors import one_line

from .extension_lines import extension_lines
from .options import (
    NOT_UNDERSTOOD,
    InputError,
    Number,
    conclude,
    download_option,
    dtype_option,
    epsilon_option,
    json_option,
    refuse_not_understood,
    strict_option,
)

METHODS = ("yarn", "ntk", "linear", "dynamic", "llama3")
PROGRAMS = ("transformers-5", "transformers-4", "vllm", "llama.cpp")


@click.command()
@click.argument("source")
@click.option("--context", type=Number(int), required=True, help="Tokens to reach.")
@click.option(
    "--method", metavar="|".join(METHODS),
    help="How.  [default: the model's own, to which its weights were tuned; else yarn, which of the methods "
    "measured here lost least at both stretches beyond the trained length]",
)  # fmt: skip
@click.option(
    "--for", "program", default=PROGRAMS[0], show_default=True, metavar="|".join(PROGRAMS),
    help="The program that will load the model.",
)  # fmt: skip
@click.option(
    "--original", type=Number(int),
    help="Tokens of the training before any retrofit.  [default: what the files state]",
)  # fmt: skip
@epsilon_option
@dtype_option
@json_option
@download_option
@strict_option
def extend(
    source: str,
    context: int,
    method: str | None,
    program: str,
    original: int | None,
    epsilon: float,
    dtype: str,
    as_json: bool,
    download: bool,
    strict: bool,
) -> None:
    """Print what to write so that a model reaches a longer context, and what that does to its rotation.

    SOURCE is as for `rope-lib check`. The extension starts from the length of the original training: a
    scaling that the model carries is replaced, never stacked. For transformers the fragment is JSON to merge
    into config.json: each key, inside text_config where that is named, replaces the file's whole, and null
    removes it.

    \b
    Exit status:
      0  a fragment
      2  there is nothing to write, with the reason: no rotary embedding, a context that is not above the
         original one, factors made for one length, a method that the program cannot run as it is meant
      3  a fragment that may not stand: a key that may bear on rotation was not understood (2 with --strict)

    \b
    Examples:
      rope-lib extend config.json --context 131072
      rope-lib extend "atlas:Qwen3 8B" --context 131072 --for vllm
      rope-lib extend model.gguf --context 65536 --method ntk --for llama.cpp
    """
    from rope_lib.models.extension_record import extension_record
    from rope_lib.models.fragments import written

    from .sources import read_source, source_config

    try:
        spec, config = read_source(source, download=download), source_config(source, download=download)
        extension, fragment = written(spec, config, context, method, program, original=original)
        found = extension_record(extension, fragment, epsilon=epsilon, dtype=dtype)
    except (ValueError, OSError) as error:
        raise InputError(one_line(error)) from None
    not_understood = found["not_understood"]
    if strict:
        refuse_not_understood({spec.name: not_understood})
    conclude(found, extension_lines, as_json=as_json, status=NOT_UNDERSTOOD if not_understood else 0)
