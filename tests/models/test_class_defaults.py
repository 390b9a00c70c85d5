"""The table of class defaults: what the installed transformers assumes, and what a reader relies on."""

import json
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def table(root):
    """The committed table, read with the json module alone."""
    return json.loads((root / "rope_lib" / "models" / "class_defaults.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def models(table):
    return table["models"]


@pytest.mark.slow
def test_the_table_is_what_the_installed_transformers_gives(root):
    pytest.importorskip("transformers")
    run = subprocess.run(
        [sys.executable, "tools/class_defaults.py", "--check"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_a_difference_is_named(root):
    script = """
import sys
sys.path.insert(0, "tools")
from class_defaults import difference
old = {"source": "transformers 1", "models": {"a": {"rope": True}, "b": {"rope": True, "head_dim": 64}}}
new = {"source": "transformers 2", "models": {"a": {"rope": True}, "b": {"rope": True, "head_dim": 32}}}
print(difference(old, old))
print(difference(old, new))
print(difference(old, {**old, "source": "transformers 2"}))
"""
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False
    )
    if "No module named 'transformers'" in run.stderr:
        pytest.skip("transformers is not installed")
    versions = "recorded from transformers 1, installed is transformers 2"
    assert run.stdout.splitlines() == [
        "None",
        f"b differs in head_dim ({versions})",
        f"every model type agrees, but {versions}",
    ]


def test_every_nested_text_type_has_its_own_entry(models):
    nested = {name: entry for name, entry in models.items() if "text" in entry}
    assert len(nested) > 100
    for name, entry in nested.items():
        assert "rope" in models[entry["text_type"]], name


def test_the_table_holds_most_rotary_models(models):
    assert sum(entry.get("rope", False) for entry in models.values()) > 150


@pytest.mark.parametrize(
    ("model_type", "base"),
    [("mixtral", 1e6), ("llama4_text", 5e5), ("gpt_oss", 1.5e5), ("smollm3", 2e6), ("llama", 1e4)],
)
def test_the_default_base_is_the_class_default(models, model_type, base):
    assert models[model_type]["rope_parameters"]["rope_theta"] == base


def test_gemma3_has_two_bases_and_every_sixth_layer_full(models):
    gemma = models["gemma3_text"]
    bases = {kind: rope["rope_theta"] for kind, rope in gemma["rope_parameters"].items()}
    assert bases == {"full_attention": 1e6, "sliding_attention": 1e4}
    assert gemma["layer_pattern"] == ["sliding_attention"] * 5 + ["full_attention"]
    assert gemma["pattern_keys"] == {"sliding_window_pattern": 6}
    assert "last_layer" not in gemma
    assert models["gemma4_text"]["last_layer"] == "full_attention"
    assert models["gemma4_text"]["layer_overrides"] == {"full_attention": {"head_dim": 512}}


def test_the_rotated_part_of_a_head(models):
    assert models["gpt_neox"]["rope_parameters"]["partial_rotary_factor"] == 0.25
    assert models["gptj"]["rotary_dim"] == 64
    assert models["deepseek_v3"]["qk_rope_head_dim"] == 64


@pytest.mark.parametrize(
    "model_type",
    ["bert", "bloom", "gpt2", "jamba", "kimi_linear", "mamba", "mpt", "nemotron_h", "opt", "t5", "whisper"],
)
def test_a_model_without_rotary_embedding(models, model_type):
    assert models[model_type]["rope"] is False


@pytest.mark.parametrize(
    "model_type",
    [
        "codegen",
        "falcon",
        "gpt_neox",
        "gptj",
        "internlm3",
        "llama4_text",
        "modernbert",
        "qwen3_vl_text",
        "roformer",
    ],
)
def test_a_model_with_rotary_embedding(models, model_type):
    assert models[model_type]["rope"] is True


def test_a_class_own_key_leads_to_the_standard_name(models):
    assert models["gptj"]["aliases"]["n_embd"] == "hidden_size"
    assert models["gptj"]["hidden_size"] == 4096
    assert models["granitemoehybrid"]["aliases"] == {"layers_block_type": "layer_types"}


def test_a_derived_size_is_not_a_default(models):
    # Llama's head_dim follows hidden_size: a default of 128 would be wrong for every other width.
    assert "head_dim" not in models["llama"]


def test_optional_rotation_names_its_key(models):
    assert models["falcon"]["rope_optional"] == {"key": "alibi", "default": False, "rope_when": [False]}
    assert models["smollm3"]["no_rope_pattern"] == [1, 1, 1, 0]


# Model types whose classes have names of another model; the readers take them for what their names say.
OF_OTHERS = {"Jev", "Glm46V", "GotOcr2", "Nemotron3_5Transcribe", "Sam3Tracker"}


@pytest.mark.slow
def test_the_architectures_of_every_model_type_are_taken_for_its_own():
    pytest.importorskip("transformers")
    from transformers.models.auto import modeling_auto

    from rope_lib.models.text_part import is_of_type

    tables = [table for name, table in vars(modeling_auto).items() if name.endswith("_MAPPING_NAMES")]
    pairs = {
        (name, model_type)
        for table in tables
        for model_type, names in table.items()
        for name in ([names] if isinstance(names, str) else names or ())
        if name and not name.endswith("Config")
    }
    assert len(pairs) > 500
    foreign = {name for name, model_type in pairs if not is_of_type(name, model_type)}
    assert {name for name in foreign if not name.startswith(tuple(OF_OTHERS))} == set()
