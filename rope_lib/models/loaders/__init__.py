"""What other programs make of a model's file: the rotation that each runs, by rules of one version of it.

A silent fault is a rotation that is not the trained one: a program that passes over the key in which a file
states its base, takes a class default for it, and answers fluently with worse logits. Each module here holds
one program's rules, as a function from a file to a `ModelSpec` of what the program runs; `Refused` is the
program's own refusal, and `NotKnown` says that its rule is not established here. Nothing is guessed. Which
layers rotate, and what their attention sees, is taken from the file's own reading.

A checkpoint that transformers 5 wrote, in transformers 4:

>>> from rope_lib.models.config import read_config
>>> config = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 256, "num_attention_heads": 2}
>>> config["rope_parameters"] = {"rope_type": "default", "rope_theta": 1_000_000.0}
>>> LOADERS["transformers-4"].read(ModelFile("config.json", config, read_config(config))).rotaries[0].base
10000.0

To add a program, write its module and its entry in `LOADERS`.
"""

import os
from pathlib import Path

from ..gguf import read_gguf
from ..params import is_params
from ..read import find_file, load_json, read_model
from . import llama_cpp, mlx_lm, transformers_4, transformers_5, vllm
from .seen import Loader, ModelFile, NotKnown, Refused

__all__ = ["LOADERS", "Loader", "ModelFile", "NotKnown", "Refused", "model_file"]

_MEASURED = "Measured: the rules give the spectra that the package's own rotary modules hold."

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
            "Read: the rules are those of its code, which was not run.",
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
            "Measured for its converter; the rules of its runtime are read from its code.",
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
    keys = load_json(path)
    return ModelFile("params.json" if is_params(keys) else "config.json", keys, spec)


def is_gguf(path: Path) -> bool:
    """Whether a file begins as a GGUF file does."""
    with path.open("rb") as file:
        return file.read(4) == b"GGUF"
