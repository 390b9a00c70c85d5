"""Fifteen configs as they were published, each with what the reader must make of it."""

import json

import pytest

from rope_lib.models import judge, read_model
from rope_lib.models.spec import PROVENANCE

# id → layers, declared and original context, and of each spectrum: kind, number of layers, base, head size,
# rotated channels, window, scaling and effective base.
PUBLIC = {
    "MiniMaxAI/MiniMax-M2.5": (62, 196_608, None, [("full", 62, 5e6, 128, 64, None, "default", 5e6)]),
    "Qwen/Qwen3-0.6B": (28, 40_960, None, [("full", 28, 1e6, 128, 128, None, "default", 1e6)]),
    "Qwen/Qwen3-8B": (36, 40_960, None, [("full", 36, 1e6, 128, 128, None, "default", 1e6)]),
    "Qwen/Qwen3-VL-32B-Thinking": (64, 262_144, None, [("full", 64, 5e6, 128, 128, None, "default", 5e6)]),
    "Qwen/Qwen3.5-27B": (64, 262_144, None, [("full", 16, 1e7, 256, 64, None, "default", 1e7)]),
    "XiaomiMiMo/MiMo-7B-Base": (
        36,
        32_768,
        None,
        [("full", 36, 640_000.0, 128, 128, None, "default", 640_000.0)],
    ),
    "deepseek-ai/DeepSeek-V3": (61, 163_840, 4096, [("full", 61, 1e4, 192, 64, None, "yarn", 4e5)]),
    "google/gemma-4-26B-A4B": (
        30,
        262_144,
        None,
        [
            ("full", 5, 1e6, 512, 512, None, "proportional", 1e6),
            ("sliding", 25, 1e4, 256, 256, 1024, "default", 1e4),
        ],
    ),
    "meta-llama/Meta-Llama-3.1-70B": (80, 131_072, 8192, [("full", 80, 5e5, 128, 128, None, "llama3", 4e6)]),
    "meta-llama/Meta-Llama-3.1-8B": (32, 131_072, 8192, [("full", 32, 5e5, 128, 128, None, "llama3", 4e6)]),
    "mistralai/Mixtral-8x7B-v0.1": (32, 32_768, None, [("full", 32, 1e6, 128, 128, None, "default", 1e6)]),
    "moonshotai/Kimi-K2.5": (61, 262_144, 4096, [("full", 61, 5e4, 192, 64, None, "yarn", 3.2e6)]),
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": (52, 262_144, None, []),
    "openai/gpt-oss-20b": (
        24,
        131_072,
        4096,
        [
            ("full", 12, 1.5e5, 64, 64, None, "yarn", 4.8e6),
            ("sliding", 12, 1.5e5, 64, 64, 128, "yarn", 4.8e6),
        ],
    ),
    "zai-org/GLM-5": (78, 202_752, None, [("full", 78, 1e6, 256, 64, None, "default", 1e6)]),
}


@pytest.fixture(scope="module")
def public(root):
    return json.loads((root / "tests" / "golden" / "configs.json").read_text(encoding="utf-8"))


def test_every_public_config_has_its_expectation(public):
    assert public.keys() - {"source"} == PUBLIC.keys()


@pytest.mark.parametrize("name", PUBLIC)
def test_public_config(public, name):
    num_layers, context, original, rotaries = PUBLIC[name]
    spec = read_model(public[name])
    assert (spec.num_layers, spec.declared_context, spec.original_context) == (num_layers, context, original)
    read = [
        (
            rotary.kind,
            len(rotary.layers),
            rotary.base,
            rotary.head_dim,
            rotary.rotary_dim,
            rotary.window,
            rotary.scaling["type"],
            pytest.approx(rotary.effective_base(context)),
        )
        for rotary in spec.rotaries
    ]
    assert read == rotaries
    rotated = [layer for rotary in spec.rotaries for layer in rotary.layers]
    assert sorted([*rotated, *spec.unrotated_layers]) == list(range(num_layers))
    assert spec.architecture == public[name]["architectures"][0]
    assert set(spec.provenance.values()) <= set(PROVENANCE)
    assert spec.provenance.keys() == spec.sources.keys()
    wanted = {"base", "head_dim", "rotary_dim", "scaling"} if rotaries else set()
    assert wanted | {"num_layers", "context", "layers"} <= spec.provenance.keys()
    for rotary in spec.rotaries:
        assert rotary.spectrum(context)[0].shape == (rotary.rotary_dim // 2,)
    assert (judge(spec).verdict == "no_rope") == (not rotaries)


def test_temperatures_of_public_configs(public):
    factors = {
        name: read_model(public[name]).rotaries[0].spectrum(131_072)[1] for name in PUBLIC if PUBLIC[name][3]
    }
    assert factors.pop("openai/gpt-oss-20b") == pytest.approx(1.3465736)  # 0.1·ln 32 + 1
    assert set(factors.values()) == {1.0}  # DeepSeek's two mscales cancel
