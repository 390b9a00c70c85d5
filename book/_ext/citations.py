"""Entries to cite, as BibTeX: of the book from `CITATION.cff`, of papers from `references.bib`.

```{bibtex}                                       the book
```{bibtex} liu2026phase wertheimer2026frayed     papers
"""

import re
from pathlib import Path

import yaml
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

SOURCES = ("CITATION.cff", "book/references.bib")


def software_entry(cff: str, year: str, repository: str) -> str:
    """The BibTeX entry of the software that a CITATION.cff describes, with its address where there is one.

    >>> print(software_entry("{title: T, authors: [{name: A}], version: 0.1.0}", "2026", ""))
    @software{rope_measured,
      title   = {T},
      author  = {{A}},
      version = {0.1.0},
      year    = {2026},
    }
    """
    told = yaml.safe_load(cff)
    fields = {
        "title": told["title"],
        "author": " and ".join(f"{{{author['name']}}}" for author in told["authors"]),
        "version": str(told["version"]),
        "year": year,
        "url": repository,
    }
    lines = (f"  {name:7} = {{{value}}},\n" for name, value in fields.items() if value)
    return f"@software{{rope_measured,\n{''.join(lines)}}}"


def entry(bibliography: str, key: str) -> str:
    """One entry of a BibTeX file, as it stands there. Raises ExtensionError for a key that it lacks."""
    found = re.search(rf"^@\w+\{{{re.escape(key)},.*?^\}}", bibliography, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ExtensionError(f"references.bib must hold an entry {key!r}")
    return found[0]


class BibTeX(SphinxDirective):
    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        cff, bibliography = (Path(self.env.srcdir) / name for name in SOURCES)
        for file in (cff, bibliography):
            self.env.note_dependency(file)
        keys = self.arguments[0].split() if self.arguments else []
        texts = [entry(bibliography.read_text(encoding="utf-8"), key) for key in keys] or [
            software_entry(cff.read_text(encoding="utf-8"), self.config.copyright, self.config.repository)
        ]
        text = "\n\n".join(texts)
        return [nodes.literal_block(text, text, language="bibtex")]


def setup(app) -> dict:
    app.add_directive("bibtex", BibTeX)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
