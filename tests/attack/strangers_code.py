"""Attack: a stranger's modules in every folder that a command touches, and odd texts and outputs of reports.

    python tests/attack/strangers_code.py

Prints a table of attack, tries and survivals; exit status 1 if one got through. Takes some five minutes.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT / "tests")

from reports import save_model  # noqa: E402  # found in the folder above
from strangers import QUICK, SLOW, command_in, importable, left, stranger_folder  # noqa: E402

# Records the name of every module that any process asks for, whether it exists or not.
RECORDER = """
import os, sys
file = os.open({path!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
asked = set()
def hook(event, arguments):
    if event == "import":
        name = arguments[0].partition(".")[0]
        if name not in asked:
            asked.add(name)
            os.write(file, name.encode() + b"\\n")
sys.addaudithook(hook)
"""
SECONDS, MEMORY = 30, 2**30  # of the processor, and bytes, that a refusal may take: most are for torch
TEXTS = {
    "empty": "text must have at least 2 tokens",
    "three": "text must have at least 64 tokens",
    "latin": "must be text in UTF-8",
    "huge": "must have at most 16 MiB of text",
    "sparse": "must have at most 16 MiB of text",
    "pipe": "text must be a regular file",
    "folder": "text must be a regular file",
    "/dev/zero": "text must be a regular file",
    "/dev/stdin": "text must be a regular file",
    "/proc/self/mem": "/mem: Input/output error",
    "none": "No such file",
    os.fsdecode(b"caf\xe9"): "must be a path in UTF-8",
}
OUTPUTS = (
    "",
    "/",
    ".",
    "..",
    "text.txt",
    "text.txt/out",
    "link",
    "loop",
    "o" * 250,
    "/proc/out",
    "/dev/null",
)


def asked_for(scratch, model):
    """The top-level names that the processes of all commands ask for, installed or not."""
    hooks, names = scratch / "hooks", scratch / "names.txt"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(RECORDER.format(path=str(names)), encoding="utf-8")
    folder = stranger_folder(scratch / "recorded", scratch / "no-marks", model, names=())
    for arguments in (QUICK | SLOW).values():
        done = command_in(folder, *arguments, root=f"{hooks}{os.pathsep}{ROOT}", scratch=scratch)
        assert done.returncode == 0, done.stderr
    return {name for name in names.read_text(encoding="utf-8").split() if name.isidentifier()}


def modules(scratch, model):
    """Rows for each command among planted modules."""
    asked = asked_for(scratch, model)
    print("Asked for, neither installed nor in OPTIONAL:", *sorted(asked - {*importable()}), file=sys.stderr)
    names = sorted({*importable(), *asked})
    folder = stranger_folder(scratch / "planted", scratch / "marks", model, names)
    for command, arguments in (QUICK | SLOW).items():
        done = command_in(folder, *arguments, root=ROOT, scratch=scratch)
        ran = left(scratch / "marks")
        survived = done.returncode == 0 and not ran
        yield f"{command}: modules, 3 folders", 3 * len(names), 3 * len(names) - max(len(ran), not survived)
        if not survived:
            print(command, done.returncode, ran, done.stderr, file=sys.stderr)


def refusals(scratch, model):
    """Rows for texts and outputs that a report refuses."""
    folder = stranger_folder(scratch / "odd", scratch / "marks", model, names=())
    contents = {"empty": b"", "three": b"abc", "latin": b"caf\xe9" * 99, "huge": b"a" * (2**24 + 1)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "sparse").touch()
    os.truncate(folder / "sparse", 2**40)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("nothing")
    (folder / "loop").symlink_to("loop")
    texts = [is_refused(folder, scratch, words, "--text", name) for name, words in TEXTS.items()]
    yield "report --text: odd", len(texts), sum(texts)
    outputs = [
        is_refused(folder, scratch, "out must ", "--text", "text.txt", "--out", out) for out in OUTPUTS
    ]
    yield "report --out: odd", len(outputs), sum(outputs)


def used():
    """What all children so far have used of the machine."""
    return resource.getrusage(resource.RUSAGE_CHILDREN)


def is_refused(folder, scratch, words, *options):
    """Whether a report is refused in one line with these words, soon, with little memory, leaving nothing."""
    before, start = sorted(folder.iterdir()), used().ru_utime
    try:
        done = command_in(folder, "report", ".", *options, root=ROOT, scratch=scratch, timeout=10 * SECONDS)
    except subprocess.TimeoutExpired:
        print(options, "took too long", file=sys.stderr)
        return False
    seconds, memory = used().ru_utime - start, used().ru_maxrss * 1024
    survived = (
        done.returncode == 2
        and len(done.stderr.splitlines()) == 1
        and words in done.stderr
        and sorted(folder.iterdir()) == before
        and seconds < SECONDS
        and memory < MEMORY
    )
    if not survived:
        print(options, done.returncode, f"{seconds:.0f} s, {memory:,} bytes", done.stderr, file=sys.stderr)
    return survived


def main():
    """Run all attacks and print the table; returns the exit status."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(scratch / "cache")
        save_model("llama", scratch / "model")
        # Refusals first: the memory of a child is known as the most of all children so far.
        rows = [*refusals(scratch, scratch / "model"), *modules(scratch, scratch / "model")]
    print(f"{'attack':<36}{'tried':>8}{'survived':>10}")
    for attack, tried, survived in rows:
        print(f"{attack:<36}{tried:>8,}{survived:>10,}")
    return int(any(tried != survived for _, tried, survived in rows))


if __name__ == "__main__":
    sys.exit(main())
