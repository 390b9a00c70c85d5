"""What other programs make of a model's file: the rotation that each runs, by rules of one version of it.

A silent fault is a rotation that is not the trained one: a program that passes over the key in which a file
states its base, takes a class default for it, and answers fluently with worse logits. Each module here holds
one program's rules, as a function from a file to a `ModelSpec` of what the program runs; `Refused` is the
program's own refusal, and `NotKnown` says that its rule is not established here. Nothing is guessed.

To add a program, write its module and its entry in `LOADERS`.
"""

import os
from pathlib import Path

from ..gguf import read_gguf
from ..read import find_file, load_json, read_model
from . import llama_cpp, mlx_lm, transformers_4, transformers_5, vllm
from .seen import Loader, ModelFile, NotKnown, Refused

__all__ = ["LOADERS", "Loader", "ModelFile", "NotKnown", "Refused", "model_file"]

_MEASURED = "The rules give what the package's own rotary modules hold, for each way to write a rotation."

LOADERS = {
    loader.name: loader
    for loader in (
        Loader(
            "transformers-4",
            transformers_4.PROGRAM,
            transformers_4.read,
            _MEASURED,
            ("src/transformers/modeling_rope_utils.py", "src/transformers/models/*/configuration_*.py"),
        ),
        Loader(
            "transformers-5",
            transformers_5.PROGRAM,
            transformers_5.read,
            _MEASURED,
            ("src/transformers/modeling_rope_utils.py: RotaryEmbeddingConfigMixin",),
        ),
        Loader(
            "vllm",
            vllm.PROGRAM,
            vllm.read,
            "The rules are read from its code, and were not run.",
            (
                "vllm/model_executor/layers/rotary_embedding/__init__.py: get_rope",
                "vllm/transformers_utils/config.py: patch_rope_parameters",
            ),
        ),
        Loader(
            "mlx-lm",
            mlx_lm.PROGRAM,
            mlx_lm.read,
            _MEASURED,
            ("mlx_lm/models/rope_utils.py: initialize_rope", "mlx_lm/models/*.py: ModelArgs"),
        ),
        Loader(
            "llama.cpp",
            llama_cpp.PROGRAM,
            llama_cpp.read,
            "Its converter was run; its runtime's rules are read from its code.",
            ("conversion/base.py: TextModel", "conversion/llama.py", "src/llama-context.cpp"),
        ),
    )
}


def model_file(source: str | os.PathLike[str], *, download: bool = False) -> ModelFile:
    """A model's file with its keys; `source` and errors are those of `rope_lib.models.read_model`."""
    spec = read_model(source, download=download)
    path, _ = find_file(source)
    if is_gguf(path):
        return ModelFile("gguf", dict(read_gguf(path)[0]), spec)
    kind = "params.json" if path.name == "params.json" else "config.json"
    return ModelFile(kind, load_json(path), spec)


def is_gguf(path: Path) -> bool:
    """Whether a file begins as a GGUF file does."""
    with path.open("rb") as file:
        return file.read(4) == b"GGUF"
