"""The one style of the figures: how numbers are written, which colors there are, where labels go."""

import io

import numpy as np
import pytest
from PIL import Image
from rendered import png

from rope_lib.figures import style
from rope_lib.figures.style import count, power


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (62_832, "62,832"),
        (999_999, "999,999"),
        (1e6, "1M"),
        (2.66e6, "2.66M"),
        (1e9, "1B"),
        (0.5, "0.5"),
    ],
)
def test_counts_read_as_a_reader_writes_them(value, text):
    assert count(value) == text


def test_powers_of_ten_are_written_as_such():
    assert power(1e12) == "$10^{12}$"
    assert power(5e5) == "500,000"


def test_more_names_than_colors_are_refused():
    assert style.colors("abcdef") == style.CYCLE
    with pytest.raises(ValueError, match="names must be at most 6, one for each color, got 7"):
        style.colors("abcdefg")


def test_labels_keep_apart_and_stay_in_their_order():
    wanted = np.random.default_rng(0).uniform(size=12)
    placed = style.apart(wanted, 0.1)
    assert np.argsort(placed).tolist() == np.argsort(wanted).tolist()
    assert np.diff(np.sort(placed)).min() > 0.1 - 1e-12
    assert (placed >= wanted).all()
    assert style.apart([0.1, 0.9, 0.5], 0.1).tolist() == [0.1, 0.9, 0.5]  # far enough apart already


def test_a_figure_of_one_panel_is_that_of_a_grid():
    one, _ = style.axes(height=2)
    grid, every = style.panels(1, height=2)
    assert every.shape == (1, 1)
    assert png(one) == png(grid)


def test_the_legend_of_one_panel_stands_above_all():
    figure, every = style.panels(1, 2)
    for label in ("a", "b"):
        every[0, 0].plot([0, 1], label=label)
    every[0, 1].plot([0, 1], label="c")
    style.legend_above(figure, every[0, 0], 2)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]


def noise(channels):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, channels), dtype=np.uint8))
    file = io.BytesIO()
    image.save(file, format="png")
    return file.getvalue()


def test_only_a_figure_that_is_too_large_gets_a_palette():
    small, large = png(style.axes()[0]), noise(3)
    assert style.lighter(small) == small
    assert len(style.lighter(large)) < style.MAX_BYTES < len(large)
    with Image.open(io.BytesIO(style.lighter(large))) as image:
        assert (image.mode, image.size) == ("P", (300, 200))
    assert style.lighter(large) == style.lighter(large)
