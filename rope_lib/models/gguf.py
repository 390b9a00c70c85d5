"""What a GGUF file says of its model: the metadata, and the tensors that scale the frequencies.

Only the header and those few tensors are read, in one pass. Every length in the file is a claim: it is
checked against the bytes that are left before anything is allocated, so that a damaged or hostile file costs
neither time nor memory beyond what `limits` states.

The layout is that of the specification in the ggml project, docs/gguf.md. Version 1 wrote 32-bit counts where
later ones write 64 bits; version 3 may also be big-endian, which shows in its own version number.
"""

import math
import os
import re
import stat
import struct
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from ..theory.arguments import Floats
from .limits import (
    MAX_DEPTH,
    MAX_ENTRIES,
    MAX_HEADER,
    MAX_KEPT,
    MAX_NAME,
    MAX_NUMBERS,
    MAX_STRING,
)

# A number, boolean or string; a tuple of numbers or booleans; None for what is not kept.
MetadataValue: TypeAlias = bool | int | float | str | tuple[bool | int | float, ...] | None
Metadata: TypeAlias = dict[str, MetadataValue]
Tensors: TypeAlias = dict[str, Floats]

MAGIC = b"GGUF"  # the first bytes of every such file

_NUMBERS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIifBQqd", strict=True))  # as in `struct`
_BOOL, _STRING, _ARRAY = 7, 8, 9
_CHUNK = 2**18  # bytes
_VERSIONS = {  # their bytes: the order of bytes and the width of counts, as in `struct`
    b"\1\0\0\0": ("<", "I"),
    b"\2\0\0\0": ("<", "Q"),
    b"\3\0\0\0": ("<", "Q"),
    b"\0\0\0\3": (">", "Q"),
}

# llama.cpp gives these one name for all layers; other writers repeat them in each layer's block.
_ROPE_TENSOR = re.compile(r"(blk\.\d+\.)?(rope_freqs|rope_factors_long|rope_factors_short)\.weight")
_BFLOAT16 = 30
_FLOATS = {0: "f4", 1: "f2", 28: "f8", _BFLOAT16: "u2"}  # tensor types, as numpy reads them


def read_gguf(path: str | os.PathLike[str]) -> tuple[Metadata, Tensors]:
    """The metadata of a GGUF file and its rope tensors: two dicts, `(metadata, tensors)`.

    metadata  from key to value. Numbers, booleans and strings are Python's own; an array of numbers or
              booleans is a tuple. None stands for what the file holds but is not kept: arrays of strings (a
              vocabulary), arrays of arrays, more than 65,536 numbers, a string over 1 MiB, and whatever would
              take all values together past 16 MiB.
    tensors   from name to a float64 array of one axis: `rope_freqs.weight` (frequencies are divided by it:
              Llama 3), `rope_factors_long.weight` and `rope_factors_short.weight` (LongRoPE), with `blk.N.`
              before the name where a file has them per layer. Their values are not checked here.

    Raises ValueError, one line with the file and the key, tensor or byte at fault, for anything that is not a
    complete, valid GGUF of version 1, 2 or 3, and for a header over 64 MiB; OSError for a file that cannot be
    opened.

    >>> import struct, tempfile
    >>> key = b"llama.rope.freq_base"
    >>> with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
    ...     _ = file.write(b"GGUF" + struct.pack(f"<IQQQ{len(key)}sIf", 3, 0, 1, len(key), key, 6, 5e5))
    ...     file.flush()
    ...     read_gguf(file.name)
    ({'llama.rope.freq_base': 500000.0}, {})
    """
    name = os.fspath(path)
    name = name if isinstance(name, str) and name.isprintable() else repr(name)
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its other end
        raise ValueError(f"{name}: must be a regular file")
    with open(path, "rb") as file:
        return _read(_Cursor(file, name, status.st_size))


def _read(cursor: "_Cursor") -> tuple[Metadata, Tensors]:
    """The metadata and the rope tensors of the file under the cursor."""
    number_of_tensors, number_of_keys = cursor.begin()
    metadata: Metadata = {}
    for index in range(number_of_keys):
        key = cursor.text(f"the name of key {index} of {number_of_keys}")
        what = f"key {_short(key)}"
        if key in metadata:
            raise cursor.fault(what, "occur once", "it twice")
        metadata[key] = _value(cursor, what)
    places = _rope_tensors(cursor, number_of_tensors, _alignment(cursor, metadata))
    return metadata, {name: _floats(cursor, f"tensor {_short(name)}", *places[name]) for name in places}


