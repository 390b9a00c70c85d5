"""Losses by position over stretches of a text, on a small random model."""

import pytest
import torch
from one_layer import one_layer_model

from rope_lib.measure import break_losses as breaks
from rope_lib.measure.interventions import UNCHANGED, Spectrum
from rope_lib.measure.sweep import measure


@pytest.fixture(scope="module")
def tiny():
    return one_layer_model()


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(64, (100,), generator=torch.Generator().manual_seed(1))


def test_the_losses_are_means_over_stretches_that_know_nothing_of_each_other(tiny, tokens):
    found = breaks.losses_of_stretches(tiny, tokens, length=32, size=8)
    alone = [measure(tiny, tokens[start : start + 32], [32]).losses for start in (0, 32, 64)]
    expected = sum(each.nll.groupby(each.position // 8 * 8).mean() for each in alone) / 3
    assert found["first"].tolist() == [0, 8, 16, 24]
    assert found.nll.tolist() == pytest.approx(expected.tolist(), rel=1e-4)
    assert set(found.stretches) == {3}


def test_each_spectrum_is_kept(tiny, tokens, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    slow = Spectrum("linear_2", "half as fast", [0.5, 0.05, 0.005, 0.0005])
    found = breaks.break_losses(tiny, tokens, [UNCHANGED, slow], length=32, size=8)
    assert found.intervention.tolist() == ["unchanged"] * 4 + ["linear_2"] * 4
    assert found.nll[:4].tolist() != found.nll[4:].tolist()
    monkeypatch.setattr(breaks, "losses_of_stretches", None)  # not asked again
    again = breaks.break_losses(tiny, tokens, [UNCHANGED, slow], length=32, size=8)
    assert again.equals(found)


@pytest.mark.parametrize(("length", "size"), [(30, 8), (104, 8), (0, 8), (32, 0)])
def test_stretches_that_do_not_fit_are_refused(tiny, tokens, length, size):
    with pytest.raises(ValueError, match="must be"):
        breaks.losses_of_stretches(tiny, tokens, length=length, size=size)
