"""Every file of exercises in the book: its notebooks run, its checks refuse what is wrong, its numbers hold.

Cells run in this process, one after the other in one namespace, as a reader would run them.
"""

import contextlib
import functools
import io
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from extensions import extension

import rope_lib.exercises
from rope_lib.exercises import WrongAnswer, check
from rope_lib.exercises.notebooks import for_nbgrader, solved, student
from rope_lib.exercises.source import GRADES, docstring_end, read_sheet

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "book" / "exercises").glob("*.md"))

every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


@pytest.fixture(scope="module")
def plain():
    return extension(ROOT, "exercise_sheets").plain_prose(ROOT)


def run(notebook, namespace):
    """Run the code cells in a namespace: what each printed or raised, by the cell's id."""
    results = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            printed = io.StringIO()
            try:
                with contextlib.redirect_stdout(printed):
                    exec(compile(cell.source, cell.id, "exec"), namespace)
                results[cell.id] = printed.getvalue()
            except Exception as error:
                results[cell.id] = error
    return results


# The notebooks


@every_file
def test_a_notebook_for_students_fails_only_where_something_is_to_be_written(file, plain):
    sheet = read_sheet(file)
    results = run(student(sheet, plain), {})
    failed = {name: error for name, error in results.items() if isinstance(error, Exception)}
    checks = {f"{exercise.label.replace(':', '-')}-check" for exercise in sheet.exercises if exercise.stub}
    assert set(failed) == checks
    assert {type(error) for error in failed.values()} <= {NotImplementedError}
    assert all(str(error).startswith("Hint: ") for error in failed.values())


@every_file
def test_checks_are_folded_since_they_name_mistakes(file, plain):
    for cell in student(read_sheet(file), plain).cells:
        assert cell.metadata.get("jupyter", {}).get("source_hidden", False) == cell.id.endswith("-check")


@every_file
def test_a_notebook_for_students_does_not_give_a_solution_away(file, plain):
    sheet = read_sheet(file)
    handed_out = "\n".join(cell.source for cell in student(sheet, plain).cells)
    for exercise in sheet.exercises:
        assert exercise.answer.text.splitlines()[0] not in handed_out
        if "solution" in exercise.code:
            solution = exercise.code["solution"].text
            body = [line.strip() for line in solution.splitlines()[docstring_end(solution) :]]
            assert not [line for line in body if len(line) > 15 and line in handed_out]


@functools.cache
def solved_and_run(file, plain):
    """The results of the solved notebook, and the names that it leaves behind."""
    namespace = {}
    return run(solved(read_sheet(file), plain), namespace), namespace


@every_file
def test_with_the_solutions_every_check_passes(file, plain):
    results, _ = solved_and_run(file, plain)
    assert not [error for error in results.values() if isinstance(error, Exception)]
    assert all(text.startswith("Right: ") for name, text in results.items() if name.endswith("-check"))


@every_file
def test_every_check_refuses_wrong_answers_and_knows_each_mistake(file, plain, monkeypatch):
    """Each check is called again with functions that are wrong, the mistakes that it lists among them."""

    def attacked(answer, cases, truth, *, mistakes=None, **tolerances):
        cases = list(cases)
        for value in (None, "words", np.zeros(99), float("nan")):

            def wrong(*_, value=value):
                return value

            with pytest.raises(WrongAnswer):
                check(wrong, cases, truth, mistakes=mistakes, **tolerances)
        for word, mistake in (mistakes or {}).items():
            with pytest.raises(WrongAnswer) as caught:
                check(mistake, cases, truth, mistakes=mistakes, **tolerances)
            assert str(caught.value).endswith(word), f"{word!r} is never said: got {caught.value}"
        check(answer, cases, truth, mistakes=mistakes, **tolerances)

    monkeypatch.setattr(rope_lib.exercises, "check", attacked)
    failed = [
        error for error in run(solved(read_sheet(file), plain), {}).values() if isinstance(error, Exception)
    ]
    assert not failed


# The prose


