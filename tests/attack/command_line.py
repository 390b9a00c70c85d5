"""Attack the command: costly small files, odd names, odd options, and ends at any moment.

    python tests/attack/command_line.py [TRIES]

Not a test: pytest does not collect it. At most TRIES (1,000) of each kind are tried. Prints a table, attack ×
tried × survived, and what broke; the exit status is 1 if anything did.
"""

import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "models")]

from command import run  # noqa: E402  # found by the path above
from gguf_bytes import STRING, Layout  # noqa: E402
from hostile import print_table  # noqa: E402

SECONDS = 2
MEMORY = 500e6  # bytes
COMMAND = [sys.executable, "-c", "from rope_lib.cli import main; main()"]
Attack = Callable[[], None]  # raises what it finds


# Files that cost much


def costly(folder: Path) -> Iterator[Path]:
    """Files under 1 MB, each of which asks for as much as it can of one thing."""
    many = {"num_hidden_layers": 10_000, "head_dim": 64, "max_position_embeddings": 4096, "rope_theta": 1e4}
    bases = [1e4 + layer for layer in range(10_000)]
    few = (bases[:256] * 40)[:10_000]
    linear = {"type": "linear", "factor": 2}
    factors = dict.fromkeys(("long_factor", "short_factor"), [1.0] * 32_768)
    configs = {
        "a base for each layer": {"rope_theta": bases},
        "wide heads": {"head_dim": 65_536, "rope_theta": few},
        "as many numbers as may be": {"head_dim": 2048, "rope_theta": few},
        "a kind for each layer": {"layer_types": [f"k{layer}_attention" for layer in range(10_000)]},
        "keys at the top": {"rope_theta": few, **{f"key {index}": 0 for index in range(50_000)}},
        "keys of the scaling": {
            "rope_theta": few,
            "rope_scaling": {**linear, **{f"key {index}": 0 for index in range(998)}},
        },
        "axes": {
            "rope_theta": few,
            "rope_scaling": {"type": "mrope", "mrope_section": [32] + [0] * 200_000},
        },
        "factors": {
            "head_dim": 65_536,
            "rope_theta": few,
            "rope_scaling": {"type": "su", "factor": 2, "original_max_position_embeddings": 64, **factors},
        },
        "layers listed": {"full_attn_idxs": list(range(10_000)) * 10},
        "labels": {"num_hidden_layers": 1_000, "num_labels": 10**8},
    }
    for name, config in configs.items():
        path = folder / name / "config.json"
        path.parent.mkdir()
        path.write_text(json.dumps({**many, **config}))
        yield path
    texts = {
        "deep": '{"a":' * 190_000,
        "lists": '{"a":[' + "[]," * 300_000 + "0]}",
        "a long number": '{"rope_theta":' + "1" * 900_000 + ".0}",
        "a long integer": '{"rope_theta":' + "1" * 900_000 + "}",
        "a key again and again": "{" + '"a":[[[]]],' * 80_000 + '"b":1}',
        "a long string": '{"model_type":"' + "\\u202e" * 150_000 + '"}',
    }
    for name, text in texts.items():
        (folder / f"{name}.json").write_text(text)
        yield folder / f"{name}.json"
    yield from costly_ggufs(folder)


