"""Notebooks made from a sheet of exercises: for students, solved, and for nbgrader.

All three hold the same cells in the same order. The student's has stubs that raise NotImplementedError with a
hint; in the others the solutions stand in their place. The one for nbgrader is solved, too, and marks what
nbgrader clears from the students' version and what it grades, in version 3 of its cell metadata.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import nbformat
from nbformat import NotebookNode

from .source import GRADES, Exercise, Question, Sheet, docstring_end

POINTS = {"check": 1, "compute": 2, "extend": 2, "open": 3}
YOUR_ANSWER = "*Your answer:*"
CHECKED = "The folded cell below a function that you write checks it."
SCHEMA_VERSION = 3  # of nbgrader's cell metadata
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"  # nbgrader clears what stands between

Plain = Callable[[str], str]


@dataclass(frozen=True)
class ExerciseCell:
    """A cell and its part in the exercises.

    Given, for code: setup, start, check; in words: given. An answer: code, or words with the explanation that
    takes their place in a solved notebook. A solution's why belongs to code that was graded by its check.
    """

    part: str
    id: str
    source: str
    points: int = 0

    @property
    def is_code(self) -> bool:
        return self.part in ("setup", "start", "code", "check")


def student(sheet: Sheet, plain: Plain) -> NotebookNode:
    """The notebook to hand out. `plain` turns prose of the book into plain Markdown."""
    made = cells(sheet, plain, solved=False)
    return _notebook([cell for cell in made if cell.part not in ("explanation", "why")])


def solved(sheet: Sheet, plain: Plain) -> NotebookNode:
    """The notebook with every solution in its place, for whoever teaches."""
    return _notebook([cell for cell in cells(sheet, plain, solved=True) if cell.part != "words"])


def for_nbgrader(sheet: Sheet, plain: Plain) -> NotebookNode:
    """The solved notebook with nbgrader's metadata, for the folder `source/ASSIGNMENT` of a course."""
    made = [
        cell for cell in cells(sheet, plain, solved=True, marked=True) if cell.part not in ("words", "why")
    ]
    notebook = _notebook(made)
    for cell, node in zip(made, notebook.cells, strict=True):
        if cell.part != "start":  # which a student may change: nbgrader would warn that it does not keep it
            node.metadata["nbgrader"] = nbgrader_metadata(cell)
    return notebook


def nbgrader_metadata(cell: ExerciseCell) -> dict[str, Any]:
    """What nbgrader is to do with a cell, in version 3 of its schema.

    >>> about = nbgrader_metadata(ExerciseCell("check", "bank-period-check", "check(period, ...)", 2))
    >>> about["grade"], about["solution"], about["locked"], about["points"]
    (True, False, True, 2)
    """
    by_a_person = cell.part == "explanation"  # a text that a student writes and a person grades
    graded = cell.part == "check" or by_a_person
    answered = cell.part == "code" or by_a_person
    about = {
        "cell_type": "code" if cell.is_code else "markdown",
        "grade": graded,
        "grade_id": cell.id,
        "locked": not answered,
        "schema_version": SCHEMA_VERSION,
        "solution": answered,
        "task": False,
    }
    return about | ({"points": cell.points} if graded else {})


def cells(sheet: Sheet, plain: Plain, *, solved: bool, marked: bool = False) -> Iterator[ExerciseCell]:
    """The cells of a notebook in their order, those of a student's and of a solved one alike.

    `marked` code carries the comments between which nbgrader clears a solution.
    """
    yield ExerciseCell("given", "title", f"# {sheet.title}\n\n{_legend()}")
    if sheet.setup:
        yield ExerciseCell("setup", "setup", sheet.setup)
    if sheet.questions:
        yield ExerciseCell(
            "given", "questions", "## Quick questions\n\nChoose, then open the fold of what you chose."
        )
    for question in sheet.questions:
        yield ExerciseCell("given", _id(question.label), _asked(question, plain))
    for number, exercise in enumerate(sheet.exercises, 1):
        yield from _exercise(exercise, number, plain, solved, marked)


def _legend() -> str:
    meaning = "\n".join(f"- **{grade}**: {words};" for grade, words in GRADES.items())
    return f"Each exercise has a grade:\n\n{meaning[:-1]}.\n\nRun the cells from top to bottom. {CHECKED}"


def _exercise(
    exercise: Exercise, number: int, plain: Plain, solved: bool, marked: bool
) -> Iterator[ExerciseCell]:
    name, code, points = _id(exercise.label), exercise.code, POINTS[exercise.grade]
    has_code, has_words = "solution" in code, "solution" not in code or exercise.grade == "extend"
    hint = f"\n\n*Hint:* {plain(exercise.hint.text)}" if exercise.hint and not has_code else ""
    grade = exercise.grade + (", by hand" if exercise.by_hand else "")
    head = f"## Exercise {number}: {plain(exercise.title)}\n\n*{grade}*"
    yield ExerciseCell("given", name, f"{head}\n\n{plain(exercise.statement.text)}{hint}")
    if "start" in code:
        yield ExerciseCell("start", f"{name}-start", code["start"].text)
    if exercise.stub is not None:
        solution = _marked(code["solution"].text, exercise) if marked else code["solution"].text
        yield ExerciseCell("code", f"{name}-code", solution if solved else exercise.stub)
        yield ExerciseCell("check", f"{name}-check", code["check"].text, points - has_words)
    if has_words:
        yield ExerciseCell("words", f"{name}-words", YOUR_ANSWER)
    title = "What would count as progress" if exercise.grade == "open" else "Solution"
    text = f"**{title}.** {plain(exercise.answer.text)}"
    yield ExerciseCell(
        "explanation" if has_words else "why", f"{name}-solution", text, 1 if has_code else points
    )


def _marked(solution: str, exercise: Exercise) -> str:
    """A solution with the marks of nbgrader around its body, and the hint above them."""
    lines, end = solution.splitlines(), docstring_end(solution)
    hint = [f"    # Hint: {' '.join(exercise.hint.text.split())}"] if exercise.hint else []
    return "\n".join([*lines[:end], *hint, f"    {BEGIN}", *lines[end:], f"    {END}"])


def _asked(question: Question, plain: Plain) -> str:
    """A question in Markdown, with what to say to each choice in a fold."""
    parts = [f"### {plain(question.title)}", plain(question.statement.text)]
    for letter, option in zip("ABCDEFGH", question.options, strict=False):
        verdict = "Right." if option.is_right else "No."
        parts += [
            f"**{letter}.** {plain(option.text.text)}",
            f"<details><summary>{letter}?</summary>\n\n{verdict} {plain(option.feedback.text)}\n\n</details>",
        ]
    return "\n\n".join(filter(None, parts))


def _id(label: str) -> str:
    """A label as the id of a cell and as nbgrader's grade_id.

    >>> _id("ex:bank-period")
    'ex-bank-period'
    """
    return label.replace(":", "-")


def _notebook(made: list[ExerciseCell]) -> NotebookNode:
    new = nbformat.v4
    notebook = new.new_notebook(
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in made:
        node = (new.new_code_cell if cell.is_code else new.new_markdown_cell)(cell.source, id=cell.id)
        if cell.part == "check":  # it names mistakes, which nobody should read before making them
            node.metadata["jupyter"] = {"source_hidden": True}
        notebook.cells.append(node)
    nbformat.validate(notebook)
    return notebook
