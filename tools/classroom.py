"""Zips for a class, made from `book/exercises`: what students get, the solutions, and a bundle for nbgrader.

    python tools/classroom.py [CHAPTER ...] [--to FOLDER]

rope-exercises.zip holds the students' notebooks and the library with its kept results; it runs in an empty
folder. rope-solutions.zip holds the solved notebooks. rope-nbgrader.zip is for those who grade: the solved
notebooks once more, one assignment for each chapter, marked for nbgrader. All three land in `_build/class`.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import nbformat

from rope_lib.exercises.notebooks import for_nbgrader, solved, student
from rope_lib.exercises.source import Sheet, SourceError, read_sheet

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from exercise_sheets import plain_prose, sheet_files  # noqa: E402
from take_away import build_wheel, write_zip  # noqa: E402

STUDENTS = """# Exercises on rotary position embeddings

`exercises/` holds a notebook for each chapter of the book. `{wheel}` is the library that
they call, with the kept results.

Python 3.11, 3.12 or 3.13. In this folder, on Linux or macOS:

    python3 -m venv .venv
    .venv/bin/pip install --no-deps --require-hashes -r requirements.txt
    .venv/bin/pip install --no-deps {wheel}
    .venv/bin/pip install jupyterlab
    .venv/bin/jupyter lab exercises

On Windows write `.venv\\Scripts` for `.venv/bin`. Where something is yours to write, a function raises
NotImplementedError with a hint. Write it and run the cell below it. That cell says whether you are right; if
not, it shows your answer beside the true value. Its code is folded: it names mistakes that are easily made.

Code under the MIT license, text under CC BY 4.0.
"""

TEACHERS = """# Solutions of the exercises

For whoever teaches: each notebook of `solutions/` is a student's with the solutions in place. They run where
the students' notebooks run. Points, where you count them: check 1, compute 2, extend 2, open 3.
"""

GRADERS = """# The exercises for nbgrader

`source/` holds one assignment for each chapter, with solutions. Copy it into the folder of a course, and
install the library from rope-exercises.zip where nbgrader runs. For one chapter, say {example}:

    nbgrader generate_assignment {example}
    nbgrader collect {example}
    nbgrader autograde {example}

Without nbgrader's exchange, put a student's notebook into `submitted/STUDENT/{example}/` instead of
collecting it. Made for nbgrader 0.9.6. Functions are graded by their checks. What students write in words
waits for you in nbgrader's formgrader.
"""


def sheets(names: tuple[str, ...]) -> list[Sheet]:
    """The exercises of the chapters named, or of all. Raises ClickException for a name without exercises."""
    files = sheet_files(ROOT)
    if unknown := [name for name in names if name not in files]:
        raise click.ClickException(f"CHAPTER must be one of {', '.join(files)}, got {unknown[0]!r}")
    try:
        return [read_sheet(files[name]) for name in names or files]
    except SourceError as error:
        raise click.ClickException(f"book/exercises/{error}") from None


def written(make: Callable, made: list[Sheet], path: str) -> dict[str, bytes]:
    """Notebooks as files, by their names; `path` holds {name}."""
    plain = plain_prose(ROOT)
    return {
        path.format(name=sheet.name): f"{nbformat.writes(make(sheet, plain))}\n".encode() for sheet in made
    }


def for_students(made: list[Sheet]) -> dict[str, bytes]:
    """What students get: README, license, pins, the library's wheel, and notebooks."""
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build_wheel(ROOT, Path(scratch))
        content = {"README.md": STUDENTS.format(wheel=wheel.name).encode(), wheel.name: wheel.read_bytes()}
    content |= {name: (ROOT / name).read_bytes() for name in ("LICENSE", "requirements.txt")}
    return content | written(student, made, "exercises/{name}.ipynb")


@click.command(help=__doc__.split("\n")[0])
@click.argument("chapters", nargs=-1)
@click.option("--to", default=ROOT / "_build" / "class", type=click.Path(path_type=Path), help="The folder.")
def main(chapters: tuple[str, ...], to: Path) -> None:
    made = sheets(chapters)
    contents = {
        "rope-exercises.zip": for_students(made),
        "rope-solutions.zip": {"README.md": TEACHERS.encode()}
        | written(solved, made, "solutions/{name}.ipynb"),
        "rope-nbgrader.zip": {"README.md": GRADERS.format(example=made[0].name).encode()}
        | written(for_nbgrader, made, "source/{name}/{name}.ipynb"),
    }
    for name, content in contents.items():
        write_zip(to / name, content)
        click.echo(f"{to / name}  {(to / name).stat().st_size / 1000:,.0f} kB")


if __name__ == "__main__":
    main()
