"""The exercises of a chapter, at the end of its page: quick questions, then exercises with folded solutions.

They come from `book/exercises`, one file for each chapter, named as its notebook is. Where there is such a
file, the page gets a last section; its notebook for students stands beside it, to download.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import nbformat
from docutils import nodes
from docutils.statemachine import StringList
from exercise_sheets import plain_prose, sheet_files
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

CHAPTERS = "notebooks/"
DIRECTIVE = "chapter-exercises"
STATIC = "exercises"  # below _static
SECTION = f"## Exercises\n\n```{{{DIRECTIVE}}}\n```"
ID = "exercises"  # of the section
INTRODUCTION = (
    '<a href="{address}" download>This notebook</a> has the exercises and checks your answers. It needs the '
    "library, which {{ref}}`the zip <section:take-along>` has. {{ref}}`Their grades <section:exercises>` say "
    "what is to be done."
)


def add_section(app, docname: str, source: list[str]) -> None:
    """Append the section of exercises to the source of a chapter that has some."""
    name = docname.removeprefix(CHAPTERS)
    if docname.startswith(CHAPTERS) and name in sheet_files(Path(app.srcdir)):
        notebook = json.loads(source[0])
        notebook["cells"].append({"cell_type": "markdown", "id": ID, "metadata": {}, "source": SECTION})
        source[0] = json.dumps(notebook)


def with_new_sheets(app, env, added, changed, removed) -> list[str]:
    """Chapters read before their file of exercises was there."""
    files = {f"{CHAPTERS}{name}": file for name, file in sheet_files(Path(app.srcdir)).items()}
    relative = {docname: file.relative_to(app.srcdir).as_posix() for docname, file in files.items()}
    return [
        name for name in relative if name in env.all_docs and relative[name] not in env.dependencies[name]
    ]


def read(file: Path):
    """The exercises in a file. Raises ExtensionError, with file and line, for one that cannot be read."""
    from rope_lib.exercises.source import SourceError, read_sheet

    try:
        return read_sheet(file)
    except SourceError as error:
        raise ExtensionError(f"{file.parent}/{error}") from None


class ChapterExercises(SphinxDirective):
    """Quick questions and exercises of the chapter that this stands in."""

    def run(self) -> list[nodes.Node]:
        name = self.env.docname.removeprefix(CHAPTERS)
        file = sheet_files(Path(self.env.srcdir))[name]
        self.env.note_dependency(file.relative_to(self.env.srcdir).as_posix())
        sheet = read(file)
        found = [self.parsed(INTRODUCTION.format(address=f"../_static/{STATIC}/{name}.ipynb"))]
        for question in sheet.questions:
            found += self.question(question)
        for exercise in sheet.exercises:
            found.append(self.parsed(as_myst(exercise)))
        if sheet.setup:
            found.append(
                self.parsed(as_fold("What the code of these exercises imports", python(sheet.setup)))
            )
        return [child for part in found for child in (part.children if is_plain(part) else [part])]

    def parsed(self, text: str) -> nodes.container:
        container = nodes.container()
        self.state.nested_parse(StringList(text.splitlines(), source=""), self.content_offset, container)
        for section in container.findall(nodes.section):
            section["ids"] = [f"part-{self.env.new_serialno('exercises')}"]  # all have the same otherwise
        return container

    def question(self, question) -> Iterator[nodes.Node]:
        """A form of radio buttons. Without scripts the buttons are hidden, and each option has a fold."""
        name = question.label.replace(":", "-")
        yield raw(f'<form class="quick-question" id="{name}"><div id="{name}-asked">')
        yield self.parsed(f"**{as_sentence(question.title)}** {question.statement.text}".strip())
        yield raw(f'</div><div role="radiogroup" aria-labelledby="{name}-asked">')
        for number, option in enumerate(question.options):
            button = f'<input type="radio" name="{name}" value="{number}" hidden>'
            yield raw(f'<div class="option"><label>{button}')
            yield from inline(self.parsed(option.text.text))
            yield raw("</label><details><summary>If you chose this</summary>")
            yield self.parsed(f"{verdict(option)} {option.feedback.text}")
            yield raw("</details></div>")
        yield raw('</div><button type="submit" hidden>Check</button><div role="status"></div></form>')


class ExerciseIndex(SphinxDirective):
    """All exercises by chapter, each with its grade: for whoever puts together a problem sheet."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        lines = ["| chapter | exercises |", "| --- | --- |"]
        for name, file in sheet_files(root).items():
            self.env.note_dependency(file.relative_to(root).as_posix())
            entries = [index_entry(exercise) for exercise in read(file).exercises]
            lines.append(f"| {{doc}}`/{CHAPTERS}{name}` | {'; '.join(entries)} |")
        container = nodes.container(classes=["made-table"])
        self.state.nested_parse(StringList(lines, source=""), self.content_offset, container)
        return [container]


