"""What attention is like: entropy and shares against distributions whose answers are known by hand."""

import dataclasses
import math

import pytest
import torch

from rope_lib.train import collapse
from rope_lib.train.criterion import Criterion


def test_scores_are_scaled_and_later_keys_are_not_seen():
    query = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 0.0]]])
    key = torch.tensor([[[math.sqrt(2), 0.0], [0.0, 0.0], [9.0, 0.0]]])
    found = collapse.attention_of(query, key, torch.tensor([1]))
    expected = torch.tensor([2.0, 0.0]).softmax(0).double()
    torch.testing.assert_close(found[0, 0, :2], expected)
    assert found[0, 0, 2] == 0


def test_uniform_attention_has_entropy_one_and_a_single_key_zero():
    positions = torch.tensor([3, 3])
    uniform = torch.full((1, 2, 4), 0.25, dtype=torch.float64)
    single = torch.eye(4, dtype=torch.float64)[[1, 2]][None]
    found = [collapse.summed_up(each, positions) for each in (uniform, single)]
    assert [each["entropy"].item() for each in found] == pytest.approx([1, 0])
    assert [each["top"].item() for each in found] == pytest.approx([0.25, 0.5])  # another key for each query


def test_every_cell_is_another_model():
    cells = collapse.cells()
    assert len({cell.digest for cell in cells}) == len(cells) == 50


def test_tables_of_a_model_that_has_hardly_learned(monkeypatch):
    monkeypatch.setattr(collapse, "CRITERION", Criterion(every=1, examples=2))
    cell = collapse.cells()[0]
    short = dataclasses.replace(cell, training=dataclasses.replace(cell.training, steps=1, batch=2))
    tables = collapse.named(short, collapse.collapse(short, examples=2, lengths=[32, 64]))
    attention = tables["attention"]
    assert attention.groupby(["length", "queries"]).size().tolist() == [4] * 4  # two layers of two heads
    assert attention.entropy.between(0, 1).all()
    assert attention.top.between(0, 1).all()
    assert (attention["first"] <= attention.top + 1e-12).all()
    assert tables["training"].converged.tolist() == [False]
    assert set(tables["answers"].length) == {32, 64}