def costly_ggufs(folder: Path) -> Iterator[Path]:
    v3 = Layout()
    name = v3.key(b"general.architecture", STRING, v3.text(b"llama"))
    sizes = {
        "block_count": 10_000,
        "embedding_length": 2048,
        "attention.head_count": 32,
        "context_length": 4096,
    }
    keys = [name, *(v3.key(f"llama.{key}".encode(), 4, v3.pack("I", value)) for key, value in sizes.items())]
    files = {
        "many layers": v3.file(keys),
        "many keys": v3.file([name, *(v3.key(b"%d" % index, 0, b"\0") for index in range(40_000))]),
        "many strings": v3.file([name, v3.array(b"a", STRING, 2**40, bytes(900_000))]),
        "empty strings": v3.file([name, v3.array(b"a", STRING, 110_000, bytes(880_000)), *keys[1:]]),
        "one long array": v3.file([name, v3.array(b"a", 0, 2**63, bytes(900_000))]),
        "arrays in arrays": v3.file([name, v3.array(b"a", 9, 60_000, v3.pack("IQ", 9, 0) * 60_000)]),
        "many tensors": v3.file(keys, [v3.tensor(b"%d" % index, [1], 0, 0) for index in range(20_000)]),
        "claims a large tensor": v3.file(keys, [v3.tensor(b"rope_freqs.weight", [2**62], 0, 0)]),
    }
    for file, data in files.items():
        (folder / f"{file}.gguf").write_bytes(data)
        yield folder / f"{file}.gguf"


