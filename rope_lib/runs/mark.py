"""What this library wrote, and what it did not: only the former is ever deleted.

A folder that a command or `save_tables` writes holds a mark, `provenance.json`: the command that made it and
a digest of every file. A file that the mark does not list, or that has changed since, is someone else's work.
"""

import hashlib
import itertools
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import one_line
from .folders import scratch, scratch_prefix
from .links import refuse_link

PROVENANCE_FILE = "provenance.json"

_SHOWN = 3  # names of other files that a message lists


@dataclass(frozen=True)
class Mark:
    """The `maker` of a folder, a command of `rope-lib` if known, and the SHA-256 of its files by name.

    Names are relative to the folder, with slashes. The mark itself is not among them.
    """

    maker: str | None
    files: Mapping[str, str]


def read_mark(folder: Path) -> Mark | None:
    """The `Mark` of a folder, of this version or an earlier one; None if it has none or a damaged one."""
    path = folder / PROVENANCE_FILE
    if not path.is_file():  # a pipe would never end
        return None
    try:
        described = json.loads(path.read_bytes())
        made = described["provenance"]
        files = dict(described.get("files", {}))
        files |= {f"{name}.parquet": digest for name, digest in described.get("tables", {}).items()}
        maker = maker_of(made)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return Mark(maker, files)


def maker_of(provenance: Mapping[str, Any]) -> str | None:
    """The command that a provenance names; earlier versions of `sweep` are known by their inputs.

    >>> maker_of({"name": "train"}), maker_of({"inputs": {"grid": "", "size": "full"}}), maker_of({})
    ('train', 'sweep', None)
    """
    inputs = provenance.get("inputs")
    of_grid = isinstance(inputs, Mapping) and {"grid", "size"} <= inputs.keys()
    maker: str | None = provenance.get("name", "sweep" if of_grid else None)
    return maker


def write_mark(folder: Path, maker: str) -> None:
    """Write the mark of a folder that `maker` has filled, listing every file in it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "page.html").write_text("<p>")
    ...     write_mark(Path(folder), "report")
    ...     read_mark(Path(folder)).maker, is_ours(Path(folder))
    ('report', True)
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths}
    described = {"provenance": {"name": maker}, "files": files}
    (folder / PROVENANCE_FILE).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def strangers(folder: Path) -> Iterator[str]:
    """Names of what is in a folder and not as its mark lists it; all that is in it if it has no mark."""
    mark = read_mark(folder)
    files = {} if mark is None else {**mark.files, PROVENANCE_FILE: ""}
    folders = {"/".join(name.split("/")[:end]) for name in files for end in range(1, name.count("/") + 1)}
    for parent, below, names in os.walk(folder):
        for name in sorted([*below, *names]):
            path = Path(parent, name)
            relative = path.relative_to(folder).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode) and relative in folders:
                continue
            if relative not in files:
                yield relative
                continue
            digest = "" if relative == PROVENANCE_FILE or not stat.S_ISREG(mode) else file_sha256(path)
            if not stat.S_ISREG(mode) or files[relative] != digest:
                yield f"{relative} (changed since)"


def is_ours(folder: Path) -> bool:
    """Whether a path is a folder that holds nothing but what its mark lists, unchanged."""
    try:
        return folder.is_dir() and not folder.is_symlink() and next(strangers(folder), None) is None
    except OSError:  # what cannot be read cannot be known
        return False


def made_by(maker: str | None) -> Callable[[Path], bool]:
    """The rule by which a folder `is_ours` and empty or made by `maker`."""

    def ours(folder: Path) -> bool:
        mark = read_mark(folder)
        return is_ours(folder) and (mark is None or mark.maker == maker)

    return ours


def check_replaceable(folder: Path, maker: str) -> None:
    """Raise FileExistsError unless `folder` is new, empty, or holds only what the command `maker` wrote."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    others = list(itertools.islice(strangers(folder), _SHOWN + 1))
    mark = read_mark(folder)
    if others:
        found = ", ".join(others[:_SHOWN]) + (", …" if len(others) > _SHOWN else "")
    elif mark is None or mark.maker != maker:
        found = (
            "the results of another command"
            if mark is None or mark.maker is None
            else f"those of {mark.maker}"
        )
    else:
        return
    raise FileExistsError(
        f"out must be a new folder or one that rope-lib {maker} wrote, but {folder} holds {found}: "
        f"name another folder, or add --force to keep this one as {folder.name}.old"
    )


def output_folder(out: str | Path | None, default: str) -> Path:
    """The folder that a command writes, `default` if `out` is None.

    Raises ValueError for an empty name, a root, a default that is a link, a path that is not UTF-8 or one
    that cannot be written, and OSError for a file or what is in a file, so that a command can refuse them
    before it does any work.
    """
    if out is not None and str(out) == "":
        raise ValueError("out must name a folder, got ''")
    folder = Path(default if out is None else out)
    if out is None:
        refuse_link(folder)
    check_utf8("out", folder)
    place = Path(os.path.realpath(folder))
    if not place.name:
        raise ValueError(f"out must name a folder, got {folder}")
    if place.exists() and not place.is_dir():
        raise FileExistsError(f"out must be a folder, but {folder} is a file")
    above = next(path for path in place.parents if os.path.lexists(path))
    if not above.is_dir():
        raise NotADirectoryError(f"out must be in a folder, but {above} is a file")
    try:
        if folder.is_symlink() and not folder.exists():
            raise FileNotFoundError("it is a link to nothing")
        with scratch(above, scratch_prefix(place)):
            pass
    except OSError as error:  # read-only, or a name that is too long for what is made beside it
        reason = error.strerror or one_line(error)
        raise ValueError(f"out must be a folder that can be written, got {str(out)!r} ({reason})") from None
    # A folder that is not there cannot be left again: the system finds no way through new/../out.
    return folder if ".." not in folder.parts or folder.parent.exists() else place


def check_elsewhere(folder: Path) -> None:
    """Raise ValueError for a folder that is or holds the current one: neither may be replaced or moved.

    >>> check_elsewhere(Path("/"))
    Traceback (most recent call last):
    ValueError: out must be a folder other than the current one and those above, got '/'
    """
    place, here = Path(os.path.realpath(folder)), Path.cwd()
    if place in (here, *here.parents):
        raise ValueError(
            f"out must be a folder other than the current one and those above, got {str(folder)!r}"
        )


def check_utf8(argument: str, path: str | Path) -> None:
    r"""Raise ValueError for a path that is not UTF-8: results name their inputs and their place, in JSON.

    >>> check_utf8("out", os.fsdecode(b"caf\xe9"))
    Traceback (most recent call last):
    ValueError: out must be a path in UTF-8, got 'caf\udce9'
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"{argument} must be a path in UTF-8, got {str(path)!r}") from None


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
