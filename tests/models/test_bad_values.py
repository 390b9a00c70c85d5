"""Values of a wrong kind, contradictions and slips in a config: each refused by the name of its key."""

import copy

import pytest
from fuzz_config import judged
from model_configs import LLAMA, SMALL, refused

from rope_lib.models import read_model


def named(value):
    """A short name of a value for the ids of tests: some have thousands of digits."""
    return (
        f"{type(value).__name__}-{value!s:.8}" if not isinstance(value, int) or abs(value) < 1e300 else "huge"
    )


# A value that is none of the right kind: (key path, value, what the message says).
NUMBERS = [
    float("nan"),
    float("inf"),
    -float("inf"),
    10**400,
    int("9" * 4000) ** 2,
    True,
    False,
    "8",
    "",
    [],
    [8],
    {},
    -8,
]


COUNTS = [*NUMBERS, 0, 0.5, 10**9, -1, 1e300, "eight"]


@pytest.mark.parametrize("value", COUNTS, ids=named)
@pytest.mark.parametrize(
    "key",
    ["num_hidden_layers", "hidden_size", "num_attention_heads", "head_dim", "rotary_dim", "qk_rope_head_dim"],
)
def test_counts_of_a_wrong_kind(key, value):
    line = refused({**SMALL, key: value})
    assert line.startswith(f"{key} must be a whole number from 1 to ")


@pytest.mark.parametrize("value", [*NUMBERS, 0, 1, 1.0, -10_000.0, 1e301], ids=named)
@pytest.mark.parametrize("key", ["rope_theta", "rope_parameters.rope_theta"])
def test_bases_of_a_wrong_kind(key, value):
    config = {**SMALL, "rope_theta": value}
    if "." in key:
        config = {
            **SMALL,
            "rope_theta": None,
            "rope_parameters": {"rope_type": "default", "rope_theta": value},
        }
    if isinstance(value, list) and key == "rope_theta":
        assert refused(config).startswith("rope_theta must list one entry for each of 4 layers")
    elif value == {} and "." in key:
        assert refused(config).startswith("rope_parameters must have an entry for full_attention, got only")
    else:
        assert refused(config).startswith(f"{key} must be a finite number > 1, got ")


@pytest.mark.parametrize("value", [*NUMBERS, 0, 1.5], ids=named)
@pytest.mark.parametrize("key", ["partial_rotary_factor", "rotary_pct"])
def test_shares_of_a_wrong_kind(key, value):
    assert refused({**SMALL, key: value}).startswith(f"{key} must be a number above 0 and at most 1, got ")


@pytest.mark.parametrize("value", COUNTS[:-4], ids=named)
def test_contexts_of_a_wrong_kind(value):
    assert refused({**SMALL, "max_position_embeddings": value}).startswith("max_position_embeddings must be")


SCALING_VALUES = [*NUMBERS, 0, 1e300, 1e-300, "x\ny", [1] * 5]


