"""The calculator's page: the atlas as a script, written from the library at each build, and its own scripts.

The page computes in the browser, also where the book is opened from a folder, whose files a script may not
fetch: so the data is a script too. It comes from the library, so that page and library cannot drift apart.
"""

import json
from dataclasses import asdict
from pathlib import Path

PAGE = "book/calculator"
FOLDER = "calculator"  # below _static
SCRIPTS = (  # page.js comes last
    "rope.js", "atlas.js", "record.js", "compare.js", "fragment.js",
    "numbers.js", "drawing.js", "state.js", "combobox.js", "page.js",
)  # fmt: skip
STYLE = "calculator.css"

MODEL = (
    "name", "hf_id", "confidence", "num_layers", "declared_context", "trained_context", "original_context",
    "unrotated_layers",
)  # fmt: skip
CASE = (
    "model",
    "effective_base",
    "context_length",
    "longest_distance",
    "num_layers",
    "train_length",
    "observed",
)  # of a case study
ROTARY = ("layers", "kind", "base", "head_dim", "rotary_dim", "window", "scaling")


def atlas_script(models) -> str:
    """A script that sets the global `ropeAtlas`; the same models, the same text.

    It holds these models, a line each, and the case studies that work or fail. Raises ValueError for a number
    that JSON has no word for.
    """
    encoder = json.JSONEncoder(
        allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=lambda mapping: mapping.plain()
    )
    lines = [",\n".join(map(encoder.encode, rows)) for rows in (map(model_row, models), case_rows())]
    return f"globalThis.ropeAtlas = {{models: [\n{lines[0]}\n],\ncases: [\n{lines[1]}\n]}};\n"


def model_row(model) -> dict:
    """What the page needs of a model, and of its training."""
    from rope_lib.models.training import longest_training, shown_training

    stages = {"shown": shown_training(model), "longest": longest_training(model)}
    return {key: getattr(model, key) for key in MODEL} | {
        "rotaries": [{key: getattr(rotary, key) for key in ROTARY} for rotary in model.rotaries],
        "training": {name: stage and asdict(stage) for name, stage in stages.items()},
    }


def case_rows() -> list[dict]:
    """The case studies that the record of the verdicts counts, with what the rule of seen angles says."""
    from rope_lib.models.track_record import decided_cases, has_seen_angles

    return [
        {key: getattr(case, key) for key in CASE}
        | {"has_seen_angles": None if case.pretrain_length is None else has_seen_angles(case)}
        for case in decided_cases()
    ]


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
