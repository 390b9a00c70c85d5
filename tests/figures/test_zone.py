"""The figures of the zone and of the case studies show the data that they are given."""

import numpy as np
import pytest

from rope_lib import figures
from rope_lib.figures import style

CONTEXT = np.geomspace(1e3, 5e6, 50)
BOUNDS = {1: 3 * CONTEXT, 32: 18 * CONTEXT, 126: 35 * CONTEXT}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def scattered(axes):
    """Points by label: {behavior: [(x, y), ...]}."""
    return {points.get_label(): np.asarray(points.get_offsets()) for points in axes.collections
            if not points.get_label().startswith("_")}  # fmt: skip


@pytest.fixture
def zone():
    cases = [
        (4_096, 1e4, "works"),
        (8_192, 1e4, "fails"),
        (1_000_000, 4e9, "degrades"),
        (65_536, 1e8, "works"),
    ]
    names = [(4_096, 1e4, "this one", (6_000, 5_000))]
    return figures.zone.zone_map(CONTEXT, BOUNDS, 2.0**23, cases, shaded=32, names=names).axes[0]


def test_zone_map_draws_each_bound_and_the_wall(zone):
    lines = {tuple(line.get_ydata()) for line in zone.lines}
    for bound in BOUNDS.values():
        assert tuple(bound) in lines
    assert (2.0**23, 2.0**23) in lines
    assert {"1 layer", "32 layers", "126 layers", "precision wall 8.39M", "this one"} <= set(texts(zone))


def test_zone_map_leads_from_a_case_to_its_name(zone):
    (name,) = [text for text in zone.texts if text.get_text() == "this one"]
    assert (name.xy, name.get_position()) == ((4_096, 1e4), (6_000, 5_000))
    assert name.arrow_patch is not None


def test_no_label_of_a_depth_bound_lies_on_a_line_or_on_another(zone):
    labels = {text.get_text(): text for text in zone.texts if "layer" in text.get_text()}
    zone.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in labels.values()]
    assert all(box.x0 >= zone.bbox.x1 for box in boxes)
    assert not any(one.overlaps(two) for i, one in enumerate(boxes) for two in boxes[:i])


def test_zone_map_places_the_cases(zone):
    points = scattered(zone)
    np.testing.assert_allclose(points["works"], [(4_096 / 1.05, 1e4), (65_536 / 1.05, 1e8)])
    np.testing.assert_allclose(points["fails"], [(8_192 * 1.05, 1e4)])
    np.testing.assert_allclose(points["degrades"], [(1_000_000, 4e9)])
    assert [text.get_text() for text in zone.get_legend().get_texts()] == ["works", "degrades", "fails"]


def test_zone_map_fills_only_between_bound_and_wall(zone):
    (region,) = [patch for patch in zone.collections if patch.get_label().startswith("_")]
    corners = np.concatenate([path.vertices for path in region.get_paths()])
    assert corners[:, 1].max() == 2.0**23
    assert corners[:, 0].max() <= 2.0**23 / 18
    assert corners[:, 1].min() == pytest.approx(18 * CONTEXT[0])


def test_largest_context_marks_and_labels():
    layers = np.arange(1, 257)
    axes = figures.zone.largest_context(layers, 2.6e6 / np.sqrt(layers), 1e6, (1, 64, 256)).axes[0]
    curve, wanted, *dots = axes.lines
    np.testing.assert_allclose(curve.get_xydata(), np.stack([layers, 2.6e6 / np.sqrt(layers)], axis=1))
    assert set(wanted.get_ydata()) == {1e6}
    assert [dot.get_xydata().tolist() for dot in dots] == [[[1, 2.6e6]], [[64, 325_000]], [[256, 162_500]]]
    low, high = axes.get_ylim()
    assert 100_000 < low < 162_500
    assert 2.6e6 < high < 5e6
    assert texts(axes) == ["1M tokens", "1 layer: 2,600,000", "64 layers: 325,000", "256 layers: 162,500"]


def test_ratios_keep_each_case_in_its_row_and_lane():
    bounds = {"first": [(0.1, "works"), (10, "fails")], "second": [(2, "degrades")]}
    axes = figures.zone.ratios(bounds).axes[0]
    points = scattered(axes)
    np.testing.assert_allclose(points["works"], [(0.1, -0.27)])
    np.testing.assert_allclose(points["fails"], [(10, 0.27)])
    np.testing.assert_allclose(points["degrades"], [(2, 1)])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert axes.yaxis_inverted()
    assert any(set(line.get_xdata()) == {1} for line in axes.lines)
    low, high = axes.get_xlim()
    assert low < 0.1
    assert high > 10


def test_cases_that_lie_together_are_counted_and_never_across_the_line():
    cases = [(0.99, "works"), (1.0, "works"), (1.0, "works"), (1.0, "works"), (50.0, "works"), (1.0, "fails")]
    axes = figures.zone.ratios({"only": cases}).axes[0]
    points = scattered(axes)
    assert [x for x, _ in points["works"]] == pytest.approx([0.99, 1.0, 50.0])
    assert len(points["fails"]) == 1
    assert [text for text in texts(axes) if text.isdigit()] == ["3"]


def test_a_race_shows_both_errors_of_every_rule():
    axes = figures.zone.race({"NTK": (4, 10, 21), "Men et al.": (12, 15, 31)}).axes[0]
    points = scattered(axes)
    assert points["paper A's verdict"].tolist() == [[10, 0], [15, 1]]
    assert points["the rule on the left"].tolist() == [[4, 0], [12, 1]]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "NTK,\n21 cases",
        "Men et al.,\n31 cases",
    ]


def test_tolerances_are_scanned_beside_the_yardstick():
    wrong, rival = {"all": [3, 5], "some": [1, 2]}, {"all": 2, "some": 0}
    panels = figures.zone.tolerance_scan([0.1, 0.9], wrong, rival, 0.95).axes
    assert [axes.get_title() for axes in panels] == ["all", "some"]
    for axes, name in zip(panels, wrong, strict=True):
        verdict, yardstick, reported = axes.lines
        assert verdict.get_ydata().tolist() == wrong[name]
        assert set(yardstick.get_ydata()) == {rival[name]}
        assert set(reported.get_xdata()) == {0.95}
        assert {"verdict", "training length"} <= set(texts(axes))


def test_markers_differ_in_shape_and_in_color():
    shapes, colors, shifts = zip(*figures.zone.MARKERS.values(), strict=True)
    assert len(set(shapes)) == len(set(colors)) == len(set(shifts)) == 3
    assert set(colors) < set(style.CYCLE)
