"""What teachers get: plans that add up, exam answers that are right, and pictures that are there."""

import re
from itertools import pairwise
from math import acos, cos, e, exp, log, pi, radians, sqrt

import numpy as np
import pytest
from extensions import extension

WORKED = re.compile(r"\{worked\}`([^`]+); [^`;]+`")


def pages(root):
    return [root / "book" / "teaching.md", *sorted((root / "book" / "teaching").glob("*.md"))]


# The plans.


def spans(plan):
    """The first and last minute of each line of a plan."""
    return [(int(first), int(last)) for first, last in re.findall(r"^\| (\d+)–(\d+) \|", plan, re.MULTILINE)]


def test_every_session_fills_its_ninety_minutes(root):
    sessions = (root / "book" / "teaching" / "sessions.md").read_text(encoding="utf-8").split("\n## Session ")
    single = (root / "book" / "teaching.md").read_text(encoding="utf-8")
    plans = [spans(text) for text in (*sessions[1:], single)]
    assert len(plans) == 7
    for plan in plans:
        assert (plan[0][0], plan[-1][1]) == (0, 90)
        assert all(end == start for (_, end), (start, _) in pairwise(plan))


def test_every_session_has_all_its_parts(root):
    text = (root / "book" / "teaching" / "sessions.md").read_text(encoding="utf-8")
    for number, session in enumerate(text.split("\n## Session ")[1:], 1):
        assert f"{{ref}}`slides <slides:session-{number}>`" in session
        parts = ("Afterwards students can", "Needs.", "Board 1", "Where students stumble", "Exit question.")
        assert all(f"**{part}" in session for part in parts), number
        assert session.count("*Expect:*") == 1


def test_every_misconception_has_a_question_and_a_picture(root):
    text = (root / "book" / "teaching" / "misconceptions.md").read_text(encoding="utf-8")
    beliefs = text.split("\n### ")[1:]
    assert len(beliefs) >= 10
    for belief in beliefs:
        assert belief.startswith("“")
        assert belief.count("**Question.**") == belief.count("```{chapter-figure} ") == 1, belief[:40]


# The exam.


def questions(root):
    text = (root / "book" / "teaching" / "exam.md").read_text(encoding="utf-8")
    return re.split(r"\n### |\n## ", text)[1:]


def test_the_points_of_a_solution_are_those_of_its_question(root):
    total = 0
    for question in questions(root):
        if offered := re.match(r".* \((\d+) points\)", question):
            solution = re.sub(r"\{\w+\}`[^`]*`", "", question.partition("} Solution")[2])
            given = sum(map(int, re.findall(r"\((\d+)(?: points?)?\)", solution)))
            assert given == int(offered[1]), offered[0]
            total += given
    assert total == 100


# Each number of a solution, computed a second time: with the formula of the text, or by brute force.
ROUNDED = {"bfloat16": 8}  # significant bits


def rounded(x, bits=ROUNDED["bfloat16"]):
    step = 2.0 ** (np.floor(np.log2(x)) - bits + 1)
    return round(x / step) * step


def stable_rank_of_tokens(vector, frequencies, tokens):
    """Squares of all entries over the largest squared singular value, of rotated copies of a vector."""
    pairs = np.array(vector[0::2]) + 1j * np.array(vector[1::2])
    turned = pairs * np.exp(1j * np.outer(np.arange(tokens), frequencies))
    cloud = np.concatenate([turned.real, turned.imag], axis=1)
    return (cloud**2).sum() / np.linalg.norm(cloud, 2) ** 2


def period(base, channels, pair):
    return 2 * pi * base ** (2 * pair / channels)


