"""A pretrained model under other rotations, and tuning it: a byte model stands for larger ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rope_lib.measure.attending import spectrum_of
from rope_lib.measure.load import load_model, token_ids
from rope_lib.measure.subjects import load_subject
from rope_lib.measure.texts import RUN, TEXTS, text
from rope_lib.measure.tuning_text import CHARACTERS, tuning_text
from rope_lib.train import conversion, converted
from rope_lib.train.conversion import (
    PLAN,
    Arm,
    arms,
    held_out_losses,
    moved_pairs,
    nearest_pairs,
    pieces,
    spread_positions,
    tune,
    tuned_weights,
)
from rope_lib.train.loop import generator_for

SMALL = replace(PLAN, steps=3, length=32, dtype="float32")


@pytest.fixture
def model():
    return load_subject("byte RoPE")


@pytest.fixture
def tokens():
    return torch.tensor(list(text("licenses")[:2_000].encode()))


def test_arms_change_what_their_names_say(model):
    found, own = arms(model.network, 1e6), np.array(spectrum_of(model.network))
    assert np.allclose(moved_pairs(found["control"], own), 1)
    assert not found["dropped"].inv_freq.any()
    assert np.allclose(found["base"].inv_freq[-1], 1e6 ** -(1 - 1 / len(own)))
    band = found["rope_id"].inv_freq
    assert np.count_nonzero(band) == len(own) / 2
    assert np.allclose(band[band > 0][[0, -1]], [2 * np.pi / 32, 4 * np.pi / 256])
    assert [name for name, arm in found.items() if arm.tempered] == ["rope_id"]


def test_a_band_goes_to_the_pairs_that_are_nearest_to_it():
    own = 10.0 ** -np.arange(6)
    assert np.flatnonzero(nearest_pairs(np.array([0.02, 0.002]), own)).tolist() == [2, 3]
    with pytest.raises(ValueError, match="pairs left over"):
        nearest_pairs(np.ones(7), own)


def test_the_control_is_the_model_itself_and_dropping_makes_order_matter_less(model, tokens):
    held_out, found = {"licenses": tokens[:128]}, arms(model.network)
    with torch.inference_mode():
        logits = model.network(tokens[None, :128]).logits[0, :-1]
    own = torch.nn.functional.cross_entropy(logits, tokens[1:128]).item()
    losses = {name: held_out_losses(model, arm, held_out, "float32").nll[0] for name, arm in found.items()}
    assert losses["control"] == pytest.approx(own, abs=1e-4)
    assert losses["dropped"] > losses["rope_id"] > losses["control"]


def test_positions_have_one_gap_and_stay_within_the_length():
    drawn = [spread_positions(generator_for(0, number), 32, 256) for number in range(200)]
    assert all(each[0] == 0 and each[-1] < 256 and (each.diff() >= 1).all() for each in drawn)
    assert max(int((each.diff() > 1).sum()) for each in drawn) == 1
    assert max(int(each[-1]) for each in drawn) > 240
    with pytest.raises(ValueError, match="trained - length"):
        spread_positions(generator_for(0), 32, 31)


def test_a_gap_in_the_positions_hides_no_token(model, tokens):
    """Without rotation positions do not matter, unless a gap were taken for the end of a text."""
    dropped = arms(model.network)["dropped"]
    plain, spread = torch.arange(32), torch.arange(32) + 100 * (torch.arange(32) >= 16)
    with torch.inference_mode():
        losses = [
            conversion._loss(model.network, dropped, tokens[:32], at, "float32") for at in (plain, spread)
        ]
    assert torch.equal(*losses)


def test_pieces_are_each_read_once_in_an_order_that_the_seed_says(tokens):
    read = pieces(tokens, SMALL, 0)
    whole = {tuple(tokens[at : at + 32].tolist()) for at in range(0, len(tokens) - 31, 32)}
    assert read.shape == (3, 32)
    assert {tuple(each.tolist()) for each in read} <= whole
    assert not torch.equal(read, pieces(tokens, SMALL, 1))
    with pytest.raises(ValueError, match="tokens must hold 3 pieces of 32, got 95 tokens"):
        pieces(tokens[:95], SMALL, 0)


def test_tuning_lowers_the_loss_repeats_itself_and_leaves_the_embedding(model, tokens):
    arm = arms(model.network)["rope_id"]
    plan, held_out = replace(SMALL, steps=12), {"licenses": tokens[1_000:1_128]}
    before = model.network.get_input_embeddings().weight.clone()
    found = tune(model, arm, tokens[:1_000], held_out, plan=plan, every=6)
    curve = found["curve"].set_index("step").nll
    assert list(curve.index) == [0, 6, 12]
    assert curve[12] < curve[0] - 0.1
    assert torch.equal(model.network.get_input_embeddings().weight, before)
    assert found["training"].gap.between(0, 256 - 32).all()
    again = tune(load_subject("byte RoPE"), arm, tokens[:1_000], held_out, plan=plan, every=6)
    assert found["curve"].equals(again["curve"])


def test_a_loss_that_is_not_finite_stops_the_tuning(model, tokens):
    next(iter(tuned_weights(model.network).values())).data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="loss must be finite, got nan with control"):
        tune(model, arms(model.network)["control"], tokens, {}, plan=SMALL)


def test_the_temperature_acts_beyond_the_trained_length_alone(model, tokens):
    tempered = arms(model.network)["rope_id"]
    plain = Arm("plain", "plain", tempered.inv_freq, tempered.trained)
    read = tokens[:512]
    losses = [held_out_losses(model, arm, {"": read[:256]}, "float32").nll[0] for arm in (tempered, plain)]
    assert losses[0] == losses[1]
    losses = [held_out_losses(model, arm, {"": read}, "float32").nll[0] for arm in (tempered, plain)]
    assert losses[0] != losses[1]


def test_tuned_weights_are_read_back_and_others_refused(model, tokens, tmp_path):
    arm = arms(model.network)["control"]
    tune(model, arm, tokens, {"licenses": tokens[:64]}, plan=SMALL)
    weights = {name: each.detach() for name, each in tuned_weights(model.network).items()}
    converted.save_tensors(tmp_path / "control.safetensors", weights, {"config": "a plan"})
    fresh = load_subject("byte RoPE")
    converted.load_tuned(fresh, tmp_path / "control.safetensors", "a plan")
    assert all(torch.equal(weights[name], each) for name, each in tuned_weights(fresh.network).items())
    with pytest.raises(ValueError, match="must be a checkpoint of config another"):
        converted.load_tuned(fresh, tmp_path / "control.safetensors", "another")
    with pytest.raises(FileNotFoundError, match="tune the arm again"):
        converted.load_tuned(fresh, tmp_path / "dropped.safetensors", "a plan")


def test_an_arm_is_tuned_once_and_what_it_became_reads_long_texts(monkeypatch, tmp_path):
    monkeypatch.setattr("rope_lib.runs.store.user_cache_path", lambda name: tmp_path / name)
    small = {"PLAN": SMALL, "EVERY": 3, "HELD_OUT": 64, "FAR": 512, "BIN": 128}
    texts = {"load_model": lambda: load_subject("byte RoPE"), "tuning_text": lambda: text("licenses")[:500]}
    for name, value in (small | texts).items():
        monkeypatch.setattr(converted, name, value)
    tables = converted.curves("base", tmp_path)
    assert tables["curve"].groupby("step").text.unique().map(list).to_dict() == {
        0: list(TEXTS),
        3: list(TEXTS),
    }
    assert set(tables["training"].arm) == {"base"}
    monkeypatch.setattr(converted, "tune", None)  # what is kept is not tuned again
    assert converted.curves("base", tmp_path)["curve"].equals(tables["curve"])

    far = converted.far_losses("base", "licenses", tmp_path)
    assert far["first"].tolist() == [0, 128, 256, 384]
    own = converted.far_losses(converted.UNTOUCHED, "licenses", tmp_path)
    assert (far.nll != own.nll).all()
    with pytest.raises(FileNotFoundError, match="tune the arm again"):
        converted.far_losses("dropped", "licenses", tmp_path)


@pytest.mark.slow
def test_the_tuning_text_shares_no_run_with_any_text_to_measure_on():
    own = tuning_text()
    runs = {own[at : at + RUN] for at in range(len(own) - RUN + 1)}
    assert len(own) >= CHARACTERS
    for name in TEXTS:
        other = text(name)
        assert not any(other[at : at + RUN] in runs for at in range(len(other) - RUN + 1)), name


@pytest.mark.model
@pytest.mark.slow
def test_nor_does_it_share_a_run_of_32_tokens():
    packaged = load_model()

    def runs(words):
        ids = token_ids(packaged, words).tolist()
        return {tuple(ids[at : at + 32]) for at in range(len(ids) - 31)}

    own = runs(tuning_text())
    assert not any(own & runs(text(name)) for name in TEXTS)
    assert own & runs(tuning_text()[5_000:6_000])  # the same words do
