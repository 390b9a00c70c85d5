"""Read a TOML file that may be anything: a large one, or one nested deeply, is refused in a line."""

import re
import tomllib
from pathlib import Path

from .store import JsonObject

LARGEST = 2**20  # bytes: the largest grid of this library has 4,000, and tomllib reads a megabyte in a second
DEEPEST = 64  # keys of one dotted name: tomllib takes time with the square of their number

_JOINED = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*"""  # a key, and the dot before the next
_TOO_DEEP = re.compile(rf"(?<![\w-])(?:{_JOINED}){{{DEEPEST}}}")


def read_toml(path: str | Path) -> JsonObject:
    """The tables in a TOML file.

    Raises OSError where it cannot be read, and ValueError in one line where it is no TOML in UTF-8, larger
    than 1 MiB, or nested deeper than can be read.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".toml") as file:
    ...     _ = file.write(b"training.steps = 9")
    ...     file.flush()
    ...     read_toml(file.name)
    {'training': {'steps': 9}}
    """
    with open(path, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"the file must have at most {LARGEST:,} bytes, got more")
    text = data.decode("utf-8")
    if _TOO_DEEP.search(text):
        raise ValueError(f"names must have at most {DEEPEST} keys joined by dots, got more")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(
            "tables and lists must not be nested too deeply, got more than can be read"
        ) from None
