"""Figures of every model draw what they are handed."""

import numpy as np
import pandas as pd
import pytest
from small_tables import small_geometry

from rope_lib import figures
from rope_lib.findings import every_model

MODELS = ("SmolLM2-135M", "byte RoPE", "byte RoPE-ID")


@pytest.fixture(scope="module")
def tables():
    return small_geometry(np.random.default_rng(1), MODELS)


@pytest.fixture(scope="module")
def heads(tables):
    return every_model.every_head(tables)


def test_the_schematic_has_two_clusters_and_a_sink():
    (axes,) = figures.every_model.schematic().axes
    texts = [text.get_text() for text in axes.texts]
    assert {"keys", "queries", "origin"} <= set(texts)
    keys, queries = axes.lines[:2]
    assert np.mean(keys.get_xdata()) < 0 < np.mean(queries.get_xdata())


def test_shares_have_a_row_for_each_test_and_a_dot_for_each_model(heads):
    table = every_model.looks(heads)
    (axes,) = figures.every_model.shares(table, [*every_model.LOOKS], "A title").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [*every_model.LOOKS]
    dots = axes.lines[1].get_xdata()
    assert dots[0] == pytest.approx(100 * table.loc[("byte RoPE", "both clusters tight"), "mean"])
    assert axes.get_title(loc="left") == "A title"


def test_angles_have_a_panel_for_each_model(heads):
    figure = figures.every_model.angles_by_layer(every_model.angles(heads), "A title")
    assert [axes.get_title() for axes in figure.axes if axes.get_visible()] == list(MODELS)
    assert figure.get_suptitle() == "A title"


def test_histograms_have_the_heads_of_each_model(heads):
    figure = figures.every_model.histograms(every_model.explained(heads), 75, "A title")
    assert len([axes for axes in figure.axes if axes.get_visible()]) == len(MODELS)


def test_the_sink_is_drawn_by_its_norm_and_by_what_exceeds_it(tables, heads):
    figure = figures.every_model.sink(
        every_model.norm_ratios(heads), every_model.scores_over_sink(tables), "A title"
    )
    top, bottom = figure.axes
    assert [label.get_text() for label in top.get_yticklabels()] == list(MODELS)
    assert [line.get_label() for line in bottom.lines][: len(MODELS)] == list(MODELS)


def test_lengths_are_drawn_over_the_declared_one(tables):
    table = every_model.attention_by_length(tables)
    declared = {"SmolLM2-135M": 8192, "byte RoPE": 256, "byte RoPE-ID": 256}
    labels = {"sink_attention": "attention", "top_score": "score"}
    figure = figures.every_model.by_relative_length(table, declared, labels, "A title")
    lines = {line.get_label(): line.get_xdata() for line in figure.axes[0].lines}
    assert lines["byte RoPE"].tolist() == [0.5, 1, 2, 4]
    assert "byte RoPE, window layers" in lines


def test_clouds_print_the_stable_ranks_and_share_axes():
    random = np.random.default_rng(0)
    rows = [
        {"length": length, "stage": stage, "role": role, "position": position, "x": x, "y": y}
        for length in (256, 4_096)
        for stage in ("pre", "post")
        for role in ("key", "query")
        for position, (x, y) in enumerate(random.normal(size=(5, 2)))
    ]
    ranks = {("one", length, stage): length / 256 for length in (256, 4_096) for stage in ("pre", "post")}
    panels = figures.every_model.clouds_at_two_lengths(
        {"one": pd.DataFrame(rows)}, ranks, (256, 4_096), "A title"
    ).axes
    assert [axes.get_xlabel() for axes in panels] == ["stable rank 1.0"] * 2 + ["stable rank 16.0"] * 2
    assert len({axes.get_xlim() for axes in panels}) == 1
