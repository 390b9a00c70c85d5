"""The table of a figure's numbers holds what is drawn, with the names that a reader sees."""

import base64
import csv
import hashlib
import io

import numpy as np
import pytest

from rope_lib.figures import style
from rope_lib.figures.data import csv_of


@pytest.fixture
def panel():
    figure, axes = style.axes(height=2)
    return figure, axes


def rows(figure):
    """The table as dicts, without the columns that are empty."""
    read = csv.DictReader(io.StringIO(csv_of(figure)))
    return [{name: value for name, value in row.items() if value} for row in read]


def test_a_line_has_its_points_and_the_name_of_the_legend(panel):
    figure, axes = panel
    axes.plot([1, 2], [0.5, np.nan], label="loss")
    axes.set(xlabel="tokens", ylabel="nats\nper token", title="A title")
    first, second = rows(figure)
    assert first == {
        "x axis": "tokens", "y axis": "nats per token",
        "kind": "line", "series": "loss", "x": "1", "y": "0.5",
    }  # fmt: skip
    assert (second["x"], second.get("y")) == ("2", None)


def test_a_line_takes_the_name_that_is_written_in_its_color(panel):
    figure, axes = panel
    axes.plot([1], [2], color=style.BLUE)
    axes.plot([1], [3], color=style.RED)
    style.label_line(axes, 1, 2, "the blue one", style.BLUE)
    assert [row.get("series") for row in rows(figure)] == ["the blue one", None]


def test_lines_and_bands_across_the_panel_have_the_number_that_they_mark(panel):
    figure, axes = panel
    style.vertical(axes, 8_192)
    style.horizontal(axes, 0.95)
    axes.axvspan(2, 3)
    across, level, span = rows(figure)
    assert (across["kind"], across["x"], across.get("y")) == ("line across", "8192", None)
    assert (level["y"], level.get("x")) == ("0.95", None)
    assert (span["kind"], span["x"], span["x end"], span.get("y")) == ("band across", "2", "3", None)


def test_points_bars_and_segments(panel):
    figure, axes = panel
    axes.scatter([1, 2], [3, 4], c=[0.1, 0.2])
    axes.barh([0, 1], [10, -20], label="bars")
    axes.hlines([5], [1], [2])
    *scattered, first, second, segment = rows(figure)
    assert [(row["x"], row["y"], row["value"]) for row in scattered] == [("1", "3", "0.1"), ("2", "4", "0.2")]
    assert (first["kind"], first["series"], first["x"], first["x end"]) == ("bar", "bars", "0", "10")
    assert (second["y"], second["y end"], second["x end"]) == ("0.6", "1.4", "-20")
    assert (segment["x"], segment["y"], segment["x end"], segment["y end"]) == ("1", "5", "2", "5")


def test_a_filled_band_goes_from_one_curve_to_the_other(panel):
    figure, axes = panel
    axes.fill_between([1, 2, 3], [0, 1, 2], [4, 5, 6], label="nine tenths")
    assert [(row["kind"], row["x"], row["y"], row["y end"]) for row in rows(figure)] == [
        ("band", "1", "0", "4"), ("band", "2", "1", "5"), ("band", "3", "2", "6"),
    ]  # fmt: skip


def test_an_image_has_a_row_for_each_cell(panel):
    figure, axes = panel
    axes.imshow([[1.0, 2.0], [3.0, 4.0]], origin="lower", extent=(0, 2, 0, 2))
    assert [(row["x"], row["y"], row["value"]) for row in rows(figure)] == [
        ("0.5", "0.5", "1"), ("1.5", "0.5", "2"), ("0.5", "1.5", "3"), ("1.5", "1.5", "4"),
    ]  # fmt: skip


def test_named_places_of_an_axis_are_named_and_others_are_not(panel):
    figure, axes = panel
    axes.scatter([0.2, 7], [1, 0.9])
    axes.set_yticks([1, 0], labels=["SmolLM2", "Gemma"])
    axes.set_xticks([1, 2, 4], labels=["one", "two", "four"])  # no list of names: sizes
    assert [(row["y name"], row.get("x name")) for row in rows(figure)] == [("SmolLM2", None)] * 2


def test_panels_that_share_an_axis_share_its_label_and_hidden_ones_are_left_out():
    figure, every = style.panels(3, sharex=True)
    for axes in every.flat:
        axes.plot([1], [2])
    every[1, 0].set(xlabel="tokens", title="second")
    every[2, 0].set_visible(False)
    assert [(row["panel"], row["x axis"]) for row in rows(figure)] == [("1", "tokens"), ("second", "tokens")]


def test_a_figure_that_is_shown_leaves_its_numbers_where_it_is_asked_to(panel, tmp_path, monkeypatch):
    figure, axes = panel
    axes.plot([1, 2], [3, 4])
    monkeypatch.delenv(style.DATA_FOLDER, raising=False)
    shown = style._shown(figure)
    monkeypatch.setenv(style.DATA_FOLDER, str(tmp_path / "data"))
    assert style._shown(figure) == shown  # the image is the same
    [file] = (tmp_path / "data").iterdir()
    assert file.name == f"{hashlib.sha256(base64.b64decode(shown)).hexdigest()}.csv"
    assert file.read_text(encoding="utf-8") == csv_of(figure)
