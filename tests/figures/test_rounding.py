"""Figures of rounding, in theory and in trained models: seeds are dots, means lines, bases colors."""

import itertools

import numpy as np
import pandas as pd
import pytest
from rendered import png

from rope_lib import figures, findings
from rope_lib.figures import style
from rope_lib.findings.kept import kept
from rope_lib.theory.oscillators import frequencies

BASES, SEEDS = [100, 10_000], [0, 1]


@pytest.fixture
def table():
    keys = itertools.product(["float16", "float32"], BASES, SEEDS, [0, 1000, 60_000])
    rows = pd.DataFrame(keys, columns=["arithmetic", "base", "seed", "shift"])
    return rows.assign(accuracy=np.random.default_rng(0).uniform(0.2, 0.9, len(rows)))


def lines(axes, marker):
    """The data of the lines with a marker, or of those that are only lines."""
    return [line.get_xydata() for line in axes.lines if line.get_marker() == marker and len(line.get_xdata())]


def test_each_arithmetic_has_a_panel_with_seeds_and_means(table):
    figure = figures.rounding.accuracy_by_shift(table, 1 / 16)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["float16", "float32", "", ""]
    axes = figure.axes[1]
    own = table[(table.arithmetic == "float32") & (table.base == 100)]
    assert lines(axes, "o")[0].tolist() == own[["shift", "accuracy"]].to_numpy().tolist()
    assert np.allclose(lines(axes, "None")[0][:, 1], own.groupby("shift").accuracy.mean())
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["base $10^{2}$", "base $10^{4}$"]


def test_only_float16_says_where_its_positions_end(table):
    first, second, *_ = figures.rounding.accuracy_by_shift(table, 1 / 16).axes
    assert [text.get_text() for text in first.texts] == ["no such\npositions"]
    assert [len(axes.patches) for axes in (first, second)] == [1, 0]
    assert first.patches[0].get_x() == 65_504


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
        {"base": BASES, "arithmetic": ["bfloat16", "float32"], "displaced": [0.1, 0.9], "kept": [1.0, 0.5],
         "least": [0.9, 0.4], "most": [1.0, 0.7], "hollow": [False, True]}
    )  # fmt: skip
    figure = figures.rounding.kept_by_displaced({"grid": rows, "some": rows[:1]})
    axes = figure.axes[0]
    assert lines(axes, "o")[0].tolist() == [[0.1, 1.0]]
    assert lines(axes, "s")[0].tolist() == [[0.9, 0.5]]
    assert [[0.9, 0.4], [0.9, 0.7]] in [data.tolist() for data in lines(axes, "None")]
    fills = [line.get_markerfacecolor() for line in axes.lines if line.get_marker() in "os"]
    assert fills == [style.BLUE, "white"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["base $10^{2}$", "base $10^{4}$", "bfloat16", "float32"]
    assert [len(lines(each, "o")) for each in figure.axes] == [1, 1]


def test_gaps_show_rounded_models_as_rings():
    gaps = pd.DataFrame(itertools.product(BASES, SEEDS, [0, 32, 256]), columns=["base", "seed", "gap"])
    gaps = gaps.assign(accuracy=np.random.default_rng(1).uniform(size=len(gaps)))
    rounded = pd.DataFrame({"base": BASES, "seed": 0, "gap": 256, "accuracy": [0.3, 0.8]})
    axes = figures.rounding.accuracy_by_gap(gaps, rounded, 127).axes[0]
    rings = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert [line.get_xydata().tolist() for line in rings] == [[[256, 0.3]], [[256, 0.8]]]
    means = [data for data in lines(axes, "None") if len(data) == 3]
    assert np.allclose(means[1][:, 1], gaps[gaps.base == 10_000].groupby("gap").accuracy.mean())
    assert [127, 127] in [data[:, 0].tolist() for data in lines(axes, "None")]


def drawn():
    """Each figure as the chapter draws it from the kept results."""
    table = findings.rounding.trials(kept("precision")[0]["summary"])
    parts = kept("precision_parts")[0]
    yield figures.rounding.accuracy_by_shift(table, 1 / 16)
    bases = sorted(table.base.unique())
    curves = {
        base: (
            frequencies(float(base), 32),
            findings.angle_errors.displaced(float(base), 32, "float32", 10**8, 128),
        )
        for base in bases
    }
    yield figures.rounding.displaced_by_frequency(
        {"one": curves, "other": curves}, findings.angle_errors.DISPLACED
    )
    points = findings.rounding.predictors(table[table.arithmetic != findings.rounding.EXACT], 32, 128)
    some = findings.rounding.rounded_parts(parts["pairs"], 32, 128)
    yield figures.rounding.kept_by_displaced(
        {
            "all": points.assign(hollow=points.farthest > 1.5),
            "fast": some[some.side == "fast"].assign(hollow=False),
            "slow": some[some.side == "slow"].assign(hollow=True),
        }
    )
    rounded = parts["gaps"][parts["gaps"].gap == 256]
    yield figures.rounding.accuracy_by_gap(parts["gaps"], rounded, 127)


def test_figures_of_the_kept_results_are_small_pngs():
    for figure in drawn():
        assert 5_000 < len(png(figure)) < 100_000
