"""A byte model that is written as a Llama: the same logits in transformers, a byte a token."""

import pytest
import torch

from rope_lib.measure.attending import spectrum_of
from rope_lib.measure.load import load_model, token_ids
from rope_lib.models.read import read_model
from rope_lib.train.checkpoint import CHECKPOINT
from rope_lib.train.config import Config
from rope_lib.train.export import BYTES, of_checkpoint, rope_parameters, rounded, save_llama
from rope_lib.train.loop import build, train

ROPE = {"scaling": "default", "base": 1e4}
ROPE_ID = {"scaling": "rope_id", "parameters": {"shortest_period": 8}}
SMALL = {
    "model": {"layers": 2, "width": 32, "heads": 4, "head_dim": 16, "key_value_heads": 2},
    "task": {"name": "bytes"},
    "training": {"length": 64, "batch": 2},
}


def config(spectrum, **more):
    return Config.from_dict({**SMALL, "spectrum": spectrum, **more})


@pytest.mark.parametrize("spectrum", [ROPE, ROPE_ID], ids=["rope", "rope_id"])
@pytest.mark.parametrize("tied", [True, False])
def test_the_logits_are_those_of_the_trained_model(spectrum, tied, tmp_path):
    chosen = config(spectrum, model=SMALL["model"] | {"tied": tied})
    model = build(chosen)
    with torch.no_grad():  # random weights of the usual size would hardly attend
        for weights in model.parameters():
            weights.mul_(10 if weights.ndim > 1 else 1)
    save_llama(model, chosen, tmp_path / "model")
    model = rounded(model)
    read = load_model(tmp_path / "model")
    tokens = torch.randint(BYTES, (1, 200), generator=torch.Generator().manual_seed(0))
    rotation = chosen.spectrum.at(64, 64, 16)
    with torch.inference_mode():
        expected, found = model(tokens, rotation), read.network(tokens, use_cache=False).logits
    assert expected.std() > 1
    assert (found - expected).abs().max() < 1e-3 * expected.abs().max()
    assert spectrum_of(read.network) == pytest.approx(rotation.inv_freq, rel=1e-5, abs=1e-12)


def test_a_byte_is_a_token(tmp_path):
    save_llama(build(config(ROPE)), config(ROPE), tmp_path / "model")
    model = load_model(tmp_path / "model")
    text = "def é(): <0x41>\n\t\x00 ✓ <s>" + "x" * 5_000
    assert token_ids(model, text).tolist() == list(text.encode())
    assert model.tokenizer.decode(token_ids(model, text)) == text


def test_the_reader_of_configs_knows_the_spectrum(tmp_path):
    for spectrum in (ROPE, ROPE_ID):
        chosen = config(spectrum)
        save_llama(build(chosen), chosen, tmp_path / "model")
        spec = read_model(tmp_path / "model")
        (rotary,) = spec.rotaries
        assert spec.declared_context == 64
        assert rotary.spectrum(64)[0] == pytest.approx(chosen.spectrum.at(64, 64, 16).inv_freq)


def test_the_parameters_of_rope_id_are_a_base_and_a_factor():
    found = rope_parameters(config(ROPE_ID))
    assert found["partial_rotary_factor"] == 0.5
    assert found["factor"] == pytest.approx(8 / 6.283185307)


@pytest.mark.parametrize("spectrum", [{"scaling": "nope"}, {**ROPE_ID, "temperature": "rope_id"}])
def test_a_rotation_that_no_llama_has_is_refused(spectrum):
    with pytest.raises(ValueError, match="must be a geometric progression and zeros to be a Llama's"):
        rope_parameters(config(spectrum))


def test_a_model_of_other_tokens_is_refused(tmp_path):
    chosen = Config.from_dict({"model": SMALL["model"]})
    with pytest.raises(ValueError, match=r"must read bytes, 256 tokens, got \d+"):
        save_llama(build(chosen), chosen, tmp_path)


def test_a_model_is_read_from_its_checkpoint(tmp_path):
    chosen = config(ROPE_ID, training=SMALL["training"] | {"steps": 2})
    model, losses = train(chosen, tmp_path)
    found, until = of_checkpoint(chosen, tmp_path / CHECKPOINT)
    assert until == losses.loss.tolist()
    for name, weights in found.state_dict().items():
        assert torch.equal(weights, model.state_dict()[name])
    with pytest.raises(ValueError, match="must be a checkpoint of config"):
        of_checkpoint(config(ROPE), tmp_path / CHECKPOINT)
    with pytest.raises(FileNotFoundError):
        of_checkpoint(chosen, tmp_path / "nothing")
