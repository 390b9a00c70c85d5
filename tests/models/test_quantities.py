"""Each quantity under every name that configs have for it: base, head size, context, number of layers."""

import numpy as np
import pytest
from model_configs import BARE, only, without

from rope_lib.models import read_model
from rope_lib.theory.oscillators import frequencies


@pytest.mark.parametrize(
    ("name", "provenance"),
    [
        ("rope_theta", "explicit"),
        ("rotary_emb_base", "alias"),
        ("rope_embedding_base", "alias"),
        ("rotary_base", "alias"),
        ("rope_base", "alias"),
        ("global_rope_theta", "alias"),
    ],
)
def test_base(name, provenance):
    spec, rotary = only({**without(BARE, "rope_theta"), name: 500_000})
    assert rotary.base == 500_000.0
    assert (spec.provenance["base"], spec.sources["base"]) == (provenance, name)


@pytest.mark.parametrize("name", ["head_dim", "kv_channels", "d_kv", "attention_head_dim"])
def test_head_size(name):
    spec, rotary = only({**BARE, name: 256})
    assert (rotary.head_dim, rotary.rotary_dim) == (256, 256)
    assert spec.provenance["head_dim"] == ("explicit" if name == "head_dim" else "alias")


def test_head_size_from_hidden_size():
    spec, rotary = only({**BARE, "head_dim": None})
    assert rotary.head_dim == 128
    assert spec.provenance["head_dim"] == "derived"
    assert spec.sources["head_dim"] == "hidden_size / num_attention_heads"


@pytest.mark.parametrize(
    ("keys", "head_dim"),
    [
        ({"hidden_size": 3072, "num_attention_heads": 16, "head_dim": 256}, 256),  # Gemma 7B
        ({"hidden_size": 5120, "num_attention_heads": 32, "head_dim": 128}, 128),  # Mistral Nemo
    ],
    ids=["gemma-7b", "mistral-nemo"],
)
def test_head_size_stated_beside_another_quotient(keys, head_dim):
    assert only({**BARE, **keys})[1].head_dim == head_dim


@pytest.mark.parametrize(
    "name", ["partial_rotary_factor", "rotary_pct", "rope_pct", "rotary_percentage", "rotary_emb_fraction"]
)
def test_partial(name):
    spec, rotary = only({**BARE, name: 0.25})
    assert (rotary.head_dim, rotary.rotary_dim) == (128, 32)
    np.testing.assert_array_equal(rotary.spectrum(4096)[0], frequencies(10_000, 32))
    assert spec.provenance["rotary_dim"] == ("explicit" if name == "partial_rotary_factor" else "alias")


@pytest.mark.parametrize("name", ["rotary_dim", "rotary_ndims"])
def test_rotary_dim(name):
    assert only({**BARE, name: 64})[1].rotary_dim == 64


def test_partial_inside_rope_parameters():
    config = without(BARE, "rope_theta")
    config["rope_parameters"] = {"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25}
    spec, rotary = only(config)
    assert (rotary.base, rotary.rotary_dim) == (1e7, 32)
    assert spec.sources["base"] == "rope_parameters.rope_theta"
    assert spec.provenance["rotary_dim"] == "derived"


def test_rotary_dim_and_share_that_agree():
    assert only({**BARE, "rotary_dim": 64, "partial_rotary_factor": 0.5})[1].rotary_dim == 64


@pytest.mark.parametrize(
    "name",
    ["max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "model_max_length", "n_ctx"],
)
def test_context(name):
    spec = read_model({**without(BARE, "max_position_embeddings"), name: 8192})
    assert spec.declared_context == 8192
    assert spec.provenance["context"] == ("explicit" if name == "max_position_embeddings" else "alias")


def test_contexts_that_differ_are_reported():
    spec = read_model({**BARE, "seq_length": 2048})  # Qwen 1 states both
    assert spec.declared_context == 4096
    assert spec.notes[-1] == "seq_length says 2048; max_position_embeddings was taken."


def test_no_context():
    assert read_model(without(BARE, "max_position_embeddings")).declared_context is None


@pytest.mark.parametrize("name", ["n_layer", "n_layers", "num_layers"])
def test_number_of_layers(name):
    assert read_model({**without(BARE, "num_hidden_layers"), name: 3}).num_layers == 3


def test_whole_numbers_may_be_written_with_a_point():
    assert read_model({**BARE, "num_hidden_layers": 8.0}).num_layers == 8


@pytest.mark.parametrize(
    "layers",
    [{"layer_types": ["conv", "full_attention"] * 3}, {"layers_block_type": ["mamba", "attention"] * 3},
     {"hybrid_override_pattern": "M*M*M*"}],
    ids=lambda layers: next(iter(layers)),
)  # fmt: skip
def test_a_list_of_all_layers_says_how_many_there_are(layers):  # Nemotron 3 states no number
    config = {"hidden_size": 64, "num_attention_heads": 4, "rope_theta": 1e6, **layers}
    spec = read_model(config)
    assert (spec.num_layers, spec.provenance["num_layers"]) == (6, "derived")
    assert spec.rotaries[0].layers == (1, 3, 5)
    with pytest.raises(ValueError, match="each of 5 layers, got 6 entries"):
        read_model({**config, "n_layers": 5})
