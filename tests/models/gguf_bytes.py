"""GGUF files written by hand, byte by byte, and what the reader makes of them."""

import io
import struct

import numpy as np
import pytest

from rope_lib.models.gguf import _Cursor, _read

NUMBERS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIifBQqd", strict=True))
STRING, ARRAY = 8, 9


class Layout:
    """A GGUF file written by hand, in the layout of one version and byte order."""

    def __init__(self, version=3, order="<"):
        self.version, self.order = version, order

    def pack(self, code, *values):
        return struct.pack(self.order + code, *values)

    def count(self, number):
        return self.pack("I" if self.version == 1 else "Q", number)

    def text(self, string):
        return self.count(len(string)) + string

    def key(self, name, kind, value):
        return self.text(name) + self.pack("I", kind) + value

    def array(self, name, kind, number, items):
        return self.key(name, ARRAY, self.pack("I", kind) + self.count(number) + items)

    def tensor(self, name, shape, kind, offset):
        axes = self.pack("I", len(shape)) + b"".join(map(self.count, shape))
        return self.text(name) + axes + self.pack("IQ", kind, offset)

    def file(self, keys=(), tensors=(), data=b""):
        header = b"GGUF" + self.pack("I", self.version) + self.count(len(tensors)) + self.count(len(keys))
        header += b"".join([*keys, *tensors])
        return header + (bytes(-len(header) % 32) + data if tensors else b"")


V3 = Layout()
LAYOUTS = [Layout(1), Layout(2), V3, Layout(3, ">")]
FACTORS = np.linspace(1, 8, 16)


def small(layout):
    """A valid file: keys of every type, arrays kept and skipped, two rope tensors up to its last byte."""
    keys = [layout.key(b"n%d" % kind, kind, layout.pack(code, 1)) for kind, code in NUMBERS.items()]
    keys += [
        layout.array(b"a%d" % kind, kind, 2, layout.pack("2" + code, 1, 0)) for kind, code in NUMBERS.items()
    ]
    keys += [
        layout.key(b"general.architecture", STRING, layout.text(b"llama")),
        layout.array(b"tokens", STRING, 4, b"".join(map(layout.text, (b"a", b"", b"long" * 100, b"z")))),
        layout.array(b"nested", ARRAY, 2, 2 * (layout.pack("I", 4) + layout.count(1) + layout.pack("I", 7))),
        layout.key(b"last", 5, layout.pack("i", -1)),
    ]
    tensors = [
        layout.tensor(b"rope_freqs.weight", [16], 0, 0),
        layout.tensor(b"blk.0.attn_q.weight", [64, 64], 8, 0),
        layout.tensor(b"blk.3.rope_factors_long.weight", [16, 1], 1, 64),
    ]
    return layout.file(keys, tensors, layout.pack("16f", *FACTORS) + layout.pack("16e", *FACTORS))


def read(data):
    return _read(_Cursor(io.BytesIO(data), "x.gguf", len(data)))


def refusal(data):
    """The line with which `data` is refused."""
    with pytest.raises(ValueError, match=" must ") as caught:
        read(data)
    assert caught.type is ValueError
    line = str(caught.value)
    assert line.startswith("x.gguf: ")
    assert line.isprintable()
    return line


def read_or_refusal(data):
    try:
        return read(data)
    except ValueError:
        return refusal(data)
