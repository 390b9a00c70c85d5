"""Headers of GGUF files, written from a dict of keys without their architecture."""

from gguf_bytes import STRING, V3

BOOL, UINT32, FLOAT32 = 7, 4, 6


def _packed(value):
    """`(type, bytes)` of a value."""
    if isinstance(value, bool):
        return BOOL, V3.pack("?", value)
    if isinstance(value, int):
        return UINT32, V3.pack("I", value)
    if isinstance(value, float):
        return FLOAT32, V3.pack("f", value)
    return STRING, V3.text(value.encode())


def _key(name, value):
    if not isinstance(value, list | tuple):
        return V3.key(name.encode(), *_packed(value))
    items = [_packed(one) for one in value]
    return V3.array(name.encode(), items[0][0], len(items), b"".join(data for _, data in items))


def header_bytes(architecture, keys, others=None, divisors=None):
    """A file of `architecture` with `keys` under its name, `others` as they are, and tensors of divisors."""
    named = {f"{architecture}.{name}": value for name, value in keys.items() if value is not None}
    all_keys = {"general.architecture": architecture, **(others or {}), **named}
    tensors, data = [], b""
    for name, numbers in (divisors or {}).items():
        tensors.append(V3.tensor(name.encode(), [len(numbers)], 0, len(data)))
        data += V3.pack(f"{len(numbers)}f", *numbers)
        data += bytes(-len(data) % 32)
    return V3.file([_key(name, value) for name, value in all_keys.items()], tensors, data)


def header_file(path, architecture, keys, others=None, divisors=None):
    """Write such a file; returns its path."""
    path.write_bytes(header_bytes(architecture, keys, others, divisors))
    return path
