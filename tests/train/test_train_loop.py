"""Training: the same bits every time, whenever it was killed; and it learns."""

import itertools
import json
import math
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from rope_lib.train.checkpoint import CHECKPOINT
from rope_lib.train.config import Config
from rope_lib.train.draws import draw
from rope_lib.train.loop import autocast, build, generator_for, learning_rate, loss_of, train

SIZES = {"fused": True, "keys": 4, "values": 4, "pairs": 4, "queries": 4, "noise": 4}
SMALL = {
    "model": {"layers": 1, "width": 32, "heads": 2, "head_dim": 16, "key_value_heads": 1},
    "task": {"name": "recall", "parameters": SIZES},
    "training": {"steps": 100, "batch": 32, "length": 24, "learning_rate": 0.01},
}


def configured(**training):
    return Config.from_dict({**SMALL, "training": SMALL["training"] | training})


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    model, losses = train(configured(), folder)
    return folder, model, losses


def same(folder, other):
    first, second = (load_file(each / CHECKPOINT) for each in (folder, other))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_training_twice_ends_in_the_same_bits(uninterrupted, tmp_path):
    torch.manual_seed(99)  # the global generator has no say
    _, losses = train(configured(), tmp_path)
    assert losses.equals(uninterrupted[2])
    assert same(uninterrupted[0], tmp_path)
    other = Config.from_dict({**SMALL, "seed": 1})
    train(other, tmp_path / "other")
    assert not same(uninterrupted[0], tmp_path / "other")


