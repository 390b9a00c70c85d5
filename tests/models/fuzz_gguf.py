"""Fuzz the GGUF reader: whatever the bytes, it reads them or raises ValueError with one line, soon.

    pip install atheris
    python tests/models/fuzz_gguf.py -runs=100000 -seed=1 -max_len=4096 [CORPUS_FOLDER]

Not a test: pytest does not collect it. It starts from small valid files of each version and byte order, which
it writes into the folder (a temporary one by default), and counts what it saw.
"""

import collections
import io
import struct
import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["rope_lib.models.gguf"]):
    from rope_lib.models import gguf

SECONDS = 2  # that no input of a few kilobytes may take
counts = collections.Counter()


def small_file(version, order):
    """A valid file with a value of every type and rope tensors of every type that is read."""
    width = "I" if version == 1 else "Q"

    def count(number):
        return struct.pack(order + width, number)

    def text(string):
        return count(len(string)) + string

    numbers = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIifBQqd", strict=True))
    kind = struct.Struct(order + "I").pack
    values = [kind(k) + struct.pack(order + code, 1) for k, code in numbers.items()]
    values += [
        kind(9) + kind(k) + count(2) + struct.pack(f"{order}2{code}", 1, 0) for k, code in numbers.items()
    ]
    values += [
        kind(8) + text(b"llama"),
        kind(9) + kind(8) + count(3) + text(b"a") + text(b"") + text(b"bc" * 150),
    ]
    values += [kind(9) + kind(9) + count(2) + 2 * (kind(4) + count(1) + kind(7))]
    keys = [text(b"key.%d" % i) + value for i, value in enumerate(values)]
    keys += [text(b"general.alignment") + kind(4) + kind(8)]
    names = [
        b"rope_freqs.weight",
        b"rope_factors_long.weight",
        b"rope_factors_short.weight",
        b"blk.0.rope_freqs.weight",
    ]
    infos = [
        text(name) + kind(1) + count(2) + kind(k) + struct.pack(order + "Q", 16 * i)
        for i, (name, k) in enumerate(zip(names, (0, 1, 28, 30), strict=True))
    ]
    infos += [
        text(b"blk.0.attn_q.weight") + kind(2) + count(32) + count(1) + kind(8) + struct.pack(order + "Q", 64)
    ]
    header = b"GGUF" + kind(version) + count(len(infos)) + count(len(keys)) + b"".join(keys + infos)
    return header + bytes(-len(header) % 8) + bytes(range(98))


def judged(data):
    """What became of an input, in words to count; AssertionError where it is not what was promised."""
    try:
        metadata, tensors = gguf._read(gguf._Cursor(io.BytesIO(data), "fuzz", len(data)))
    except ValueError as error:
        fault = error
    else:
        assert all(array.dtype == float and array.ndim == 1 for array in tensors.values())
        return f"read with{'' if metadata else 'out'} keys and with{'' if tensors else 'out'} rope tensors"
    line = str(fault)
    assert type(fault) is ValueError, type(fault)
    assert line.startswith("fuzz: "), line
    assert " must " in line, line
    assert line.isprintable(), line
    return "refused among the tensors" if "tensor '" in line else "refused before the tensors"


def one_input(data):
    started = time.perf_counter()
    counts[judged(data)] += 1
    assert time.perf_counter() - started < SECONDS
    if counts.total() % 10_000 == 0:
        print(dict(counts), flush=True)


def main():
    if not any(Path(argument).is_dir() for argument in sys.argv[1:]):
        sys.argv.append(tempfile.mkdtemp())
    folder = Path(next(argument for argument in sys.argv[1:] if Path(argument).is_dir()))
    for version, order in (1, "<"), (2, "<"), (3, "<"), (3, ">"):
        (folder / f"v{version}{'be' if order == '>' else ''}").write_bytes(small_file(version, order))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
