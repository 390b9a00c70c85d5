"""Losses on the validation text: of a model against its own logits, of counts against the whole text's."""

import numpy as np
import pytest
import torch

from rope_lib.train.config import Config
from rope_lib.train.corpus import Corpus
from rope_lib.train.loop import build
from rope_lib.train.ngrams import witten_bell
from rope_lib.train.validated import count_losses, model_losses, validation_segments

LENGTH, COUNT = 32, 5


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A corpus of random letters."""
    random = np.random.default_rng(0)
    parts = (torch.from_numpy(random.integers(97, 105, size).astype(np.uint8)) for size in (2_000, 400))
    found = Corpus(*parts, {}, "")
    monkeypatch.setattr("rope_lib.train.validated.corpus", lambda: found)
    return found


def test_segments_are_spread_over_the_text_and_do_not_overlap():
    starts = validation_segments(LENGTH, COUNT)
    assert starts[[0, -1]].tolist() == [0, 400 - LENGTH - 1]
    assert np.diff(starts).min() > LENGTH
    with pytest.raises(ValueError, match=r"must be at most 400 \(the bytes of the text\), got 416"):
        validation_segments(LENGTH, 13)


def test_a_models_losses_are_those_of_its_logits(small):
    chosen = Config.from_dict(
        {
            "model": {"layers": 1, "width": 16, "heads": 1, "head_dim": 16},
            "task": {"name": "bytes"},
            "training": {"length": LENGTH},
        }
    )
    model = build(chosen)
    found = model_losses(chosen, model, COUNT)
    first = int(found["first"].iloc[2])
    window = small.validation[first : first + LENGTH + 1].long()
    with torch.inference_mode():
        logits = model(window[None, :-1], chosen.spectrum.at(LENGTH, LENGTH, 16))[0]
    expected = torch.nn.functional.cross_entropy(logits, window[1:])
    assert found.nll.iloc[2] == pytest.approx(expected.item(), rel=1e-5)


def test_counts_are_asked_for_the_same_bytes(small):
    found = count_losses(LENGTH, COUNT, 2).set_index(["before", "first"]).nll
    whole = witten_bell(small.train.numpy(), small.validation.numpy(), 2)
    first = int(validation_segments(LENGTH, COUNT)[3])
    assert found[2, first] == pytest.approx(whole[2, first + 1 : first + 1 + LENGTH].mean())
    assert found.groupby("before").mean()[0] == pytest.approx(np.log(8), abs=0.05)
