"""The report on any model: what to measure, what was found, and the text, figures and page that show it.

A module loads when it is first used: the process that measures needs neither matplotlib, which reads a
configuration file in the current folder, nor IPython.
"""

import importlib
from types import ModuleType

__all__ = ["figures", "findings", "plan", "text"]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
