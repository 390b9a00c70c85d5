"""Figures of the controlled experiments show what they were given: seeds are dots, means lines or bars."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from rendered import png

from rope_lib import figures, findings
from rope_lib.findings.kept import kept

LENGTHS, SEEDS = [64, 128, 256], [0, 1, 2]
NAMES = ["RoPE", "RoPE-ID", "YaRN"]


@pytest.fixture
def accuracy():
    index = pd.MultiIndex.from_product([NAMES, SEEDS], names=["system", "seed"])
    values = np.random.default_rng(0).uniform(0.2, 0.9, (len(index), len(LENGTHS)))
    return pd.DataFrame(values, index, pd.Index(LENGTHS, name="length"))


def lines(axes, marker):
    """The data of the lines with a marker, or of those that are only lines."""
    return [line.get_xydata() for line in axes.lines if line.get_marker() == marker and len(line.get_xdata())]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_each_seed_is_dots_and_the_mean_a_line_with_its_name(accuracy):
    figure = figures.spectra.accuracies(accuracy, [["RoPE", "YaRN"], ["RoPE-ID"]], 64, 1 / 16, "tokens")
    first, second = figure.axes
    dots = lines(first, "o")
    assert len(dots) == 6
    assert dots[1].tolist() == [[n, v] for n, v in accuracy.loc[("RoPE", 1)].items()]
    means = [data for data in lines(first, "None") if len(data) == 3]
    assert np.allclose(means[0][:, 1], accuracy.loc["RoPE"].mean())
    assert sorted(texts(first)) == ["RoPE", "YaRN"]
    assert texts(second) == ["RoPE-ID"]


def test_names_of_lines_that_end_alike_stand_apart(accuracy):
    accuracy[256] = 0.99
    axes = figures.spectra.accuracies(accuracy, [NAMES], 64, 1 / 16, "tokens").axes[0]
    heights = sorted(text.xy[1] for text in axes.texts)
    assert np.diff(heights).min() > 0.05
    assert heights[-1] <= 1.0 + 1e-9


def test_more_systems_than_colors_are_refused(accuracy):
    names = [f"system {number}" for number in range(7)]
    with pytest.raises(ValueError, match="names must be at most 6"):
        figures.spectra.accuracies(accuracy, [names], 64, 1 / 16, "tokens")


def test_effects_are_sorted_and_bars_are_means(accuracy):
    differences = findings.spectra.differences(accuracy, "RoPE")
    figure = figures.spectra.effects(differences, {128: "near", 256: "far"}, "RoPE")
    means = differences.groupby(level="system").mean().sort_values(256)
    for axes, length in zip(figure.axes, [128, 256], strict=True):
        assert [bar.get_width() for bar in axes.patches] == pytest.approx(means[length].tolist())
        assert sum(len(data) for data in lines(axes, "o")) == 6
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(means.index)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["near", "far"]


def test_the_papers_accuracies_are_set_against_ours():
    ours = pd.Series(dict.fromkeys(findings.spectra.RULER.index, 0.5)) + np.arange(5) / 10
    axes = figures.spectra.against_paper(ours, findings.spectra.RULER, "ours").axes[0]
    for data, size in zip(lines(axes, "o"), findings.spectra.RULER.columns, strict=True):
        assert data[:, 0].tolist() == findings.spectra.RULER[size].tolist()
        assert data[:, 1].tolist() == ours.tolist()
    assert sorted(texts(axes)) == sorted(findings.spectra.RULER.index)


def test_temperatures_have_a_row_for_each_system_that_has_them_all(accuracy):
    warm = accuracy.drop(index="YaRN", level="system") + 0.05
    axes = figures.spectra.temperatures({"none": accuracy, "by position": warm}, 256).axes[0]
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert sorted(rows) == ["RoPE", "RoPE-ID"]
    means = [data[0, 0] for data in lines(axes, "|")]
    expected = [frame.loc[name][256].mean() for frame in (accuracy, warm) for name in rows]
    assert means == pytest.approx(expected)


def test_an_ablation_marks_the_standard_and_has_a_dot_for_each_seed():
    rows = pd.DataFrame([(s, n, s / n) for s in (0.25, 0.5, 1.0) for n in (64, 256) for _ in SEEDS])
    rows.columns = ["share", "length", "accuracy"]
    axes = figures.spectra.ablation({"share": (rows, "share", 0.5)}, [64, 256]).axes[0]
    assert [len(data) for data in lines(axes, "o")] == [9, 9]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.25", "0.5", "1"]
    assert [1.0, 1.0] in [data[:, 0].tolist() for data in lines(axes, "None")]  # the dashed line


def test_geometry_is_colored_by_criteria_and_shaped_by_system():
    rows = pd.DataFrame({"system": NAMES * 2, "retained": 0.5, "rank": range(6)})
    classes = {"RoPE": "neither", "RoPE-ID": "both", "YaRN": "neither"}
    figure = figures.spectra.geometry_beside(rows, {"rank": "stable rank"}, classes, "retained")
    drawn = {line.get_label(): line for line in figure.axes[0].lines}
    assert set(drawn) == {"RoPE: neither", "RoPE-ID: both", "YaRN: neither"}
    assert drawn["RoPE-ID: both"].get_xydata().tolist() == [[1, 0.5], [4, 0.5]]
    colors = {label: to_rgb(line.get_color()) for label, line in drawn.items()}
    assert colors["RoPE: neither"] == colors["YaRN: neither"] != colors["RoPE-ID: both"]
    assert len({line.get_marker() for line in drawn.values()}) == 3


def drawn():
    """Each figure as the chapter draws it from the kept results."""
    summary, geometry = (kept("spectra")[0][name] for name in ("summary", "geometry"))
    paper = list(findings.spectra.RULER.index)
    plain, warm = (findings.spectra.accuracies(summary, name) for name in ("none", "by position"))
    trained, longest = plain.columns[0], plain.columns[-1]
    yield figures.spectra.accuracies(plain, [paper, paper], trained, 1 / 16, "tokens")
    by_distance = findings.spectra.by_distance(kept("spectra")[0]["distances"], longest)
    yield figures.spectra.accuracies(by_distance, [[*paper, "HoPE"]], trained, 1 / 16, "tokens")
    yield figures.spectra.effects(
        findings.spectra.differences(plain, "RoPE"), {512: "near", longest: "far"}, "RoPE"
    )
    means = plain.groupby(level="system").mean()[longest]
    yield figures.spectra.against_paper(means, findings.spectra.RULER, "accuracy")
    yield figures.spectra.temperatures({"none": plain, "by position": warm}, longest)
    rows = findings.spectra.geometries(geometry, summary, trained)
    classes = dict.fromkeys(rows.system, "all")
    columns = {"stable_rank": "stable rank", "ratio_fall": "ratio"}
    yield figures.spectra.geometry_beside(rows[rows.length == longest], columns, classes, "retained")
    table = findings.spectra.ablation(summary, kept("ablations")[0]["summary"])
    panels = {name: (findings.spectra.along(table, name), name, value)
              for name, value in (("share", 0.5), ("shortest_period", 8), ("turns", 2))}  # fmt: skip
    yield figures.spectra.ablation(panels, [trained, longest])


def test_figures_of_the_kept_results_are_small_pngs():
    for figure in drawn():
        assert 5_000 < len(png(figure)) < 100_000
