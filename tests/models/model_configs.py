"""Configs that several tests of the readers start from, and short ways to read them."""

import pytest

from rope_lib.models import read_model

# Neither is of a known model type, and neither leaves anything open.
BARE = {
    "num_hidden_layers": 8,
    "hidden_size": 1024,
    "num_attention_heads": 8,
    "max_position_embeddings": 4096,
    "rope_theta": 10_000.0,
}

SMALL = {
    "num_hidden_layers": 4,
    "hidden_size": 512,
    "num_attention_heads": 4,
    "rope_theta": 10_000.0,
    "max_position_embeddings": 4096,
}

GEMMA3 = {
    "model_type": "gemma3_text",
    "num_hidden_layers": 26,
    "hidden_size": 1152,
    "num_attention_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 32_768,
    "rope_theta": 1_000_000,
    "rope_local_base_freq": 10_000,
    "sliding_window": 512,
    "sliding_window_pattern": 6,
}

LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 4,
    "hidden_size": 512,
    "num_attention_heads": 4,
    "max_position_embeddings": 8192,
    "rope_theta": 500_000.0,
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}


def without(config, *names):
    return {key: value for key, value in config.items() if key not in names}


def only(config):
    """The spec of a config, and its one spectrum."""
    spec = read_model(config)
    (rotary,) = spec.rotaries
    return spec, rotary


def by_kind(config):
    return {rotary.kind: rotary for rotary in read_model(config).rotaries}


def refused(source, error=ValueError):
    """The one line that a source is refused with."""
    with pytest.raises(error) as caught:
        read_model(source)
    line = str(caught.value)
    assert type(caught.value) in (ValueError, FileNotFoundError, PermissionError, OSError, IsADirectoryError)
    assert line, "a refusal says why"
    assert line.isprintable()
    assert len(line) < 1000
    return line
