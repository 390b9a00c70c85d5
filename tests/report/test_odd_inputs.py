"""Texts and folders that no report can be made from are refused in one line, at once."""

import os

import pytest
from reports import TEXT, run

from rope_lib.report import findings, source


@pytest.fixture
def refused(saved, tmp_path):
    """Assert that the command ends in one line with exit status 2 and writes nothing."""

    def check(words, *options, model=None):
        before = sorted(tmp_path.rglob("*"))
        result = run(saved("llama") if model is None else model, "--device", "cpu", *options)
        lines = result.stderr.splitlines()
        assert (result.exit_code, result.stdout, len(lines)) == (2, "", 1), result.output
        assert lines[0].startswith("Error: ")
        assert words in lines[0]
        assert [path for path in sorted(tmp_path.rglob("*")) if "cache" not in path.parts] == before

    return check


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "text must have at least 2 tokens, got 0"),
        ("a", "text must have at least 2 tokens, got 1"),
        ("abc", "text must have at least 64 tokens, unless lengths are given, got 3"),
        ("a" * 63, "text must have at least 64 tokens, unless lengths are given, got 63"),
    ],
)
def test_a_text_that_is_too_short_is_refused(text, words, refused, text_file, tmp_path):
    text_file.write_text(text, encoding="utf-8")
    refused(words, "--text", text_file, "--out", tmp_path / "out")


def test_a_short_text_is_measured_at_the_lengths_that_are_given(saved, text_file, refused, tmp_path):
    text_file.write_text("abcd", encoding="utf-8")
    words = "lengths must be whole numbers from 2 to 4 (the tokens of the text), got [5]"
    refused(words, "--text", text_file, "--lengths", "5", "--out", tmp_path / "out")


def test_a_text_that_is_no_regular_file_is_refused_unopened(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for odd in (tmp_path / "pipe", "/dev/zero", "/dev/full", tmp_path):
        refused(f"text must be a regular file, got '{odd}'", "--text", odd, "--out", tmp_path / "out")
    reading, writing = os.pipe()  # as in a shell's <(command)
    refused("text must be a regular file", "--text", f"/dev/fd/{reading}", "--out", tmp_path / "out")
    os.close(reading)
    os.close(writing)


def test_several_models_are_not_tried_on_a_text_that_cannot_be_read(saved, tmp_path):
    models = [saved("llama"), saved("qwen3")]
    for text, words in (("/dev/zero", "regular file"), (tmp_path / "none", "No such file")):
        result = run(*models, "--text", text, "--out", tmp_path / "out")
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
        assert words in result.stderr
        assert not (tmp_path / "out").exists()


def test_a_text_that_is_too_long_is_refused_before_it_is_read_whole(refused, text_file, tmp_path):
    os.truncate(text_file, 2**40)  # of which the disk holds nothing
    refused(f"{text_file}: must have at most 16 MiB of text", "--text", text_file, "--out", tmp_path / "out")


def test_a_text_that_cannot_be_read_is_named(refused, tmp_path):
    refused("/mem: Input/output error", "--text", "/proc/self/mem", "--out", tmp_path / "out")


def test_a_text_is_read_as_python_reads_text(text_file, monkeypatch):
    text_file.write_bytes("π\r\nτ\rσ\n".encode())
    assert findings._read_text(text_file) == text_file.read_text("utf-8") == "π\nτ\nσ\n"
    monkeypatch.setattr(findings, "LONGEST_TEXT", 10)
    assert findings._read_text(text_file) == "π\nτ\nσ\n"


def test_a_text_that_another_process_sees_elsewhere_is_named_as_it_does(text_file, monkeypatch):
    with open(text_file, encoding="utf-8") as file:
        place = source.text_path(f"/dev/fd/{file.fileno()}")
    assert place == text_file
    assert findings._read_text(place) == TEXT


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("", "out must name a folder, got ''"),
        (".", "out must be a folder other than the current one and those above, got '.'"),
        ("..", "out must be a folder other than the current one and those above, got '..'"),
        ("/", "out must name a folder, got /"),
        ("text.txt", "out must be a folder, but text.txt is a file"),
        ("text.txt/out", "text.txt is a file"),
        ("o" * 250, "(File name too long)"),
        ("o" * 300, "File name too long"),
        ("/proc/out", "out must be a folder that can be written, got '/proc/out' ("),
        ("link", "out must be a folder that can be written, got 'link' (it is a link to nothing)"),
        ("loop", "out must be a folder that can be written, got 'loop' ("),
        (os.fsdecode(b"caf\xe9"), r"out must be a path in UTF-8, got 'caf\udce9'"),
    ],
)
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_read(
    out, words, refused, text_file, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    refused(words, "--text", text_file, "--out", out, model="no-such-model")


def test_reports_need_a_name_for_their_folder(saved, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    result = run(saved("llama"), saved("qwen3"), "--out", "")
    assert (result.exit_code, result.stderr) == (2, "Error: out must name a folder, got ''\n")
    assert os.listdir() == []


def test_a_kernel_that_dies_is_one_line(saved, text_file, tmp_path, monkeypatch):
    def dies(*arguments, **options):
        raise RuntimeError("Kernel died")

    monkeypatch.setattr("papermill.execute_notebook", dies)
    result = run(
        saved("llama"), "--text", text_file, "--lengths", "8", "--device", "cpu", "--out", tmp_path / "out"
    )
    line = "Error: the notebook was not finished (Kernel died); what was measured is kept"
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, line)
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]
