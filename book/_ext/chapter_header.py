"""The head of a chapter: how long it takes, what it builds on, what it tests, its slides, what is next.

Time is counted from the page's words, claims come from the library, and their verdicts from the README's
table, which a test holds to the library; what a chapter builds on stands in `book/chapters.toml`.
"""

import tomllib
from pathlib import Path

from chapter_exercises import ID as EXERCISES
from chapter_parts import verdict_rows
from decks import decks_with
from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

WORDS_A_MINUTE = 200  # of a text that one thinks about
FOLDER = "notebooks/"
COUNTED = (nodes.paragraph, nodes.caption, nodes.title)
NO_CHAPTERS = ("claims", "atlas")  # pages to look things up in


def minutes(document: nodes.Element) -> int:
    """The minutes that a page's prose, lists and tables take, at least one; exercises come on top."""
    words = sum(words_of(document, kind) for kind in COUNTED)
    words -= sum(words_of(part, kind) for part in document.findall(is_exercises) for kind in COUNTED)
    return max(1, round(words / WORDS_A_MINUTE))


def words_of(part: nodes.Element, kind: type[nodes.Element]) -> int:
    return sum(len(node.astext().split()) for node in part.findall(kind))


def is_exercises(node: nodes.Node) -> bool:
    return isinstance(node, nodes.section) and EXERCISES in node["ids"]


def builds_on(root: Path) -> dict[str, list[str]]:
    return tomllib.loads((root / "book" / "chapters.toml").read_text(encoding="utf-8"))


class ChapterHeader(SphinxPostTransform):
    default_priority = 190
    formats = ("html",)

    def run(self, **kwargs) -> None:
        folder, _, name = self.env.docname.rpartition("/")
        title = next(iter(self.document.findall(nodes.title)), None)
        if title is None or f"{folder}/" != FOLDER or name in NO_CHAPTERS:
            return
        root = Path(self.env.srcdir)
        rows = [
            ("Time", [[nodes.Text(f"about {minutes(self.document)} minutes{self.exercises()}")]]),
            ("Builds on", [[self.link(f"{FOLDER}{page}")] for page in builds_on(root).get(name, [])]),
            ("Tests", self.claims(name, root)),
            ("Slides", [[self.link(deck)] for deck in decks_with(name, root)]),
            ("Next", [[self.link(page)] for page in [self.next_page()] if page]),
        ]
        items = [self.item(label, parts) for label, parts in rows if parts]
        box = nodes.container("", nodes.definition_list("", *items), classes=["chapter-header"])
        title.parent.insert(title.parent.index(title) + 1, box)

    def exercises(self) -> str:
        """How many exercises a page has, as the end of a phrase."""
        found = sum("exercise" in node["classes"] for node in self.document.findall(nodes.Admonition))
        return f", and {found} exercises" if found else ""

    def item(self, label: str, parts: list[list[nodes.Node]]) -> nodes.definition_list_item:
        line = nodes.paragraph()
        for index, part in enumerate(parts):
            line += [nodes.Text("; "), *part] if index else part
        return nodes.definition_list_item("", nodes.term("", label), nodes.definition("", line))

    def link(self, page: str, anchor: str = "", text: str = "") -> nodes.reference:
        address = self.app.builder.get_relative_uri(self.env.docname, page) + anchor
        return nodes.reference("", text or self.env.titles[page].astext(), refuri=address, internal=True)

    def claims(self, name: str, root: Path) -> list[list[nodes.Node]]:
        from rope_lib.claims import claims

        rows = verdict_rows((root / "README.md").read_text(encoding="utf-8"))
        verdicts = {claim: verdict for claim, _, verdict in rows}
        return [
            [
                self.link(f"{FOLDER}claims", f"#claim-{claim.id}", claim.id),
                nodes.Text(f" {verdicts.get(claim.id, '')}"),
            ]
            for claim in claims()
            if claim.chapter == name
        ]

    def next_page(self) -> str | None:
        return self.env.collect_relations().get(self.env.docname, [None, None, None])[2]


def setup(app) -> dict:
    app.add_post_transform(ChapterHeader)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
