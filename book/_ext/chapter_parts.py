"""Parts of pages that come from elsewhere in the book, so that they are written once.

```{chapter-figure} fig:break-loss      a figure of a notebook, as the notebook drew it
```{figure-index}                       every named figure: its page, what draws it, the data it draws
```{verdicts}                           the README's table of verdicts, each with a link to its evidence
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

FOLDER = "_build/chapters"  # of the pictures taken out of notebooks, which Sphinx copies from there
CLAIMS = "notebooks/claims"
DRAWN_BY = re.compile(r"\bfigures\.(\w+)\.(\w+)\(")
KEPT = re.compile(r"""\bkept\(\s*["'](\w+)["']""")
PAPER_FIGURE = re.compile(r"\b[Pp]aper ([AB])'s Figure (\d+)")


@dataclass(frozen=True)
class Figure:
    """A named figure of a notebook."""

    name: str  # such as fig:break-loss
    page: str  # the notebook's name without its ending
    caption: str
    alt: str
    drawn_by: str  # a function of rope_lib.figures, empty where the cell calls none by its name
    data: tuple[str, ...]  # the kept results that its notebook draws from
    tags: tuple[str, ...]  # of its cell
    png: bytes


def figures_of(notebook: Path) -> Iterator[Figure]:
    """The named figures of an executed notebook, in their order."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    data = tuple(dict.fromkeys(KEPT.findall("\n".join(code))))
    for cell in cells:
        about = cell["metadata"].get("mystnb", {})
        outputs = [output.get("data", {}) for output in cell.get("outputs", [])]
        png = next((output["image/png"] for output in outputs if "image/png" in output), None)
        if png and (name := about.get("figure", {}).get("name")):
            drawn = DRAWN_BY.search("".join(cell["source"]))
            yield Figure(
                name=name,
                page=notebook.stem,
                caption=about["figure"].get("caption", ""),
                alt=about.get("image", {}).get("alt", ""),
                drawn_by=".".join(drawn.groups()) if drawn else "",
                data=data,
                tags=tuple(cell["metadata"].get("tags", ())),
                png=base64.b64decode("".join(png)),
            )


@cache
def _figures(notebook: Path, changed: int) -> tuple[Figure, ...]:
    return tuple(figures_of(notebook))


def all_figures(root: Path) -> list[Figure]:
    """The named figures of all notebooks; a notebook that has not changed is read once."""
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    return [figure for notebook in notebooks for figure in _figures(notebook, notebook.stat().st_mtime_ns)]


class ChapterFigure(SphinxDirective):
    """The figure named in the argument; the content is its caption here."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        image = chapter_image(self, self.arguments[0])
        caption = nodes.caption()
        self.state.nested_parse(self.content, self.content_offset, caption)
        text = nodes.caption("", "", *(child for node in caption.children for child in node.children))
        return [nodes.figure("", image, text, classes=["from-chapter"])]


def chapter_image(directive: SphinxDirective, name: str) -> nodes.image:
    """The named figure as an image, which Sphinx copies. Raises the directive's error if there is none."""
    env = directive.env
    found = next((figure for figure in all_figures(Path(env.srcdir)) if figure.name == name), None)
    if found is None:
        raise directive.error(f"no executed notebook has a figure named {name!r}")
    env.note_dependency(f"notebooks/{found.page}.ipynb")
    target = Path(env.srcdir) / FOLDER / f"{found.name.replace(':', '-')}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_file() or target.read_bytes() != found.png:
        target.write_bytes(found.png)
    return nodes.image(uri=f"/{target.relative_to(env.srcdir).as_posix()}", alt=found.alt)


class FigureIndex(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        lines: list[str] = []
        page = ""
        for figure in all_figures(Path(self.env.srcdir)):
            if figure.page != page:
                page = figure.page
                self.env.note_dependency(f"notebooks/{page}.ipynb")
                lines += ["", f"{{doc}}`/notebooks/{page}`", ""]
            lines.append(f"- {index_entry(figure)}")
        return parsed(self, lines)


def index_entry(figure: Figure) -> str:
    """A line of the index, in MyST: the figure's number, its caption in short, and where it comes from."""
    paper = PAPER_FIGURE.search(figure.caption)
    parts = [
        f"paper {paper[1]}'s Figure {paper[2]}" if paper else "",
        f"drawn by `figures.{figure.drawn_by}`" if figure.drawn_by else "drawn on the page",
        f"data: {', '.join(f'`{name}`' for name in figure.data)}" if figure.data else "",
    ]
    return f"{{numref}}`{figure.name}`: {first_sentence(figure.caption)} *({'; '.join(filter(None, parts))})*"


def first_sentence(caption: str) -> str:
    """The first sentence of a caption, on one line, without what would end a table's cell.

    >>> first_sentence("Above: A | B.  Below: C.")
    'Above: A / B.'
    """
    text = re.sub(r"\s+", " ", caption).replace("|", "/").strip()
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])", text)[0]


class Verdicts(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        readme = Path(self.env.srcdir) / "README.md"
        self.env.note_dependency(readme)
        rows = verdict_rows(readme.read_text(encoding="utf-8"))
        lines = ["| claim | what was found | verdict |", "| --- | --- | --- |"]
        lines += [f"| {claim_link(self, claim)} | {short} | {verdict} |" for claim, short, verdict in rows]
        return parsed(self, lines)


def verdict_rows(readme: str) -> list[tuple[str, str, str]]:
    """Claim, finding in short and verdict of each line of the README's table of claims.

    Raises ExtensionError for a README without the table.
    """
    from rope_lib.claims.summary import END, START

    table = readme.partition(START)[2].partition(END)[0].strip().splitlines()
    if len(table) < 3:
        raise ExtensionError(f"README.md must hold a table between {START} and {END}")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]
    return [(claim, short, verdict) for claim, *_, verdict, short in cells]


def claim_link(directive: SphinxDirective, claim: str) -> str:
    """A link to the evidence for a claim, whose anchor stands in a cell's output, unknown to Sphinx."""
    page = directive.env.app.builder.get_relative_uri(directive.env.docname, CLAIMS)
    return f'<a class="reference internal" href="{page}#claim-{claim}">{claim}</a>'


def parsed(directive: SphinxDirective, lines: list[str]) -> list[nodes.Node]:
    container = nodes.container(classes=["made-table"])
    directive.state.nested_parse(lines, directive.content_offset, container)
    return [container]


def setup(app) -> dict:
    app.add_directive("chapter-figure", ChapterFigure)
    app.add_directive("figure-index", FigureIndex)
    app.add_directive("verdicts", Verdicts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