def index_entry(exercise) -> str:
    """An exercise in the index of all: a link by its title, its grade, and whether it is done by hand."""
    by_hand = ", by hand" if exercise.by_hand else ""
    return f"{{ref}}`{exercise.title} <{exercise.label}>` ({exercise.grade}{by_hand})"


def is_plain(node: nodes.Node) -> bool:
    """Whether a node is a container for parsing alone, which is left out of the page."""
    return isinstance(node, nodes.container) and not node["classes"]


def raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


def inline(parsed: nodes.container) -> list[nodes.Node]:
    """The content of a single paragraph, which a label may hold."""
    return [child for paragraph in parsed.children for child in paragraph.children]


def as_sentence(title: str) -> str:
    return title if title.endswith(("?", "!", ".")) else f"{title}."


def verdict(option) -> str:
    return "**Right.**" if option.is_right else "**No.**"


def as_myst(exercise) -> str:
    """An exercise, its hint and its solution as MyST."""
    grade = exercise.grade + (" · by hand" if exercise.by_hand else "")
    code = exercise.code
    parts = [f"[{grade}]{{.grade}}", exercise.statement.text]
    parts += [python(code["start"].text)] if "start" in code else []
    parts += [python(head(code["solution"].text))] if "solution" in code else []
    options = f":label: {exercise.label}\n:class: grade-{exercise.grade}"
    made = [fenced(f"{{exercise}} {exercise.title}", options, "\n\n".join(parts))]
    if exercise.hint:
        made.append(fenced("{admonition} Hint", ":class: dropdown hint", exercise.hint.text))
    answer = ([python(code["solution"].text)] if "solution" in code else []) + [exercise.answer.text]
    if exercise.grade == "open":
        made.append(as_fold("What would count as progress", exercise.answer.text))
    else:
        made.append(fenced(f"{{solution}} {exercise.label}", ":class: dropdown", "\n\n".join(answer)))
    return "\n\n".join(made)


def head(solution: str) -> str:
    """What of a function is given: its first line, and its docstring."""
    from rope_lib.exercises.source import docstring_end

    return "\n".join([*solution.splitlines()[: docstring_end(solution)], "    ..."])


def fenced(head: str, options: str, content: str) -> str:
    """A directive with a fence longer than any in its content."""
    fence = "`" * 8
    return f"{fence}{head}\n{options}\n\n{content}\n{fence}"


def python(code: str) -> str:
    return f"```python\n{code}\n```"


def as_fold(title: str, content: str) -> str:
    return fenced(f"{{admonition}} {title}", ":class: dropdown", content)


def write_notebooks(app) -> None:
    """The notebooks for students, where the pages offer them."""
    from rope_lib.exercises.notebooks import student

    if app.builder.format != "html":
        return
    root, folder = Path(app.srcdir), Path(app.outdir) / "_static" / STATIC
    folder.mkdir(parents=True, exist_ok=True)
    plain = plain_prose(root)
    for name, file in sheet_files(root).items():
        (folder / f"{name}.ipynb").write_text(
            nbformat.writes(student(read(file), plain)) + "\n", encoding="utf-8"
        )


def add_script(app, pagename, templatename, context, doctree) -> None:
    if 'class="quick-question"' in context.get("body", ""):
        app.add_js_file(f"{STATIC}/questions.js", loading_method="defer")


def setup(app) -> dict:
    app.add_directive(DIRECTIVE, ChapterExercises)
    app.add_directive("exercise-index", ExerciseIndex)
    app.connect("builder-inited", write_notebooks)
    app.connect("env-get-outdated", with_new_sheets)
    app.connect("source-read", add_section)
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
