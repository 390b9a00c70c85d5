"""`rope-lib report`: a model measured past its declared length."""

from typing import Any

import click

from rope_lib.runs.errors import one_line

from .options import (
    InputError,
    Lengths,
    Number,
    force_option,
    needs,
    print_path,
    say,
    scheduler_option,
    workers_errors,
)


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--lengths",
    type=Lengths(),
    metavar="N,N,…",
    help="Input lengths, in tokens.  [default: what suits the model and the machine]",
)
@click.option(
    "--text",
    "texts",
    multiple=True,
    metavar="FILE",
    help="Text to read, in UTF-8; several give intervals.  [default: Python's language reference]",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--dtype", help="float32, bfloat16 or float16.  [default: bfloat16 on cuda, else float32]")
@click.option("--out", metavar="DIR", help="Folder to write.  [default: rope-report-MODEL, or rope-reports]")
@force_option
@click.option("--download", is_flag=True, help="Fetch a Hugging Face id that is not cached.")
@scheduler_option
@click.option(
    "--workers",
    type=Number(int),
    help="Processes that measure models side by side.  [default: one, or one for each GPU]",
)
def report(models: tuple[str, ...], scheduler: str | None, workers: int | None, **options: Any) -> None:
    """Measure a model past its declared length, and write the findings as one web page with its tables.

    MODEL is a folder, a .gguf file or a Hugging Face id in the local cache; the default is the packaged
    SmolLM2. The command first prints an estimate of the time and the memory. A run that was stopped resumes
    where it left off. If a model cannot be measured, nothing is written and the exit status is 2.

    Each text is measured by itself. The report says on how many of them a model breaks, and gives each mean
    over heads with its lowest and highest value over the texts.

    Several models are measured one after the other, or side by side by several workers, each into a folder
    of its own within DIR. A model that cannot be measured is reported in one line; the others are still
    measured, and the exit status is 1.

    \b
    Examples:
      rope-lib report
      rope-lib report path/to/model --lengths 1024,4096,8192 --out my-report
      rope-lib report org/name --download --device cuda --text book.txt
      rope-lib report path/to/model --text one.txt --text two.txt --text three.txt
      rope-lib report models/* --out reports
    """
    if len(models) > 1 or scheduler is not None or workers is not None:
        _reports(models, scheduler, workers, options)
        return
    try:
        with needs("a report needs", "report"):
            from rope_lib.report.source import check_named

            check_named(options["out"], options["texts"])
            from rope_lib.report.write import write_report
        out = write_report(*models, **options, say=say)
    except ChildProcessError as error:
        raise click.ClickException(one_line(error)) from None
    except (ValueError, OSError) as error:
        raise InputError(one_line(error)) from None
    print_path(out, "report.html")


def _reports(
    models: tuple[str, ...], scheduler: str | None, workers: int | None, options: dict[str, Any]
) -> None:
    """Reports on several models, as cells of a sweep."""
    if not models:
        raise InputError("MODEL must be given with --scheduler or --workers")
    with needs("reports by workers need", "report,sweep"):
        from rope_lib.report.many import write_reports
    with workers_errors():
        folders, failed = write_reports(models, **options, scheduler=scheduler, workers=workers, say=say)
    for folder in folders:
        print_path(folder, "report.html")
    if failed:
        raise click.ClickException(f"{len(failed)} of {len(models)} models could not be measured")