class _Cursor:
    """A position in the header that never passes its end; every read says what it is reading."""

    def __init__(self, file: BinaryIO, name: str, size: int) -> None:
        self.file, self.name, self.size = file, name, size
        self.position = 0
        self.end = min(size, MAX_HEADER)
        self.kept = 0  # bytes of values
        self.inner_arrays = 0
        self.order = "<"  # of bytes, as in `struct`
        self.count_code = "Q"

    def fault(self, what: str, allowed: str, value: object) -> ValueError:
        return ValueError(f"{self.name}: {what} must {allowed}, got {value}")

    def need(self, what: str, size: int) -> None:
        if size > self.end - self.position:
            end = "the end of the file" if self.end == self.size else "the limit of a header"
            where = f"{what} at byte {self.position}"
            raise self.fault(where, f"end by byte {self.end}, {end}", f"{size} bytes")

    def take(self, what: str, size: int) -> bytes:
        self.need(what, size)
        data = self.file.read(size)
        if len(data) != size:
            raise self.fault(what, "still be there when it is read", f"{len(data)} of {size} bytes")
        self.position += size
        return data

    def skip(self, what: str, size: int) -> None:
        self.need(what, size)
        self.position += size
        self.file.seek(self.position)

    def numbers(self, what: str, code: str, count: int) -> tuple[Any, ...]:
        layout = f"{self.order}{count}{code}"
        return struct.unpack(layout, self.take(what, struct.calcsize(layout)))

    def number(self, what: str, code: str) -> Any:
        return self.numbers(what, code, 1)[0]

    def count(self, what: str) -> int:
        count: int = self.number(what, self.count_code)
        return count

    def decoded(self, what: str, size: int) -> str:
        """A string, without the zero bytes that some early writers counted as part of it."""
        try:
            return self.take(what, size).decode().rstrip("\0")
        except UnicodeDecodeError as error:
            byte = self.position - size + error.start
            raise self.fault(what, "be UTF-8", f"{error.object[error.start]:#04x} at byte {byte}") from None

    def text(self, what: str) -> str:
        """The name of a key or tensor."""
        size = self.count(f"the length of {what}")
        if size > MAX_NAME:
            raise self.fault(what, f"take at most {MAX_NAME} bytes", size)
        text = self.decoded(what, size)
        if not text:
            raise self.fault(what, "not be empty", repr(text))
        return text

    def keeps(self, size: int) -> bool:
        """Whether a value that takes `size` bytes of memory may be kept; if so, it is counted."""
        fits = self.kept + size <= MAX_KEPT
        self.kept += size * fits
        return fits

    def begin(self) -> tuple[int, int]:
        """Read the first bytes of the file: its number of tensors, and of keys."""
        magic = self.take("the first four bytes", 4)
        if magic != MAGIC:
            raise self.fault("the first four bytes", f"be {MAGIC!r}", magic)
        version = self.take("the version", 4)
        if version not in _VERSIONS:
            raise self.fault("the version", "be 1, 2 or 3", int.from_bytes(version, "little"))
        self.order, self.count_code = _VERSIONS[version]
        return self._limited("the number of tensors"), self._limited("the number of keys")

    def _limited(self, what: str) -> int:
        count = self.count(what)
        if count > MAX_ENTRIES:
            raise self.fault(what, f"be at most {MAX_ENTRIES}", count)
        return count


def _short(name: str) -> str:
    return repr(name if len(name) <= 80 else name[:77] + "...")


def _value(cursor: _Cursor, what: str) -> MetadataValue:
    """The value of a key, or None for one that is passed over."""
    kind = cursor.number(f"the type of {what}", "I")
    if kind == _STRING:
        size = cursor.count(f"the length of {what}")
        if size <= MAX_STRING and cursor.keeps(4 * size):  # with one rare character, each takes four bytes
            return cursor.decoded(what, size)
        cursor.skip(what, size)
        return None
    if kind == _ARRAY:
        kind, count = _array(cursor, what)
        if kind in _NUMBERS and count <= MAX_NUMBERS and cursor.keeps(44 * count):
            return _numbers(cursor, what, kind, count)
        _skip_items(cursor, what, kind, count)
        return None
    if kind in _NUMBERS:
        return _numbers(cursor, what, kind, 1)[0]
    raise cursor.fault(f"the type of {what}", "be 0 to 12", kind)


def _array(cursor: _Cursor, what: str) -> tuple[int, int]:
    """The type and the number of an array's items."""
    return cursor.number(f"the type of items of {what}", "I"), cursor.count(f"the number of items of {what}")


def _numbers(cursor: _Cursor, what: str, kind: int, count: int) -> tuple[bool | int | float, ...]:
    values = cursor.numbers(what, _NUMBERS[kind], count)
    if kind != _BOOL:
        return values
    if max(values, default=0) > 1:
        raise cursor.fault(what, "be 0 or 1, a boolean", max(values))
    return tuple(map(bool, values))


def _skip_items(cursor: _Cursor, what: str, kind: int, count: int, depth: int = 1) -> None:
    """Pass over the items of an array: all at once where they have one size."""
    if kind in _NUMBERS:
        cursor.skip(what, count * struct.calcsize("=" + _NUMBERS[kind]))
    elif kind == _STRING:
        _skip_strings(cursor, what, count)
    elif kind == _ARRAY:
        cursor.inner_arrays += count
        if depth == MAX_DEPTH or cursor.inner_arrays > MAX_ENTRIES:
            limits = f"hold at most {MAX_ENTRIES} arrays, {MAX_DEPTH} deep"
            raise cursor.fault(what, limits, f"{cursor.inner_arrays}, {depth + 1} deep")
        for _ in range(count):
            _skip_items(cursor, what, *_array(cursor, what), depth + 1)
    else:
        raise cursor.fault(f"the type of items of {what}", "be 0 to 12", kind)


