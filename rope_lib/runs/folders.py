"""Folders that appear, or are replaced, in one step, whenever the process is killed.

A new folder is written into a scratch folder beside its place, `.<name>.scratch-<8 letters>`, and renamed
into place when it is complete. An earlier folder is exchanged with it in one system call where the system has
one; elsewhere it is renamed away, and stays in the scratch folder until the new one is in place. Each scratch
folder has a lock that ends with its process. The next run, or the next reader of a folder that is missing,
removes what a dead process left and puts back what it had renamed away.
"""

import contextlib
import ctypes
import errno
import itertools
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from .links import refuse_link

# In a scratch folder. The first two hold only what this library wrote; the others may hold an earlier folder.
_MADE, _DISCARDED, _REPLACED, _EARLIER = "made", "discarded", "replaced", "earlier"

_RANDOM = r"[a-z0-9_]{8}(?:\.lock)?"
_SCRATCH = re.compile(r"\.(.+)\.scratch-" + _RANDOM)

_NO_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}  # another process put or moved the folder meanwhile


class InUse(OSError):
    """A folder that another process is writing."""


@contextlib.contextmanager
def replacing(folder: str | Path, ours: Callable[[Path], bool]) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `folder` when the block ends without an error.

    An earlier folder is deleted if `ours`, such as `mark.made_by("train")`, is true of it; otherwise it is
    kept as `<folder>.old`, or `<folder>.old-2` and so on. Whenever the process is killed, `folder` is the
    whole earlier one or the whole new one, if need be after `recover`.

    Raises FileExistsError where `folder` is a file, and OSError where it cannot be written.

    >>> import tempfile
    >>> from rope_lib.runs.mark import is_ours
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with replacing(f"{parent}/out", is_ours) as made:
    ...         _ = (made / "a.txt").write_text("new")
    ...     os.listdir(parent), os.listdir(f"{parent}/out")
    (['out'], ['a.txt'])
    """
    place = Path(os.path.realpath(folder))  # a link stays, and what it leads to is replaced
    if place.exists() and not place.is_dir():
        raise FileExistsError(f"{folder}: must be a folder, but is a file")
    place.parent.mkdir(parents=True, exist_ok=True)
    recover(place, ours)
    with scratch(place.parent, scratch_prefix(place)) as around:
        made = around / _MADE
        made.mkdir()
        yield made
        _flush(made)
        _put(around, place, ours)


def recover(folder: str | Path, ours: Callable[[Path], bool]) -> None:
    """Finish what dead processes began at `folder`: put back the earlier folder, and remove their scratch."""
    place = Path(os.path.realpath(folder))
    clear(place.parent, scratch_prefix(place), lambda around: _rescue(around, place, ours))


def recover_all(parent: Path, ours: Callable[[Path], bool]) -> None:
    """Do for every folder in `parent`, whether it is there or not, what `recover` does for one."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        found = {match[1] for entry in entries if (match := _SCRATCH.fullmatch(entry.name))}
        for name in found:
            recover(parent / name, ours)


