"""A text to tune a model on that shares nothing with those to measure on. Needs no torch.

Half of it is source code, from modules of the standard library that `texts` does not read; half is prose,
the docstrings of SciPy, which it does not read either. No run of `texts.RUN` characters of it stands in any
of the six texts, and so no run of 32 tokens: what a tuned model knows of them it has not learned here.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache

from .texts import TEXTS, docstrings, held_out, library_modules, source_passages, text, without_repetition

CHARACTERS = 400_000
_PACKAGES = ("scipy",)
_JOINT = "\n\n"


@cache
def tuning_text() -> str:
    """Source code, then prose, each of `CHARACTERS`/2 characters and a passage at most; nothing repeats.

    >>> from rope_lib.measure.texts import RUN, repeated_runs
    >>> repeated_runs(tuning_text(), RUN)
    0
    """
    unread = [text(name) for name in TEXTS]
    code = _up_to(CHARACTERS // 2, without_repetition(_code(), elsewhere=unread))
    prose = without_repetition(docstrings(_PACKAGES), elsewhere=[*unread, code])
    return code + _JOINT + _up_to(CHARACTERS // 2, prose)


def _code() -> Iterator[str]:
    """Passages of modules that are not held out, module by module in an order that mixes subjects."""
    names = [name for name in library_modules() if not held_out(name)]
    for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest()):
        yield from source_passages(name)


def _up_to(characters: int, passages: Iterable[str]) -> str:
    """Passages, joined, until there are so many characters."""
    kept, size = [], 0
    for passage in passages:
        kept.append(passage)
        size += len(passage) + len(_JOINT)
        if size >= characters:
            break
    return _JOINT.join(kept)
