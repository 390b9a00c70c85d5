"""`rope-lib check` and `rope-lib bounds`: paper A's bounds on a model, or on numbers alone."""

from dataclasses import asdict

import click

from rope_lib.runs.errors import one_line

from .loaders import LoaderName, check_loaders
from .options import (
    NOT_UNDERSTOOD,
    InputError,
    Json,
    Number,
    conclude,
    download_option,
    dtype_option,
    epsilon_option,
    json_option,
    refuse_not_understood,
    strict_option,
)
from .verdict_lines import bound_lines, verdict_lines


@click.command()
@click.argument("source")
@click.option("--context", type=Number(int), help="Tokens to judge at.  [default: what the model declares]")
@epsilon_option
@dtype_option
@json_option
@download_option
@strict_option
@click.option(
    "--loader", "loaders", type=LoaderName(), multiple=True,
    help="Say instead what this program makes of the file; may be given again, or be all.",
)  # fmt: skip
def check(
    source: str,
    context: int | None,
    epsilon: float,
    dtype: str,
    as_json: bool,
    download: bool,
    strict: bool,
    loaders: tuple[str, ...],
) -> None:
    """Judge a model by paper A's bounds, and say where each number comes from.

    SOURCE is a config.json, a params.json or a .gguf file, a folder that holds one, a Hugging Face id in
    the local cache, or atlas:NAME. The exit status is 0 for a verdict, 3 for one that may not stand, since a
    key that may bear on rotation was not understood (2 with --strict), and 2 for input that cannot be judged.

    The last lines tell apart what is known of the model, what paper A says with the record of its verdicts,
    and what nobody knows. A length of training is known (from the case studies or the atlas), declared (by
    the model's files) or assumed (a default of its class).

    With --loader the question is another: which rotation does that program run from this file, where does
    it differ from what the file says, and by what phase error? The exit status is 0 where it is the same, 1
    where a program rotates otherwise or refuses the file, and 2 where no program's rule is known.

    \b
    Examples:
      rope-lib check config.json
      rope-lib check config.json --loader transformers-4
      rope-lib check path/to/model --context 131072
      rope-lib check model.gguf --json
      rope-lib check "atlas:Llama 3.1 8B" --dtype bfloat16
    """
    if loaders:
        check_loaders(source, loaders, context, as_json, download, strict)
        return
    from rope_lib.models import judge
    from rope_lib.models.record import record

    from .sources import read_source

    try:
        spec = read_source(source, download=download)
        if context is None and spec.declared_context is None and spec.rotaries:
            key = "max_position_embeddings (in a GGUF file, context_length)"
            raise ValueError(f"{source}: {key} is missing: give the context to judge at with --context")
        found = record(judge(spec, context=context, epsilon=epsilon, dtype=dtype))
    except (ValueError, OSError) as error:
        raise InputError(one_line(error)) from None
    not_understood = found["keys"]["not_understood"]
    if strict:
        refuse_not_understood({spec.name: not_understood})
    conclude(found, verdict_lines, as_json=as_json, status=NOT_UNDERSTOOD if not_understood else 0)


@click.command()
@click.option("--context", type=Number(int), required=True, help="Context length, in tokens.")
@click.option("--layers", type=Number(int), default=1, show_default=True, help="Layers that rotary drives.")
@click.option("--base", type=Number(float), help="A base to judge, stretched by a retrofit or not.")
@click.option("--head-dim", type=Number(int), help="Use the true lowest frequency of this head size.")
@epsilon_option
@dtype_option
@json_option
def bounds(
    context: int,
    layers: int,
    base: float | None,
    head_dim: int | None,
    epsilon: float,
    dtype: str,
    as_json: bool,
) -> None:
    """Print paper A's bounds on the base, and the verdict on a base, with its record, if one is given.

    \b
    Examples:
      rope-lib bounds --context 131072 --layers 32
      rope-lib bounds --context 8192 --layers 32 --base 500000
    """
    from rope_lib.models.track_record import track_record
    from rope_lib.models.verdicts import classify
    from rope_lib.theory.bounds import aliasing_bound, precision_wall, stability_bound

    if base is not None and head_dim is not None:
        raise InputError("--base is judged by the paper's own bounds: leave out --head-dim")
    try:
        found: dict[str, Json] = {
            "aliasing": float(aliasing_bound(context, head_dim=head_dim)),
            "stability": float(stability_bound(context, epsilon, head_dim=head_dim)),
            "depth": float(stability_bound(context, epsilon, layers=layers, head_dim=head_dim)),
            "precision": float(precision_wall(dtype)),
        }
        if base is not None:
            found["verdict"] = str(classify(base, context, layers, epsilon=epsilon, dtype=dtype))
            found["record"] = asdict(track_record(epsilon, dtype))
    except ValueError as error:
        raise InputError(one_line(error)) from None
    conclude(found, bound_lines, as_json=as_json, status=0)
