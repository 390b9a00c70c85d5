"""Figures of models that learned show each seed, and those that never met the criterion."""

import itertools

import numpy as np
import pandas as pd
from rendered import png

from rope_lib import figures, findings

BASES = [2.0, 32.0, 100_000.0]


def test_models_that_never_learned_are_crosses_at_the_steps_they_took():
    rows = pd.DataFrame(itertools.product(findings.learned.NAMES, [32, 64], BASES, range(3)),
                        columns=["task", "trained", "base", "seed"])  # fmt: skip
    rows = rows.assign(steps=3000, met=100.0 * (1 + rows.seed))
    rows.loc[(rows.task == "copy") & (rows.base == 2), "met"] = np.nan
    rows["learned"] = rows.met.notna()
    demands = {length: {"A2": length / 6, "A3": length * 3} for length in (32, 64)}
    figure = figures.learned.steps_by_base(rows, demands, findings.learned.NAMES, "A title")
    crosses = [line for line in figure.axes[2].lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert [sorted(line.get_ydata()) for line in crosses] == [[3000] * 3] * 2
    assert 5_000 < len(png(figure)) < 100_000


def test_what_is_kept_has_a_panel_for_each_stretch():
    rows = pd.DataFrame(itertools.product(findings.learned.NAMES, BASES, range(3), [1, 4, 16]),
                        columns=["task", "base", "seed", "stretch"])  # fmt: skip
    rows = rows.assign(trained=32, above=1 / rows.stretch)
    figure = figures.learned.kept_by_base(rows, 32, (1, 4, 16), findings.learned.NAMES, "A title")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "the trained length",
        "4 times it",
        "16 times it",
    ]
    assert 5_000 < len(png(figure)) < 100_000
