"""Whatever ends the command: one line on standard error, its exit status, and nothing of a file unescaped."""

import json
import os
import signal
import subprocess
import sys
from functools import partial

import click
import pytest
from click.testing import CliRunner
from command import run

from rope_lib.cli import main
from rope_lib.cli.terminal import print_table
from rope_lib.runs.errors import one_line

CONFIG = {"num_hidden_layers": 2, "head_dim": 8, "max_position_embeddings": 64, "rope_theta": 1e4}
COMMAND = [sys.executable, "-W", "error", "-c", "from rope_lib.cli import main; main()"]
NASTY = [b"red\x1b[31m", b"two\nlines", "over\u202eride".encode(), b"not\xffutf8", b"[bold] :smile:"]


@pytest.fixture(params=NASTY, ids=["escape", "newline", "bidi", "bytes", "markup"])
def nasty(request, tmp_path):
    """A model in a folder of that name; its path, as Python sees it."""
    folder = os.path.join(os.fsencode(tmp_path), request.param)
    os.mkdir(folder)
    with open(os.path.join(folder, b"config.json"), "w") as file:
        json.dump(CONFIG, file)
    return os.fsdecode(folder)


def is_clean(text):
    return all(line.isprintable() for line in text.splitlines())


def test_a_model_of_any_name_is_judged_and_shown_escaped(nasty):
    result = run("check", nasty)
    assert (result.exit_code, result.stderr) == (0, "")
    assert is_clean(result.stdout)
    result = run("check", nasty, "--json")
    assert json.loads(result.stdout_bytes.decode("utf-8"))["model"].isprintable()


def test_a_failure_on_a_file_of_any_name_is_one_clean_line(nasty):
    os.unlink(os.path.join(nasty, "config.json"))
    for arguments in (["check", nasty], ["check", nasty, "--json"], ["check", f"{nasty}/none"]):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.count("\n") == 1
        assert is_clean(result.stderr)


def test_errors_of_the_command_line_are_clean_too(nasty):
    for arguments in (["check", "a", nasty], ["atlas", f"--{nasty}"], [nasty], ["claims", nasty]):
        result = run(*arguments)
        assert result.exit_code == 2
        assert is_clean(result.stderr)


def test_json_is_utf8_in_any_locale(tmp_path):
    folder = tmp_path / "名前"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    printed = subprocess.run([*COMMAND, "check", folder, "--json"], env=environment, capture_output=True)
    assert json.loads(printed.stdout.decode("utf-8"))["model"] == "名前"
    assert subprocess.run([*COMMAND, "check", folder], env=environment, capture_output=True).returncode == 0


def test_a_table_shows_text_as_it_is(capsys):
    print_table(["one", "two"], [("[/bold]", "a\x1b[31m"), (":smile:", "b\nc")])
    assert "[/bold]  a\\x1b[31m" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--help"], ["atlas", "qwen"], ["atlas", "--csv"], ["atlas", "--json"]], ids=" ".join
)
def test_a_full_disk_is_one_line(arguments):
    with open("/dev/full", "wb") as full:
        ended = subprocess.run([*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stderr) == (1, "Error: No space left on device\n")


@pytest.mark.parametrize("arguments", [["atlas"], ["atlas", "--csv"], ["atlas", "--json"]], ids=" ".join)
def test_a_closed_pipe_ends_the_command_in_silence(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        ended = subprocess.run([*COMMAND, *arguments], stdout=pipe, stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_no_output_at_all_is_no_failure():
    closing = ["sh", "-c", '"$@" >&-', "sh", *COMMAND, "atlas", "qwen"]
    assert subprocess.run(closing, capture_output=True).returncode == 0


def failing(error):
    def judge(*_arguments, **_options):
        raise error

    return judge


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "Stopped."),
        (MemoryError(), 1, "Error: there is not enough memory for this"),
        (
            KeyError("key\x1b"),
            1,
            "Error: unexpected KeyError: 'key\\x1b'; this is a fault of rope-lib, and ROPE_LIB_TRACEBACK=1 "
            "in the environment shows where",
        ),
        (RecursionError(), 1, "Error: unexpected RecursionError; this is a fault of rope-lib"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_else_happens_is_one_line(monkeypatch, error, status, line):
    monkeypatch.setattr("rope_lib.models.read_model", failing(error))
    result = run("check", "any")
    assert result.exit_code == status
    assert result.stdout == ""
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1


def test_a_traceback_is_shown_on_demand(monkeypatch):
    monkeypatch.setattr("rope_lib.models.read_model", failing(KeyError("key")))
    monkeypatch.setenv("ROPE_LIB_TRACEBACK", "1")
    assert isinstance(run("check", "any").exception, KeyError)


@click.command()
def train():
    """A stand-in that is interrupted inside a library, which makes an error of its own of it."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ValueError("the kernel died") from None


def test_an_interrupt_is_one_whatever_a_library_makes_of_it(monkeypatch):
    monkeypatch.setitem(main.commands, "train", train)
    result = CliRunner().invoke(main, ["train"])
    assert (result.exit_code, result.stderr) == (130, "Stopped; the same command goes on.\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


HANGS = """
import time
import rope_lib.models
rope_lib.models.read_model = lambda *_, **__: (print("reading", flush=True), time.sleep(60))
from rope_lib.cli import main
main()
"""


def test_an_interrupt_from_the_keyboard_ends_with_one_line():
    heeds_interrupts = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS, "check", "any"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=heeds_interrupts,
    )  # fmt: skip
    assert process.stdout.readline() == b"reading\n"
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=30)
    assert (process.returncode, output, error) == (130, b"", b"Stopped.\n")


INTERRUPTED = """
import os, signal, sys
from rope_lib.__main__ import main

def interrupted(at):
    events = 0
    def hook(*_):
        nonlocal events
        events += 1
        if events == at:
            signal.raise_signal(signal.SIGINT)
    sys.stdout = open(os.devnull, "w")
    sys.argv[1:] = ["--help"]
    sys.addaudithook(hook)
    try:
        main()
    except SystemExit as end:
        os._exit(end.code)
    finally:
        os._exit(1)

at, ended = 1, 130
while ended == 130:
    child = os.fork()
    if not child:
        interrupted(at)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(ended, flush=True)
    at += 17
"""


def test_an_interrupt_at_any_moment_ends_with_one_line():
    """From the program's first instruction on: before an import, a file or a system call, in children."""
    command = [sys.executable, "-c", INTERRUPTED]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    *interrupted, last = ended.stdout.split()
    assert len(interrupted) > 20
    assert set(interrupted) == {"130"}
    assert last in ("0", str(-signal.SIGINT))  # when nothing was left to interrupt
    assert ended.stderr == "Stopped.\n" * len(interrupted)


def test_a_line_has_an_end():
    assert len(one_line(ValueError("x" * 10**6))) == 2000
    assert one_line(OSError(28, "No space left on device")) == "No space left on device"


def test_the_help_lists_the_exit_statuses():
    statuses = [line.split()[0] for line in run("--help").stdout.splitlines() if line.split()]
    assert {"0", "1", "2", "130", "141"} <= set(statuses)