SINK, MATCH, REST = exp(5), exp(4), exp(-2)
AGAIN = {
    "np.cos(np.radians(45))": lambda: sqrt(0.5),
    "np.cos(np.radians(180)) + np.cos(np.radians(45))": lambda: sqrt(0.5) - 1,
    "2 * np.pi / frequencies(500_000, 64)[-1]": lambda: period(500_000, 64, 31),
    "32 * np.log(8_192 / (2 * np.pi)) / np.log(500_000)": lambda: 32 * log(8_192 / 2 / pi, 500_000),
    "np.sum(2 * np.pi / frequencies(500_000, 64) <= 8_192)": lambda: sum(
        period(500_000, 64, pair) <= 8_192 for pair in range(32)
    ),
    "aliasing_bound(131_072)": lambda: 131_072 / (2 * pi),
    "aliasing_bound(131_072, head_dim=128)": lambda: (131_072 / (2 * pi)) ** (128 / 126),
    "np.cos(0.2048)": lambda: cos(2_048 / 10_000),
    "np.cos(0.2048) ** 32": lambda: cos(2_048 / 10_000) ** 32,
    "stability_bound(1, layers=32) / stability_bound(1, layers=8)": lambda: (
        acos(0.95 ** (1 / 8)) / acos(0.95 ** (1 / 32))
    ),
    'max_context(precision_wall("float32"), layers=80)': lambda: 2**23 * acos(0.95 ** (1 / 80)),
    "256 * 2.0**-7": lambda: 2,
    'round_to(300.1, "bfloat16")': lambda: rounded(300.1),
    'round_to(1.5005, "bfloat16")': lambda: rounded(1.5005),
    "1e6 * 2.0**-23": lambda: 1_000_000 * np.finfo(np.float32).eps,
    "2**22": lambda: 0.5 / np.finfo(np.float32).eps,
    "16_384 / 4_096": lambda: 4,
    "np.exp(5)": lambda: e**5,
    "np.exp(4)": lambda: e**4,
    "400 * np.exp(-2)": lambda: 400 / e**2,
    "100 * np.exp(5) / (np.exp(5) + np.exp(4) + 400 * np.exp(-2))": lambda: (
        100 * SINK / (SINK + MATCH + 400 * REST)
    ),
    "10 * np.exp(5)": lambda: 10 * SINK,
    "100 * np.exp(5) / (11 * np.exp(5) + np.exp(4) + 390 * np.exp(-2))": lambda: (
        100 * SINK / (SINK + MATCH + 10 * SINK + 390 * REST)
    ),
    "np.exp(4) + 400 * np.exp(-2)": lambda: MATCH + 400 * REST,
    "10 * np.exp(5) + np.exp(4) + 390 * np.exp(-2)": lambda: MATCH + 10 * SINK + 390 * REST,
    "np.log((10 * np.exp(5) + np.exp(4) + 390 * np.exp(-2)) / (np.exp(4) + 400 * np.exp(-2)))": lambda: (
        log(MATCH + 10 * SINK + 390 * REST) - log(MATCH + 400 * REST)
    ),
    '1 / limiting_ratio(np.array([2, 0, 1, 0, 2, 0]) / 3, [np.pi / 2, 0, np.pi / 4], "interleaved") ** 2': (
        lambda: stable_rank_of_tokens([2, 0, 1, 0, 2, 0], [radians(90), 0, radians(45)], 8)
    ),
    "0.75**0.5": lambda: sqrt(3 / 4),
    "64**-0.5": lambda: 1 / 8,
    "4_096 * frequencies(10_000, 128)[-1] / (2 * np.pi)": lambda: 4_096 / period(10_000, 128, 63),
    "np.pi * 1_000_000**0.5": lambda: 1_000 * pi,
    "4 * 1_000_000": lambda: 4e6,
    "aliasing_bound(32_768)": lambda: 32_768 / (2 * pi),
    "stability_bound(32_768)": lambda: 32_768 / acos(0.95),
    "stability_bound(32_768, layers=48)": lambda: 32_768 / acos(0.95 ** (1 / 48)),
    'precision_wall("float32")': lambda: 1 / np.finfo(np.float32).eps,
}


@pytest.fixture
def expressions(root):
    return set(WORKED.findall((root / "book" / "teaching" / "exam.md").read_text(encoding="utf-8")))


def test_every_number_of_a_solution_is_computed_again(expressions):
    assert expressions == set(AGAIN)


def test_every_number_of_a_solution_is_right(expressions, root):
    worked = extension(root, "numbers_in_prose").worked
    for expression in expressions:
        assert float(worked(f"{expression}; .12g").replace("−", "-")) == pytest.approx(AGAIN[expression]())


def test_the_exam_s_config_gets_the_verdict_of_its_solution(root):
    import json

    from rope_lib.models import judge, read_model

    question = next(text for text in questions(root) if text.startswith("15. "))
    config = json.loads(re.search(r"\n\n    (\{.*?\}\})\n", question, re.DOTALL)[1])
    verdict = judge(read_model(config))
    assert verdict.verdict == "stable"
    assert "*stable*" in question
    assert verdict.rotaries[0].effective_base == pytest.approx(4e6)


# Numbers and pictures.


def test_every_number_is_stated_or_worked_out(root):
    numbers = extension(root, "numbers_in_prose")
    for page in (*pages(root), *(root / "book" / "slides").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        assert all(numbers.stated(name, root) for name in re.findall(r"\{stated\}`([^`]+)`", text))
        assert all(numbers.worked(number) for number in re.findall(r"\{worked\}`([^`]+)`", text))


def test_every_picture_that_a_page_names_is_there(root):
    known = {figure.name for figure in extension(root, "chapter_parts").all_figures(root)}
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"(?:\{numref\}`|chapter-figure\} )(fig:[\w-]+)", text)) <= known