def prose(item):
    """All that a reader sees of an exercise or a question, on one line."""
    if hasattr(item, "options"):
        texts = [part for option in item.options for part in (option.text, option.feedback)]
    else:
        texts = [item.answer, *([item.hint] if item.hint else [])]
    return " ".join(" ".join(text.text for text in (item.statement, *texts)).split())


def says(item, text):
    """Refuse a computed text that does not stand in the prose of an item."""
    assert text, f"{item.label}: says() must be given a text"
    assert " ".join(text.split()) in prose(item), f"{item.label}: the prose must say {text!r}"


@every_file
def test_the_numbers_of_the_prose_are_those_of_the_library(file, plain):
    sheet = read_sheet(file)
    _, namespace = solved_and_run(file, plain)
    for item in (*sheet.questions, *sheet.exercises):
        if "numbers" in item.code:
            own = namespace | {"says": functools.partial(says, item)}
            exec(compile(item.code["numbers"].text, item.label, "exec"), own)


def test_a_number_that_the_prose_does_not_say_is_refused():
    [item, *_] = read_sheet(FILES[0]).exercises
    with pytest.raises(AssertionError, match=r"the prose must say '652\.1'"):
        says(item, "652.1")


# What a chapter needs


def chapters():
    listed = tomllib.loads((ROOT / "book" / "chapters.toml").read_text(encoding="utf-8"))
    return [*listed, "atlas", "read_the_rotation"]


@pytest.mark.parametrize("name", sorted(set(chapters())))
def test_a_chapter_has_exercises_of_every_grade(name):
    sheet = read_sheet(ROOT / "book" / "exercises" / f"{name}.md")
    assert {exercise.grade for exercise in sheet.exercises} == set(GRADES)
    assert any(exercise.by_hand for exercise in sheet.exercises)
    assert any(exercise.stub for exercise in sheet.exercises)
    assert len(sheet.questions) >= 2


def test_every_file_belongs_to_a_chapter_and_labels_are_used_once():
    sheets = [read_sheet(file) for file in FILES]
    assert {sheet.name for sheet in sheets} <= set(chapters())
    labels = [item.label for sheet in sheets for item in (*sheet.exercises, *sheet.questions)]
    assert len(labels) == len(set(labels))


@every_file
def test_code_fits_a_page(file):
    sheet = read_sheet(file)
    for item in (*sheet.questions, *sheet.exercises):
        for role, code in item.code.items():
            limit = 100 if role in ("start", "solution") else 110
            assert not [line for line in code.text.splitlines() if len(line) > limit], item.label


# nbgrader


@every_file
def test_code_for_nbgrader_is_that_of_the_solved_notebook(file, plain):
    """But for the marks, and for the hint above them."""
    codes = [
        [cell.source for cell in make(read_sheet(file), plain).cells if cell.cell_type == "code"]
        for make in (solved, for_nbgrader)
    ]
    for plain_code, marked in zip(*codes, strict=True):
        kept = [line for line in marked.splitlines() if not line.startswith(("    ### ", "    # Hint: "))]
        assert "\n".join(kept) == plain_code
        assert marked.count("### BEGIN SOLUTION") == marked.count("### END SOLUTION")


@every_file
def test_metadata_for_nbgrader_keeps_to_its_schema(file, plain):
    names = set()
    for cell in for_nbgrader(read_sheet(file), plain).cells:
        if cell.id.endswith("-start"):
            assert "nbgrader" not in cell.metadata  # it is the student's to change
            continue
        about = cell.metadata["nbgrader"]
        assert about["schema_version"] == 3
        assert about["cell_type"] == cell.cell_type
        assert about["task"] is False
        assert re.fullmatch(r"[\w-]+", about["grade_id"])
        assert about["grade_id"] not in names
        names.add(about["grade_id"])
        if cell.cell_type == "markdown":
            assert (
                about["grade"] == about["solution"]
            )  # nbgrader grades by hand what a student writes in words
        assert about["grade"] == ("points" in about)
        assert about.get("points", 1) > 0
        if cell.cell_type == "code":
            assert about["solution"] == ("### BEGIN SOLUTION" in cell.source)
