"""Figures of the test of the favored spectrum show what they got: seeds are dots, means lines or ticks."""

import itertools

import numpy as np
import pandas as pd
import pytest
from rendered import png

from rope_lib import figures, findings

SYSTEMS = ["RoPE-ID", "HoPE", findings.better.PROPOSAL]
TASKS = {"order": "order", "bytes": "next byte"}


@pytest.fixture
def table():
    rows = list(itertools.product(TASKS, SYSTEMS, (0, 1, 2), (1, 4, 16)))
    found = pd.DataFrame(rows, columns=["task", "system", "seed", "stretch"])
    return found.assign(score=np.random.default_rng(0).uniform(0.2, 0.9, len(rows)))


def drawn(axes, marker):
    return [
        line.get_xydata() for line in axes.lines if line.get_marker() == marker and len(line.get_xdata()) > 0
    ]


def test_the_evidence_is_bars_with_their_worst_seeds_and_the_choice_is_bold():
    evidence = pd.DataFrame(
        {"name": ["a", "b", "c"], "c1": [True, True, False], "c2": True, "beyond": [0.9, 0.8, 0.7]}
    ).assign(worst=[0.6, 0.7, 0.5])
    figure = figures.better.favored(evidence, "b", "accuracy")
    axes = figure.axes[0]
    assert sorted(bar.get_width() for bar in axes.patches) == [0.7, 0.8, 0.9]
    assert sorted(point[0] for data in drawn(axes, "|") for point in data) == [0.5, 0.6, 0.7]
    weights = {label.get_text(): label.get_fontweight() for label in axes.get_yticklabels()}
    assert weights == {"c": "normal", "b": "bold", "a": "normal"}
    assert 5_000 < len(png(figure)) < 100_000


def test_a_task_has_a_panel_with_the_systems_that_were_asked(table):
    table = table[(table.task != "bytes") | (table.system != "HoPE")]
    panels = {"order": ("which came first", 0.5), "bytes": ("next byte", None)}
    figure = figures.better.by_stretch(table, panels, SYSTEMS, "score")
    first, second = figure.axes
    assert len(drawn(first, "o")) == 9
    assert len(drawn(second, "o")) == 6
    means = [data for data in drawn(first, "None") if len(data) == 3]
    own = table[(table.task == "order") & (table.system == "RoPE-ID")].groupby("stretch").score.mean()
    assert np.allclose(means[0][:, 1], own)
    assert [0.5, 0.5] in [data[:, 1].tolist() for data in drawn(first, "None")]  # guessing
    assert [text.get_text() for text in figure.legends[0].get_texts()] == SYSTEMS
    assert 5_000 < len(png(figure)) < 100_000


def test_a_panel_without_a_task_is_not_shown(table):
    panels = {task: (task, None) for task in TASKS}
    figure = figures.better.by_stretch(table, panels | {"order again": ("nothing", None)}, SYSTEMS, "score")
    assert [axes.get_visible() for axes in figure.axes] == [True, True, True, False]


def test_gains_have_a_dot_for_each_seed_and_a_tick_at_their_mean(table):
    gained = findings.better.gains(table[table.stretch == 16].set_index(["task", "system", "seed"]).score)
    names = [findings.better.PROPOSAL, "HoPE"]
    figure = figures.better.gains({"inside": gained, "beyond": gained}, TASKS, names, 0.02, "gain")
    for axes in figure.axes:
        assert [len(data) for data in drawn(axes, "o")] == [3, 3, 3, 3]
        means = [data[0, 0] for data in drawn(axes, "|")]
        expected = [
            gained.xs((task, name), level=("task", "system")).mean() for name in names for task in TASKS
        ]
        assert means == pytest.approx(expected)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["next byte", "order"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names
    assert 5_000 < len(png(figure)) < 100_000
