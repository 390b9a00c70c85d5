"""Prose of the book as plain Markdown, which any notebook shows: without the book's roles and macros."""

import re
from collections.abc import Mapping

ROLE = re.compile(r"\{([\w:-]+)\}`([^`]+)`")
EXPLICIT = re.compile(r"(?s)(.+?)\s*<[^<>]+>")
NUMBERED = {"eq": "equation", "prf:ref": "statement", "numref": "figure"}


def plain(text: str, titles: Mapping[str, str], macros: Mapping[str, str]) -> str:
    """A text with its references in words and its macros written out.

    `titles` are those of chapters by their labels, such as chapter:bank; `macros` are of TeX, by their names
    without the backslash. Equations, figures and theorems keep their labels, which the chapter's notebook
    shows. Raises ValueError for a role that has no plain form, and for a chapter without a title.

    >>> titles = {"chapter:bank": "The bank"}
    >>> plain("See {ref}`chapter:bank` and {eq}`eq:a`: $\\\\base^2$.", titles, {"base": "b"})
    'See *The bank* and equation eq:a of the chapter: $b^2$.'
    """
    text = ROLE.sub(lambda found: _in_words(found[1], found[2], titles), text)
    for name, meaning in macros.items():
        text = re.sub(rf"\\{name}(?![A-Za-z])", meaning.replace("\\", r"\\"), text)
    return text


def _in_words(role: str, target: str, titles: Mapping[str, str]) -> str:
    if role in ("ref", "doc") and (explicit := EXPLICIT.fullmatch(target)):
        return explicit[1]
    if role == "ref" and target in titles:
        return f"*{titles[target]}*"
    if role in NUMBERED:
        return f"{NUMBERED[role]} {target} of the chapter"
    known = "ref to a chapter or with a text of its own, doc with a text, " + ", ".join(NUMBERED)
    raise ValueError(f"a role must be one of {known}, got {{{role}}}`{target}`")
