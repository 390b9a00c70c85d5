"""Make the tables of class `lookup` sortable and filterable, with DataTables served from the site itself.

DataTables comes out of the wheel `itables`, of which only this bundle is used. It is an ES module, which a
page opened from a folder may not import; so it is written into a script as text, and imported from there.
Only a page with such a table loads it: some 740 kB, or 190 kB if compressed on the way. Without scripts the
table stays as it is.
"""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError

MARK = 'class="lookup"'
FOLDER = "tables"  # below _static
BUNDLE = "datatables.js"  # written here; it sets the global dataTablesModule to the module's text
STYLE = "datatables.css"
OURS = "lookup"  # a style sheet for the table, with and without scripts, and the script that makes it


def bundle_folder() -> Path:
    spec = find_spec("itables")
    if spec is None or spec.origin is None:
        raise ExtensionError("no DataTables: run `make setup` (it is in the wheel itables)")
    return Path(spec.origin).parent / "html"


def write_bundle(app) -> None:
    if app.builder.format != "html":
        return
    target = Path(app.outdir) / "_static" / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    module = (bundle_folder() / "dt_bundle.js").read_text(encoding="utf-8")
    (target / BUNDLE).write_text(f"globalThis.dataTablesModule = {json.dumps(module)};\n", encoding="utf-8")
    shutil.copy2(bundle_folder() / "dt_bundle.css", target / STYLE)


def add_bundle(app, pagename, templatename, context, doctree) -> None:
    if doctree is not None and any(MARK in node.astext() for node in doctree.findall(nodes.raw)):
        app.add_css_file(f"{FOLDER}/{STYLE}", priority=200)  # before the theme's and the book's own
        app.add_js_file(f"{FOLDER}/{BUNDLE}", loading_method="defer")
        app.add_css_file(f"{FOLDER}/{OURS}.css")
        app.add_js_file(f"{FOLDER}/{OURS}.js", loading_method="defer")


def setup(app) -> dict:
    app.connect("builder-inited", write_bundle)
    app.connect("html-page-context", add_bundle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
