"""The calculator's page: the atlas as a script, written from the library at each build, and its own scripts.

The page computes in the browser, also where the book is opened from a folder, whose files a script may not
fetch: so the data is a script too. It comes from the library, so that page and library cannot drift apart.
"""

import json
from pathlib import Path

PAGE = "book/calculator"
FOLDER = "calculator"  # below _static
SCRIPTS = ("rope.js", "atlas.js", "drawing.js", "state.js", "combobox.js", "page.js")  # page.js comes last
STYLE = "calculator.css"

MODEL = (
    "name", "hf_id", "confidence", "num_layers", "declared_context", "trained_context", "original_context",
    "unrotated_layers",
)  # fmt: skip
ROTARY = ("layers", "kind", "base", "head_dim", "rotary_dim", "window", "scaling")


def atlas_script(models) -> str:
    """A script that sets the global `ropeAtlas` to these models, a line each; the same models, the same text.

    Raises ValueError for a number that JSON has no word for.
    """
    rows = [
        {key: getattr(model, key) for key in MODEL}
        | {"rotaries": [{key: getattr(rotary, key) for key in ROTARY} for rotary in model.rotaries]}
        for model in models
    ]
    encoder = json.JSONEncoder(
        allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=lambda mapping: mapping.plain()
    )
    lines = map(encoder.encode, rows)
    return "globalThis.ropeAtlas = {models: [\n" + ",\n".join(lines) + "\n]};\n"


def write_atlas(app) -> None:
    from rope_lib.models import atlas

    if app.builder.format == "html":
        folder = Path(app.outdir) / "_static" / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "atlas.js").write_text(atlas_script(atlas()), encoding="utf-8")


def add_scripts(app, pagename, templatename, context, doctree) -> None:
    if pagename == PAGE:
        app.add_css_file(f"{FOLDER}/{STYLE}")
        for script in SCRIPTS:
            app.add_js_file(f"{FOLDER}/{script}", loading_method="defer")


def setup(app) -> dict:
    app.connect("builder-inited", write_atlas)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
