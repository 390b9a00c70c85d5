"""What determines a measurement of a language model: the key under which `rope_lib.runs.store` keeps it."""

import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import torch

from rope_lib.runs.source import modules_sha256

from .load import LanguageModel

Json = Any  # what JSON can hold: numbers, strings, lists, dicts

_SOURCES = ("measure", "theory")  # the folders of this library that compute a measurement


def identity(
    modules: Sequence[str], model: LanguageModel, tokens: torch.Tensor | Sequence[int], **options: Any
) -> dict[str, Json]:
    """What determines a measurement of a `LanguageModel` on `tokens` `(length,)`, as `inputs` of `stored`.

    The weights, the number type and kind of device, the tokens, the versions of the packages that compute,
    the code of the `modules` of this library that measure, such as "rope_lib.measure.sweep", with all that
    they import, and the `options`, which may include frozen dataclasses.
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
        "source_sha256": modules_sha256(modules, _SOURCES),
        "options": {name: _plain(value) for name, value in options.items()},
    }


def _plain(value: Any) -> Json:
    """A value as JSON holds it: a frozen dataclass becomes its name and its fields."""
    if is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: asdict(value)}
    return value
