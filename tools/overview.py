"""Copy the README's figure out of the notebook that draws it: `book/_static/overview.png`.

    python tools/overview.py

The README and the book's first page show it; a test asserts that it is the notebook's own.
"""

import base64
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "09_past_training_length.ipynb"
FIGURE = "fig:break-loss"
TARGET = ROOT / "book" / "_static" / "overview.png"


def figure(notebook: Path = NOTEBOOK, name: str = FIGURE) -> bytes:
    """The PNG bytes of the figure called `name` in an executed notebook.

    Raises ValueError when the notebook has no such figure.
    """
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["metadata"].get("mystnb", {}).get("figure", {}).get("name") == name:
            for output in cell["outputs"]:
                if "image/png" in output.get("data", {}):
                    return base64.b64decode(output["data"]["image/png"])
    raise ValueError(f"{notebook.name} must hold an executed figure named {name!r}, found none")


if __name__ == "__main__":
    TARGET.write_bytes(figure())
    print(f"{TARGET.relative_to(ROOT)} taken from {NOTEBOOK.name}")
