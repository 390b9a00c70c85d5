"""The figures of the atlas chapter show every model where it lies."""

from collections import Counter

import numpy as np
import pytest

from rope_lib import figures
from rope_lib.figures import style
from rope_lib.models.verdicts import VERDICTS

CONTEXT = np.geomspace(1e3, 1e7, 50)
BOUNDS = {"aliasing": CONTEXT / 6, "depth, 32 layers": 18 * CONTEXT}


def scattered(axes):
    return {points.get_label(): points for points in axes.collections if points.get_label()[0] != "_"}


@pytest.fixture
def plane():
    models = [
        (4_096.0, 1e4, 1e4, "unstable"),
        (4_096.0, 1e4, 1e4, "unstable"),
        (8_192.0, 5e5, 5e5, "stable"),
        (131_072.0, 5e5, 4e6, "stable"),
    ]
    names = [(4_096.0, 1e4, "two of them", (4_096.0, 2e3))]
    return figures.atlas.plane(CONTEXT, BOUNDS, 2.0**23, models, names=names).axes[0]


def test_the_plane_draws_bounds_and_wall(plane):
    lines = {tuple(line.get_ydata()) for line in plane.lines}
    assert {tuple(bound) for bound in BOUNDS.values()} | {(2.0**23, 2.0**23)} <= lines
    texts = {text.get_text() for text in plane.texts}
    assert {*BOUNDS, "wall, 8.39M", "two of them"} == texts


def test_the_plane_gathers_models_of_one_place(plane):
    points = scattered(plane)
    assert set(points) == {"stable", "unstable"}
    np.testing.assert_allclose(points["unstable"].get_offsets(), [(4_096, 1e4)])
    np.testing.assert_allclose(
        points["stable"].get_offsets(), [(8_192 / 1.05**2, 5e5), (131_072 / 1.05**2, 4e6)]
    )
    assert points["unstable"].get_sizes()[0] > points["stable"].get_sizes()[0]


def test_the_plane_joins_a_stated_base_with_the_effective_one(plane):
    joined = [line.get_xydata().tolist() for line in plane.lines if len(line.get_xdata()) == 2]
    x = 131_072 / 1.05**2
    assert [[x, 5e5], [x, 4e6]] in joined
    assert not any(line[0][1] == line[1][1] == 1e4 for line in joined)


def test_places_fill_each_bar_in_order():
    counts = {"2023": Counter(below=3, inside=1), "2024": Counter(below=1, inside=2, above=1)}
    axes = figures.atlas.places(counts).axes[0]
    bars = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    np.testing.assert_allclose(bars, [(0, 0.75), (0.75, 0.25), (1, 0), (0, 0.25), (0.25, 0.5), (0.75, 0.25)])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2023 (4)", "2024 (4)"]
    written = [text.get_text() for text in axes.texts]
    assert written == ["3", "1", "1", "2", "1", "below the zone", "inside", "above, or no zone"]
    assert axes.yaxis_inverted()


def test_every_verdict_has_a_marker_of_its_own():
    assert set(figures.atlas.MARKERS) == set(VERDICTS)
    shapes, colors, _ = zip(*figures.atlas.MARKERS.values(), strict=True)
    assert len(set(shapes)) == len(set(colors)) == len(VERDICTS)
    assert set(colors) <= {*style.CYCLE, style.INK}
