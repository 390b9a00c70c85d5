"""The GGUF reader on damaged and hostile files: one line for each, soon, at no cost of memory."""

import io
import os
import struct
import tracemalloc

import pytest
from gguf_bytes import (
    ARRAY,
    LAYOUTS,
    STRING,
    V3,
    Layout,
    read,
    read_or_refusal,
    refusal,
    small,
)
from hypothesis import given
from hypothesis import strategies as st

from rope_lib.models.gguf import _Cursor, _read, read_gguf
from rope_lib.models.limits import MAX_ENTRIES


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_cut_at_any_byte_is_refused(layout):
    data = small(layout)
    for cut in range(len(data)):
        refusal(data[:cut])


class Recording(_Cursor):
    """Remembers where the lengths and counts stand that are read one by one."""

    def count(self, what):
        self.places = [*getattr(self, "places", ()), self.position]
        return super().count(what)


@pytest.mark.parametrize("lie", [0, 1, 255, 2**31, 2**32 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_lies_about_lengths_cost_no_memory(layout, lie):
    data = small(layout)
    cursor = Recording(io.BytesIO(data), "x.gguf", len(data))
    _read(cursor)
    assert len(cursor.places) > 40
    field = layout.count(lie % 256 ** len(layout.count(0)))
    refused = 0
    tracemalloc.start()
    try:
        for at in cursor.places:
            refused += isinstance(read_or_refusal(data[:at] + field + data[at + len(field) :]), str)
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()
    assert refused > len(cursor.places) // 2


@given(st.data(), st.sampled_from(LAYOUTS))
def test_mutations_are_read_or_refused(draw, layout):
    data = bytearray(small(layout))
    for _ in range(draw.draw(st.integers(1, 8))):
        at = draw.draw(st.integers(0, len(data)))
        piece = draw.draw(st.binary(max_size=8))
        data[at : at + draw.draw(st.integers(0, 8))] = piece
    read_or_refusal(bytes(data))


@given(st.binary(max_size=200))
def test_any_bytes_after_the_magic_are_read_or_refused(data):
    read_or_refusal(b"GGUF\3\0\0\0" + data)


def tensor_file(*tensors, keys=(), data=bytes(64)):
    return V3.file(keys, [V3.tensor(*tensor) for tensor in tensors], data)


ROPE = b"rope_freqs.weight"
REFUSED = {
    "empty": (b"", "the first four bytes at byte 0 must end by byte 0, the end of the file, got 4 bytes"),
    "not a GGUF": (b"GGML....", "the first four bytes must be b'GGUF', got b'GGML'"),
    "version 4": (Layout(4).file(), "the version must be 1, 2 or 3, got 4"),
    "big-endian version 2": (Layout(2, ">").file(), "the version must be 1, 2 or 3, got 33554432"),
    "too many keys": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63),
        f"the number of keys must be at most {MAX_ENTRIES}, got {2**63}",
    ),
    "too many tensors": (
        b"GGUF" + struct.pack("<IQQ", 3, 2**64 - 1, 0),
        f"the number of tensors must be at most {MAX_ENTRIES}, got {2**64 - 1}",
    ),
    "fewer keys than promised": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1),
        "the length of the name of key 0 of 1 at byte 24 must end by byte 24, "
        "the end of the file, got 8 bytes",
    ),
    "a long key": (
        V3.file([V3.key(b"k" * 65_536, 0, b"\0")]),
        "the name of key 0 of 1 must take at most 65535 bytes, got 65536",
    ),
    "an empty key": (V3.file([V3.key(b"", 0, b"\0")]), "the name of key 0 of 1 must not be empty, got ''"),
    "a key twice": (V3.file([V3.key(b"k", 0, b"\0")] * 2), "key 'k' must occur once, got it twice"),
    "a skipped key twice": (
        V3.file([V3.array(b"k", STRING, 0, b"")] * 2),
        "key 'k' must occur once, got it twice",
    ),
    "a key that is not UTF-8": (
        V3.file([V3.key(b"ab\xff", 0, b"\0")]),
        "the name of key 0 of 1 must be UTF-8, got 0xff at byte 34",
    ),
    "a string that is not UTF-8": (
        V3.file([V3.key(b"k", STRING, V3.text(b"\xed\xa0\x80"))]),
        "key 'k' must be UTF-8, got 0xed at byte 45",
    ),
    "a key of two lines": (
        V3.file([V3.key(b"a\nb", 99, b"")]),
        "the type of key 'a\\nb' must be 0 to 12, got 99",
    ),
    "an unknown item type": (
        V3.file([V3.array(b"k", 13, 1, b"\0")]),
        "the type of items of key 'k' must be 0 to 12, got 13",
    ),
    "a long string": (
        V3.file([V3.key(b"k", STRING, V3.count(2**64 - 1))]),
        f"key 'k' at byte 45 must end by byte 45, the end of the file, got {2**64 - 1} bytes",
    ),
    "a boolean of 2": (V3.file([V3.key(b"k", 7, b"\2")]), "key 'k' must be 0 or 1, a boolean, got 2"),
    "booleans of 2": (V3.file([V3.array(b"k", 7, 2, b"\1\2")]), "key 'k' must be 0 or 1, a boolean, got 2"),
    "arrays too deep": (
        V3.file([V3.key(b"k", ARRAY, (V3.pack("I", ARRAY) + V3.count(1)) * 50_000)]),
        f"key 'k' must hold at most {MAX_ENTRIES} arrays, 4 deep, got 4, 5 deep",
    ),
    "too many arrays": (
        V3.file([V3.array(b"k", ARRAY, 2**40, b"")]),
        f"key 'k' must hold at most {MAX_ENTRIES} arrays, 4 deep, got {2**40}, 2 deep",
    ),
    "an odd alignment": (
        V3.file([V3.key(b"general.alignment", 4, V3.pack("I", 24))]),
        "key 'general.alignment' must be a power of two of at least 8, got 24",
    ),
    "no alignment": (
        V3.file([V3.key(b"general.alignment", 4, V3.pack("I", 0))]),
        "key 'general.alignment' must be a power of two of at least 8, got 0",
    ),
    "a skipped alignment": (
        V3.file([V3.array(b"general.alignment", STRING, 0, b"")]),
        "key 'general.alignment' must be a power of two of at least 8, got None",
    ),
    "five axes": (tensor_file((b"t", [1] * 5, 0, 0)), "tensor 't' must have at most 4 axes, got 5"),
    "an odd offset": (
        tensor_file((b"t", [1], 0, 8)),
        "the offset of tensor 't' must be a multiple of 32, got 8",
    ),
    "a far offset": (
        tensor_file((b"t", [1], 0, 2**64 - 32)),
        f"tensor 't' must begin within the file's 128 bytes, got byte {2**64 + 32}",
    ),
    "a rope tensor twice": (
        tensor_file((ROPE, [1], 0, 0), (ROPE, [1], 0, 0)),
        "tensor 'rope_freqs.weight' must occur once, got it twice",
    ),
    "a quantized rope tensor": (
        tensor_file((ROPE, [32], 8, 0)),
        "tensor 'rope_freqs.weight' must be F32, F16, BF16 or F64, got type 8",
    ),
    "a rope matrix": (
        tensor_file((ROPE, [4, 4], 0, 0)),
        "tensor 'rope_freqs.weight' must hold its numbers on one axis, got shape [4, 4]",
    ),
    "an empty rope tensor": (
        tensor_file((ROPE, [0], 0, 0)),
        "tensor 'rope_freqs.weight' must hold its numbers on one axis, got shape [0]",
    ),
    "a rope tensor past the end": (
        tensor_file((ROPE, [17], 0, 0)),
        "tensor 'rope_freqs.weight' at byte 96 must end by byte 160, the end of the file, got 68 bytes",
    ),
    # Tensors may lie over one another: 65,536 of them in a file of 4 MB once took 34 GB.
    "rope tensors that share their bytes": (
        tensor_file(*[(b"blk.%d." % i + ROPE, [40_000], 0, 0) for i in range(2)], data=bytes(160_000)),
        "the rope tensors up to tensor 'blk.1.rope_freqs.weight' must hold at most 65536 numbers, got 80000",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    data, line = REFUSED[name]
    assert refusal(data) == f"x.gguf: {line}"


def test_a_header_over_the_limit_is_refused(tmp_path):
    path = tmp_path / "sparse.gguf"
    with path.open("wb") as file:
        file.write(V3.file([V3.key(b"k", STRING, V3.count(2**30))]))
        file.truncate(2**31)
    with pytest.raises(ValueError, match="must end by byte 67108864, the limit of a header"):
        read_gguf(path)


def test_a_file_that_shrinks_while_it_is_read_is_refused():
    data = small(V3)
    with pytest.raises(ValueError, match="must still be there when it is read, got 0 of 8 bytes"):
        _read(_Cursor(io.BytesIO(data[:24]), "x.gguf", len(data)))


def test_paths(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_gguf(tmp_path / "missing.gguf")
    with pytest.raises(ValueError, match="must be a regular file"):
        read_gguf(tmp_path)
    path = tmp_path / "two\nlines.gguf"
    path.write_bytes(b"GGML")
    with pytest.raises(ValueError, match=r"^'.*two\\nlines.gguf': the first four bytes must be"):
        read_gguf(path)
    path.write_bytes(small(V3))
    assert read_gguf(str(path))[0] == read_gguf(os.fsencode(path))[0] == read(small(V3))[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(ValueError, match="must be a regular file"):
        read_gguf(tmp_path / "pipe.gguf")
