"""The icons of the pages, as a style sheet of those that are used.

The theme draws them with a script of 1.5 MB that holds two thousand. Their outlines are taken out of it, and
each becomes the mask of an empty element, which takes the color of the text. A page that uses an icon which
is not in `ICONS` would show a gap: the check at the end of the build refuses it.
"""

import re
from importlib.util import find_spec
from pathlib import Path

from sphinx.errors import ExtensionError

ICONS = (
    "angle-left", "angle-right", "arrow-up", "bars", "chevron-down", "circle-half-stroke", "download", "list",
    "magnifying-glass", "moon", "sun",
)  # fmt: skip
STYLE = "icons.css"  # below _static
SCRIPT = Path("theme/pydata_sphinx_theme/static/scripts/fontawesome.js")

BASE = """/* Written by icons.py. Outlines: Font Awesome Free, https://fontawesome.com, CC BY 4.0. */
.fa-solid, .fas {
  display: inline-block;
  width: 1em;
  height: 1em;
  vertical-align: -0.125em;
  background-color: currentColor;
  -webkit-mask: var(--icon) center / contain no-repeat;
  mask: var(--icon) center / contain no-repeat;
}
.fa-lg { font-size: 1.25em; }
.fa-solid::before, .fas::before { content: none !important; }
@media (forced-colors: active) {
  .fa-solid, .fas { background-color: ButtonText; forced-color-adjust: none; }
}
"""


def outlines() -> str:
    spec = find_spec("pydata_sphinx_theme")
    if spec is None or spec.origin is None:
        raise ExtensionError("no theme: run `make setup` (pydata-sphinx-theme)")
    return (Path(spec.origin).parent / SCRIPT).read_text(encoding="utf-8")


def style_sheet(script: str) -> str:
    """The style sheet, from the text of Font Awesome's script.

    Raises ExtensionError for an icon that the script does not hold.
    """
    rules = [BASE]
    for name in ICONS:
        found = re.search(rf'"?\b{re.escape(name)}"?:\[(\d+),(\d+),\[[^\]]*\],"\w+","([^"]+)"\]', script)
        if found is None:
            raise ExtensionError(f"the theme's script of icons must hold {name!r}")
        width, height, path = found.groups()
        box = f"xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'"
        drawing = f"%3Csvg {box}%3E%3Cpath d='{path}'/%3E%3C/svg%3E"
        rules.append(f'.fa-{name} {{ --icon: url("data:image/svg+xml,{drawing}"); }}\n')
    return "".join(rules)


def write_style_sheet(app) -> None:
    if app.builder.format == "html":
        target = Path(app.outdir) / "_static" / STYLE
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(style_sheet(outlines()), encoding="utf-8")


USED = re.compile(r'class="[^"]*\bfa[sbr]? ?(?:fa-lg )?fa-([a-z-]+)|class="[^"]*\bfa-solid fa-([a-z-]+)')


def unknown_icons(html: str) -> set[str]:
    """The icons that a page names and the style sheet lacks."""
    return {first or second for first, second in USED.findall(html)} - {*ICONS, "lg", "solid"}


def refuse_unknown(app, exception) -> None:
    if exception is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            if missing := unknown_icons(page.read_text(encoding="utf-8")):
                raise ExtensionError(
                    f"{page.name}: add to ICONS in {Path(__file__).name}: {', '.join(missing)}"
                )


def setup(app) -> dict:
    app.connect("builder-inited", write_style_sheet)
    app.connect("build-finished", refuse_unknown)
    app.add_css_file(STYLE, priority=300)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
