"""What determines a measurement of a language model, by which `rope_lib.runs.store` keeps it."""

import hashlib
import importlib.metadata
from dataclasses import asdict, is_dataclass

import torch

from rope_lib.runs.source import source_sha256

_SOURCES = ("measure", "theory")  # the folders of this library that compute a measurement


def identity(model, tokens, **options):
    """What determines a measurement of a `LanguageModel` on `tokens` `(length,)`, as `inputs` of `stored`.

    The weights, the number type and kind of device, the tokens, the versions of what computes, the source
    of the parts of this library that do, and the `options`, among which may be frozen dataclasses.
    """
    ids = torch.as_tensor(tokens).cpu().to(torch.int64).numpy().astype("<i8")
    return {
        "model": model.name,
        "model_sha256": model.sha256,
        "dtype": model.dtype,
        "device": model.device.partition(":")[0],
        "tokens": len(ids),
        "tokens_sha256": hashlib.sha256(ids.tobytes()).hexdigest(),
        "versions": {
            name: importlib.metadata.version(name) for name in ("rope-lib", "torch", "transformers")
        },
        "source_sha256": source_sha256(_SOURCES),
        "options": {name: _plain(value) for name, value in options.items()},
    }


def _plain(value):
    """A value as JSON holds it: a frozen dataclass becomes its name and its fields."""
    return {type(value).__name__: asdict(value)} if is_dataclass(value) else value