def check_costs(path: Path) -> None:
    """`rope-lib check --json` judges a file or refuses it in a line, within the limits."""
    assert path.stat().st_size < 1_000_000
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as error:
        process = subprocess.Popen([*COMMAND, "check", path, "--json"], stdout=output, stderr=error, cwd=ROOT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        size = output.tell()
        error.seek(0)
        line = error.read().decode()
    seconds = used.ru_utime + used.ru_stime
    assert process.returncode in (0, 2, 3), (process.returncode, line)
    assert process.returncode != 2 or (line.count("\n") == 1 and line.rstrip("\n").isprintable()), line
    assert seconds < SECONDS, f"{seconds:.1f} s"
    assert used.ru_maxrss * 1024 < MEMORY, f"{used.ru_maxrss / 1024:.0f} MB"
    assert size < 50e6, f"{size} bytes of output"


# Names and ends


def nasty_name(generator: random.Random) -> bytes:
    """A name that a file may have: any bytes but a slash and a zero."""
    pieces = [
        "\x1b[31m",
        "\x1b]0;title\x07",
        "\n",
        "\r",
        "\t",
        "\u202e",
        "\u2066",
        "\x7f",
        "名",
        "[/b]",
        "'",
        '"',
        "\u2028",
    ]
    name = "".join(generator.choices(pieces, k=generator.randint(1, 5))).encode()
    return name + bytes(generator.choices([0xFF, 0xC3, 0x80, 0x41], k=generator.randint(0, 3)))


def names(generator: random.Random, folder: Path) -> None:
    """A model whose folder has a nasty name, judged as text and as JSON, and without its config."""
    place = os.path.join(os.fsencode(folder), nasty_name(generator))
    os.makedirs(place, exist_ok=True)
    with open(os.path.join(place, b"config.json"), "w") as file:
        file.write(
            '{"num_hidden_layers": 2, "head_dim": 8, "max_position_embeddings": 64, "rope_theta": 1e4}'
        )
    source = os.fsdecode(place)
    calls = [["check", source], ["check", source, "--json"], ["check", source + "x"], ["check", "a", source]]
    for arguments in [*calls, ["train", source], ["sweep", source], [source], ["claims", source]]:
        result = run(*arguments)
        printed = (result.stdout_bytes + result.stderr_bytes).decode("utf-8")
        assert result.exit_code in (0, 2, 3), (result.exit_code, printed)
        assert all(line.isprintable() for line in printed.split("\n")), printed
        if "--json" in arguments:
            json.loads(result.stdout_bytes)
        elif result.exit_code == 2 and "Usage" not in printed:
            assert printed.count("\n") == 1, printed


NASTY_OPTIONS = [
    "0", "-1", "2", "8192", "10**9", "9" * 320, "9" * 5000, "nan", "inf", "1e400", "1e-320", "5e-324", "0.95",
    "0.9999999999999999", "1.7976931348623157e308", "", "x", "\x1b[31m", "1,0", "٣", "float64", "int8",
]  # fmt: skip
OPTIONS = {
    "check": ("--context", "--epsilon", "--dtype"),
    "bounds": ("--context", "--layers", "--base", "--head-dim", "--epsilon", "--dtype"),
    "atlas": ("--sort", "--context", "--epsilon", "--dtype"),
}


def options(generator: random.Random) -> None:
    """A command with nasty values of some of its options: a result, or a line and exit status 2."""
    name = generator.choice(list(OPTIONS))
    chosen = generator.sample(OPTIONS[name], generator.randint(0, len(OPTIONS[name])))
    arguments = [word for option in chosen for word in (option, generator.choice(NASTY_OPTIONS))]
    source = ["atlas:" + generator.choice(["Llama 3.1 8B", *NASTY_OPTIONS])] if name == "check" else []
    result = run(name, *source, *arguments)
    assert result.exit_code in (0, 2, 3), (arguments, result.exit_code, result.stderr)
    assert all(line.isprintable() for line in (result.stdout + result.stderr).split("\n")), result.stderr
    is_line = result.exit_code in (0, 3) or "Usage" in result.stderr or result.stderr.count("\n") == 1
    assert is_line, result.stderr


def ends(generator: random.Random) -> None:
    """A full disk, a closed pipe, or an interrupt at some moment after the command has been loaded."""
    commands = ("atlas", "atlas --json", "atlas --csv", "--help", "claims A6", "bounds --context 8192")
    arguments = generator.choice(commands).split()
    how = generator.choice(["full", "closed", "interrupt"])
    reading, writing = os.pipe()
    if how == "closed":
        os.close(reading)
    output = open("/dev/full", "wb") if how == "full" else open(writing, "wb")  # noqa: SIM115
    started = (
        "import sys; from rope_lib.cli import main; sys.stderr.write('ready\\n'); sys.stderr.flush(); main()"
    )
    with output:
        process = subprocess.Popen(
            [sys.executable, "-c", started, *arguments], stdout=output, stderr=subprocess.PIPE, cwd=ROOT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        )  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline() == b"ready\n"
        if how == "interrupt":
            time.sleep(generator.random() * 0.5)
            process.send_signal(signal.SIGINT)
    with contextlib.ExitStack() as stack:
        if how == "interrupt":
            stack.enter_context(open(reading, "rb")).read()
        said = process.stderr.read().decode()
    status = process.wait()
    assert "Traceback" not in said, said
    wanted = {"full": {1}, "closed": {141}, "interrupt": {0, 130, -signal.SIGINT}}[how]
    assert status in wanted, (arguments, how, status, said)
    assert said.count("\n") <= 1 + (arguments == ["claims", "A6"]), said


def attacked(tries: list[Attack], found: list[str]) -> tuple[int, int, float]:
    """How many tries there were, how many of them survived, and the seconds; what broke goes to `found`."""
    survived, started = 0, time.perf_counter()
    for attempt in tries:
        try:
            attempt()
            survived += 1
        except Exception as fault:
            found.append(f"{type(fault).__name__}: {str(fault)[:500]}")
    return len(tries), survived, time.perf_counter() - started


def main() -> int:
    """Run every attack and print the table."""
    tries = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    generator = random.Random(1)
    table: dict[str, tuple[int, int, float]] = {}
    found: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        table["small files that cost much"] = attacked(
            [lambda path=path: check_costs(path) for path in costly(folder)], found
        )
        table["full disk, closed pipe, interrupt"] = attacked(
            [lambda: ends(generator)] * min(tries, 60), found
        )
        (folder / "names").mkdir()
        table["names of files"] = attacked(
            [lambda: names(generator, folder / "names")] * min(tries, 300), found
        )
        table["options"] = attacked([lambda: options(generator)] * tries, found)
    print_table((name, *row) for name, row in table.items())
    for fault, count in collections.Counter(found).most_common(20):
        print(f"{count:>6,} × {fault}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
