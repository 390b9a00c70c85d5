r"""The format of `book/exercises`: one Markdown file for each chapter, read into data.

A file has a title and, below it, exercises and quick questions in any order:

    # Exercises on the bank

    ```python setup
    import numpy as np                      what the code below imports
    ```

    ## The slowest period {#ex:bank-period .compute}

    The statement.

    ### Hint

    One or two plain sentences.

    ### Solution

    ```python solution
    def period(base, head_dim):             one function with a docstring; the stub is made from it
        "Tokens of a full turn."
        return ...
    ```

    Why it is so.

    ```python check
    check(period, [(10_000, 128)], truth=lambda base, dim: ...)
    ```

    ## Which pair is the slowest? {#q:bank-slowest .question}

    - [ ] The first.

      Why somebody may think so, and why not.

    - [x] The last.

      Why.

The class after the label is the grade, check, compute, extend or open, and `.by-hand` beside it marks what
needs no computer. An open exercise has `### Progress`, what would count as such, in place of a solution.
`python start` is code that the reader is given; `python numbers` holds calls `says(text)`, by which the tests
hold the numbers of the prose to the library: each computed text must stand in the exercise.
"""

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

GRADES = {
    "check": "verify a statement, by hand or with one call",
    "compute": "write a short function",
    "extend": "change a setting or a model, and explain what changes",
    "open": "no answer is known to us",
}
QUESTION = "question"
BY_HAND = "by-hand"
ROLES = ("setup", "start", "solution", "check", "numbers")
LABELS = {QUESTION: "q:"} | dict.fromkeys(GRADES, "ex:")

HEADING = re.compile(r"(?P<title>\S.*?)\s*\{#(?P<label>[\w:-]+)(?P<classes>(?:\s+\.[\w-]+)*)\s*\}")
OPTION = re.compile(r"\[(?P<mark>[ xX])\]\s+")
CODE = re.compile(r"python\s+(\S+)")


class SourceError(ValueError):
    """A file of exercises that does not keep to the format; the message begins with file and line."""


@dataclass(frozen=True)
class Text:
    """Prose in MyST, and the line of the file where it begins, counted from 1."""

    text: str
    line: int


@dataclass(frozen=True)
class Exercise:
    """One exercise; `answer` is `### Solution`, or `### Progress` where the grade is open.

    `code` holds the code blocks by their role: start, solution, check, numbers.
    """

    title: str
    label: str
    grade: str
    by_hand: bool
    line: int
    statement: Text
    answer: Text
    hint: Text | None = None
    code: dict[str, Text] = field(default_factory=dict)

    @property
    def stub(self) -> str | None:
        """The function that the reader is to write: its head, docstring and the hint; None without one."""
        return None if "solution" not in self.code else stub(self.code["solution"].text, self.hint)


@dataclass(frozen=True)
class Option:
    """An answer to choose, and what to say to whoever chooses it."""

    text: Text
    feedback: Text
    is_right: bool


@dataclass(frozen=True)
class Question:
    """A quick question with options, exactly one of which is right."""

    title: str
    label: str
    line: int
    statement: Text
    options: tuple[Option, ...]
    code: dict[str, Text] = field(default_factory=dict)


@dataclass(frozen=True)
class Sheet:
    """The exercises of a chapter. `name` is that of the file and of the chapter's notebook."""

    name: str
    title: str
    setup: str
    exercises: tuple[Exercise, ...]
    questions: tuple[Question, ...]


def read_sheet(path: Path) -> Sheet:
    """The exercises in a file. Raises SourceError, in one line, for one that breaks the format."""
    return parse_sheet(path.read_text(encoding="utf-8"), path.stem, path.name)


def parse_sheet(text: str, name: str, file: str = "text") -> Sheet:
    """The exercises in a text; `file` is what errors call it."""
    return _Reader(text, file).sheet(name)


def stub(solution: str, hint: Text | None) -> str:
    r"""A function without its body: it raises NotImplementedError with the hint.

    >>> print(stub("def f(x):\n    'Twice x.'\n    return 2 * x", Text("Add x to itself.", 1)))
    def f(x):
        'Twice x.'
        raise NotImplementedError("Hint: Add x to itself.")
    """
    head = solution.splitlines()[: docstring_end(solution)]
    words = " ".join(hint.text.split()) if hint else "yours to write"
    lines = [repr_double(line) for line in textwrap.wrap(f"Hint: {words}", 80, drop_whitespace=False)]
    if len(lines) == 1:
        return "\n".join([*head, f"    raise NotImplementedError({lines[0]})"])
    raised = ["    raise NotImplementedError(", *(f"        {line}" for line in lines), "    )"]
    return "\n".join([*head, *raised])


