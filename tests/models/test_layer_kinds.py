"""Which layers attend, to how much, and which of them rotate."""

import pytest
from model_configs import BARE, by_kind, only, without

from rope_lib.models import read_model


@pytest.mark.parametrize(
    ("keys", "full"),
    [
        ({"full_attention_interval": 4}, (3, 7)),
        ({"layer_group_size": 4}, (3, 7)),
        ({"attn_type_list": [0, 1] * 4}, (1, 3, 5, 7)),
        ({"layers_block_type": ["mamba", "attention"] * 4}, (1, 3, 5, 7)),
        ({"hybrid_override_pattern": "M*-EM*-E"}, (1, 5)),
        ({"attn_layer_indices": [2, 5]}, (2, 5)),
        ({"full_attn_idxs": [2, 5]}, (2, 5)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_layers_without_attention(keys, full):
    spec, rotary = only({**BARE, **keys})
    assert rotary.layers == full
    assert spec.unrotated_layers == tuple(set(range(8)) - set(full))
    assert spec.sources["unrotated_layers"] == next(iter(keys))


@pytest.mark.parametrize(
    ("keys", "sliding"),
    [
        ({"sliding_window": 1024}, tuple(range(8))),  # Mistral 7B v0.1
        ({"sliding_window": None}, ()),
        ({"sliding_window": 1024, "use_sliding_window": False}, ()),
        ({"sliding_window": 1024, "use_sliding_window": True, "max_window_layers": 5}, (5, 6, 7)),
        ({"sliding_window": 1024, "sliding_window_pattern": 4}, (0, 1, 2, 4, 5, 6)),
        ({"sliding_window": 1024, "sliding_window_pattern": "LG"}, (0, 2, 4, 6)),
        ({"sliding_window": 1024, "layer_types": ["full_attention", "sliding_attention"] * 4}, (1, 3, 5, 7)),
        ({"sliding_window_size": 1024}, tuple(range(8))),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_layers_with_a_window(keys, sliding):
    kinds = by_kind({**BARE, **keys})
    assert (kinds["sliding"].layers if sliding else ()) == sliding
    assert all(rotary.window == (1024 if kind == "sliding" else None) for kind, rotary in kinds.items())


def test_qwen_2_has_windows_only_from_a_layer_on():
    config = {"model_type": "qwen2", "num_hidden_layers": 30, "use_sliding_window": True}
    assert by_kind(config)["sliding"].layers == (28, 29)
    assert list(by_kind({**config, "use_sliding_window": False})) == ["full"]


@pytest.mark.parametrize(
    ("keys", "unrotated"),
    [
        ({"no_rope_layers": [1, 1, 0, 1, 1, 1, 0, 1]}, (2, 6)),  # 1 says that RoPE is used
        ({"no_rope_layer_interval": 2}, (1, 3, 5, 7)),
        ({"alibi": True}, tuple(range(8))),
        ({"use_rope": False}, tuple(range(8))),
        ({"position_embedding_type": "nope"}, tuple(range(8))),
        ({"position_embedding_type": "rope"}, ()),
        ({"layer_rope_theta": [0, 1e4] * 4}, (0, 2, 4, 6)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_layers_without_rope(keys, unrotated):
    assert read_model({**BARE, **keys}).unrotated_layers == unrotated


LLAMA4 = {"model_type": "llama4_text", "num_hidden_layers": 8, "hidden_size": 5120, "num_attention_heads": 40}


@pytest.mark.parametrize("listed", [[], None])
def test_llama_4_rotates_three_of_four_layers_in_chunks(listed):
    spec, rotary = only({**LLAMA4, "no_rope_layers": listed, "attention_chunk_size": 4096})
    assert spec.unrotated_layers == (3, 7)
    assert (rotary.kind, rotary.window, rotary.base) == ("chunked", 4096, 500_000.0)
    assert spec.provenance["unrotated_layers"] == "class_default"
    assert spec.provenance["base"] == "class_default"


def test_llama_4_layers_listed():
    spec, rotary = only({**LLAMA4, "no_rope_layers": [0, 1] * 4})
    assert spec.unrotated_layers == (0, 2, 4, 6)
    assert rotary.window == 8192
    assert spec.provenance["unrotated_layers"] == "explicit"


@pytest.mark.parametrize("model_type", ["cohere2", "exaone4", "afmoe"])
def test_only_sliding_layers_rotate(model_type):
    config = {"model_type": model_type, "num_hidden_layers": 8, "hidden_size": 1024, "num_attention_heads": 8}
    spec, rotary = only({**config, "sliding_window": 4096})
    assert (rotary.kind, rotary.window, rotary.layers) == ("sliding", 4096, (0, 1, 2, 4, 5, 6))
    assert spec.unrotated_layers == (3, 7)
    assert spec.provenance["unrotated_layers"] == "class_default"


def test_exaone_4_without_a_window_rotates_everywhere():
    config = {"model_type": "exaone4", "num_hidden_layers": 4, "hidden_size": 1024, "num_attention_heads": 8}
    spec, rotary = only({**config, "sliding_window": None, "layer_types": ["full_attention"] * 4})
    assert (rotary.kind, spec.unrotated_layers) == ("full", ())


@pytest.mark.parametrize("keys", [{"rope_parameters": None}, {"rope_parameters": {"rope_theta": None}}])
def test_olmo_hybrid_without_a_base_rotates_nothing(keys):
    spec = read_model({"model_type": "olmo_hybrid", "num_hidden_layers": 4, **keys})
    assert spec.rotaries == ()


def test_null_for_a_kind_says_that_it_does_not_rotate():
    rope = {"full_attention": None, "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
    config = {**without(BARE, "rope_theta"), "rope_parameters": rope, "sliding_window": 512}
    spec, rotary = only({**config, "layer_types": ["sliding_attention", "full_attention"] * 4})
    assert rotary.layers == (0, 2, 4, 6)
    assert spec.sources["unrotated_layers"] == "rope_parameters.full_attention is null"


@pytest.mark.parametrize("model_type", ["nemotron_h", "jamba", "bert", "gpt2", "mamba"])
def test_classes_that_do_not_rotate(model_type):
    spec = read_model({"model_type": model_type, "num_hidden_layers": 4, "rope_theta": 10_000})
    assert spec.rotaries == ()
    assert spec.unrotated_layers == (0, 1, 2, 3)
    said = (
        "rotates nothing" if model_type in ("nemotron_h", "jamba") else "no rotary embedding in the code of"
    )
    assert said in spec.sources["unrotated_layers"]
    assert ("rope_theta" in spec.keys.not_understood) == (model_type not in ("nemotron_h", "jamba"))
