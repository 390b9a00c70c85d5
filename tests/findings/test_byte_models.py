"""The byte models against the floor, on a table where both are known."""

import numpy as np
import pandas as pd
import pytest

from rope_lib.findings.byte_models import MODELS, bits_per_byte, cleared, facts, floor
from rope_lib.findings.kept import kept

BITS = {"rope": [1.0, 3.0], "rope_id": [1.5, 3.5], "counts, 0 bytes before": [4.0, 4.0],
        "counts, 3 bytes before": [2.0, 4.0]}  # fmt: skip


@pytest.fixture
def validation():
    rows = [
        (model, first, bits * np.log(2)) for model, each in BITS.items() for first, bits in enumerate(each)
    ]
    return pd.DataFrame(rows, columns=["model", "first", "nll"])


def test_a_mean_in_bits_with_its_interval(validation):
    found = bits_per_byte(validation)
    assert list(found.index) == list(BITS)
    assert found.loc["rope", "mean"] == pytest.approx(2)
    assert found.loc["rope", "high"] == pytest.approx(
        2 + 12.706 * 1, rel=1e-3
    )  # t with one degree of freedom
    assert found.loc["counts, 0 bytes before"].tolist() == pytest.approx([4, 4, 4])


def test_the_floor_is_the_best_of_the_counts_and_models_are_compared_segment_by_segment(validation):
    assert floor(validation) == "counts, 3 bytes before"
    found = cleared(validation)
    assert list(found.index) == list(MODELS)
    assert found.loc["rope_id"].tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_facts_are_words(validation):
    found = facts(validation)
    assert found["byte-models-floor-before"] == "3"
    assert found["byte-models-segments"] == "2"
    assert found["byte-models-rope-id-below"] == "0.50 (0.50 to 0.50)"


def test_the_kept_models_clear_the_floor():
    validation = kept("byte_models")[0]["validation"]
    assert (cleared(validation).low > 0).all()
