"""Figures that a reader can move: the directive `explorable`, and the scripts that a page with one loads.

```{explorable} clocks
What it shows, which stands below it.
```
```{explorable} zone
:again:                      shown once more, in brief, on another page than the one that explains it
What it shows there.
```
```{explorable-index}         all of them, each with a picture and a link to its place
```

Each explorable is a script in `_static/explore`, registered in `EXPLORABLES`. All of them draw with D3, whose
parts lie in `book/_vendor/d3` with their license, and are one file in the site. The mathematics is the
calculator's. What was measured comes from the kept results, written as a script at each build, since a page
that is opened from a folder may not fetch. Without scripts the named figure of a chapter stands in an
explorable's place.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import explorable_data
from chapter_parts import chapter_image, parsed
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

FOLDER = "explore"  # below _static
VENDOR = Path(__file__).resolve().parent.parent / "_vendor" / "d3"
BUNDLE = "d3.js"
SHARED = ("shared.js", "controls.js", "plot.js")
STYLE = "explore.css"
MARK = 'class="explorable"'


@dataclass(frozen=True)
class Explorable:
    """A figure to move: its title, what it is about in a sentence, and what it needs besides `NAME.js`."""

    title: str
    about: str
    figure: str  # of a chapter, which stands in where scripts are off
    height: int  # pixels of the drawing on a page of 700 pixels, so that the page does not jump
    scripts: tuple[str, ...] = ()  # below _static, before its own
    data: bool = False  # whether explorable_data has a function of its name, which gives what it draws


EXPLORABLES: Mapping[str, Explorable] = MappingProxyType(
    {
        "loss": Explorable(
            "Loss along one long input",
            "Where a real model breaks, and which change of its distances keeps it from breaking.",
            "fig:break-loss",
            340,
            data=True,
        ),
        "bases": Explorable(
            "Which base carries farther",
            "What small models keep of their task in longer inputs, at bases from hardly more than 1 up.",
            "fig:which-kept",
            350,
            data=True,
        ),
        "clocks": Explorable(
            "The oscillators as clocks",
            "Move two tokens, and see that a score depends on nothing but the distance between them.",
            "fig:bank-circles",
            420,
        ),
        "head": Explorable(
            "One oscillator against the bank of a real head",
            "A single pair comes back after each turn; a head that leans on several does not.",
            "fig:heads-bank",
            480,
            data=True,
        ),
        "zone": Explorable(
            "The Goldilocks zone",
            "Set context, layers, similarity and number type, and see which models lie between the bounds.",
            "fig:zone-map",
            440,
            data=True,
        ),
        "retrofit": Explorable(
            "What a retrofit does to each pair",
            "Interpolation, NTK, YaRN and llama3: which pairs slow down, and which meet unseen angles.",
            "fig:retrofits-slowing",
            500,
            ("calculator/record.js",),
        ),
        "precision": Explorable(
            "The precision microscope",
            "Where neighboring tokens fall when angles are rounded, by number type, scheme and position.",
            "fig:precision-pairs",
            488,
            ("explore/rounding.js",),
        ),
        "clusters": Explorable(
            "A head's clusters as the input grows",
            "Keys and queries of real heads, before and after the rotation, in short and in long inputs.",
            "fig:dispersal-clouds",
            390,
            data=True,
        ),
        "outbid": Explorable(
            "Who outbids the sink?",
            "What the keys of every head bid against the first token, and who wins as the input grows.",
            "fig:outbids-beyond",
            400,
            data=True,
        ),
        "distance": Explorable(
            "Accuracy by distance",
            "How far back models with different spectra find an answer, in short inputs and in long ones.",
            "fig:trained-length",
            430,
            data=True,
        ),
    }
)


def bundle() -> str:
    """The parts of D3 as one script, after their license.

    Raises ExtensionError for a part that is not the one recorded.
    """
    parts = tomllib.loads((VENDOR / "vendor.toml").read_text(encoding="utf-8"))["part"]
    texts = [f"/*! {(VENDOR / 'LICENSE').read_text(encoding='utf-8').strip()} */"]
    for part in parts:
        file = VENDOR / f"{part['name']}.min.js"
        content = file.read_bytes()
        if hashlib.sha256(content).hexdigest() != part["sha256"]:
            raise ExtensionError(
                f"{file.name} must be {part['name']} {part['version']}: its SHA-256 is another"
            )
        texts.append(content.decode("utf-8").rstrip())
    return "\n".join(texts) + "\n"


def data_script(name: str, data: object) -> str:
    """A script that sets what an explorable draws; ValueError for a number that JSON has no word for."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return f"(globalThis.exploreData ??= {{}}).{name} = {text};\n"


