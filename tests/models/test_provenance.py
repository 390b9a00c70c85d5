"""Where each value of a spec came from, and that reading leaves a config alone."""

import json

import pytest
from model_configs import BARE, GEMMA3, only, without

from rope_lib.models import read_model


@pytest.mark.parametrize(
    ("model_type", "base"),
    [
        ("mixtral", 1e6),
        ("gpt_oss", 1.5e5),
        ("llama4_text", 5e5),
        ("smollm3", 2e6),
        ("llama", 1e4),
        ("cohere", 5e5),
    ],
)
def test_class_default_of_the_base(model_type, base):
    config = {"model_type": model_type, "num_hidden_layers": 4, "hidden_size": 1024, "num_attention_heads": 8}
    spec = read_model(config)
    assert {rotary.base for rotary in spec.rotaries} == {base}
    assert spec.provenance["base"] == "class_default"
    assert spec.sources["base"].startswith(f"{model_type} in transformers ")


def test_null_keeps_a_class_default_out():
    with pytest.raises(ValueError, match=r"^rope_theta is missing, and no default of this model is known$"):
        read_model({**BARE, "model_type": "llama", "rope_theta": None})
    with pytest.raises(ValueError, match=r"^rope_theta is missing"):
        read_model(
            {**without(BARE, "rope_theta"), "model_type": "llama", "rope_parameters": {"rope_theta": None}}
        )
    config = {"model_type": "apertus", "num_hidden_layers": 4, "hidden_size": 1024, "num_attention_heads": 8}
    assert only(config)[1].scaling["type"] == "llama3"
    assert only({**config, "rope_scaling": None})[1].scaling == {"type": "default"}
    assert read_model({**config, "max_position_embeddings": None}).declared_context is None


def test_a_class_default_never_covers_a_key():
    spec, rotary = only(
        {"model_type": "mixtral", "num_hidden_layers": 4, "rope_theta": 12_345.0, "head_dim": 64}
    )
    assert (rotary.base, rotary.head_dim) == (12_345.0, 64)
    assert spec.provenance["base"] == spec.provenance["head_dim"] == "explicit"


def test_an_unknown_class_is_read_by_its_keys_alone():
    spec = read_model({**BARE, "model_type": "of_no_class"})
    assert spec.notes == ("The model type 'of_no_class' is not known: only its config was read.",)
    assert spec.provenance["layers"] == "assumed"
    with pytest.raises(ValueError, match=r"^rope_theta is missing"):
        read_model({**without(BARE, "rope_theta"), "model_type": "of_no_class"})


def test_mistral_v01_declares_more_than_it_was_trained_on():
    config = {**BARE, "model_type": "mistral", "max_position_embeddings": 32_768, "sliding_window": 4096}
    spec, rotary = only(config)
    assert (spec.declared_context, rotary.window) == (32_768, 4096)
    assert spec.original_context is None


def test_reading_leaves_a_config_alone():
    config = json.loads(json.dumps(GEMMA3))
    read_model(config)
    assert config == GEMMA3
