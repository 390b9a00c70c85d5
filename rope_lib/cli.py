"""The command `rope-lib`. Each subcommand imports what it needs, so that the cheap ones start at once."""

import os
import sys
from contextlib import contextmanager

import click

from rope_lib import __version__
from rope_lib.runs.errors import one_line


class InputError(click.ClickException):
    """Input that cannot be judged: one line on standard error, exit status 2."""

    exit_code = 2


class Number(click.ParamType):
    """A number that may be written with commas or underscores between its digits."""

    name = "number"

    def __init__(self, kind):
        self.kind = kind

    def convert(self, value, param, ctx):
        if isinstance(value, self.kind):
            return value
        try:
            return self.kind(value.replace(",", ""))
        except ValueError:
            kind = "a whole number" if self.kind is int else "a number"
            raise InputError(f"{param.opts[0]} must be {kind}, got {value!r}") from None


class DType(click.ParamType):
    """The name of a floating-point type; the theory says which it knows."""

    name = "dtype"

    def shell_complete(self, ctx, param, incomplete):
        from rope_lib.theory.bounds import SIGNIFICAND_BITS

        names = [name for name in SIGNIFICAND_BITS if name.startswith(incomplete)]
        return [click.shell_completion.CompletionItem(name) for name in names]


class Lengths(click.ParamType):
    """Whole numbers with commas between them."""

    name = "lengths"

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        try:
            return [int(part) for part in value.split(",")]
        except ValueError:
            message = f"--lengths must be whole numbers with commas between them, got {value!r}"
            raise InputError(message) from None


