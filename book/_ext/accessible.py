"""Faults in what the theme and its extensions write, mended in the finished pages.

Each is one that axe-core reports: a label that says something else than the button, a fold without a
name, roles that do not exist or do not go together, a list of descriptions without terms.
"""

import re
from pathlib import Path


def as_lines(signature: re.Match) -> str:
    """The parameters of a long signature as lines, in place of descriptions that describe no term."""
    opened, parameters, closed = signature.groups()
    lines = parameters.replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
    return f'{opened}<span class="sig-lines">{lines}</span>{closed}'


REPAIRS = (
    (
        r'(?s)(<span class="sig-paren">\(</span>\s*)<dl>((?:(?!<dl>).)*?)</dl>'
        r'(\s*<span class="sig-paren">\)</span>)',
        as_lines,
    ),
    # A button whose visible text is its name needs no label beside it, which voice control would not know.
    (r'(<button class="btn search-button-field[^>]*?) title="[^"]*" aria-label="[^"]*"([^>]*)>', r"\1\2>"),
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    (r'<summary>(?=<span class="toctree-toggle")', '<summary aria-label="Chapters below this one">'),
    (r'(<div class="citation"[^>]*?) role="doc-biblioentry"', r"\1"),
    (r'<div role="list" class="citation-list">', '<div class="citation-list">'),
    # Ids that stand once for each theorem of a page, so that none leads anywhere.
    (r'(<div class="proof admonition") id="proof">', r"\1>"),
    (r'(<section class="[a-z]+-content") id="[a-z]+-content">', r"\1>"),
)


def mended(html: str) -> str:
    """A page without these faults; doing it twice changes nothing.

    >>> mended('<summary aria-label="Toggle hidden content">Code</summary>')
    '<summary>Code</summary>'
    """
    for fault, repair in REPAIRS:
        html = re.sub(fault, repair, html)
    return html


def mend_all(app, exception) -> None:
    if exception is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            if (better := mended(text)) != text:
                page.write_text(better, encoding="utf-8")


def setup(app) -> dict:
    app.connect("build-finished", mend_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
