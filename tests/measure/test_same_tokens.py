"""The loss of the same tokens in a shorter context, on a small random model."""

import pytest
import torch
from one_layer import one_layer_model

from rope_lib.measure.same_tokens import losses_at_end, same_tokens
from rope_lib.measure.sweep import measure
from rope_lib.measure.tables import LOSS_BIN


@pytest.fixture(scope="module")
def tiny():
    return one_layer_model()


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(64, (4 * LOSS_BIN,), generator=torch.Generator().manual_seed(1))


def test_the_whole_context_gives_the_loss_of_the_long_input(tiny, tokens):
    losses = measure(tiny, tokens, [len(tokens)]).losses
    expected = losses.nll.groupby(losses.position // LOSS_BIN * LOSS_BIN).mean()
    found = losses_at_end(tiny, tokens, len(tokens), context=len(tokens), last=2 * LOSS_BIN)
    assert found["first"].tolist() == [2 * LOSS_BIN, 3 * LOSS_BIN]
    assert found.nll.tolist() == pytest.approx(expected[found["first"]].tolist(), rel=1e-4)
    assert set(found.context) == {len(tokens)}


def test_a_shorter_context_is_that_of_the_tokens_alone(tiny, tokens):
    context, end = 200, 3 * LOSS_BIN
    found = losses_at_end(tiny, tokens, end, context=context, last=LOSS_BIN)
    alone = measure(tiny, tokens[end - context : end], [context]).losses
    assert found["first"].tolist() == [end - LOSS_BIN]
    assert found.nll[0] == pytest.approx(alone.nll[alone.position >= context - LOSS_BIN].mean(), rel=1e-4)


def test_windows_are_kept_and_stand_one_after_the_other(tiny, tokens, tmp_path, monkeypatch):
    monkeypatch.setattr("rope_lib.runs.store.user_cache_path", lambda _: tmp_path)
    windows = [(200, 2 * LOSS_BIN), (300, 3 * LOSS_BIN)]
    found = same_tokens(tiny, tokens, windows, last=LOSS_BIN)
    assert found[["context", "first"]].to_numpy().tolist() == [[200, LOSS_BIN], [300, 2 * LOSS_BIN]]
    monkeypatch.setattr("rope_lib.measure.same_tokens.losses_at_end", None)  # not measured again
    assert same_tokens(tiny, tokens, windows, last=LOSS_BIN).equals(found)


@pytest.mark.parametrize("wrong", [{"end": 100}, {"last": 100}, {"last": 0}, {"context": 4_000}])
def test_a_window_that_is_not_there_is_refused(tiny, tokens, wrong):
    given = {"end": 2 * LOSS_BIN, "context": 200, "last": LOSS_BIN} | wrong
    with pytest.raises(ValueError, match="end and last must be multiples of 128"):
        losses_at_end(tiny, tokens, given.pop("end"), **given)