epsilon_option = click.option(
    "--epsilon", type=Number(float), default=0.95, show_default=True,
    help="Cosine similarity that the slowest oscillator must keep.",
)  # fmt: skip
dtype_option = click.option(
    "--dtype", type=DType(), default="float32", show_default=True, help="Number type of the angles."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rope-lib")
def main():
    """The bounds, verdicts, claims and measurements of the book, from the command line.

    \b
    Tab completion, for this shell (bash; zsh and fish likewise):
      eval "$(_ROPE_LIB_COMPLETE=bash_source rope-lib)"
    """


@main.command()
@click.argument("source")
@click.option("--context", type=Number(int), help="Tokens to judge at.  [default: what the model declares]")
@epsilon_option
@dtype_option
@json_option
@click.option("--download", is_flag=True, help="Fetch the config of a Hugging Face id that is not cached.")
def check(source, context, epsilon, dtype, as_json, download):
    """Judge a model by paper A's bounds, and say where each number came from.

    SOURCE is a config.json, a params.json or a .gguf file, a folder that holds one, a Hugging Face id in
    the local cache, or atlas:NAME. Exit status 0 for a verdict, 2 for what cannot be judged.

    \b
    Examples:
      rope-lib check config.json
      rope-lib check path/to/model --context 131072
      rope-lib check model.gguf --json
      rope-lib check "atlas:Llama 3.1 8B" --dtype bfloat16
    """
    from rope_lib.models import judge, read_model
    from rope_lib.models.record import record

    try:
        if source.startswith("atlas:"):
            from rope_lib.models.atlas import atlas_model

            spec = atlas_model(source.removeprefix("atlas:"))
        else:
            spec = read_model(source, download=download)
        found = record(judge(spec, context=context, epsilon=epsilon, dtype=dtype))
    except (ValueError, OSError) as error:
        raise InputError(one_line(error)) from None
    if as_json:
        _print_json(found)
    else:
        from rope_lib.show.verdict_text import verdict_lines

        _print_lines(verdict_lines(found))


@main.command()
@click.argument("filter", required=False, default="")
@click.option("--sort", metavar="COLUMN", help="Order by a column; a minus before its name reverses it.")
@click.option("--context", type=Number(int), help="Tokens to judge at.  [default: what each model declares]")
@epsilon_option
@dtype_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV and nothing else.")
def atlas(filter, sort, context, epsilon, dtype, as_json, as_csv):
    """List published models with the verdict of paper A's bounds on each.

    FILTER keeps the models in whose name, id, architecture, scaling or verdict it stands.

    \b
    Examples:
      rope-lib atlas qwen
      rope-lib atlas yarn --sort -context
      rope-lib atlas --csv > atlas.csv
    """
    from rope_lib.show.atlas_table import atlas_rows, print_csv, print_table

    try:
        rows = atlas_rows(filter, sort, context=context, epsilon=epsilon, dtype=dtype)
    except ValueError as error:
        raise InputError(one_line(error)) from None
    if not rows:
        click.echo(f"No model of the atlas matches {filter!r}.", err=True)
    if as_json:
        _print_json(rows)
    elif as_csv:
        print_csv(rows, sys.stdout)
    else:
        print_table(rows)


@main.command()
@click.option("--context", type=Number(int), required=True, help="Context length, in tokens.")
@click.option("--layers", type=Number(int), default=1, show_default=True, help="Layers that rotary drives.")
@click.option("--base", type=Number(float), help="A base to judge, stretched by a retrofit or not.")
@click.option("--head-dim", type=Number(int), help="Use the true lowest frequency of this head size.")
@epsilon_option
@dtype_option
@json_option
def bounds(context, layers, base, head_dim, epsilon, dtype, as_json):
    """Print paper A's bounds on the base, and the verdict on a base if one is given.

    \b
    Examples:
      rope-lib bounds --context 131072 --layers 32
      rope-lib bounds --context 8192 --layers 32 --base 500000
    """
    from rope_lib.models.verdicts import classify
    from rope_lib.theory.bounds import aliasing_bound, precision_wall, stability_bound

    if base is not None and head_dim is not None:
        raise InputError("--base is judged by the paper's own bounds: leave --head-dim out")
    try:
        found = {
            "aliasing": float(aliasing_bound(context, head_dim=head_dim)),
            "stability": float(stability_bound(context, epsilon, head_dim=head_dim)),
            "depth": float(stability_bound(context, epsilon, layers=layers, head_dim=head_dim)),
            "precision": float(precision_wall(dtype)),
        }
        if base is not None:
            found["verdict"] = classify(base, context, layers, epsilon=epsilon, dtype=dtype)
    except ValueError as error:
        raise InputError(one_line(error)) from None
    if as_json:
        _print_json(found)
    else:
        from rope_lib.show.verdict_text import bound_lines

        _print_lines(bound_lines(found))


@main.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@json_option
def claims(ids, as_json):
    """Check the papers' claims now and print the verdicts with their evidence.

    Without an ID every claim is checked; those that run the packaged model take some seconds each.

    \b
    Examples:
      rope-lib claims
      rope-lib claims A2 A5
      rope-lib claims --json A3
    """
    from rope_lib.show.claims import claims as all_claims

    known = {claim.id.casefold(): claim for claim in all_claims()}
    unknown = [name for name in ids if name.casefold() not in known]
    if unknown:
        names = ", ".join(claim.id for claim in known.values())
        raise click.BadParameter(f"{unknown[0]!r} is not a claim; known are {names}", param_hint="ID")
    chosen = [known[name.casefold()] for name in ids] or list(known.values())
    rows = []
    with click.progressbar(chosen, label="Checking", file=sys.stderr) as progress:
        for claim in progress:
            try:
                finding = claim.check()
            except ModuleNotFoundError as error:
                message = f"checking {claim.id} needs the package {error.name}: install rope-lib[models]"
                raise click.ClickException(message) from None
            except FileNotFoundError as error:
                raise click.ClickException(f"checking {claim.id}: {error}") from None
            rows.append(
                {
                    "id": claim.id,
                    "paper": claim.paper,
                    "statement": claim.statement,
                    "place": claim.place,
                    "standing": claim.standing,
                    "chapter": claim.chapter,
                    "verdict": finding.verdict,
                    "evidence": finding.evidence,
                }
            )
    if as_json:
        _print_json(rows)
    else:
        from rope_lib.show.terminal import print_table

        table = [
            (row["id"], f"{row['statement']} ({row['standing']})", row["verdict"], row["evidence"])
            for row in rows
        ]
        print_table(("", "claim", "verdict", "evidence"), table, show_lines=True)


scheduler_option = click.option(
    "--scheduler", metavar="ADDRESS", help="Use the workers of a Dask cluster that runs already."
)


@main.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--lengths",
    type=Lengths(),
    metavar="N,N,…",
    help="Input lengths, in tokens.  [default: by model and machine]",
)
@click.option(
    "--text",
    "text_file",
    metavar="FILE",
    help="Text to read, in UTF-8.  [default: Python's language reference]",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--dtype", help="float32, bfloat16 or float16.  [default: bfloat16 on cuda, else float32]")
@click.option("--out", metavar="DIR", help="Folder to write.  [default: rope-report-MODEL, or rope-reports]")
@click.option("--download", is_flag=True, help="Fetch a Hugging Face id that is not cached.")
@scheduler_option
@click.option(
    "--workers",
    type=Number(int),
    help="Processes that measure several models.  [default: one, or one for each GPU]",
)
def report(models, scheduler, workers, **options):
    """Measure a model past its declared context, and write what was found as one web page with its tables.

    MODEL is a folder, a .gguf file or a Hugging Face id in the local cache; without one it is the packaged
    SmolLM2. An estimate comes first. A run that was stopped goes on where it was. Exit status 2 for what
    cannot be measured; then nothing is written.

    Several models are measured one after the other, or side by side by several workers, each into a folder
    of its own within DIR. One that cannot be measured is told in a line; the others finish, with exit
    status 1.

    \b
    Examples:
      rope-lib report
      rope-lib report path/to/model --lengths 1024,4096,8192 --out my-report
      rope-lib report org/name --download --device cuda --text book.txt
      rope-lib report models/* --out reports
    """
    if len(models) > 1 or scheduler is not None or workers is not None:
        _reports(models, scheduler, workers, options)
        return
    try:
        from rope_lib.show.report import write_report
    except ModuleNotFoundError as error:
        message = f"a report needs the package {error.name}: install rope-lib[report]"
        raise click.ClickException(message) from None
    try:
        out = write_report(*models, **options, say=_say)
    except (ValueError, OSError) as error:
        raise InputError(one_line(error)) from None
    click.echo(os.path.join(out, "report.html"))


def _reports(models, scheduler, workers, options):
    """Reports on several models, as cells of a sweep."""
    if not models:
        raise InputError("MODEL must be given where --scheduler or --workers are")
    try:
        from rope_lib.show.reports import write_reports
    except ModuleNotFoundError as error:
        message = f"reports by workers need the package {error.name}: install rope-lib[report,sweep]"
        raise click.ClickException(message) from None
    with _workers_errors():
        folders, failed = write_reports(models, **options, scheduler=scheduler, workers=workers, say=_say)
    for folder in folders:
        click.echo(os.path.join(folder, "report.html"))
    if failed:
        raise click.ClickException(f"{len(failed)} of {len(models)} models could not be measured")


@main.command()
@click.argument("config")
@click.option("--out", metavar="DIR", help="Folder to write.  [default: rope-train-CONFIG]")
@click.option("--device", default="cpu", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--keep", is_flag=True, help="Keep the trained weights too, in DIR-training.")
def train(config, out, device, keep):
    """Train a small transformer as CONFIG says, question it, and write what was found as tables.

    CONFIG is a TOML file; what it leaves out has its default. A run that was stopped goes on where it was. On
    a CPU the same config and number of threads give the same tables, bit for bit. Exit status 2 for a config
    that cannot be run; then nothing is written.

    \b
    Examples:
      rope-lib train experiments/byte_rope_id.toml
      rope-lib train my.toml --device cuda --out my-run
    """
    try:
        from rope_lib.measure.device import choose_device
        from rope_lib.runs.store import PROVENANCE_FILE, circumstances, save_tables
        from rope_lib.train.config import Config
        from rope_lib.train.run import inputs, run
    except ModuleNotFoundError as error:
        message = f"training needs the package {error.name}: install rope-lib[models]"
        raise click.ClickException(message) from None
    import contextlib
    import time
    from pathlib import Path

    out = Path(out or f"rope-train-{Path(config).stem}").absolute()
    unfinished = out.with_name(f"{out.name}-training")  # beside the result, which appears when it is whole
    start = time.perf_counter()
    try:
        chosen = Config.from_toml(config)
        if out.exists() and not (out / PROVENANCE_FILE).is_file():
            raise ValueError(f"--out must be a new folder or one that this command wrote, got {out}")
        device = choose_device(device)
        tables = run(chosen, unfinished, device=device, keep=keep)
        made = circumstances(seconds=round(time.perf_counter() - start, 1), device=device)
        save_tables(out, tables, {"name": "train", "inputs": inputs(chosen)} | made)
    except (ValueError, OSError, FloatingPointError) as error:
        raise InputError(one_line(error)) from None
    with contextlib.suppress(OSError):  # it stays where something is in it
        unfinished.rmdir()
    click.echo(os.path.join(out, "summary.parquet"))


@main.command()
@click.argument("grid", metavar="GRID.toml")
@click.option("--size", default="default", show_default=True, help="default, or full for a GPU.")
@scheduler_option
@click.option(
    "--workers", type=Number(int), help="Processes of this machine.  [default: one for each core, or GPU]"
)
@click.option("--out", metavar="DIR", help="Folder to write.  [default: rope-sweep-GRID]")
def sweep(grid, size, scheduler, workers, out):
    """Run every cell of a grid of experiments, and join their tables.

    A finished cell is kept in DIR: the same command, after whatever ended it, runs only what is missing.
    Cells that fail are told in a line each; the others finish, with exit status 1. Exit status 2 for a
    grid that is none.

    \b
    Examples:
      rope-lib sweep experiments/bases.toml
      rope-lib sweep experiments/bases.toml --size full --scheduler tcp://host:8786
    """
    try:
        from rope_lib.show.experiments import run_grid
    except ModuleNotFoundError as error:
        message = f"a sweep needs the package {error.name}: install rope-lib[sweep]"
        raise click.ClickException(message) from None
    with _workers_errors():
        tables, swept = run_grid(grid, size=size, scheduler=scheduler, workers=workers, out=out, say=_say)
    click.echo(tables)
    if swept.failed:
        raise click.ClickException(f"{len(swept.failed)} cells failed; the same command tries them again")


@contextmanager
def _workers_errors():
    """What ends a sweep, in one line and by its exit status."""
    try:
        yield
    except ConnectionError as error:
        raise click.ClickException(one_line(error)) from None
    except (ValueError, OSError) as error:
        raise InputError(one_line(error)) from None
    except KeyboardInterrupt:
        _say("Stopped. What was finished is kept; the same command goes on.")
        sys.exit(130)


def _say(line):
    click.echo(line, err=True)


def _print_json(found):
    import json

    click.echo(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))


def _print_lines(lines):
    """Styled lines, without their colors where standard output is no terminal or NO_COLOR is set."""
    for line in lines:
        click.echo(line, color=False if os.environ.get("NO_COLOR") else None)
