"""Which object of a config describes the text model."""

import pytest
from model_configs import BARE, only

from rope_lib.models import read_model

TRAP = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "rope_theta": 100.0}


@pytest.mark.parametrize(
    "path", ["text_config", "llm_config", "language_config", "thinker_config.text_config"]
)
def test_text_part(path):
    config = {**BARE, "model_type": "of_no_class"}
    for key in reversed(path.split(".")):
        config = {key: config, "vision_config": TRAP, "model_type": "of_no_class"}
    spec, rotary = only(config)
    assert (rotary.base, rotary.head_dim, spec.num_layers) == (10_000.0, 128, 8)
    assert spec.sources["base"] == f"{path}.rope_theta"


def test_vision_part_is_no_text():
    with pytest.raises(ValueError, match=r"^num_hidden_layers is missing"):
        read_model({"vision_config": TRAP})


def test_text_part_without_type_takes_that_of_its_class():
    spec = read_model({"model_type": "llama4", "text_config": {"num_hidden_layers": 4}})
    assert spec.rotaries[0].base == 500_000.0
    assert spec.sources["base"].startswith("llama4_text in transformers")


def test_attn_config():
    config = {  # DBRX
        "model_type": "dbrx",
        "d_model": 6144,
        "n_heads": 48,
        "n_layers": 40,
        "max_seq_len": 32_768,
        "attn_config": {"clip_qkv": 8, "kv_n_heads": 8, "model_type": "", "rope_theta": 500_000},
    }
    spec, rotary = only(config)
    assert (rotary.base, rotary.head_dim, spec.num_layers, spec.declared_context) == (5e5, 128, 40, 32_768)
    assert spec.sources["base"] == "attn_config.rope_theta"
    assert spec.provenance["context"] == "alias"
