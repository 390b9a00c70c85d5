"""On a GPU the same numbers as on the CPU: measurements, interventions and training. Skipped without one."""

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM, GptOssConfig, LlamaConfig, Qwen3Config

from rope_lib.measure.interventions import UNCHANGED, interventions, key_centers
from rope_lib.measure.load import LanguageModel
from rope_lib.measure.sweep import measure
from rope_lib.train.config import Config
from rope_lib.train.run import run

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")

TRAINED, LENGTHS = 256, [64, 256, 700]
SIZES = {
    "vocab_size": 64,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": TRAINED,
    "initializer_range": 0.3,  # large weights: attention must favor some positions for rotation to matter
    "pad_token_id": 0,
}
WINDOWED = {  # windows, learned sinks, experts
    "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 100, "num_local_experts": 4,
    "num_experts_per_tok": 2,
}  # fmt: skip


def build(config, device, **values):
    """A random model on a device: the same weights on each."""
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(config(**SIZES | values)).eval().to(device)
    return LanguageModel("tiny", network, None, "0" * 64)


@pytest.fixture
def tokens():
    return torch.randint(1, 64, (LENGTHS[-1],), generator=torch.Generator().manual_seed(1))


def assert_alike(found, expected):
    """Tables equal up to float32's rounding; axes of clouds and silhouettes hang on small differences."""
    assert found.keys() == expected.keys()
    for name, table in expected.items():
        assert list(found[name]) == list(table), name
        for column in table:
            here, there = found[name][column].to_numpy(), table[column].to_numpy()
            if here.dtype.kind != "f":
                same = np.mean(here == there)  # largest_distance: equal scores may swap
                assert same > (0.98 if column == "largest_distance" else 0.9999), (name, column, same)
            else:
                np.testing.assert_allclose(here, there, rtol=5e-3, atol=5e-3, err_msg=f"{name}.{column}")


@pytest.mark.parametrize(
    ("config", "values"), [(LlamaConfig, {}), (Qwen3Config, {}), (GptOssConfig, WINDOWED)]
)
def test_a_gpu_measures_what_a_cpu_measures(config, values, tokens):
    found, expected = (
        measure(build(config, device, **values), tokens, LENGTHS).tables() for device in ("cuda", "cpu")
    )
    assert_alike(found, expected)


def test_interventions_are_the_same_on_a_gpu(tokens):
    both = []
    for device in ("cuda", "cpu"):
        model = build(LlamaConfig, device, attn_implementation="sdpa")
        centers = key_centers(model, tokens[:TRAINED])
        both.append(
            {
                each.name: measure(model, tokens, LENGTHS, intervention=each).tables()
                for each in interventions(model, centers)
            }
        )
    for name, expected in both[1].items():
        assert_alike(both[0][name], expected)
    assert not np.allclose(both[0]["ntk"]["losses"].nll, both[0][UNCHANGED.name]["losses"].nll)


def test_bfloat16_measures_and_comes_near(tokens):
    exact = measure(build(LlamaConfig, "cuda"), tokens, LENGTHS)
    model = build(LlamaConfig, "cuda")
    model.network.to(torch.bfloat16)
    coarse = measure(model, tokens, LENGTHS)
    assert abs(coarse.losses.nll.mean() - exact.losses.nll.mean()) < 0.05
    assert np.abs(coarse.heads.stable_rank / exact.heads.stable_rank - 1).median() < 0.02


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_no_matrix_of_length_by_length_is_formed(dtype):
    """Grouped heads in float32 would get one from torch: see `attending.keys_repeated`."""
    length = 32_768
    model = build(LlamaConfig, "cuda", max_position_embeddings=length)
    model.network.to(getattr(torch, dtype))
    tokens = torch.arange(length) % 63 + 1
    measure(model, tokens, [64])  # warm up
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    measure(model, tokens, [length])
    assert torch.cuda.max_memory_allocated() - before < length**2 / 4


def test_a_model_trains_on_a_gpu(tmp_path):
    config = Config.from_dict(
        {
            "model": {"layers": 1, "width": 32, "heads": 2, "head_dim": 16, "key_value_heads": 1},
            "task": {
                "name": "recall",
                "parameters": {"fused": True, "keys": 4, "values": 4, "pairs": 4, "queries": 4, "noise": 4},
            },
            "training": {"steps": 400, "batch": 32, "length": 24, "learning_rate": 0.01},
            "evaluation": {"examples": 100, "bin": 8},
        }
    )
    tables = run(config, tmp_path / "run", device="cuda")
    assert all(isinstance(table, pd.DataFrame) for table in tables.values())
    losses = tables["training"].loss
    assert losses.iloc[-1] < losses.iloc[0]
