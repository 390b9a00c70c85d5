"""The API reference: a page for each folder of the library, made from its docstrings, and links both ways.

The pages are Markdown files in `book/api`, written at each build, so that a new module or function appears by
itself. Each entry ends with the chapters that use it. Where a chapter's text names, as code, what the chapter
imports from the library, the name becomes a link; the chapter's last section lists all of these.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from docstrings import Entry, Module, imported_names, read_package
from docutils import nodes
from sphinx import addnodes

PACKAGE = "rope_lib"
FOLDER = "book/api"  # the table of contents takes all of it
CHAPTERS = "notebooks"
LEFT_OUT = ("cli",)  # the command documents itself: `rope-lib --help`
SECTION = "The library in this chapter"

# `name`  what it is; or `name`, `other`  what they are: an item of a list in a docstring.
ITEM = re.compile(r"(`+[^`]+`+(?:,? (?:and )?`+[^`]+`+)*)\s{2,}(?=\S)")
CODE = re.compile(r"(?<!`)`{1,2}([\w.]+)(?:\(\))?`{1,2}(?!`)")
CLASS = re.compile(r"(?<![\w.'\"])[A-Z]\w*")
MAGIC = re.compile(r"^\s*[%!].*$", re.MULTILINE)


@dataclass(frozen=True)
class Library:
    """The modules that have a place in the reference, by dotted name, each package before its modules."""

    modules: dict[str, Module]

    @classmethod
    def read(cls, root: Path) -> "Library":
        """The library in a checkout: its folders, less those that are left out."""
        modules = read_package(root / PACKAGE)
        folders = {name for name in modules if name.count(".") == 1} - {
            f"{PACKAGE}.{each}" for each in LEFT_OUT
        }
        return cls({name: each for name, each in modules.items() if ".".join(name.split(".")[:2]) in folders})

    @cached_property
    def names(self) -> set[str]:
        """The full names of modules, entries and members: what a link can lead to."""
        names = set(self.modules)
        for module in self.modules.values():
            for entry in module.entries:
                name = f"{module.name}.{entry.name}"
                names |= {name, *(f"{name}.{member.name}" for member in entry.members)}
        return names

    @property
    def floors(self) -> list[str]:
        """The folders of the library, each of which has a page."""
        return [name.partition(".")[2] for name in self.modules if name.count(".") == 1]

    def origin(self, name: str) -> str | None:
        """The documented name behind a full name, also of what a package imports from one of its modules."""
        package, _, last = name.rpartition(".")
        if package in self.modules:
            name = self.modules[package].imports.get(last, name)
        return name if name in self.names else None

    def meant(self, text: str, module: Module) -> str | None:
        """The full name that a name in a docstring of `module` means, the nearest that there is, or None."""
        first, dot, rest = text.partition(".")
        imported = module.imports.get(first, first) + dot + rest
        around = module.name.rpartition(".")[0]
        for name in (f"{module.name}.{text}", imported, f"{around}.{text}", f"{PACKAGE}.{text}"):
            if found := self.origin(name):
                return found
        return None

    def used_by(self, code: str) -> dict[str, str]:
        """Full names of the entries that code imports, or reads off a module, by the names in the code."""
        tree = ast.parse(MAGIC.sub("", code))
        imports = {own: full for own, full in imported_names(tree).items() if full.startswith(f"{PACKAGE}.")}
        used = dict(imports)
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in imports
            ):
                used[f"{node.value.id}.{node.attr}"] = f"{imports[node.value.id]}.{node.attr}"
        found = {own: self.origin(full) for own, full in used.items()}
        return {own: full for own, full in found.items() if full and full not in self.modules}


# Docstrings into Markdown


def markdown(docstring: str, link: Callable[[re.Match], str]) -> str:
    """A docstring as MyST Markdown: examples and lists as such, names in backticks as `link` writes them."""
    return "\n\n".join(blocks(docstring, link))


def blocks(docstring: str, link: Callable[[re.Match], str]) -> Iterator[str]:
    """The paragraphs, lists, examples and pieces of code of a docstring."""
    for block in re.split(r"\n{2,}", docstring):
        prose, example, rest = f"\n{block}".partition("\n>>>")
        if block.startswith("    "):
            yield block
        elif prose:
            yield CODE.sub(link, "\n".join(items(prose[1:])))
        if example:
            yield f"```pycon\n>>>{rest}\n```"


def items(paragraph: str) -> Iterator[str]:
    """The lines of a paragraph, in which an aligned list of names becomes one with bullets."""
    inside = False
    for line in paragraph.split("\n"):
        if item := ITEM.match(line):
            inside = True
            yield f"- {item[1]}: {line[item.end() :]}"
        else:
            yield f"  {line.strip()}" if inside else line


# Pages


@dataclass(frozen=True)
class Page:
    """The page of one folder of the library; `chapters` are those that use an entry, by its full name."""

    sources: Library
    floor: str
    chapters: dict[str, list[str]]

    def __str__(self) -> str:
        root = f"{PACKAGE}.{self.floor}"
        found = [each for name, each in self.sources.modules.items() if f"{name}.".startswith(f"{root}.")]
        listed = re.findall(r"^`+(\w+)`+ ", found[0].docstring, re.MULTILINE)  # in the order to read them
        order = [root, *(f"{root}.{name}" for name in listed)]
        found.sort(key=lambda module: order.index(module.name) if module.name in order else len(order))
        return "\n".join([f"# {root}", *(line for module in found for line in self.module(module))]) + "\n"

    def module(self, module: Module) -> Iterator[str]:
        if module.name.count(".") > 1:
            yield f"\n## {module.name.removeprefix(f'{PACKAGE}.')}"
        yield f"\n```{{py:module}} {module.name}\n```\n"
        yield self.text(module.docstring, module)
        for entry in module.entries:
            yield from self.entry(entry, module)

    def entry(self, entry: Entry, module: Module) -> Iterator[str]:
        fence = "````" if entry.kind in ("method", "property") else "`````"
        yield f"\n{fence}{{py:{entry.kind}}} {entry.name}{self.annotations(entry.parameters, module)}"
        if entry.type:
            yield f":type: {self.annotations(entry.type, module)}"
        yield f"\n{self.text(entry.docstring, module)}"
        for member in entry.members:
            yield from self.entry(member, module)
        if chapters := self.chapters.get(f"{module.name}.{entry.name}"):
            yield f"\nUsed in {', '.join(chapter_link(chapter) for chapter in chapters)}."
        yield fence

    def annotations(self, code: str, module: Module) -> str:
        """Code of a signature, in which classes of the library have their full names, shown as short ones."""

        def full(name: re.Match) -> str:
            known = self.sources.origin(module.imports.get(name[0], f"{module.name}.{name[0]}"))
            return f"~{known}" if known else name[0]

        return CLASS.sub(full, code)

    def text(self, docstring: str, module: Module) -> str:
        """A docstring of a module, in which names of the library are links."""

        def link(name: re.Match) -> str:
            full = self.sources.meant(name[1], module)
            return f"{{py:obj}}`{name[0].strip('`')} <{full}>`" if full else name[0]

        return markdown(docstring, link)


def chapter_link(docname: str) -> str:
    """A link to a chapter, by its number where its file has one.

    >>> chapter_link("notebooks/02_aliasing"), chapter_link("notebooks/claims")
    ('{doc}`chapter 2 </notebooks/02_aliasing>`', '{doc}`/notebooks/claims`')
    """
    number = re.match(r"\d+(?=_)", docname.rpartition("/")[2])
    return f"{{doc}}`chapter {int(number[0])} </{docname}>`" if number else f"{{doc}}`/{docname}`"


def write_pages(root: Path, library: Library, chapters: dict[str, dict[str, str]]) -> None:
    """Write a page for each folder of the library, touch none that stays as it was, and drop any other."""
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    users: dict[str, list[str]] = {}
    for chapter, names in chapters.items():
        for name in dict.fromkeys(names.values()):
            users.setdefault(name, []).append(chapter)
    for file in folder.glob("*.md"):
        if file.stem not in library.floors:
            file.unlink()
    for floor in library.floors:
        file, text = folder / f"{floor}.md", str(Page(library, floor, users))
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


# Chapters


def code_of(notebook: Path) -> str:
    """The code of all cells of a notebook."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def reference(name: str, text: str, docname: str) -> addnodes.pending_xref:
    """A link to an entry, shown as code."""
    literal = nodes.literal("", text, classes=["xref", "py", "py-obj"])
    about = {"refdomain": "py", "reftype": "obj", "reftarget": name, "refdoc": docname, "refwarn": True}
    return addnodes.pending_xref("", literal, refexplicit=True, **about)