def _skip_strings(cursor: _Cursor, what: str, count: int) -> None:
    """Pass over strings. Each begins with its length, so where one starts follows from the one before.

    A loop in Python over a vocabulary takes longer than everything else. So numpy finds lengths below 256,
    which stand out by their zero bytes, all at once, and they count up to the first that does not start where
    the one before ends. A loop passes over the strings left in the chunk, after a longer or an empty one.
    """
    length = struct.Struct(cursor.order + cursor.count_code)
    dtype, size, unpack = np.dtype(f"{cursor.order}u{length.size}"), length.size, length.unpack_from
    cursor.need(what, count * size)
    while count:
        cursor.need(what, size)
        chunk = cursor.take(what, min(_CHUNK, 64 * count, cursor.end - cursor.position))
        passed, offset = _short_strings(chunk, dtype, count)
        count, last = count - passed, len(chunk) - size
        while count and offset <= last:
            offset += size + unpack(chunk, offset)[0]
            count -= 1
        cursor.skip(what, offset - len(chunk))


def _short_strings(chunk: bytes, dtype: np.dtype[Any], most: int) -> tuple[int, int]:
    """How many strings below 256 bytes `chunk` begins with, up to `most`, and where the last of them ends."""
    everywhere = np.ndarray(max(0, len(chunk) - dtype.itemsize + 1), dtype, chunk, strides=1)
    starts = np.flatnonzero(everywhere < 256)[:most]
    ends = starts + dtype.itemsize + everywhere[starts].astype(np.int64)
    broken = np.flatnonzero(starts != np.append(0, ends)[: len(starts)])
    passed = int(broken[0]) if len(broken) else len(starts)
    return passed, int(ends[passed - 1]) if passed else 0


def _alignment(cursor: _Cursor, metadata: Metadata) -> int:
    """The number that the offsets of tensors are multiples of."""
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or alignment < 8 or alignment & (alignment - 1):
        raise cursor.fault("key 'general.alignment'", "be a power of two of at least 8", repr(alignment)[:80])
    return alignment


def _rope_tensors(cursor: _Cursor, number: int, alignment: int) -> dict[str, tuple[int, int, int]]:
    """Where the rope tensors lie: from name to numpy type, count of numbers and first byte in the file."""
    places: dict[str, tuple[int, int, int]] = {}
    total = 0
    farthest = 0, ""
    for index in range(number):
        name = cursor.text(f"the name of tensor {index} of {number}")
        what = f"tensor {_short(name)}"
        axes = cursor.number(f"the number of axes of {what}", "I")
        if axes > 4:
            raise cursor.fault(what, "have at most 4 axes", axes)
        shape = cursor.numbers(f"the shape of {what}", cursor.count_code, axes)
        kind = cursor.number(f"the type of {what}", "I")
        offset = cursor.number(f"the offset of {what}", "Q")
        if offset % alignment:
            raise cursor.fault(f"the offset of {what}", f"be a multiple of {alignment}", offset)
        farthest = max(farthest, (offset, what))
        if _ROPE_TENSOR.fullmatch(name):
            if name in places:
                raise cursor.fault(what, "occur once", "it twice")
            if kind not in _FLOATS:
                raise cursor.fault(what, "be F32, F16, BF16 or F64", f"type {kind}")
            count = math.prod(shape)
            if math.prod(shape[1:]) != 1 or not count:
                raise cursor.fault(what, "hold its numbers on one axis", f"shape {list(shape)}")
            total += count
            if total > MAX_NUMBERS:
                whole = f"the rope tensors up to {what}"
                raise cursor.fault(whole, f"hold at most {MAX_NUMBERS} numbers", total)
            places[name] = kind, count, offset
    data = -(-cursor.position // alignment) * alignment
    offset, what = farthest
    if number and data + offset > cursor.size:
        raise cursor.fault(what, f"begin within the file's {cursor.size} bytes", f"byte {data + offset}")
    return {name: (kind, count, data + offset) for name, (kind, count, offset) in places.items()}


def _floats(cursor: _Cursor, what: str, kind: int, count: int, first: int) -> Floats:
    """The numbers of a tensor, as float64."""
    dtype = np.dtype(cursor.order + _FLOATS[kind])
    cursor.position, cursor.end = min(first, cursor.size), cursor.size
    cursor.file.seek(cursor.position)
    values = np.frombuffer(cursor.take(what, count * dtype.itemsize), dtype)
    if kind == _BFLOAT16:  # the upper half of a float32
        values = (values.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(invalid="ignore"):  # a signaling NaN
        return values.astype(np.float64)