def scripts_of(name: str) -> list[str]:
    """The scripts that an explorable needs, below _static, in their order."""
    explorable = EXPLORABLES[name]
    own = [f"{FOLDER}/{name}-data.js"] if explorable.data else []
    shared = [
        "calculator/rope.js",
        "calculator/numbers.js",
        f"{FOLDER}/{BUNDLE}",
        *(f"{FOLDER}/{script}" for script in SHARED),
    ]
    return [*shared, *explorable.scripts, *own, f"{FOLDER}/{name}.js"]


class ExplorableFigure(SphinxDirective):
    """The explorable named in the argument; the content is its caption.

    With the option `again` it has no label and none of its steps to try, which belong to its own place.
    """

    required_arguments = 1
    option_spec: ClassVar = {"again": directives.flag}
    has_content = True

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in EXPLORABLES:
            raise self.error(f"explorable must be one of {', '.join(EXPLORABLES)}, got {name!r}")
        explorable, anchor = EXPLORABLES[name], f"explorable-{name}"
        is_again = "again" in self.options
        classes = ["explorable-frame", *(["explorable-again"] if is_again else [])]
        container = nodes.container(ids=[anchor], classes=classes)
        container += raw(
            f'<div {MARK} data-explorable="{name}" style="--explore-height: {explorable.height}px">'
            f'<p class="explore-title">{escape(explorable.title)}</p><noscript>'
        )
        container += chapter_image(self, explorable.figure)
        container += raw("</noscript></div>")
        caption = nodes.container(classes=["explore-caption"])
        self.state.nested_parse(self.content, self.content_offset, caption)
        container += caption
        if not is_again:
            self.note_label(f"explore:{name}", anchor, explorable.title)
        return [container]

    def note_label(self, label: str, anchor: str, title: str) -> None:
        """Let `{ref}` lead here, under the explorable's title."""
        standard = self.env.get_domain("std")
        standard.anonlabels[label] = (self.env.docname, anchor)
        standard.labels[label] = (self.env.docname, anchor, title)


class ExplorableIndex(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        lines = ["::::::{grid} 1 1 2 2", ":gutter: 3", ":class-container: explorables", ""]
        for name, explorable in EXPLORABLES.items():
            image = chapter_image(self, explorable.figure)
            lines += [
                *(f":::::{{grid-item-card}} {explorable.title}", f":link: explore:{name}", ":link-type: ref"),
                *(
                    f":img-top: {image['uri']}",
                    f":img-alt: {image['alt']}",
                    "",
                    explorable.about,
                    ":::::",
                    "",
                ),
            ]
        return parsed(self, [*lines, "::::::"])


def raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


def write_scripts(app) -> None:
    if app.builder.format == "html":
        target = Path(app.outdir) / "_static" / FOLDER
        target.mkdir(parents=True, exist_ok=True)
        (target / BUNDLE).write_text(bundle(), encoding="utf-8")
        for name, explorable in EXPLORABLES.items():
            if explorable.data:
                text = data_script(name, getattr(explorable_data, name)())
                (target / f"{name}-data.js").write_text(text, encoding="utf-8")


def names_in(doctree: nodes.document) -> list[str]:
    """The explorables of a page, in their order."""
    return [
        name
        for name in EXPLORABLES
        for node in doctree.findall(nodes.raw)
        if f'data-explorable="{name}"' in node.astext()
    ]


def add_scripts(app, pagename, templatename, context, doctree) -> None:
    names = names_in(doctree) if doctree is not None else []
    if names:
        app.add_css_file(f"{FOLDER}/{STYLE}")
    for script in dict.fromkeys(script for name in names for script in scripts_of(name)):
        app.add_js_file(script, loading_method="defer")


def setup(app) -> dict:
    app.add_directive("explorable", ExplorableFigure)
    app.add_directive("explorable-index", ExplorableIndex)
    app.connect("builder-inited", write_scripts)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
