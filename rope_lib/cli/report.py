"""`rope-lib report`: a model measured past its declared context."""

import os

import click

from rope_lib.runs.errors import one_line

from .options import InputError, Lengths, Number, say, scheduler_option, workers_errors


@click.command()
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
        from rope_lib.report.write import write_report
    except ModuleNotFoundError as error:
        message = f"a report needs the package {error.name}: install rope-lib[report]"
        raise click.ClickException(message) from None
    try:
        out = write_report(*models, **options, say=say)
    except (ValueError, OSError) as error:
        raise InputError(one_line(error)) from None
    click.echo(os.path.join(out, "report.html"))


def _reports(models, scheduler, workers, options):
    """Reports on several models, as cells of a sweep."""
    if not models:
        raise InputError("MODEL must be given where --scheduler or --workers are")
    try:
        from rope_lib.report.many import write_reports
    except ModuleNotFoundError as error:
        message = f"reports by workers need the package {error.name}: install rope-lib[report,sweep]"
        raise click.ClickException(message) from None
    with workers_errors():
        folders, failed = write_reports(models, **options, scheduler=scheduler, workers=workers, say=say)
    for folder in folders:
        click.echo(os.path.join(folder, "report.html"))
    if failed:
        raise click.ClickException(f"{len(failed)} of {len(models)} models could not be measured")
