"""Temporary folders that go even if their process is killed: the next that needs such a folder removes them.

They lie in the system's folder for temporary files, in which other users of the machine may put anything.
"""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows, where what a killed process left stays
    fcntl = None  # type: ignore[assignment]  # mypy checks for Linux

_SETTLED = 60  # seconds after which a folder that nobody holds locked is a dead process's


@contextlib.contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """A new empty folder, `rope-lib-<purpose>-<8 letters>`, which is removed when the block ends.

    What killed processes left of the same purpose is removed first.

    >>> with temporary_folder("example") as folder:
    ...     folder.name[:17], list(folder.iterdir())
    ('rope-lib-example-', [])
    >>> folder.exists()
    False
    """
    remove_left(purpose)
    with (
        tempfile.TemporaryDirectory(prefix=_prefix(purpose), ignore_cleanup_errors=True) as folder,
        contextlib.nullcontext() if fcntl is None else _locked(folder),
    ):
        yield Path(folder)


def remove_left(purpose: str) -> None:
    """Remove the temporary folders that killed processes left of a purpose."""
    for old in Path(tempfile.gettempdir()).glob(f"{_prefix(purpose)}*"):
        with contextlib.suppress(OSError), _locked(old) as descriptor:
            described = os.fstat(descriptor)
            if described.st_uid == os.getuid() and time.time() - described.st_mtime > _SETTLED:
                shutil.rmtree(old, ignore_errors=True)


def _prefix(purpose: str) -> str:
    return f"rope-lib-{purpose}-"


@contextlib.contextmanager
def _locked(folder: str | Path) -> Iterator[int]:
    """A descriptor of a folder that this process alone holds locked, until it ends, however it ends.

    Raises BlockingIOError if another process does, and other OSErrors for what is no folder or another's.
    """
    if fcntl is None:
        raise OSError("this system has no locks on folders")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)
