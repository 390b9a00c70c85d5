"""Sizes that no experiment has: refused with the number and the limit, before anything is allocated."""

import time
import tracemalloc

import pytest
import torch

from rope_lib.train.config import Config
from rope_lib.train.loop import build


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("model.layers = 1_000_000", "layers must be at most 1,000, got 1,000,000"),
        ("model.width = 10_000_000_000", "width must be at most 65,536, got 10,000,000,000"),
        (f"model.width = 1{'0' * 400}", f"width must be a whole number from 1 to 2^53, got 1{'0' * 400}"),
        (
            f"training.learning_rate = 1{'0' * 400}",
            f"training.learning_rate must be a number, got 1{'0' * 400}",
        ),
        ("model.head_dim = 9007199254740992", "head_dim must be at most 4,096, got 9,007,199,254,740,992"),
        ("training.length = 1_000_000_000", "length must be at most 1,048,576, got 1,000,000,000"),
        ("training.length = 100_000", "lengths must be at most 1,048,576, got 1,600,000"),
        ("training.steps = 1_000_000_000_000", "steps must be at most 100,000,000, got 1,000,000,000,000"),
        (
            "training.batch = 65_536",
            "batch × length must be at most 4,194,304, got 8,388,608",
        ),
        ("evaluation.examples = 1_000_000", "examples must be at most 65,536, got 1,000,000"),
        (
            "evaluation.examples = 60_000",
            "examples × the longest of lengths must be at most 16,777,216, got 122,880,000",
        ),
        (
            "model.head_dim = 4096\nevaluation.examples = 1\nevaluation.lengths = [1_000_000]",
            "head_dim × the longest of lengths must be at most 67,108,864, got 4,096,000,000",
        ),
        (
            "model.width = 65_536\nmodel.layers = 1_000",
            "the number of the model's weights must be at most 1,000,000,000, got 34,392,902,795,264",
        ),
        ("task.parameters.keys = 1_000_000_000", "keys must be at most 65,536, got 1,000,000,000"),
        (
            "task.parameters = { keys = 60_000, values = 60_000, fused = true }",
            "the number of the model's weights must be at most 1,000,000,000, got 460,815,757,952",
        ),
        (f"evaluation.lengths = {[*range(64, 264)]}", "the number of lengths must be at most 64, got 200"),
        (
            "".join(f"[evaluation.variants.v{index}]\n" for index in range(65)),
            "the number of variants must be at most 64, got 65",
        ),
        (f"a = {'[' * 50_000}", "tables and lists must not be nested too deeply, got more than can be read"),
        (f"{'a.' * 200_000}a = 1", "names must have at most 64 keys joined by dots, got more"),
        ("#" * 2_000_000, "the file must have at most 1,048,576 bytes, got more"),
    ],
    ids=range(20),
)
def test_absurd_sizes_are_refused_at_once(tmp_path, toml, says):
    path = tmp_path / "absurd.toml"
    path.write_text(toml)
    tracemalloc.start()
    started = time.perf_counter()
    try:
        with pytest.raises(ValueError, match="must") as caught:
            Config.from_toml(path)
        assert time.perf_counter() - started < 2
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert str(caught.value) == f"{path}: {says}"


@pytest.mark.parametrize("tied", [True, False])
def test_the_weights_are_counted_as_the_model_has_them(tied):
    config = Config.from_dict({"model": {"tied": tied, "key_value_heads": 2, "heads": 4, "hidden": 24}})
    assert sum(map(torch.numel, build(config).parameters())) == config.model.weights(48)
