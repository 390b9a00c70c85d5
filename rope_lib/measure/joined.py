"""A model that comes in parts: packages that each hold a piece of its file, joined and verified once."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from rope_lib.runs.folders import replacing
from rope_lib.runs.mark import file_sha256

_BLOCK = 2**22  # bytes that are copied at once


def joined(name: str, sha256: str, packages: Sequence[str]) -> Path:
    """The file `name`, made of what the folder `data` of each of `packages` holds of it, in this order.

    A piece is the one file of that folder whose name begins with `name`. The file is made on first use, in
    the user's cache folder, and again where what is kept there is damaged. The packages are located, not
    imported: no code of theirs runs. Raises FileNotFoundError where a package or its piece is missing,
    ValueError where the pieces make another file than the one of this SHA-256, and OSError where nothing can
    be written.
    """
    folder = user_cache_path("rope-lib") / "joined" / sha256[:16]
    file = folder / name
    if _is_whole(file, sha256):
        return file
    pieces = [_piece(package, name) for package in packages]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):  # dropped by the system with the process
        if _is_whole(file, sha256):  # another process has finished meanwhile
            return file
        with replacing(folder, lambda damaged: True) as made:
            with (made / name).open("wb") as whole:
                for piece in pieces:
                    with piece.open("rb") as part:
                        while block := part.read(_BLOCK):
                            whole.write(block)
            if file_sha256(made / name) != sha256:
                raise ValueError(f"{name}: must have SHA-256 {sha256}, and its pieces make another file")
    return file


def _is_whole(file: Path, sha256: str) -> bool:
    return file.is_file() and file_sha256(file) == sha256


def _piece(package: str, name: str) -> Path:
    """The piece of a file that a package holds."""
    spec = importlib.util.find_spec(package)
    found = sorted((Path(spec.origin).parent / "data").glob(f"{name}*")) if spec and spec.origin else []
    if len(found) != 1:
        raise FileNotFoundError(f"{name}: the package {package} must be installed and hold one piece of it")
    return found[0]
