"""The text that the book measures on. Needs no torch."""

import ast
import hashlib
import importlib.util
import sys
from pathlib import Path


def reference_text() -> str:
    """The text that the book measures on: the language reference that CPython's `help` prints.

    The topics of `pydoc_data.topics`, sorted by name and joined by newlines. It differs between Python
    releases, so every stored measurement names its SHA-256.

    >>> reference_text().startswith('The "assert" statement')
    True
    """
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def longer_text() -> str:
    """A text long enough for a hundred thousand tokens: `reference_text`, then more of the same release.

    After it stand the docstrings of the standard library's modules, sorted by name and joined by newlines.

    >>> longer_text().startswith(reference_text())
    True
    """
    specs = (importlib.util.find_spec(name) for name in sorted(sys.stdlib_module_names))
    sources = [Path(spec.origin) for spec in specs if spec and spec.has_location and spec.origin]
    docstrings = (ast.get_docstring(ast.parse(file.read_bytes())) for file in sources if file.suffix == ".py")
    return "\n".join([reference_text(), *filter(None, docstrings)])


def text_sha256(text: str) -> str:
    """SHA-256 of a text in UTF-8, as 64 hexadecimal digits.

    >>> text_sha256("")[:12]
    'e3b0c44298fc'
    """
    return hashlib.sha256(text.encode()).hexdigest()
