"""Serve MathJax from the site itself, so that its equations need no network, now or in ten years.

Only the parts that an equation needs are loaded, which is two thirds of the usual bundle; its menu is not
among them. MathJax comes out of a Python wheel, so that `make setup` needs nothing but pip. The wheel is made
for Django, which is not needed: only its files are used, and of those the ones that a page can ask for.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path

from sphinx.errors import ExtensionError

START = "startup.js"  # loads the parts that `LOAD` names
PACKAGES = ("ams", "newcommand", "configmacros")  # of TeX
LOAD = (
    "core",
    "input/tex-base",
    *(f"[tex]/{name}" for name in PACKAGES),  # by the name under which the loader knows what each needs
    "output/chtml",
    "a11y/assistive-mml",  # MathML beside each equation, to be read aloud
)
PARTS = (
    START,
    *(f"{part}.js" for part in LOAD if not part.startswith("[")),
    "input/tex/extensions",  # TeX packages, loaded when an equation first uses one
    "output/chtml/fonts",
)


def mathjax_folder() -> Path:
    spec = find_spec("mathjax")
    if spec is None or spec.origin is None:
        raise ExtensionError("no MathJax: run `make setup` (it is in the wheel django-static-mathjax)")
    return Path(spec.origin).parent / "static" / "mathjax" / "es5"


def point_to_copy(app, config) -> None:
    config.mathjax_path = f"mathjax/{START}"  # below _static
    ours = config.mathjax3_config or {}
    tex = {**ours.get("tex", {}), "packages": {"[+]": [*PACKAGES]}}
    config.mathjax3_config = {**ours, "tex": tex, "loader": {"load": [*LOAD]}}


def copy_mathjax(app) -> None:
    if app.builder.format != "html":
        return
    source, target = mathjax_folder(), Path(app.outdir) / "_static" / "mathjax"
    for part in PARTS:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        else:
            shutil.copy2(source / part, target / part)


def setup(app) -> dict:
    app.connect("config-inited", point_to_copy)
    app.connect("builder-inited", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
