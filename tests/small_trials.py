"""Small trials of experiment 1, in which a rule says which models work."""

import itertools

import pandas as pd

from rope_lib import findings

BASES, SEEDS, HEAD_DIM = [4, 16, 64, 256], [0, 1], 32


def rows_of(rule):
    """Trials in which the rule (layers, base, length) → works says who finds everything and who nothing."""
    places = itertools.product(SEEDS, [32, 64], [1, 2], BASES, [32, 64, 128])
    rows = pd.DataFrame(places, columns=[*findings.which_bound.MODEL, "length"])
    works = [float(rule(*key)) for key in zip(rows.layers, rows.base, rows.length, strict=True)]
    return rows.assign(accuracy=works, far=works, inside=rows.length <= rows.trained)
