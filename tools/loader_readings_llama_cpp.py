"""Record what llama.cpp's converter writes of configs: tests/golden/loader_readings_llama_cpp.json.

    LLAMA_CPP=path/to/llama.cpp VERSION=0.3.36 python tools/loader_readings_llama_cpp.py

`LLAMA_CPP` is a copy of llama.cpp with its folders conversion and gguf-py, such as the one inside the source
distribution of llama-cpp-python, whose version is `VERSION`; transformers, torch and safetensors are
installed. It converts a model without weights from each way to write a rotation, and records the keys of
rotation in the GGUF file, and the divisors in its tensor.
"""

import json
import logging
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(os.environ["LLAMA_CPP"])
sys.path[1:1] = [str(ROOT), str(ROOT / "gguf-py")]

import conversion  # noqa: E402
import gguf  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from loader_spellings import CONVERTED, converted_config, kept_text, spellings, without_repetition  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

TARGET = Path(__file__).resolve().parent.parent / "tests" / "golden" / "loader_readings_llama_cpp.json"
KEYS = ("rope.", "context_length", "attention.key_length", "attention.head_count", "embedding_length")


def converted(config):
    """The keys of rotation and the divisors that the converter writes; or its refusal, in words."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_text(json.dumps(config))
        save_file({"unused": torch.zeros(1)}, folder / "model.safetensors")
        try:
            cls = conversion.get_model_class(config["architectures"][0])
            model = cls(folder, gguf.LlamaFileType.ALL_F32, folder / "model.gguf", eager=True)
            model.set_gguf_parameters()
            extra = {name: tensor.tolist() for name, tensor in model.generate_extra_tensors()}
        except Exception as error:  # each class has errors of its own
            return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}"
    written = {key: value.value for part in model.gguf_writer.kv_data for key, value in part.items()}
    prefix = f"{written['general.architecture']}."
    keys = {key.removeprefix(prefix): value for key, value in written.items() if key.startswith(prefix)}
    kept = {key: value for key, value in keys.items() if key.startswith(KEYS)}
    divisors = extra.get("rope_freqs.weight")
    return {"keys": kept, "divisors": divisors and [float(f"{value:.6g}") for value in divisors]}


def main():
    logging.disable(logging.CRITICAL)
    found = {}
    for architecture in CONVERTED:
        ways = spellings(32, 2048)
        made = {way: converted(converted_config(architecture, keys)) for way, keys in ways.items()}
        found[architecture] = without_repetition(made)
    source = f"llama.cpp in llama-cpp-python {os.environ['VERSION']}, transformers {transformers.__version__}"
    TARGET.write_text(kept_text(source, found), encoding="utf-8")


if __name__ == "__main__":
    main()