@pytest.mark.parametrize("value", SCALING_VALUES, ids=named)
@pytest.mark.parametrize(
    "key", ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"]
)
def test_scalings_of_a_wrong_kind(key, value):
    config = copy.deepcopy(LLAMA)
    config["rope_scaling"][key] = value
    line = refused(config)
    assert line.startswith("rope_scaling"), line
    assert key in line


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"rope_scaling": 8}, "rope_scaling must be an object, got 8"),
        ({"rope_scaling": {"factor": 8}}, "rope_scaling must name its rope_type, got only factor"),
        ({"rope_scaling": {"type": "spiral"}}, "rope_scaling.type must be one of default, mrope, "),
        ({"rope_scaling": {"type": "axial"}}, "rope_scaling.type must be one of default, mrope, "),
        ({"rope_scaling": {"rope_type": ["yarn"]}}, "rope_scaling.rope_type must be one of "),
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling: factor must be "),
        (
            {"rope_scaling": {"type": "linear", "rope_type": "yarn", "factor": 2}},
            "rope_scaling.rope_type and rope_scaling.type must agree, got 'yarn' and 'linear'",
        ),
        (
            {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}},
            "rope_theta and rope_parameters.rope_theta must agree, got 10000.0 and 500000.0",
        ),
        (
            {
                "rope_scaling": {"type": "linear", "factor": 2},
                "rope_parameters": {"type": "linear", "factor": 4},
            },
            "rope_parameters.factor and rope_scaling.factor must agree, got 4 and 2",
        ),
        (
            {
                "original_max_position_embeddings": 2048,
                "rope_scaling": {"type": "yarn", "factor": 2, "original_max_position_embeddings": 4096},
            },
            "original_max_position_embeddings and rope_scaling.original_max_position_embeddings must agree, "
            "got 2048 and 4096",
        ),
        ({"rotary_emb_base": 20_000}, "rope_theta and rotary_emb_base must agree, got 10000.0 and 20000.0"),
        (
            {"rotary_dim": 64, "partial_rotary_factor": 0.25},
            "rotary_dim and head_dim × partial_rotary_factor must agree, got 64 and 32",
        ),
        (
            {"rotary_dim": 256},
            "the rotary dimension must be an even number from 2 to the head size 128, got 256",
        ),
        (
            {"head_dim": 127},
            "the rotary dimension must be an even number from 2 to the head size 127, got 127",
        ),
        ({"num_attention_heads": 5}, "head_dim is missing, and hidden_size 512 is no multiple of 5 heads"),
        (
            {"layer_types": ["full_attention"] * 3},
            "layer_types must list one entry for each of 4 layers, got 3",
        ),
        ({"layer_types": "full_attention"}, "layer_types must list one entry for each of 4 layers, got 14"),
        ({"layer_types": 4}, "layer_types must list one entry for each of 4 layers, got 4"),
        (
            {"layer_types": ["full"] * 4},
            "layer_types must name kinds of layers, such as full_attention, got 'full'",
        ),
        ({"layer_types": ["a\n_attention"] * 4}, "layer_types must name kinds of layers"),
        ({"layer_types": [None, {}, [], 1]}, "layer_types must name kinds of layers"),
        (
            {"layer_types": ["sliding_attention"] * 4},
            "sliding_window is missing: layer_types names sliding layers",
        ),
        ({"hybrid_layer_pattern": [True, False, 0, 1]}, "hybrid_layer_pattern must name kinds of layers"),
        ({"attn_layer_indices": [4]}, "attn_layer_indices must list layers from 0 to 3, got 4"),
        ({"attn_layer_indices": [-1]}, "attn_layer_indices must list layers from 0 to 3, got -1"),
        ({"attn_layer_indices": ["1"]}, "attn_layer_indices must list layers, counted from 0, got a list"),
        ({"sliding_window": -2}, "sliding_window must be a whole number from 1 to "),
        (
            {"sliding_window": 512, "sliding_window_pattern": 0},
            "sliding_window_pattern must be a whole number",
        ),
        (
            {"sliding_window": 512, "sliding_window_pattern": "LX"},
            "sliding_window_pattern must be a number or ",
        ),
        (
            {"sliding_window": 9, "local_attention": 128},
            "sliding_window and half of local_attention must agree",
        ),
        ({"local_attention": 1}, "half of local_attention must be a whole number from 1"),
        ({"use_sliding_window": "no"}, "use_sliding_window must be true or false, got 'no'"),
        ({"alibi": 1}, "alibi must be true or false, got 1"),
        ({"no_rope_layers": [1, 0, 2, 1]}, "no_rope_layers must list 0 and 1, 1 where RoPE is used"),
        (
            {"no_rope_layers": [1, 0]},
            "no_rope_layers must list one entry for each of 4 layers, got 2 entries",
        ),
        (
            {"no_rope_layers": []},
            "no_rope_layers must list 0 or 1 for each layer: no rule of this model is known",
        ),
        ({"no_rope_layer_interval": 0}, "no_rope_layer_interval must be a whole number from 1"),
        ({"rope_theta": [1e4, 1e4]}, "rope_theta must list one entry for each of 4 layers, got 2 entries"),
        ({"rope_theta": [1e4, 1e4, 1e4, "x"]}, "rope_theta must be a finite number > 1, got 'x'"),
        ({"rope_theta": [1e4, {}, [], {}]}, "rope_theta must be a finite number > 1"),
        ({"layer_rope_theta": [0, 0, 0, -1]}, "layer_rope_theta must be a finite number > 1, got -1"),
        (
            {"rope_parameters": {"sliding_attention": {"rope_type": "default"}}},
            "rope_parameters must have an entry for full_attention, got only sliding_attention",
        ),
        (
            {"rope_parameters": {"full_attention": 8}, "rope_theta": None},
            "rope_parameters.full_attention must be an object, got 8",
        ),
        ({"text_config": []}, "text_config must be an object, got a list of 0 entries"),
        (
            {"text_config": {"num_hidden_layers": 0}},
            "text_config.num_hidden_layers must be a whole number from 1",
        ),
        ({"attn_config": {"rope_theta": 1}, "rope_theta": None}, "rope_theta is missing"),
        ({"model_type": ["llama"]}, "model_type must be a string, got a list of 1 entries"),
        (
            {"yarn_only_types": 1, "rope_scaling": {"type": "linear", "factor": 2}},
            "yarn_only_types must list kinds",
        ),
        ({"rope_scaling_layers": [9]}, "rope_scaling_layers must list layers from 0 to 3, got 9"),
        (
            {"rope_scaling": {"type": "dynamic", "factor": 2}, "max_position_embeddings": None},
            "max_position_embeddings is missing: dynamic scaling starts from there",
        ),
        (
            {"rope_scaling": {"type": "yarn", "factor": 2}, "max_position_embeddings": None},
            "rope_scaling.original_max_position_embeddings is missing, and so is a declared context",
        ),
        (
            {
                "rope_scaling": {
                    "type": "longrope",
                    "factor": 2,
                    "short_factor": [1] * 8,
                    "long_factor": [1] * 8,
                }
            },
            "rope_scaling: short_factor must hold one number for each of 64 pairs",
        ),
        (
            {"rope_scaling": {"rope_type": "mrope", "mrope_section": [16, 24, 25]}},
            "rope_scaling: mrope_section must share out 64 pairs",
        ),
        ({"rope_scaling": {"type": "linear", "factor": 2, "a\nb": 1, "\x1b[31m": 2, 3: 4}}, None),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_contradictions_and_slips(keys, says):
    if says is None:  # odd names of keys that are not read
        assert all(note.isprintable() for note in read_model({**SMALL, **keys}).notes)
    else:
        assert refused({**SMALL, **keys}).startswith(says)


@pytest.mark.parametrize(
    "keys",
    [
        {"model_type": "x\ny" * 100_000},
        {"model_type": "\ud800\x1b[31m"},
        {"rope_scaling": {"type": "y\n" * 10**6}},
        {"rope_scaling": {"\n" * 10**6: 1}},
        {"rope_scaling": {f"\n{i}": 1 for i in range(1000)}},
        {"rope_parameters": {"\n" * 10**6: {}}},
        {"rope_theta": "\r\n" * 10**6},
        {"layer_types": ["\n" * 10**6] * 4},
        {"architectures": ["\n" * 10**6], "rope_theta": None},
        {"_name_or_path": "\n" * 10**6, "rope_theta": None},
        {"no_rope_layers": "\n" * 10**6},
    ],
    ids=range(11),
)
def test_hostile_text_stays_on_one_short_line(keys):
    judged({**SMALL, **keys})
