"""Training that ends when it is done: why it ends, and that a kill changes nothing."""

import pytest
import torch
from safetensors.torch import load_file

from rope_lib.train import converge
from rope_lib.train.checkpoint import CHECKPOINT
from rope_lib.train.config import Config
from rope_lib.train.converge import train_until

TASK = {"name": "look_back", "parameters": {"width": 2, "symbols": 4}}
SMALL = {
    "model": {"layers": 1, "width": 16, "heads": 1, "head_dim": 16},
    "task": TASK,
    "training": {"steps": 300, "batch": 8, "length": 12, "learning_rate": 0.01},
}
SOON = {"every": 10, "examples": 32, "patience": 10_000}


def configured(convergence, **training):
    return Config.from_dict(
        {**SMALL, "training": SMALL["training"] | training, "convergence": SOON | convergence}
    )


def test_it_learns_and_goes_on_for_twice_the_steps(tmp_path):
    model, tries, ended = train_until(configured({}), tmp_path)
    done = ended.iloc[0]
    assert done.ended == "criterion"
    assert tries.steps.iloc[-1] == done.steps >= 2 * done.met
    assert tries[tries.accuracy >= 0.99].steps.iloc[0] == done.met
    assert not model.training
    assert not any(weights.requires_grad for weights in model.parameters())


def test_what_cannot_be_learned_ends_level_and_what_is_cut_short_at_the_limit(tmp_path):
    hopeless = configured({"patience": 20, "level": 0.9}, steps=1_000)
    assert train_until(hopeless, tmp_path / "level")[2].ended.item() == "level"
    cut = configured({}, steps=25)
    ended = train_until(cut, tmp_path / "limit")[2].iloc[0]
    assert (ended.ended, ended.steps) == ("limit", 25)
    assert ended.isna().met


def test_a_run_that_was_killed_ends_in_the_same_bits(tmp_path, monkeypatch):
    config = configured({"accuracy": 0.999999}, steps=60)
    train_until(config, tmp_path / "whole", checkpoint_every=20)
    real, calls = converge.follow_gradient, []

    def dies(*given):
        calls.append(1)
        if len(calls) == 50:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(converge, "follow_gradient", dies)
    with pytest.raises(KeyboardInterrupt):
        train_until(config, tmp_path / "killed", checkpoint_every=20)
    _, tries, _ = train_until(config, tmp_path / "killed", checkpoint_every=20)
    assert len(calls) == 50 + 20  # went on from step 40
    assert tries.steps.tolist() == [10, 20, 30, 40, 50, 60]
    whole, killed = (load_file(tmp_path / name / CHECKPOINT) for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_each_weight_has_one_optimizer():
    config = configured({})
    model = converge.build(config)
    given = [
        id(weights)
        for each in converge.optimizers_of(model, config)
        for group in each.param_groups
        for weights in group["params"]
    ]
    assert sorted(given) == sorted(id(weights) for weights in model.parameters())


def test_a_config_without_convergence_is_refused(tmp_path):
    with pytest.raises(ValueError, match="convergence must be a table"):
        train_until(Config.from_dict(SMALL), tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"accuracy": 1.5}, {"every": 0}, {"beyond": 0.5}, {"level": 0}, {"matrix_rate": -1}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        configured(wrong)
