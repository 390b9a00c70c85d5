"""Exercises on a page: what Sphinx makes of a small book, and what its questions answer in a browser."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from extensions import extension
from sphinx.errors import ExtensionError

pytest_plugins = ["calculator_page"]

SHEET = '''# Exercises: a chapter

```python setup
import math
```

## Which of the two? {#q:page-which .question}

Of $x$ and $y$:

- [ ] This $x$.

  Not this.

- [x] That.

  Because of *that*.

## Twice {#ex:page-twice .compute .by-hand}

Write it, see {ref}`the other <ex:page-open>`.

### Hint

Add it to itself.

### Solution

```python solution
def twice(x):
    """Two times x."""
    return 2 * x
```

So it is.

```python check
check(twice, [1], truth=lambda x: x + x)
```

## Who knows? {#ex:page-open .open}

Nobody.

### Progress

Any step.
'''

CONF = """
import sys
sys.path.insert(0, {extensions!r})
extensions = ["myst_nb", "sphinx_exercise", "sphinx_togglebutton", "chapter_exercises"]
myst_enable_extensions = ["attrs_inline", "dollarmath", "tasklist"]
nb_execution_mode = "off"
numfig = True
root_doc = "index"
html_theme = "basic"
html_static_path = [{static!r}]
exclude_patterns = ["book/exercises"]
"""

CONFIG = "sphinx: {config: {mathjax3_config: {tex: {macros: {R: x}}}}}\n"
INDEX = """# A book

(section:take-along)=
## Zip

(section:exercises)=
## Grades

```{exercise-index}
```

```{toctree}
notebooks/a
notebooks/b
```
"""


def notebook(title):
    cell = {"cell_type": "markdown", "id": "top", "metadata": {}, "source": f"# {title}\n\nProse."}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture(scope="module")
def book(root, tmp_path_factory):
    """A small book of two chapters, of which one has exercises: the folder of its pages."""
    source = tmp_path_factory.mktemp("book")
    for folder in ("notebooks", "book/exercises"):
        (source / folder).mkdir(parents=True)
    for name in ("a", "b"):
        (source / "notebooks" / f"{name}.ipynb").write_text(notebook(f"Chapter {name}"))
    (source / "book" / "exercises" / "a.md").write_text(SHEET)
    (source / "index.md").write_text(INDEX)
    (source / "_config.yml").write_text(CONFIG)
    static = str(root / "book" / "_static")
    (source / "conf.py").write_text(CONF.format(extensions=str(root / "book" / "_ext"), static=static))
    made = tmp_path_factory.mktemp("made") / "html"
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "-b", "html", source, made]
    run = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert run.returncode == 0, run.stderr
    return made


def page(book, name):
    return (book / "notebooks" / f"{name}.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_chapter_with_a_file_gets_its_exercises_and_another_gets_none(book):
    with_exercises, without = page(book, "a"), page(book, "b")
    assert '<section id="exercises">' in with_exercises
    assert "questions.js" in with_exercises
    assert "exercises" not in without
    assert "questions.js" not in without


@pytest.mark.slow
def test_grades_stubs_and_folded_solutions_are_on_the_page(book):
    html = page(book, "a")
    assert "compute · by hand" in html
    assert "What would count as progress" in html
    statement, _, solution = html.partition("Solution to")
    assert "..." in statement
    assert ">return</span>" not in statement
    assert ">return</span>" in solution
    assert 'class="solution dropdown admonition"' in html


@pytest.mark.slow
def test_a_notebook_for_students_lies_beside_the_page(book):
    html = page(book, "a")
    assert 'href="../_static/exercises/a.ipynb"' in html
    cells = json.loads((book / "_static" / "exercises" / "a.ipynb").read_text())["cells"]
    assert any("raise NotImplementedError" in "".join(cell["source"]) for cell in cells)


@pytest.mark.slow
def test_the_index_lists_every_exercise_with_its_grade(book):
    html = (book / "index.html").read_text()
    assert 'href="notebooks/a.html#ex-page-twice"' in html or 'href="notebooks/a.html#ex:page-twice"' in html
    assert "(compute, by hand)" in html
    assert "(open)" in html


@pytest.mark.slow
def test_every_id_stands_once(book):
    ids = re.findall(r'\bid="([^"]+)"', page(book, "a"))
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_without_scripts_every_option_has_its_answer_in_a_fold(book):
    html = page(book, "a")
    assert html.count("<details><summary>If you chose this</summary>") == 2
    assert len(re.findall(r'<input type="radio"[^>]* hidden>', html)) == 2
    assert html.index("Not this.") < html.index("Because of")


def test_a_question_answers_what_was_chosen_and_forgets_it_with_another_choice(book, driver):
    driver.get((book / "notebooks" / "a.html").as_uri())
    [first, second] = driver.find_elements("css selector", "form.quick-question input")
    button = driver.find_element("css selector", "form.quick-question button")
    status = driver.find_element("css selector", "form.quick-question [role=status]")
    assert first.is_displayed()
    assert not driver.find_element("css selector", "form.quick-question details").is_displayed()
    button.click()
    assert status.text == "Choose one first."
    first.click()
    assert status.text == ""
    button.click()
    assert status.text == "No. Not this."
    second.send_keys(" ")
    assert status.text == ""
    second.send_keys("\ue007")  # Enter
    assert status.text == "Right. Because of that."


def test_a_chapter_read_before_its_file_was_there_is_read_again(root, tmp_path):
    with_new_sheets = extension(root, "chapter_exercises").with_new_sheets
    (tmp_path / "book" / "exercises").mkdir(parents=True)
    (tmp_path / "book" / "exercises" / "a.md").write_text(SHEET)
    app = SimpleNamespace(srcdir=tmp_path)
    env = SimpleNamespace(all_docs={"notebooks/a": 0, "notebooks/b": 0}, dependencies={"notebooks/a": set()})
    assert with_new_sheets(app, env, [], [], []) == ["notebooks/a"]
    env.dependencies["notebooks/a"] = {"book/exercises/a.md"}
    assert with_new_sheets(app, env, [], [], []) == []


def test_a_malformed_file_ends_a_build_in_one_line_with_its_place(root, tmp_path):
    read = extension(root, "chapter_exercises").read
    (tmp_path / "a.md").write_text(SHEET.replace("### Progress", "### Answer"))
    with pytest.raises(ExtensionError, match=r"a\.md:45: `### Hint` and `### Progress` may stand here once"):
        read(tmp_path / "a.md")
