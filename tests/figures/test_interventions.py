"""Figures of interventions show what they were given: small hand-made data, and the stored results of the
chapter for what only real labels and curves can break, sizes and legibility."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba

from rope_lib import figures, findings
from rope_lib.figures import style
from rope_lib.runs.store import read_tables

TRAINED, LONGEST = 8_192, 12_288
LABELS = {
    "unchanged": "unchanged",
    "linear": "position interpolation ×2",
    "ntk": "NTK ×2",
    "yarn": "YaRN ×2",
    "llama3": "Llama 3 scaling ×2",
    "hope": "slow pairs at rest",
    "temperature": "temperature of RoPE-ID",
    "clipped": "all distances clipped",
    "sink": "sink held",
    "all_but_sink": "all held but the sink",
    "cluster": "cluster centers held",
    "all_but_cluster": "all held but the centers",
}
RETROFITS = ["linear", "ntk", "yarn", "llama3", "hope"]


@pytest.fixture(scope="module")
def tables(root):
    return read_tables(root / "results" / "interventions")


@pytest.fixture(scope="module")
def drawn(tables):
    """One figure of each kind from the stored results, as the chapter draws them."""
    at = {length: findings.interventions.summaries(tables, length, {}) for length in (TRAINED, LONGEST)}
    good = at[TRAINED].loc["unchanged"]
    spectra = ["unchanged", *RETROFITS]
    points = pd.concat([table.loc[spectra] for table in at.values()])
    return {
        "against": figures.interventions.loss_against(
            {"stable rank": points.stable_rank, "silhouette": points.silhouette},
            points.loss - good.loss,
            [LABELS[name] for name in points.index],
            "title",
        ),
    }


def rendered(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


def texts(items):
    return [item.get_text() for item in items]


def by_label(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_loss_against_joins_the_points_of_one_spectrum_in_their_order():
    panels, losses = {"x": [5.0, 1.0, 3.0, 2.0], "y": [0.0, 1.0, 2.0, 3.0]}, [2.0, 3.0, 4.0, 5.0]
    figure = figures.interventions.loss_against(panels, losses, ["b", "a", "b", "a"], "title")
    assert [axes.get_xlabel() for axes in figure.axes] == ["x", "y"]
    assert figure.axes[0].get_ylabel() == "loss above healthy (nats)"
    for axes, values in zip(figure.axes, panels.values(), strict=True):
        lines = by_label(axes)
        assert list(lines) == ["b", "a"]
        assert lines["b"].get_xydata().tolist() == [[values[0], 2], [values[2], 4]]
        assert lines["a"].get_xydata().tolist() == [[values[1], 3], [values[3], 5]]
        assert to_rgba(lines["b"].get_color()) != to_rgba(lines["a"].get_color())
        assert lines["a"].get_linestyle() == "-"
        assert set(axes.lines[0].get_ydata()) == {0}
        assert axes.lines[0].get_linestyle() == ":"
    (legend,) = figure.legends
    assert texts(legend.get_texts()) == ["b", "a"]
    assert losses == [2, 3, 4, 5]


def test_more_lines_than_colors_are_refused(refuses):
    numbers = np.arange(8)
    message = "names must be at most 6, one for each color, got 7"
    refuses(
        lambda: figures.interventions.loss_against({"x": numbers}, numbers, list(map(str, numbers)), "title"),
        message,
    )


DRAWN = ["against"]


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_of_the_stored_results_is_a_small_png(drawn, name):
    file = io.BytesIO()
    drawn[name].savefig(file, format="png", dpi=style.DPI)
    assert file.getvalue().startswith(b"\x89PNG")
    assert len(file.getvalue()) < 100_000


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_cut_off_and_no_label_lies_on_another(drawn, name):
    figure = drawn[name]
    renderer = rendered(figure)
    drawn_box, width, height = figure.get_tightbbox(renderer), *figure.get_size_inches()
    assert min(drawn_box.x0, drawn_box.y0) > -0.01
    assert drawn_box.x1 < width + 0.01
    assert drawn_box.y1 < height + 0.01
    apart = []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            labels = [label for tick in ticks for label in (tick.label1, tick.label2) if label.get_visible()]
            apart += [*labels, axis.label]
        apart += [*axes.texts, axes._left_title]
    apart = [
        item for item in [*apart, *figure.legends] if not hasattr(item, "get_text") or item.get_text().strip()
    ]
    boxes = [item.get_window_extent(renderer) for item in apart]
    assert len(boxes) >= 8
    for index, box in enumerate(boxes):
        assert not box.count_overlaps(boxes[:index]), apart[index]
