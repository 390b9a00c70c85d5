"""Style sheets without the rules that no page uses.

The theme brings all of Bootstrap and a rule for each of two thousand icons: 460 kB that a browser must read
before it draws anything. A rule goes if each of its selectors names a class that stands in no page and in no
script.
"""

import re
from pathlib import Path

RULE = re.compile(r"(?P<lead>(?:@charset[^;]*;|/\*.*?\*/|\s)*)(?P<selectors>[^{}@;/]+)\{[^{}]*\}", re.DOTALL)
CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
NEGATED = re.compile(r":not\((?:[^()]|\([^()]*\))*\)")
WORD = re.compile(r"[A-Za-z_][\w-]*")
COMPOSED = (
    "bs-",
    "tooltip",
    "popover",
    "modal",
    "carousel",
    "collaps",
    "offcanvas",
)  # put together by scripts
DRAWS_ICONS = "fontawesome.js"  # a script that no page loads


def trimmed(css: str, words: set[str]) -> str:
    """A style sheet without the rules that need a class which is not among `words`."""

    def is_used(selector: str) -> bool:
        names = CLASS.findall(NEGATED.sub("", selector))
        return all(name in words or name.startswith(COMPOSED) for name in names)

    def keep(found: re.Match[str]) -> str:
        selectors = found["selectors"]
        choices = re.search(r":(is|where|has)\(", selectors)  # of which one may be used
        return found[0] if choices or any(map(is_used, selectors.split(","))) else found["lead"]

    return RULE.sub(keep, css)


def trim_all(app, exception) -> None:
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    scripts = [file for file in (out / "_static").rglob("*.js") if file.name != DRAWS_ICONS]
    scripts = [file for file in scripts if "mathjax" not in file.parts]
    words: set[str] = set()
    for file in [*out.rglob("*.html"), *scripts]:
        words.update(WORD.findall(file.read_text(encoding="utf-8")))
    for sheet in (out / "_static").rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        sheet.write_text(trimmed(text, words), encoding="utf-8")


def setup(app) -> dict:
    app.connect("build-finished", trim_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