# One process imports torch and forks the runs: an uninterrupted one, and one that dies eight times.
KILLED = """
import json, os, signal, sys, time
from pathlib import Path
import torch
from rope_lib.train.config import Config
from rope_lib.train.checkpoint import CHECKPOINT
from rope_lib.train.loop import train

torch.set_num_threads(1)
config, folder = Config.from_dict(json.loads(sys.argv[1])), Path(sys.argv[2])

def forked(name):
    child = os.fork()
    if not child:
        train(config, folder / name, checkpoint_every=1)
        os._exit(0)
    return child

# What torch imports at its first step, every child would import again.
train(Config.from_dict(config.to_dict() | {"seed": 1}), folder / "warm", checkpoint_every=1000)
assert os.waitpid(forked("whole"), 0)[1] == 0
path = folder / "killed" / CHECKPOINT
def stamp():
    return path.stat().st_mtime_ns if path.exists() else None
for kill in range(8):
    before, child = stamp(), forked("killed")
    while stamp() == before:
        assert os.waitpid(child, os.WNOHANG)[0] == 0, "died by itself"
        time.sleep(0.001)
    time.sleep(0.0037 * kill)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    Path(folder / f"after-{kill}.safetensors").write_bytes(path.read_bytes())
assert os.waitpid(forked("killed"), 0)[1] == 0
"""


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_bits(tmp_path, root):
    """SIGKILL at whatever moment: each step writes a checkpoint here, so that kills hit writes too."""
    arguments = [sys.executable, "-c", KILLED, json.dumps(configured().to_dict()), str(tmp_path)]
    done = subprocess.run(arguments, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    steps = [
        int(load_file(tmp_path / f"after-{kill}.safetensors")["step/norm.weight"].item()) for kill in range(8)
    ]
    assert 0 < steps[0] < steps[3] < steps[-1] < 100, steps  # each went on where the one before had died
    assert same(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
def test_a_kill_between_writing_and_replacing_leaves_the_old_checkpoint(uninterrupted, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        replaced = []
        real = os.replace
        patch.setattr(os, "replace", lambda *paths: killed() if replaced else replaced.append(real(*paths)))
        with pytest.raises(KeyboardInterrupt):
            train(configured(), tmp_path, checkpoint_every=10)
    assert load_file(tmp_path / CHECKPOINT)["step/norm.weight"].item() == 10
    train(configured(), tmp_path)
    assert same(uninterrupted[0], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_resume_does_not_repeat_what_was_done(uninterrupted, monkeypatch):
    folder, _, losses = uninterrupted
    monkeypatch.setattr("rope_lib.train.loop.loss_of", None)  # a step would fail
    model, again = train(configured(), folder)
    assert again.equals(losses)
    assert torch.equal(model.norm.weight, uninterrupted[1].norm.weight)


def test_another_configs_checkpoint_and_a_damaged_one_are_refused(uninterrupted, tmp_path):
    folder, _, _ = uninterrupted
    other = configured(steps=101)
    with pytest.raises(ValueError, match=f"must be a checkpoint of config {other.digest}, got one of "):
        train(other, folder)
    whole = (folder / CHECKPOINT).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole.replace(b"weights/norm", b"weights/nrom")):
        (tmp_path / CHECKPOINT).write_bytes(damaged)
        with pytest.raises(ValueError, match="must be a checkpoint of this program, is damaged"):
            train(configured(), tmp_path)


def test_it_learns_to_recall(uninterrupted):
    losses = uninterrupted[2]
    assert losses.columns.tolist() == ["step", "loss", "learning_rate"]
    assert losses.loss[:5].mean() > math.log(4) > 0.2 > losses.loss[-5:].mean() > 0


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    with pytest.raises(FloatingPointError, match="the loss must stay finite, got nan at step"):
        train(configured(learning_rate=1e30, clip=1e30), tmp_path)


def test_the_learning_rate_rises_and_falls_as_planned():
    plan = configured(steps=100, warmup=0.2, learning_rate=0.5, final_rate=0.1).training
    rates = [learning_rate(plan, step) for step in range(100)]
    assert rates[:20] == pytest.approx([0.5 * (step + 1) / 20 for step in range(20)])
    assert all(before > after for before, after in itertools.pairwise(rates[19:]))
    assert rates[-1] == pytest.approx(0.05)
    assert rates[59] == pytest.approx(0.05 + 0.45 * (1 + math.cos(math.pi / 2)) / 2)
    for warmup in (0.0, 1.0):
        ends = configured(steps=3, warmup=warmup).training
        assert all(0 < learning_rate(ends, step) <= 0.01 for step in range(3))


def test_one_step_is_that_of_torchs_own_adamw(tmp_path):
    """The first step, written out: decay of matrices, then a move of the learning rate along each sign."""
    config = configured(steps=1, warmup=0.0, clip=1e9)
    model, plan = build(config), config.training
    batch = draw(config.task.make(), generator_for(config.seed, "step", 0), plan.batch, plan.length)
    loss_of(model, batch, config.spectrum.at(24, 24, 16)).backward()
    trained, _ = train(config, tmp_path)
    for name, before in model.named_parameters():
        decay = plan.weight_decay if before.ndim > 1 else 0.0
        moved = before.grad / (before.grad.abs() + 1e-8)
        expected = before * (1 - learning_rate(plan, 0) * decay) - learning_rate(plan, 0) * moved
        assert torch.allclose(trained.get_parameter(name), expected, atol=1e-6), name


def test_the_loss_counts_what_is_asked_and_nothing_else():
    config = configured()
    model, task = build(config), config.task.make()
    batch = draw(task, generator_for(0, "x"), 4, 24)
    rotation = config.spectrum.at(24, 24, 16)
    with torch.inference_mode():
        logs = model(batch.tokens, rotation).log_softmax(-1)
        picked = [
            -logs[row, place, batch.targets[row, place]].item()
            for row, place in (batch.targets >= 0).nonzero().tolist()
        ]
        assert len(picked) == 4 * 4
        assert loss_of(model, batch, rotation).item() == pytest.approx(sum(picked) / len(picked), rel=1e-5)


def test_bfloat16_is_bfloat16_and_its_weights_stay_float32(tmp_path):
    model, losses = train(configured(dtype="bfloat16", steps=3), tmp_path)
    assert {str(value.dtype) for value in model.parameters()} == {"torch.float32"}
    exact = train(configured(steps=3), tmp_path / "exact")[1]
    assert 0 < (losses.loss - exact.loss).abs().max() < 0.05
    with autocast("bfloat16", "cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
