"""The claims of both papers: one object each, with the measurement that tests it and the rule that judges it.

A module of this package that defines a tuple `CLAIMS` adds its claims; nothing else has to list them.
"""

import importlib
import pkgutil

from .claim import Claim, place_of


def claims() -> tuple[Claim, ...]:
    """All claims, in the papers' order: those of every module of this package that defines `CLAIMS`.

    >>> [claim.id for claim in claims()][:3]
    ['A1', 'A2', 'A2-trained']
    >>> claims()[0].check().verdict
    'holds'
    """
    names = (found.name for found in pkgutil.iter_modules(__path__))
    modules = (importlib.import_module(f".{name}", __name__) for name in names)
    every = [claim for module in modules for claim in getattr(module, "CLAIMS", ())]
    return tuple(sorted(every, key=lambda claim: place_of(claim.id)))