@contextlib.contextmanager
def scratch(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `parent`, removed when the block ends; after a kill, `clear` finds and removes it."""
    with contextlib.ExitStack() as stack:
        while True:
            path = parent / f"{prefix}{secrets.token_hex(4)}"
            with contextlib.suppress(InUse):  # `clear` saw the file before it was locked
                stack.enter_context(held(_lock_of(path)))
                if _lock_of(path).exists():
                    break
        path.mkdir()
        stack.callback(shutil.rmtree, path, ignore_errors=True)
        yield path


def clear(parent: Path, prefix: str, rescue: Callable[[Path], object] = lambda around: None) -> None:
    """Remove from `parent` the scratch folders of dead processes, after a call of `rescue` with each.

    A folder that `rescue` fails on, or that cannot be removed, stays.
    """
    pattern = re.compile(re.escape(prefix) + _RANDOM)
    try:
        with os.scandir(parent) as entries:
            names = {entry.name.removesuffix(".lock") for entry in entries if pattern.fullmatch(entry.name)}
    except OSError:
        return
    for name in sorted(names):
        with contextlib.suppress(OSError, ValueError), held(_lock_of(parent / name)):
            refuse_link(parent / name)
            if (parent / name).is_dir():
                rescue(parent / name)
                shutil.rmtree(parent / name)


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, which goes when the block ends; a lock whose process died is free.

    Raises InUse at once where another process holds it, ValueError for a link, and OSError where the file
    cannot be made.
    """
    refuse_link(path)
    path.touch()  # filelock takes a folder in which it can make no file for a lock that is held
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InUse(f"{path}: another process holds this lock") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        lock.release()


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep out every other process that asks for `folder`, which raises InUse in one line."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held(folder.with_name(f".{folder.name}.lock")))
        except InUse:
            raise InUse(f"{folder}: another process is writing here") from None
        yield


@contextlib.contextmanager
def made_if_missing(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; those that are made are removed at the end if nothing is in them."""
    missing = list(itertools.takewhile(lambda path: not path.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            for path in missing:
                path.rmdir()


def beside(folder: Path) -> Path:
    """The first of `<folder>.old`, `<folder>.old-2`, … that is free."""
    numbered = (f"{folder.name}.old" if n == 1 else f"{folder.name}.old-{n}" for n in itertools.count(1))
    return next(path for name in numbered if not os.path.lexists(path := folder.with_name(name)))


def scratch_prefix(place: Path) -> str:
    """How the names begin of the scratch folders in which a folder is made, beside it."""
    return f".{place.name}.scratch-"


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _put(around: Path, place: Path, ours: Callable[[Path], bool]) -> None:
    """Move the folder that is made into its place, and the earlier one out of the way."""
    whole = around / _REPLACED  # from here on it may hold the earlier folder
    os.rename(around / _MADE, whole)
    while True:
        try:
            if not place.exists():
                os.rename(whole, place)
                return
            if not _exchange(whole, place):
                os.rename(place, around / _EARLIER)
                os.rename(whole, place)
            break
        except OSError as error:
            _settle(_EARLIER, around, place, ours)
            if error.errno not in _TAKEN or not whole.exists():
                raise
    _rescue(around, place, ours)


def _rescue(around: Path, place: Path, ours: Callable[[Path], bool]) -> None:
    """Settle whatever a scratch folder holds of an earlier folder."""
    for name in (_EARLIER, _REPLACED):
        _settle(name, around, place, ours)


def _settle(name: str, around: Path, place: Path, ours: Callable[[Path], bool]) -> None:
    """Put a folder back where its place is empty; else delete it if it is `ours`, and keep it if not."""
    path = around / name
    if not path.exists():
        return
    if not place.exists():
        os.rename(path, place)
    elif ours(path):
        os.rename(path, around / _DISCARDED)  # so that a folder half deleted is not taken for a user's
        shutil.rmtree(around / _DISCARDED)
    else:
        os.rename(path, beside(place))


def _exchange(first: Path, second: Path) -> bool:
    """Let two folders change places in one step; False where the system or the file system cannot."""
    name = {"linux": "renameat2", "darwin": "renamex_np"}.get(sys.platform)
    call = getattr(ctypes.CDLL(None, use_errno=True), name, None) if name else None
    if call is None:
        return False
    one, other, here, swap = os.fsencode(first), os.fsencode(second), -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    arguments = (here, one, here, other, swap) if name == "renameat2" else (one, other, swap)
    if call(*arguments) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(second))


def _flush(folder: Path) -> None:
    """Have the system write all files below a folder to the disk: a power failure must not lose them."""
    if os.name != "posix":  # elsewhere a file opened for reading cannot be flushed
        return
    for parent, _, names in os.walk(folder):
        for path in (*(os.path.join(parent, name) for name in names), parent):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
