"""Record what the installed MLX-LM makes of configs: tests/golden/loader_readings_mlx.json.

    python tools/loader_readings_mlx.py

Run it where mlx (its CPU build will do) and mlx-lm are installed. It builds the attention of each model that
`rope_lib.models.loaders.mlx_lm` knows, from each way to write a rotation, and records the spectrum of its
rotary module as tools/loader_readings.py does.
"""

import importlib
import inspect
import typing
from dataclasses import MISSING, fields
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
from loader_spellings import (
    MLX,
    MLX_MODELS,
    fingerprint,
    kept_text,
    mlx_config,
    spellings,
    without_repetition,
)
from mlx_lm import __version__

ATTENTION = ("Attention", "MixtralAttention", "DeepseekV3Attention", "AttentionBlock")
TARGET = Path(__file__).resolve().parent.parent / "tests" / "golden" / "loader_readings_mlx.json"


def made(model, keys):
    """The rotary module that the model's attention builds from a config; or the error, in words."""
    module = importlib.import_module(f"mlx_lm.models.{model}")
    config = mlx_config(model, keys)
    for field in fields(module.ModelArgs):  # sizes that have no default and do not bear on rotation
        is_required = field.default is MISSING and field.default_factory is MISSING
        if is_required and field.name not in config and "rope" not in field.name and field.name != "head_dim":
            config[field.name] = {int: 2, float: 1.0, bool: False, str: model}.get(field.type, [])
    try:
        args = module.ModelArgs.from_dict(config)
        attention = next(getattr(module, name) for name in ATTENTION if hasattr(module, name))
        extra = {"layer_idx": 0} if "layer_idx" in inspect.signature(attention).parameters else {}
        return spectrum(attention(args, **extra).rope)
    except Exception as error:  # each model has errors of its own
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}"


def spectrum(rope):
    """The fingerprint of a rotary module, by what it hands to its kernel."""
    factor = getattr(rope, "mscale", getattr(rope, "_scale", 1.0))
    if "_freqs" in rope:
        periods = rope["_freqs"].tolist()
    elif isinstance(rope, nn.RoPE):
        periods = [rope.base ** (2 * pair / rope.dims) / rope.scale for pair in range(rope.dims // 2)]
    else:  # by the length of the input: unscaled up to the declared context
        rope(mx.zeros((1, 1, 1, rope.dims)))  # some models hand on no declared context, and fail here
        periods = [rope.base ** (2 * pair / rope.dims) for pair in range(rope.dims // 2)]
    return {"rope": fingerprint(([1 / period for period in periods], float(factor)))}


def main():
    found: dict[str, typing.Any] = {}
    for model in MLX_MODELS:
        ways = spellings(32, MLX["hidden_size"])
        found[model] = without_repetition({way: made(model, keys) for way, keys in ways.items()})
    TARGET.write_text(kept_text(f"mlx-lm {__version__}", found), encoding="utf-8")


if __name__ == "__main__":
    main()
