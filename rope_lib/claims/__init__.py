"""The claims of both papers: one object each, with the check that tests it and the rule that judges it."""

import importlib
import pkgutil

from .claim import place_of


def claims():
    """All claims, in the papers' order: those of every module of this package that holds `CLAIMS`.

    >>> [claim.id for claim in claims()][:3]
    ['A1', 'A2', 'A2-trained']
    >>> claims()[0].check().verdict
    'holds'
    """
    modules = (
        importlib.import_module(f".{found.name}", __name__) for found in pkgutil.iter_modules(__path__)
    )
    every = [claim for module in modules for claim in getattr(module, "CLAIMS", ())]
    return tuple(sorted(every, key=lambda claim: place_of(claim.id)))
