"""Slides: every page of `book/slides` becomes a deck of reveal.js that needs no network.

A deck is a page of the book written with a template of its own: its title is the first slide, and each
section another. Its figures are those that the chapters stored, from cells with the tag `slide`; so a deck
shows what its chapter shows. It stands in no table of contents: chapters link to it, and the page for
teachers does.

---
orphan: true
chapters: [01_oscillator_bank]       the chapters of the session
---

```{slide-figure} fig:bank-periods   a figure of a chapter; the content, if any, stands under it
```{notes}                           what the speaker sees, and the class does not

reveal.js comes out of the wheel `sphinx-revealjs`, of which only that copy is used, and of it three files.
"""

import re
import shutil
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import yaml
from chapter_parts import ChapterFigure, all_figures
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

FOLDER = "book/slides/"
TEMPLATE = "deck.html"
TAG = "slide"
REVEAL = "reveal"  # below _static
PARTS = ("dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js", "LICENSE")
FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


def decks_of(root: Path) -> dict[str, list[str]]:
    """The chapters of each deck, by the name of its page.

    Raises ExtensionError for a deck that names none.
    """
    found = {}
    for file in sorted((root / FOLDER).glob("*.md")):
        text = FRONT_MATTER.match(file.read_text(encoding="utf-8"))
        about = yaml.safe_load(text[1]) if text else {}
        if not about.get("chapters"):
            raise ExtensionError(f"{file.name} must name its chapters in its front matter")
        found[FOLDER + file.stem] = about["chapters"]
    return found


def decks_with(chapter: str, root: Path) -> list[str]:
    """The decks that show a chapter, by the names of their pages."""
    return [deck for deck, chapters in decks_of(root).items() if chapter in chapters]


@cache
def tagged(root: Path) -> frozenset[str]:
    """The names of the figures that chapters offer to slides."""
    return frozenset(figure.name for figure in all_figures(root) if TAG in figure.tags)


class SlideFigure(ChapterFigure):
    """A chapter's figure on a slide, with its number in the book."""

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in tagged(Path(self.env.srcdir)):
            raise self.error(f"the cell of {name!r} must be there and have the tag {TAG!r}")
        self.content.append(f"({{numref}}`{name}`)", self.state_machine.get_source(self.lineno))
        return super().run()


class speaker_notes(nodes.General, nodes.Element):  # named as docutils names its nodes
    """What the speaker sees."""


class Notes(SphinxDirective):
    has_content = True

    def run(self) -> list[nodes.Node]:
        notes = speaker_notes()
        self.state.nested_parse(self.content, self.content_offset, notes)
        return [notes]


def open_notes(writer, node) -> None:
    writer.body.append('<aside class="notes">\n')


def close_notes(writer, node) -> None:
    writer.body.append("</aside>\n")


class SlideBodies(SphinxPostTransform):
    """Puts what stands below a slide's headline into one box, and beside a figure its text into another."""

    default_priority = 195

    def run(self, **kwargs) -> None:
        if not self.env.docname.startswith(FOLDER):
            return
        for slide in list(self.document.findall(nodes.section)):
            below = [node for node in slide if not isinstance(node, nodes.title | nodes.section)]
            for node in below:
                slide.remove(node)
            slide.insert(1, slide_body(below))


def slide_body(below: list[nodes.Node]) -> nodes.container:
    """The box of a slide; where it holds a figure, it stands on the left, and the text on the right."""
    aside = [node for node in below if isinstance(node, nodes.figure | speaker_notes)]
    text = [node for node in below if node not in aside]
    if not any(isinstance(node, nodes.figure) for node in aside):
        return nodes.container("", *below, classes=["slide-body"])
    box = [nodes.container("", *text, classes=["slide-text"])] if text else []
    return nodes.container("", *aside, *box, classes=["slide-body", "with-figure"])


def as_slides(body: str) -> str:
    """The page's sections side by side, as reveal.js wants them, each with a frame around what it holds.

    Raises ExtensionError for a page with a section below a slide.

    >>> print(as_slides('<section id="a"><h1>A</h1><section id="b"><h2>B</h2></section></section>'))
    <section id="a"><div class="frame"><h1>A</h1></div></section>
    <section id="b"><div class="frame"><h2>B</h2></div></section>
    """
    if "<h3" in body:
        raise ExtensionError("a deck must have slides of one level, got a section below a slide")
    slides = re.findall(r"(<section\b[^>]*>)(.*?)(?=<section\b|</section>)", body, re.DOTALL)
    return "\n".join(
        f'{opened}<div class="frame">{inner.strip()}</div></section>' for opened, inner in slides
    )


def include_decks(app, config) -> None:
    """Decks stand in no table of contents, by which pages are left out otherwise."""
    decks = {f"{name}.md" for name in decks_of(Path(app.srcdir))}
    config.exclude_patterns = [pattern for pattern in config.exclude_patterns if pattern not in decks]


def reveal_folder() -> Path:
    spec = find_spec("sphinx_revealjs")
    if spec is None or spec.origin is None:
        raise ExtensionError("no reveal.js: run `make setup` (it is in the wheel sphinx-revealjs)")
    return Path(spec.origin).parent / "_static" / "revealjs"


def copy_reveal(app) -> None:
    if app.builder.format == "html":
        target = Path(app.outdir) / "_static" / REVEAL
        target.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            shutil.copy2(reveal_folder() / part, target / Path(part).name)


def is_mathjax(script) -> bool:
    told = str(getattr(script, "attributes", {}).get("body"))
    return "mathjax" in str(getattr(script, "filename", "")) or "window.MathJax" in told


def write_as_deck(app, pagename, templatename, context, doctree) -> str | None:
    if not pagename.startswith(FOLDER) or doctree is None:
        return None
    context["body"] = as_slides(context["body"]).replace("<img ", '<img loading="eager" ')
    context["script_files"] = list(filter(is_mathjax, context["script_files"]))
    return TEMPLATE


def setup(app) -> dict:
    app.add_directive("slide-figure", SlideFigure)
    app.add_directive("notes", Notes)
    app.add_node(speaker_notes, html=(open_notes, close_notes))
    app.add_post_transform(SlideBodies)
    app.connect("config-inited", include_decks, priority=900)  # after what the contents leave out
    app.connect("builder-inited", copy_reveal)
    app.connect("html-page-context", write_as_deck, priority=950)  # after what others add to every page
    return {"parallel_read_safe": True, "parallel_write_safe": True}
