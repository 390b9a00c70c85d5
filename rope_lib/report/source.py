"""What the command line names: a model, a text, and the folder of a report."""

import os
from collections.abc import Sequence
from pathlib import Path

from rope_lib.runs.mark import check_elsewhere, check_utf8, output_folder


def absolute(source: str | Path) -> str:
    """A path that means the same in another folder and to another process; a Hugging Face id as it is.

    >>> absolute("organization/model")
    'organization/model'
    """
    return str(Path(source).absolute()) if Path(source).exists() else str(source)


def text_path(path: str | Path) -> Path:
    """The absolute path of a text, under which other processes read the same text.

    Raises ValueError for a path of anything but a regular file, such as a pipe, which can be read only once,
    or a device, which may never end, and for one that is not UTF-8; FileNotFoundError for a path of nothing.

    >>> text_path("/dev/null")
    Traceback (most recent call last):
    ValueError: text must be a regular file, got '/dev/null': save a pipe or a device to a file first
    """
    check_utf8("text", path)
    os.stat(path)
    place = Path(path).resolve()  # /dev/stdin is another file to another process
    if not place.is_file():
        raise ValueError(
            f"text must be a regular file, got {str(path)!r}: save a pipe or a device to a file first"
        )
    return place


def check_texts(texts: Sequence[str | Path]) -> list[Path]:
    """The `text_path` of each text, once each.

    Raises ValueError or OSError as `text_path`, and ValueError for a text that is named twice.

    >>> check_texts([__file__, __file__])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: texts must be given once each, got '...' twice
    """
    places = [text_path(path) for path in texts]
    for index, place in enumerate(places):
        if place in places[:index]:
            raise ValueError(f"texts must be given once each, got {str(texts[index])!r} twice")
    return places


def check_named(out: str | Path | None, texts: Sequence[str | Path]) -> None:
    """Raise ValueError or OSError for a folder or texts that no report can have: before torch is loaded."""
    if out is not None:
        new_folder(out)
    check_texts(texts)


def new_folder(out: str | Path) -> Path:
    """The absolute path of a folder to write, or to replace if it exists.

    Raises ValueError or OSError where that cannot be done, as `runs.mark.output_folder` does, and for the
    current folder or one above it. Checked before hours of measuring rather than after.

    >>> new_folder("")
    Traceback (most recent call last):
    ValueError: out must name a folder, got ''
    """
    folder = output_folder(out, "")
    check_elsewhere(Path(out))
    return folder.absolute()