def link_names(document: nodes.document, names: dict[str, str], docname: str) -> None:
    """Make links of the names in a chapter's text that stand as code, except in headings and in links."""
    for literal in list(document.findall(nodes.literal)):
        name = names.get(literal.astext().removesuffix("()"))
        inside, place = literal.parent, literal.parent
        while place is not None and not isinstance(
            place, (nodes.title, nodes.reference, addnodes.pending_xref)
        ):
            place = place.parent
        if name and place is None:
            inside.replace(literal, reference(name, literal.astext(), docname))


def listing(names: dict[str, str], docname: str) -> nodes.section:
    """The last section of a chapter: what it imports from the library, by module."""
    modules: dict[str, list[str]] = {}
    for name in sorted(set(names.values())):
        modules.setdefault(name.rpartition(".")[0], []).append(name)
    points = nodes.bullet_list()
    for module, found in modules.items():
        line = nodes.paragraph("", "", reference(module, module.removeprefix(f"{PACKAGE}."), docname))
        line += nodes.Text(": ")
        for number, name in enumerate(found):
            line += [nodes.Text(", ")] * bool(number)
            line += reference(name, name.rpartition(".")[2], docname)
        points += nodes.list_item("", line)
    return nodes.section("", nodes.title("", SECTION), points, ids=[nodes.make_id(SECTION)])


# Sphinx


def read_library(app, config) -> None:
    """Write the pages before the table of contents is read, and remember which chapter uses what."""
    root = Path(app.srcdir)
    library = Library.read(root)
    notebooks = sorted((root / CHAPTERS).glob("*.ipynb"))
    app.api_chapters = {f"{CHAPTERS}/{path.stem}": library.used_by(code_of(path)) for path in notebooks}
    write_pages(root, library, app.api_chapters)


def link_chapter(app, document) -> None:
    docname = app.env.docname
    if names := app.api_chapters.get(docname):
        link_names(document, names, docname)
        (document.next_node(nodes.section) or document).append(listing(names, docname))


def setup(app) -> dict:
    app.connect("config-inited", read_library)
    app.connect("doctree-read", link_chapter, priority=400)  # before the page's own contents are collected
    return {"parallel_read_safe": True, "parallel_write_safe": True}
