"""Figures of experiment 1 show what they were given: each seed a dot, each bound where it demands a base."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from rendered import png

from rope_lib import figures, findings

SEEDS, BASES, HEAD_DIM = [0, 1, 2], [4, 16, 64, 256, 2_000, 100_000], 32


@pytest.fixture(scope="module")
def tables():
    """Models whose accuracy rises smoothly with the base and falls with length, depth and distance."""
    random = np.random.default_rng(0)
    places = itertools.product(SEEDS, [32, 64], [1, 2], BASES, [32, 64, 128, 256])
    summary = pd.DataFrame(places, columns=[*findings.which_bound.MODEL, "length"])
    height = np.log(summary.base) - np.log(summary.length) / 2 - summary.layers / 2
    summary["accuracy"] = np.clip(1 / (1 + np.exp(-height)) + random.normal(0, 0.02, len(summary)), 0, 1)
    distances = summary.assign(octave=[[8, 16, 32, 64, 128]] * len(summary)).explode(
        "octave", ignore_index=True
    )
    distances["octave"] = distances.octave.astype(int)
    distances = distances[distances.octave < distances.length].assign(questions=50)
    return {"summary": summary, "distances": distances.assign(accuracy=distances.accuracy * 0.9)}


@pytest.fixture(scope="module")
def rows(tables):
    return findings.which_bound.trials(tables)


def dots(axes, marker="o"):
    return [line for line in axes.lines if line.get_marker() == marker and len(line.get_xdata())]


def needs(rows, layers=2):
    lengths = sorted(rows.length.unique())
    return lengths, {length: findings.which_bound.demands(length, layers, HEAD_DIM) for length in lengths}


def test_accuracy_against_the_base_has_a_dot_for_each_seed_and_a_mark_for_each_bound(rows):
    _, demanded = needs(rows)
    panels = [[(32, 32), (64, 64)], [(32, 128), (64, 128)]]
    figure = figures.which_bound.by_base(rows, panels, demanded, 1 / 16, "far", "accuracy")
    axes = figure.axes[0]
    one, two = dots(axes)
    part = rows[(rows.trained == 32) & (rows.length == 32) & (rows.layers == 1)]
    assert sorted(one.get_ydata()) == sorted(part.far)
    assert to_rgb(one.get_color()) != to_rgb(two.get_color())
    marks = {line.get_label(): line.get_xdata()[0] for line in dots(axes, "^")}
    assert marks == pytest.approx(findings.which_bound.demands(32, 2, HEAD_DIM))
    assert "inside" in axes.get_title(loc="left")
    assert "4×" in figure.axes[2].get_title(loc="left")
    assert 5_000 < len(png(figure)) < 100_000


def test_accuracy_by_distance_has_a_line_for_each_base(tables):
    half_turns = {base: findings.which_bound.half_turn(base, HEAD_DIM) for base in BASES}
    figure = figures.which_bound.by_distance(
        tables["distances"], [(32, 1, 256), (64, 1, 256)], half_turns, 1 / 16
    )
    axes = figure.axes[1]
    assert [len(line.get_xdata()) for line in dots(axes)] == [15] * 6
    part = tables["distances"].query("trained == 64 and layers == 1 and length == 256 and base == 4")
    mean = next(line for line in axes.lines if line.get_label() == "base 4")
    marks = [line.get_xdata()[0] for line in dots(axes, "^")]
    assert marks == pytest.approx([half_turns[base] for base in (4, 16, 64)])  # 64's at 155, 256's beyond
    assert mean.get_ydata() == pytest.approx(part.groupby("octave").accuracy.mean())
    assert 5_000 < len(png(figure)) < 100_000


def test_margins_shade_the_quarters_in_which_a_bound_is_wrong(rows):
    margins = findings.which_bound.margins(rows, HEAD_DIM)
    names = [*list(findings.which_bound.DEMANDS)[:3], findings.which_bound.LIU]
    figure = figures.which_bound.against_margins(rows, margins, names, 0.7, "far", "accuracy")
    for name, axes in zip(names, figure.axes, strict=True):
        beyond, inside = dots(axes)
        assert len(beyond.get_xdata()) == (~rows.inside).sum()
        assert sorted(inside.get_xdata()) == pytest.approx(sorted(margins[rows.inside][name]))
        assert len(axes.patches) == 2
        assert axes.get_title(loc="left") == name
    assert 5_000 < len(png(figure)) < 100_000


def test_least_bases_outside_the_grid_are_open(rows):
    least = findings.least_base.least_bases(rows, 0.3)
    lengths, demanded = needs(rows)
    lines = {name: [demanded[length][name] for length in lengths] for name in findings.which_bound.DEMANDS}
    figure = figures.which_bound.least_bases(least, lines, (1, 2), BASES)
    axes = figure.axes[0]
    drawn = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert list(drawn["depth (A4)"]) == lines["depth (A4)"]
    known = least[(least.trained == 32) & (least.layers == 1) & (least.censored == "")]
    assert sorted(drawn["1 layer"]) == pytest.approx(sorted(known.least))
    assert (least.censored != "").any()
    for line in dots(axes, "v"):
        assert set(line.get_ydata()) == {4.0}
        assert line.get_markerfacecolor() == "white"
    assert 5_000 < len(png(figure)) < 100_000


def test_depth_has_a_dot_for_each_pair(rows):
    differences = findings.which_bound.depth_differences(rows)
    figure = figures.which_bound.depth(differences, "two layers minus one")
    for axes, inside in zip(figure.axes, (True, False), strict=True):
        part = differences[differences.inside == inside]
        assert sorted(dots(axes)[0].get_ydata()) == sorted(part.difference)
        means = part.groupby("base").difference.mean()
        assert [bar.get_height() for bar in axes.patches] == pytest.approx(means.tolist())
    assert [each.get_text() for each in figure.axes[0].get_xticklabels()] == [
        "4",
        "16",
        "64",
        "256",
        "2k",
        "100k",
    ]
    assert 5_000 < len(png(figure)) < 100_000
