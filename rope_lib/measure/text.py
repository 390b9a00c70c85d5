"""The text that the book measures on. Needs no torch."""

import hashlib


def reference_text() -> str:
    """The text that the book measures on: the language reference that CPython's `help` prints.

    The topics of `pydoc_data.topics`, sorted by name and joined by newlines. It differs between Python
    releases, so every stored measurement names its SHA-256.

    >>> reference_text().startswith('The "assert" statement')
    True
    """
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def text_sha256(text: str) -> str:
    """SHA-256 of a text in UTF-8, as 64 hexadecimal digits.

    >>> text_sha256("")[:12]
    'e3b0c44298fc'
    """
    return hashlib.sha256(text.encode()).hexdigest()