def repr_double(text: str) -> str:
    """A string literal in double quotes, with the signs of the text as they are."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def docstring_end(solution: str) -> int:
    """The last line of the docstring of the one function in a solution, counted from 1.

    Raises ValueError for anything but one function with a docstring and a body.
    """
    statements = ast.parse(solution).body
    if len(statements) == 1 and isinstance(function := statements[0], ast.FunctionDef):
        end = function.body[0].end_lineno
        if ast.get_docstring(function) and len(function.body) > 1 and end is not None:
            return end
    raise ValueError("a solution must be one function with a docstring and a body")


@dataclass
class _Part:
    """A heading and the blocks below it, up to the next heading of the same or a higher level."""

    title: str
    line: int
    blocks: list[Token]


class _Reader:
    """Reads one file. Lines are counted from 0 inside, and from 1 in errors."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.lines = text.splitlines()
        tokens = MarkdownIt("commonmark").parse(text)
        self.tokens = tokens
        self.blocks = [token for token in tokens if token.level == 0 and token.map]

    def error(self, line: int, message: str) -> SourceError:
        return SourceError(f"{self.file}:{line + 1}: {message}")

    def sheet(self, name: str) -> Sheet:
        for block in self.blocks:
            self.refuse_open_fence(block)
        if not self.blocks or (self.heading(self.blocks[0]) or (0,))[0] != 1:
            raise self.error(0, "must begin with a title, as in `# Exercises on the bank`")
        first, *rest = self.parts(self.blocks, 2)
        prose, code = self.split(first.blocks[1:], ("setup",))
        if prose.text:
            raise self.error(
                prose.line - 1, f"must stand below a heading `##`, got {shortened(prose.text)!r}"
            )
        exercises: list[Exercise] = []
        questions: list[Question] = []
        labels: set[str] = set()
        for part in rest:
            title, label, kind, by_hand = self.head(part)
            if label in labels:
                raise self.error(part.line, f"label {label!r} must be used once")
            labels.add(label)
            if kind == QUESTION:
                questions.append(self.question(part, title, label))
            else:
                exercises.append(self.exercise(part, title, label, kind, by_hand))
        setup = code["setup"].text if "setup" in code else ""
        return Sheet(name, self.title(self.blocks[0]), setup, tuple(exercises), tuple(questions))

    # Headings

    def heading(self, block: Token) -> tuple[int, str] | None:
        """Level and text of a heading; None for another block."""
        return (int(block.tag[1]), self.title(block)) if block.type == "heading_open" else None

    def title(self, block: Token) -> str:
        return self.lines[start(block)].lstrip("#").strip()

    def parts(self, blocks: list[Token], level: int) -> Iterator[_Part]:
        """What stands before the first heading of a level, and then each of them with what is below it."""
        part = _Part("", start(blocks[0]) if blocks else 0, [])
        for block in blocks:
            heading = self.heading(block)
            if heading and heading[0] == level:
                yield part
                part = _Part(heading[1], start(block), [])
            elif heading and heading[0] > 1 and heading[0] != 3:
                raise self.error(start(block), f"a heading must be `##` or `###`, got {heading[1]!r}")
            else:
                part.blocks.append(block)
        yield part

    def head(self, part: _Part) -> tuple[str, str, str, bool]:
        """Title, label, kind and whether by hand, from the heading of an exercise or a question."""
        kinds = ", ".join(f".{kind}" for kind in LABELS)
        found = HEADING.fullmatch(part.title)
        if not found:
            raise self.error(part.line, f"a heading must end in {{#label .kind}}, got {part.title!r}")
        classes = [word.lstrip(".") for word in found["classes"].split()]
        kind = classes[0] if classes else ""
        if kind not in LABELS:
            raise self.error(part.line, f"the kind must be one of {kinds}, got {'.' + kind!r}")
        if unknown := [word for word in classes[1:] if word != BY_HAND]:
            raise self.error(
                part.line, f"a class after the kind must be .{BY_HAND}, got {'.' + unknown[0]!r}"
            )
        if not found["label"].startswith(LABELS[kind]):
            raise self.error(
                part.line, f"the label of .{kind} must begin with {LABELS[kind]}, got {found['label']!r}"
            )
        return found["title"], found["label"], kind, BY_HAND in classes

    # Exercises

    def exercise(self, part: _Part, title: str, label: str, grade: str, by_hand: bool) -> Exercise:
        first, *rest = self.parts(part.blocks, 3)
        statement, code = self.split(first.blocks, ROLES[1:])
        answer_title = "Progress" if grade == "open" else "Solution"
        sections: dict[str, Text] = {}
        for section in rest:
            if section.title not in ("Hint", answer_title) or section.title in sections:
                raise self.error(
                    section.line,
                    f"`### Hint` and `### {answer_title}` may stand here once, got {section.title!r}",
                )
            prose, more = self.split(section.blocks, ROLES[1:])
            if twice := code.keys() & more.keys():
                raise self.error(section.line, f"one block `python {min(twice)}` may stand in an exercise")
            sections[section.title], code = prose, code | more
        if not statement.text:
            raise self.error(part.line, "an exercise must have a statement")
        if not sections.get(answer_title, Text("", 0)).text:
            raise self.error(part.line, f"a .{grade} exercise must have text below `### {answer_title}`")
        self.refuse_odd_code(part.line, code, "Hint" in sections)
        return Exercise(
            title,
            label,
            grade,
            by_hand,
            part.line + 1,
            statement,
            sections[answer_title],
            sections.get("Hint"),
            code,
        )

    def refuse_odd_code(self, line: int, code: dict[str, Text], has_hint: bool) -> None:
        if ("solution" in code) != ("check" in code):
            raise self.error(line, "`python solution` and `python check` must stand together")
        if "solution" in code:
            if not has_hint:
                raise self.error(line, "an exercise with code must have a hint, for its stub")
            try:
                docstring_end(code["solution"].text)
            except ValueError as error:
                raise self.error(code["solution"].line - 1, str(error)) from None

    # Questions

    def question(self, part: _Part, title: str, label: str) -> Question:
        lists = [block for block in part.blocks if block.type == "bullet_list_open"]
        if len(lists) != 1:
            raise self.error(part.line, f"a question must have one list of options, got {len(lists)}")
        options = tuple(self.options(lists[0]))
        if len(options) < 2 or sum(option.is_right for option in options) != 1:
            raise self.error(
                start(lists[0]), "a question must have two or more options, one of them marked [x]"
            )
        statement, code = self.split([block for block in part.blocks if block is not lists[0]], ("numbers",))
        return Question(title, label, part.line + 1, statement, options, code)

    def options(self, block: Token) -> Iterator[Option]:
        first, last = block.map or (0, 0)
        items = [
            token
            for token in self.tokens
            if token.type == "list_item_open"
            and token.level == 1
            and token.map
            and first <= start(token) < last
        ]
        for item in items:
            begin, end = item.map or (0, 0)
            indent = len(self.lines[begin]) - len(self.lines[begin].lstrip()) + 2
            inside = [line[indent:] for line in self.lines[begin:end]]
            found = OPTION.match(inside[0])
            if not found:
                raise self.error(begin, f"an option must begin with [ ] or [x], got {shortened(inside[0])!r}")
            inside[0] = inside[0][found.end() :]
            gap = next((number for number, line in enumerate(inside) if not line.strip()), len(inside))
            feedback = "\n".join(inside[gap:]).strip()
            if not feedback:
                raise self.error(begin, "an option must have feedback: a second paragraph, indented below it")
            text = " ".join(line.strip() for line in inside[:gap])
            yield Option(Text(text, begin + 1), Text(feedback, begin + gap + 2), found["mark"] in "xX")

    # Prose and code

    def split(self, blocks: list[Token], roles: tuple[str, ...]) -> tuple[Text, dict[str, Text]]:
        """The prose of some blocks, without the code blocks that have a role, and these by their role."""
        code: dict[str, Text] = {}
        kept: list[range] = []  # lines of prose, without those of code between them
        for block in blocks:
            first, last = block.map or (0, 0)
            role = CODE.fullmatch(block.info.strip()) if block.type == "fence" else None
            if role is None:
                if kept and self.is_blank(kept[-1].stop, first):
                    kept[-1] = range(kept[-1].start, last)
                else:
                    kept.append(range(first, last))
                continue
            if role[1] not in roles or role[1] in code:
                allowed = ", ".join(roles)
                raise self.error(
                    first, f"a code block here must be one of {allowed}, each once, got {role[1]!r}"
                )
            self.refuse_bad_python(block)
            code[role[1]] = Text(block.content.rstrip(), first + 2)
        prose = "\n\n".join("\n".join(self.lines[lines.start : lines.stop]).strip() for lines in kept)
        return Text(prose, (kept[0].start if kept else 0) + 1), code

    def is_blank(self, first: int, last: int) -> bool:
        return not any(line.strip() for line in self.lines[first:last])

    def refuse_bad_python(self, block: Token) -> None:
        try:
            ast.parse(block.content)
        except SyntaxError as error:
            raise self.error(
                start(block) + (error.lineno or 1), f"Python cannot read it: {error.msg}"
            ) from None

    def refuse_open_fence(self, block: Token) -> None:
        if block.type == "fence" and block.map:
            last = self.lines[block.map[1] - 1].strip()
            if block.map[1] - 1 == start(block) or not last.startswith(block.markup):
                raise self.error(start(block), "a code block must end with the signs that it begins with")


def start(block: Token) -> int:
    return block.map[0] if block.map else 0


def shortened(text: str, limit: int = 40) -> str:
    """The first line of a text, cut to a limit."""
    line = text.splitlines()[0]
    return line if len(line) <= limit else line[: limit - 1] + "…"
