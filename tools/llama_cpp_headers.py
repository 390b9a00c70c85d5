"""Write down which header llama.cpp's converter writes from a config of each class of transformers.

    python tools/llama_cpp_headers.py LLAMA_CPP COMMIT        # writes tests/models/converted_headers.json

The tests read both, the config and the header, and compare what rotates. For each model type whose default
config the converter takes: the architecture, the keys of the header that may bear on rotation, and the
divisors of frequencies in its tensors. It needs transformers and torch, and no model.
"""

import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

from transformers import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from rope_lib.models.gguf import read_gguf
from rope_lib.models.gguf_keys import BLOCKS, OF_ROTATION, why_inert

TARGET = Path(__file__).resolve().parent.parent / "tests" / "models" / "converted_headers.json"


def configs() -> dict[str, dict[str, Any]]:
    """The default config of each model type that generates text, by model type."""
    found: dict[str, dict[str, Any]] = {}
    for model_type, names in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.items():
        try:
            config = CONFIG_MAPPING[model_type]().to_dict()
        except Exception as error:
            print(f"{model_type}: no default config ({type(error).__name__})")
            continue
        config["architectures"] = [names if isinstance(names, str) else names[0]]
        found[model_type] = config
    return found


def convert(config: dict[str, Any], folder: Path) -> Path:
    """The header that the converter writes for a config, with the tensors that it computes from it."""
    import gguf
    from conversion import ModelType, get_model_architecture, get_model_class

    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    of_class = get_model_class(get_model_architecture(config, ModelType.TEXT))
    of_class.index_tensors = lambda self, remote_hf_model_id=None: {}  # the folder holds no weights
    model = of_class(folder, gguf.LlamaFileType.MOSTLY_F16, folder / "model.gguf", hparams=config)
    model.set_gguf_parameters()
    for name, tensor in model.generate_extra_tensors():
        model.gguf_writer.add_tensor(name, tensor.numpy().astype("float32"))
    model.gguf_writer.write_header_to_file(folder / "model.gguf")
    model.gguf_writer.write_kv_data_to_file()
    model.gguf_writer.write_tensors_to_file()
    model.gguf_writer.close()
    return folder / "model.gguf"


def row(path: Path) -> dict[str, Any] | None:
    """What a test needs of a header; None for one without layers."""
    metadata, tensors = read_gguf(path)
    architecture = metadata["general.architecture"]
    names = {
        key: key.removeprefix(f"{architecture}.") for key in metadata if key.startswith(f"{architecture}.")
    }
    keys = {
        name: list(value) if isinstance(value := metadata[key], tuple) else value
        for key, name in names.items()
        if name in OF_ROTATION or not why_inert(name)
    }
    divisors = {name: values.tolist() for name, values in tensors.items()}
    return {"architecture": architecture, "keys": keys, "divisors": divisors} if BLOCKS in keys else None


def main() -> None:
    """Write the table, and print what the converter refuses."""
    if len(sys.argv) != 3:
        raise SystemExit("usage: llama_cpp_headers.py LLAMA_CPP COMMIT")
    source = Path(sys.argv[1]).resolve()
    sys.path[:0] = [str(source / "gguf-py"), str(source)]
    logging.disable(logging.CRITICAL)
    rows: dict[str, Any] = {}
    for model_type, config in configs().items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = row(convert(config, Path(folder)))
            except Exception as error:
                print(f"{model_type}: {type(error).__name__}: {str(error)[:80]}")
                continue
        if found is not None:
            rows[model_type] = found
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in rows.items())
    head = f'"source": "llama.cpp at {sys.argv[2]}"'
    TARGET.write_text(f'{{\n {head},\n "models": {{\n{lines}\n}}}}\n', encoding="utf-8")
    print(f"{len(rows)} headers")


if __name__ == "__main__":
    main()
