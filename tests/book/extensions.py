"""Modules of the folder `book/_ext`, which is on no import path."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest


def extension(root: Path, name: str) -> ModuleType:
    """The module of that name in `book/_ext`, with whatever it imports from there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root / "book" / "_ext")
        return importlib.import_module(name)
