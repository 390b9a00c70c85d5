"""Figures of experiment 1 show what they were given: each seed a dot, each bound where it demands a base."""

import itertools

import numpy as np
import pandas as pd
import pytest
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
