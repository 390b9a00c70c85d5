"""The format of the exercises: what it reads, and the one line with which it refuses each fault."""

import pytest

from rope_lib.exercises.plain import plain
from rope_lib.exercises.source import SourceError, Text, parse_sheet, stub

WHOLE = '''# Exercises: a chapter

```python setup
import math
```

## Twice {#ex:twice .compute .by-hand}

Write it, so that $\\mathrm{e}^{2x}$ is right.

```python
plain = "code without a role stays in the prose"
```

### Hint

Add "it" to itself.

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

## Which? {#q:which .question}

Of two:

- [ ] This
  one.

  No, as

  - a list says.

- [x] That.

  Yes.

## Who knows? {#ex:open .open}

Nobody.

### Progress

Any.
'''

# Parts of the sheet, and of what is said of them.
ROLES = "start, solution, check, numbers"
HINT = '### Hint\n\nAdd "it" to itself.\n'
DOCSTRING = '    """Two times x."""\n'
UNINDENTED = "unindent does not match any outer indentation level"
OPTIONS = "- [ ] This\n  one.\n\n  No, as\n\n  - a list says.\n\n- [x] That.\n\n  Yes."


def test_a_whole_sheet():
    sheet = parse_sheet(WHOLE, "chapter")
    twice, unknown = sheet.exercises
    assert (sheet.title, sheet.setup) == ("Exercises: a chapter", "import math")
    assert (twice.title, twice.label, twice.grade, twice.by_hand) == ("Twice", "ex:twice", "compute", True)
    assert twice.statement.text.startswith(
        "Write it, so that $\\mathrm{e}^{2x}$ is right.\n\n```python\nplain"
    )
    assert twice.answer.text == "So it is."
    assert set(twice.code) == {"solution", "check"}
    assert (unknown.grade, unknown.by_hand, unknown.stub, unknown.answer.text) == (
        "open",
        False,
        None,
        "Any.",
    )
    [question] = sheet.questions
    assert question.statement.text == "Of two:"
    assert [option.text.text for option in question.options] == ["This one.", "That."]
    assert question.options[0].feedback.text == "No, as\n\n- a list says."
    assert [option.is_right for option in question.options] == [False, True]


def test_lines_are_those_of_the_file():
    sheet = parse_sheet(WHOLE, "chapter")
    lines = WHOLE.splitlines()
    for text in (
        sheet.exercises[0].statement,
        sheet.exercises[0].answer,
        sheet.questions[0].options[1].feedback,
    ):
        assert lines[text.line - 1].strip().startswith(text.text.splitlines()[0])


def test_a_stub_keeps_head_and_docstring_and_raises_the_hint():
    made = stub(parse_sheet(WHOLE, "x").exercises[0].code["solution"].text, Text('Add "it".\nTwice.', 1))
    namespace = {}
    exec(made, namespace)
    assert namespace["twice"].__doc__ == "Two times x."
    with pytest.raises(NotImplementedError, match=r'^Hint: Add "it"\. Twice\.$'):
        namespace["twice"](1)


def test_a_long_hint_is_wrapped_without_losing_a_sign():
    words = " ".join(f"word{number}" for number in range(40))
    namespace = {}
    exec(stub('def f():\n    """F."""\n    return 1', Text(words, 1)), namespace)
    with pytest.raises(NotImplementedError, match=f"^Hint: {words}$"):
        namespace["f"]()


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        (
            "# Exercises: a chapter",
            "Exercises",
            1,
            "must begin with a title, as in `# Exercises on the bank`",
        ),
        ("```python setup", "Words.\n\n```python setup", 3, "must stand below a heading `##`, got 'Words.'"),
        (" {#ex:twice .compute .by-hand}", "", 7, "a heading must end in {#label .kind}, got 'Twice'"),
        (
            ".compute",
            ".odd",
            7,
            "the kind must be one of .question, .check, .compute, .extend, .open, got '.odd'",
        ),
        (".by-hand", ".hand", 7, "a class after the kind must be .by-hand, got '.hand'"),
        ("#ex:twice", "#twice", 7, "the label of .compute must begin with ex:, got 'twice'"),
        ("#ex:open", "#ex:twice", 48, "label 'ex:twice' must be used once"),
        ("### Hint", "### Hin", 15, "`### Hint` and `### Solution` may stand here once, got 'Hin'"),
        ("### Hint", "#### Hint", 15, "a heading must be `##` or `###`, got 'Hint'"),
        ("### Progress\n\nAny.", "", 48, "a .open exercise must have text below `### Progress`"),
        ("Nobody.\n", "", 48, "an exercise must have a statement"),
        (
            "python check",
            "python odd",
            29,
            f"a code block here must be one of {ROLES}, each once, got 'odd'",
        ),
        ("python check", "python", 7, "`python solution` and `python check` must stand together"),
        (HINT, "", 7, "an exercise with code must have a hint, for its stub"),
        (DOCSTRING, "", 22, "a solution must be one function with a docstring and a body"),
        ("    return 2 *", "  return 2 *", 24, f"Python cannot read it: {UNINDENTED}"),
        ("- [x] That.", "- That.", 44, "an option must begin with [ ] or [x], got 'That.'"),
        ("- [x]", "- [ ]", 37, "a question must have two or more options, one of them marked [x]"),
        ("  Yes.\n", "", 44, "an option must have feedback: a second paragraph, indented below it"),
        (OPTIONS, "None.", 33, "a question must have one list of options, got 0"),
        ("Any.\n", "Any.\n\n```\nopen\n", 56, "a code block must end with the signs that it begins with"),
    ],
)
def test_a_fault_is_one_line_with_its_place(before, after, line, said):
    assert before in WHOLE
    with pytest.raises(SourceError) as caught:
        parse_sheet(WHOLE.replace(before, after, 1), "chapter", "a.md")
    assert str(caught.value) == f"a.md:{line}: {said}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{ref}`the bank <chapter:bank>`", "the bank"),
        ("{ref}`chapter:bank`", "*The bank*"),
        (
            "{prf:ref}`thm:a` and {numref}`fig:b`",
            "statement thm:a of the chapter and figure fig:b of the chapter",
        ),
        (r"$\R^2 \Rightarrow \R$", r"$\mathbb{R}^2 \Rightarrow \mathbb{R}$"),
    ],
)
def test_prose_of_the_book_in_plain_words(text, words):
    assert plain(text, {"chapter:bank": "The bank"}, {"R": r"\mathbb{R}"}) == words


@pytest.mark.parametrize("text", ["{cite:t}`su2021roformer`", "{glue:text}`x`", "{ref}`chapter:nowhere`"])
def test_a_role_without_plain_words_is_refused(text):
    with pytest.raises(ValueError, match="a role must be one of ref to a chapter"):
        plain(text, {}, {})
