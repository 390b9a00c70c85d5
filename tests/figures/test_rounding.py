"""Figures of rounding, in theory and in trained models: seeds are dots, means lines, bases colors."""

import numpy as np
import pandas as pd
from rendered import png

from rope_lib import figures, findings
from rope_lib.figures import style
from rope_lib.findings.kept import kept
from rope_lib.theory.oscillators import frequencies

BASES = [100, 10_000]


def lines(axes, marker):
    """The data of the lines with a marker, or of those that are only lines."""
    return [line.get_xydata() for line in axes.lines if line.get_marker() == marker and len(line.get_xdata())]


def test_errors_stand_at_the_frequency_of_their_pair():
    curves = {base: (frequencies(base, 8), np.full(4, 0.1)) for base in BASES}
    first, second = figures.rounding.displaced_by_frequency({"one": curves, "two": curves}, 0.5).axes
    assert len(first.lines) == 4
    for base, marker in zip(BASES, "os", strict=True):
        assert lines(first, marker)[0][:, 0].tolist() == frequencies(base, 8).tolist()
    assert first.xaxis_inverted()
    assert second.get_title(loc="left") == "two"
    levels = [line.get_ydata()[0] for line in first.lines if line.get_linestyle() in ("--", ":")]
    assert levels == [0.5, np.pi]


def test_points_are_means_with_the_range_of_seeds():
    rows = pd.DataFrame(
        {"task": ["recall", "copy"], "base": BASES, "arithmetic": ["bfloat16", "float32"],
         "place": [0.1, 9.0], "kept": [1.0, 0.5], "least": [0.9, 0.4], "most": [1.0, 0.7],
         "hollow": [False, True]}
    )  # fmt: skip
    figure = figures.rounding.kept_by_place(rows, {"copy": "copying", "recall": "recalling"})
    first, second = figure.axes
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("copying", "recalling")
    assert lines(first, "s")[0].tolist() == [[9.0, 0.5]]
    assert lines(second, "o")[0].tolist() == [[0.1, 1.0]]
    assert [[9.0, 0.4], [9.0, 0.7]] in [data.tolist() for data in lines(first, "None")]
    fills = [line.get_markerfacecolor() for axes in (second, first) for line in axes.lines
             if line.get_marker() in "os"]  # fmt: skip
    assert fills == [style.BLUE, "white"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["base $10^{2}$", "base $10^{4}$", "bfloat16", "float32"]


def drawn():
    """Each figure as the chapter draws it from the kept results."""
    tables, made_by = kept("precision")
    plan = findings.rounding.planned(made_by)
    points = findings.rounding.settings(findings.rounding.trials(tables, plan), plan.trained)
    names = {task: task for task in plan.tasks}
    yield figures.rounding.kept_by_place(points.assign(hollow=findings.rounding.torn(points)), names)
    curves = {
        base: (
            frequencies(base, 32),
            findings.angle_errors.displaced(base, 32, "float32", 10**8, plan.trained),
        )
        for base in plan.bases
    }
    yield figures.rounding.displaced_by_frequency(
        {"one": curves, "other": curves}, findings.angle_errors.DISPLACED
    )


def test_figures_of_the_kept_results_are_small_pngs():
    for figure in drawn():
        assert 5_000 < len(png(figure)) < 100_000
