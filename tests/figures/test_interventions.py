"""Figures of interventions show what they were given: small hand-made data, and the stored results of the
chapter for what only real labels and curves can break, sizes and legibility."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb, to_rgba

from rope_lib import figures, findings
from rope_lib.figures import style
from rope_lib.findings.breaks import BIN
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
GROUPS = [RETROFITS, ["clipped", "all_but_sink", "sink", "temperature"], ["cluster", "all_but_cluster"]]
HEADINGS = {
    "loss": "loss",
    "stable_rank": "stable\nrank",
    "fsv_ratio": "FSV\nratio",
    "silhouette": "silhouette",
    "sink_attention": "sink\nattention",
}


@pytest.fixture(scope="module")
def tables(root):
    return read_tables(root / "results" / "interventions")


@pytest.fixture(scope="module")
def drawn(tables):
    """One figure of each kind from the stored results, as the chapter draws them."""
    curves = {
        name: own.nll.groupby(own["first"] // BIN * BIN).mean()
        for name, own in tables["losses"].groupby("intervention")
    }
    assert set(curves) == set(LABELS)
    panels = [{LABELS[name]: curves[name] for name in names} for names in GROUPS]
    at = {length: findings.interventions.summaries(tables, length, {}) for length in (TRAINED, LONGEST)}
    good, bad = (table.loc["unchanged"] for table in at.values())
    shares = findings.interventions.repaired(at[LONGEST], good, bad)[list(HEADINGS)].drop("unchanged")
    heads = findings.interventions.heads(tables, "unchanged", {})
    heads = heads[heads.length == LONGEST]
    spectra = ["unchanged", *RETROFITS]
    points = pd.concat([table.loc[spectra] for table in at.values()])
    return {
        **{
            f"losses{number}": figures.interventions.losses_by_position(
                panel, curves["unchanged"], TRAINED, bin_size=BIN, first=TRAINED // 2
            )
            for number, panel in enumerate(panels)
        },
        "matrix": figures.interventions.repair_matrix(
            shares, [LABELS[name] for name in shares.index], list(HEADINGS.values())
        ),
        "heads": figures.interventions.change_by_head(
            {"change of silhouette": heads.silhouette, "change of FSV ratio": heads.fsv_ratio},
            heads.sink_attention,
            heads.sink_attention > 0.1,
            ylabel="sink attention kept (%)",
        ),
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


def test_losses_by_position_draws_the_curves_over_the_unchanged_model():
    index = [0, 128, 256, 384]
    one, two, plain = (pd.Series(np.arange(4.0) + start, index) for start in (1, 2, 4))
    curves = {"one": one, "two": two}
    figure = figures.interventions.losses_by_position(curves, plain, 300, bin_size=128, first=128)
    (axes,) = figure.axes
    lines = by_label(axes)
    assert texts(figure.legends[0].get_texts()) == list(lines) == ["unchanged", "one", "two"]
    for label, losses in (curves | {"unchanged": plain}).items():
        assert lines[label].get_xdata().tolist() == [192, 320, 448]  # the middles of the bins
        assert lines[label].get_ydata().tolist() == losses.tolist()[1:]
    assert [lines[label].get_color() for label in curves] == list(style.CYCLE[:2])
    assert [lines[label].get_linestyle() for label in curves] == ["-", "--"]
    assert lines["unchanged"].get_color() == style.GRAY
    assert axes.lines[0] is lines["unchanged"]  # drawn first, beneath the others
    assert set(axes.lines[-1].get_xdata()) == {300}
    assert axes.get_ylim()[0] == 0
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("position (tokens)", "loss (nats)")
    assert axes.xaxis.get_major_formatter()(12_000, 0) == "12,000"
    assert one.tolist() == [1, 2, 3, 4]


SHARES = pd.DataFrame({"p": [0.5, -0.254, -3.0, 0.004], "q": [1.0, 1.496, -1.0, -0.004]}, index=list("abcd"))


def test_repair_matrix_writes_every_share_in_its_cell():
    before = SHARES.copy()
    (axes,) = figures.interventions.repair_matrix(SHARES, list("ABCD"), ["P", "Q"]).axes
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {
        (0, 0): "50",
        (1, 0): "100",
        (0, 1): "−25",
        (1, 1): "150",
        (0, 2): "−300",
        (1, 2): "−100",
        (0, 3): "0",
        (1, 3): "0",
    }
    assert texts(axes.get_xticklabels()) == ["P", "Q"]
    assert texts(axes.get_yticklabels()) == list("ABCD")
    assert axes.yaxis_inverted()
    pd.testing.assert_frame_equal(SHARES, before)


def test_repair_matrix_is_blue_for_repair_and_red_for_damage_up_to_all_of_it():
    (axes,) = figures.interventions.repair_matrix(SHARES, list("ABCD"), ["P", "Q"]).axes
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), [[0.5, 1], [-0.254, 1], [-1, -1], [0.004, -0.004]])
    (half, whole), (quarter, beyond), (triple, once), _ = image.to_rgba(image.get_array())[..., :3]
    assert (whole == beyond).all()
    assert (triple == once).all()
    red, _, blue = range(3)
    assert whole[red] < half[red] < half[blue]
    assert once[blue] < quarter[blue] < quarter[red]


def luminance(color):
    """Relative luminance as the Web Content Accessibility Guidelines define it."""
    channels = np.array(color)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_numbers_can_be_read_on_their_cells():
    shares = pd.DataFrame({"p": np.linspace(-1.2, 1.2, 49)})
    (axes,) = figures.interventions.repair_matrix(shares, shares.index, ["P"]).axes
    colors = axes.images[0].to_rgba(axes.images[0].get_array())
    for text in axes.texts:
        column, row = text.get_position()
        low, high = sorted(luminance(color) for color in (to_rgb(text.get_color()), colors[row, column, :3]))
        assert (high + 0.05) / (low + 0.05) >= 3.5, shares.p[row]


def test_change_by_head_colors_the_strong_heads():
    x, change, strong = [1.0, 2.0, 3.0], np.array([-1.0, -2.0, 4.0]), pd.Series([True, False, True])
    panels = {"one": pd.Series(x, index=[7, 8, 9]), "two": [9.0, 8.0, 7.0]}
    figure = figures.interventions.change_by_head(panels, change, strong, ylabel="kept")
    assert [axes.get_xlabel() for axes in figure.axes] == ["one", "two"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["kept", ""]
    for axes, values in zip(figure.axes, panels.values(), strict=True):
        zero, weak, colored = axes.lines
        assert set(zero.get_ydata()) == {0}
        values = list(values)
        assert weak.get_xydata().tolist() == [[values[1], -2]]
        assert colored.get_xydata().tolist() == [[values[0], -1], [values[2], 4]]
        assert (weak.get_color(), colored.get_color()) == (style.FAINT, style.BLUE)
        assert {weak.get_linestyle(), colored.get_linestyle()} == {"None"}
    assert change.tolist() == [-1, -2, 4]


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
    curve, numbers = pd.Series([1.0, 2.0], [0, 128]), np.arange(8)
    curves = {str(number): curve for number in numbers[:-1]}
    message = "names must be at most 6, one for each color, got 7"
    refuses(lambda: figures.interventions.losses_by_position(curves, curve, 128, bin_size=128), message)
    refuses(
        lambda: figures.interventions.loss_against({"x": numbers}, numbers, list(map(str, numbers)), "title"),
        message,
    )


DRAWN = ["losses0", "losses1", "losses2", "matrix", "heads", "against"]


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
