"""Links in a stranger's folder may lead to any file of the user's: nothing is written through them.

A folder that the user names may be a link. What this library names itself, beside or below that folder, may
not: it never makes a link there.
"""

import os
from pathlib import Path


def refuse_link(path: Path) -> None:
    """Raise ValueError where a path, which need not exist, is a link.

    >>> refuse_link(Path("/nowhere"))
    """
    if path.is_symlink():
        raise ValueError(f"{path}: must not be a link, which leads to {os.readlink(path)!r}: remove it")


def refuse_links(folder: Path) -> None:
    """Raise ValueError where a folder, which need not exist, is a link or holds one, however deep."""
    refuse_link(folder)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            refuse_link(Path(parent, name))
