"""A model as it is named on the command line: a path, or the id of a Hugging Face repository."""

from pathlib import Path


def absolute(source: str | Path) -> str:
    """A path that means the same in another folder and to another process; a Hugging Face id as it is.

    >>> absolute("organization/model")
    'organization/model'
    """
    return str(Path(source).absolute()) if Path(source).exists() else str(source)
