"""An executed notebook as one web page that needs no network: prose, tables and figures, without the code.

Text from a model's files reaches the page as Markdown only: HTML in it is shown as text, and images come from
the notebook's own outputs alone. A policy in the page forbids every request.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from jinja2 import Environment
from markdown_it import MarkdownIt
from markupsafe import Markup
from nbformat import NotebookNode

from rope_lib.findings.kept import Json

_HERE = Path(__file__).parent
# Tags of cells whose outputs the page leaves out; its last lines say where everything comes from.
_HIDDEN = {"parameters", "injected-parameters", "hide-cell", "provenance"}
_TARGET = re.compile(r"^\([\w:-]+\)=$", re.MULTILINE)  # a label of MyST, which nothing in the page refers to


def page(notebook: NotebookNode, title: str, about: Mapping[str, str]) -> str:
    """The page of an executed `notebook` as HTML, under the given `title`.

    `about` holds the terms and descriptions of the page's last lines: the machine, the versions, the text.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((_HERE / "page.html").read_text(encoding="utf-8"))
    style = Markup((_HERE / "page.css").read_text(encoding="utf-8"))
    return template.render(title=title, style=style, parts=list(_parts(notebook)), about=about)


def _parts(notebook: NotebookNode) -> Iterator[Markup]:
    """The page's pieces of HTML, in order."""
    renderer = _renderer()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield Markup(renderer.render(_TARGET.sub("", cell.source)))
        elif cell.cell_type == "code" and not _HIDDEN & set(cell.metadata.get("tags", [])):
            for output in cell.outputs:
                yield _output(renderer, output, cell)


def _renderer() -> MarkdownIt:
    """Markdown with tables, each in a box that scrolls; no HTML, and no images, which need the network."""
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    renderer.add_render_rule("table_open", lambda *_: '<div class="table"><table>\n')
    renderer.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return renderer


def _output(renderer: MarkdownIt, output: NotebookNode, cell: NotebookNode) -> Markup:
    """One output of a code cell: a figure, Markdown or text, but nothing from standard error."""
    data = output.get("data", {})
    if "image/png" in data:
        return _figure(data["image/png"], cell.metadata.get("mystnb", {}))
    if "text/markdown" in data:
        classes = " ".join(cell.metadata.get("tags", []))
        rendered = Markup(renderer.render(data["text/markdown"]))
        return Markup('<div class="{}">{}</div>').format(classes, rendered)
    if output.output_type == "stream" and output.name == "stdout":
        return Markup("<pre>{}</pre>").format(output.text)
    return Markup("")


def _figure(png: str, described: Mapping[str, Json]) -> Markup:
    """An embedded image with the alternative text and the caption of its cell."""
    alternative = described["image"]["alt"]
    caption = described.get("figure", {}).get("caption", "")
    return Markup(
        '<figure><img src="data:image/png;base64,{}" alt="{}"><figcaption>{}</figcaption></figure>'
    ).format("".join(png.split()), alternative, caption)
