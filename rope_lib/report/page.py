"""An executed notebook as one web page that needs no network: prose, tables and figures, without the code.

What a model's files say reaches the page as Markdown only: HTML in it is shown, not obeyed, and images
come from the notebook's own outputs. A policy in the page forbids every request.
"""

import re
from pathlib import Path

from jinja2 import Environment
from markdown_it import MarkdownIt
from markupsafe import Markup

_HERE = Path(__file__).parent
# Tags of cells that a reader of the page can do without; its last lines say where all this comes from.
_HIDDEN = {"parameters", "injected-parameters", "hide-cell", "provenance"}
_TARGET = re.compile(r"^\([\w:-]+\)=$", re.MULTILINE)  # a label of MyST, which nothing here refers to


def page(notebook, title, about):
    """The page of an executed `notebook` (a `nbformat` notebook) as HTML, titled by `title`.

    `about` maps words to what they stand for, in the page's last lines: the machine, versions, the text.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((_HERE / "report_page.html").read_text(encoding="utf-8"))
    style = Markup((_HERE / "report_page.css").read_text(encoding="utf-8"))
    return template.render(title=title, style=style, parts=list(_parts(notebook)), about=about)


def _parts(notebook):
    """The page's pieces of HTML, in order."""
    renderer = _renderer()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield Markup(renderer.render(_TARGET.sub("", cell.source)))
        elif cell.cell_type == "code" and not _HIDDEN & set(cell.metadata.get("tags", [])):
            for output in cell.outputs:
                yield _output(renderer, output, cell)


def _renderer():
    """Markdown with tables, each in a box that scrolls; no HTML, and no images, which may be anywhere."""
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    renderer.add_render_rule("table_open", lambda *_: '<div class="table"><table>\n')
    renderer.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return renderer


def _output(renderer, output, cell):
    """One output of a code cell: a figure, Markdown or text; nothing of standard error."""
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


def _figure(png, described):
    """An embedded image with the alternative text and the caption of its cell."""
    alternative = described["image"]["alt"]
    caption = described.get("figure", {}).get("caption", "")
    return Markup(
        '<figure><img src="data:image/png;base64,{}" alt="{}"><figcaption>{}</figcaption></figure>'
    ).format("".join(png.split()), alternative, caption)
