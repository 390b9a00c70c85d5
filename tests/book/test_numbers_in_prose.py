"""Numbers in prose: stated by a notebook, or worked out by the library, and never typed."""

import json

import pytest
from extensions import extension
from sphinx.errors import ExtensionError


@pytest.fixture
def numbers(root):
    return extension(root, "numbers_in_prose")


def notebook(folder, name, **values):
    """A notebook that glued these values, as myst_nb stores them."""
    outputs = [
        {
            "data": {"application/papermill.record/text/plain": [repr(value)]},
            "metadata": {"scrapbook": {"name": key}},
        }
        for key, value in values.items()
    ]
    (folder / "notebooks").mkdir(exist_ok=True)
    cells = json.dumps({"cells": [{"cell_type": "code", "outputs": outputs}]})
    (folder / "notebooks" / f"{name}.ipynb").write_text(cells, encoding="utf-8")


def test_a_stated_number_is_the_one_that_a_notebook_stored(numbers, tmp_path):
    notebook(tmp_path, "one", share="46 %", loss="-0.06 (-0.1 to 2.4e-04)")
    notebook(tmp_path, "two", length="4,096")
    assert numbers.stated("length", tmp_path)[0] == "4,096"
    assert numbers.stated("share", tmp_path) == ("46 %", tmp_path / "notebooks" / "one.ipynb")
    assert numbers.stated("loss", tmp_path)[0] == "−0.06 (−0.1 to 2.4e-04)"


def test_a_number_that_no_notebook_states_or_two_is_refused(numbers, tmp_path):
    notebook(tmp_path, "one", share="46 %")
    notebook(tmp_path, "two", share="47 %")
    with pytest.raises(ExtensionError, match=r"one notebook must glue 'share', got \['one', 'two'\]"):
        numbers.stated("share", tmp_path)
    with pytest.raises(ExtensionError, match=r"one notebook must glue 'gone', got \[\]"):
        numbers.stated("gone", tmp_path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("stability_bound(4_096); ,.0f", "12,898"),
        ("np.cos(np.pi); .2f", "−1.00"),
        ("men_first_negative(10_000, 128); ,", "1,707"),
        ("2.4e-4; .1e", "2.4e-04"),
    ],
)
def test_a_worked_number_is_the_library_s(numbers, text, value):
    assert numbers.worked(text) == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("stability_bound(4_096)", "must be `expression; format`"),
        ("; .2f", "must be `expression; format`"),
        ("unknown(1); .2f", "'unknown"),
        ("stability_bound(-1); .2f", "cannot be worked out: context"),
        ("open('x'); s", "cannot be worked out"),
    ],
)
def test_a_number_that_cannot_be_worked_out_is_refused(numbers, text, complaint):
    with pytest.raises(ExtensionError, match=complaint):
        numbers.worked(text)
