"""Figures of the models that were trained until they could do their task show what they were given."""

import numpy as np
import pandas as pd
import pytest
from rendered import png

from rope_lib import figures
from rope_lib.figures import style
from rope_lib.findings import rivals
from rope_lib.findings.kept import kept

TITLES = {"recall": "recall: two carry", "copy": "copy"}
STRETCHES, SEEDS = (1, 4, 16), (1, 2)


@pytest.fixture
def rows():
    index = pd.MultiIndex.from_product(
        [TITLES, ["RoPE", "RoPE-ID"], SEEDS, STRETCHES], names=["task", "system", "seed", "stretch"]
    )
    table = index.to_frame(index=False)
    return table.assign(above=np.random.default_rng(0).uniform(0, 1, len(table)))


def lines(axes, marker):
    return [line for line in axes.lines if line.get_marker() == marker and len(line.get_xdata())]


def test_a_line_is_the_mean_and_a_name_stands_at_its_end(rows):
    values = rows.set_index(["task", "system", "stretch", "seed"]).above
    bands = rivals.intervals(values, ["task", "system", "stretch"])
    figure = figures.rivals.carried(rows, bands, TITLES, ["RoPE", "RoPE-ID"])
    for axes, task in zip(figure.axes, TITLES, strict=True):
        drawn = [line for line in axes.lines if len(line.get_xdata()) == len(STRETCHES)]
        for line, name in zip(drawn, ["RoPE", "RoPE-ID"], strict=True):
            assert line.get_color() == figures.rivals.COLORS[name]
            assert line.get_ydata() == pytest.approx(bands.loc[(task, name), "mean"].to_numpy())
        assert sorted(text.get_text() for text in axes.texts) == ["RoPE", "RoPE-ID"]
        assert axes.get_title(loc="left") == TITLES[task]


def test_a_system_without_a_color_is_refused(rows):
    bands = rivals.intervals(
        rows.set_index(["task", "system", "stretch"]).above, ["task", "system", "stretch"]
    )
    with pytest.raises(KeyError, match="RoPE-X"):
        figures.rivals.carried(rows.replace("RoPE", "RoPE-X"), bands, TITLES, ["RoPE-X"])


def test_a_run_is_marked_by_how_it_ended_and_by_whether_it_had_learned():
    models = pd.DataFrame(
        {
            "task": "copy",
            "system": ["RoPE", "RoPE", "NoPE"],
            "seed": [1, 2, 1],
            "learned": [True, True, False],
            "steps": [100.0, 2400.0, 3000.0],
            "taken": [200, 3000, 700],
            "ended": ["criterion", "limit", "level"],
        }
    )
    axes = figures.rivals.steps(models, {"copy": "copy"}, ["RoPE", "NoPE"], "a title").axes[0]
    marks = {marker: [x for line in lines(axes, marker) for x in line.get_xdata()] for marker in "ox>"}
    assert marks == {"o": [100, 2400], "x": [700], ">": []}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["NoPE", "RoPE"]


def test_a_difference_has_a_dot_for_each_seed_and_a_bar_for_its_interval():
    index = pd.MultiIndex.from_product([TITLES, SEEDS], names=["task", "seed"])
    less = pd.DataFrame({"RoPE": [0.1, 0.3, 0.2, 0.2], "NTK": [0.5, 0.4, 0.0, 0.1]}, index)
    stacked = less.stack().rename_axis(["task", "seed", "system"])
    intervals = rivals.intervals(stacked, ["task", "system"])
    axes = figures.rivals.less_rivals(less, intervals, TITLES, "a title").axes[0]
    assert [line.get_xdata().tolist() for line in lines(axes, "o")] == [[0.5, 0.4], [0.1, 0.3]]
    assert [line.get_xdata()[0] for line in lines(axes, "|")] == pytest.approx([0.45, 0.2])


def test_figures_of_the_kept_results_are_small_pngs():
    tables, provenance = kept("rivals")
    plan = rivals.planned(provenance)
    models, rows = rivals.trained_models(tables, plan), rivals.shares(tables, plan)
    titles = rivals.keeping_titles(rows, figures.rivals.COLORS)
    own = rivals.published(rows[rows.system.isin(figures.rivals.COLORS)])
    values = own.set_index(["task", "system", "stretch", "seed"]).above
    bands = rivals.intervals(values, ["task", "system", "stretch"])
    less = rivals.less_rivals(rows)
    gaps = rivals.intervals(less.stack().rename_axis(["task", "seed", "system"]), ["task", "system"])
    systems = list(dict.fromkeys(models.system))
    for figure in (
        figures.rivals.carried(own, bands, titles, list(figures.rivals.COLORS)),
        figures.rivals.steps(models, titles, systems, rivals.learning_title(models)),
        figures.rivals.less_rivals(less, gaps, titles, "a title"),
    ):
        assert 5_000 < len(style.lighter(png(figure))) <= style.MAX_BYTES
