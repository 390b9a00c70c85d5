"""Record what the installed transformers makes of configs, for `rope_lib.models.loaders` to be held to.

    python tools/loader_readings.py           # write the table of the installed version
    python tools/loader_readings.py --check   # exit 1 where the installed version says otherwise

Run it in an environment for each version: the shared one for transformers 5, and one with `transformers<5`
and torch. It builds the model of every class that holds rotary modules, with few layers and without memory
for weights, from each way to write a rotation (`SPELLINGS`), and records the spectra that its modules hold: of
each the number of pairs, the fastest and the slowest frequency, the mean of the logarithms, and the factor on
cos and sin; or the program's own refusal. For transformers 4 it also writes what the rules need to know of
each class: the keys that move each spectrum, their defaults, and where the text model is nested.
"""

import argparse
import copy
import importlib
import inspect
import json
import logging
import math
import os
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from transformers import CONFIG_MAPPING, MODEL_MAPPING

ROOT = Path(__file__).resolve().parent.parent
MAJOR = transformers.__version__.split(".")[0]
READINGS = ROOT / "tests" / "golden" / f"loader_readings_{MAJOR}.json"
CLASSES = ROOT / "rope_lib" / "models" / "loaders" / f"transformers_{MAJOR}.json"
MODELS = Path(transformers.__file__).parent / "models"

# Models of several thousand experts are as slow to build as they are large.
SMALL = {
    "num_local_experts": 2,
    "num_experts": 2,
    "n_routed_experts": 2,
    "moe_num_experts": 2,
    "num_hidden_layers": 8,
    "max_position_embeddings": 8192,
}
# Configs that a class refuses without another key.
NEEDED = {
    "bamba": {"attn_layer_indices": [2, 5]},
    "deepseek_v4": {"layer_types": ["sliding_attention", "compressed_sparse_attention"] * 4},
    "dots1": {"head_dim": 128},
    "esm": {"position_embedding_type": "rotary", "vocab_size": 33, "pad_token_id": 1},
    "granitemoehybrid": {
        "position_embedding_type": "rope",
        "layer_types": ["attention", "mamba"] * 4,
    },
    "zamba2": {"use_mem_rope": True},
}
OTHER = ("vision", "visual", "audio", "protein_encoder", "speech", "acoustic", "memory_attention")

THETA, OTHER_THETA, DECLARED, ORIGINAL = 123_456.0, 54_321.0, 8192, 2048
LINEAR = {"factor": 4.0}
YARN = {"factor": 4.0, "beta_fast": 24.0, "beta_slow": 2.0}
LLAMA3 = {"factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
WITHIN = {"original_max_position_embeddings": ORIGINAL}


def spellings(pairs):
    """Each way to write a rotation of `pairs` frequencies, as keys of a config; by name."""
    long = {"short_factor": [1.0 + i / 64 for i in range(pairs)], "long_factor": [2.0 + i for i in range(pairs)]}

    def scaling(kind, values, key="rope_type"):
        return {"rope_scaling": {key: kind, **values}}

    def parameters(kind, values):
        return {"rope_parameters": {"rope_type": kind, "rope_theta": THETA, **values}}

    return {
        "nothing": {},
        "base": {"rope_theta": THETA},
        "base null": {"rope_theta": None},
        "base in rope_parameters": parameters("default", {}),
        "base in rope_scaling": {"rope_scaling": {"rope_type": "default", "rope_theta": THETA}},
        "base at both": {"rope_theta": OTHER_THETA, **parameters("default", {})},
        "rotary_emb_base": {"rotary_emb_base": THETA},
        "rotary_base": {"rotary_base": THETA},
        "global_rope_theta": {"global_rope_theta": THETA},
        "local_rope_theta": {"local_rope_theta": THETA},
        "rope_local_base_freq": {"rope_local_base_freq": THETA},
        "bases by kind": {
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": THETA},
                "sliding_attention": {"rope_type": "default", "rope_theta": OTHER_THETA},
            }
        },
        "share": {"partial_rotary_factor": 0.5},
        "share in rope_parameters": parameters("default", {"partial_rotary_factor": 0.5}),
        "rotary_pct": {"rotary_pct": 0.5},
        "head_dim": {"head_dim": 32},
        "head_dim null": {"head_dim": None},
        "rotary_dim": {"rotary_dim": 32},
        "qk_rope_head_dim": {"qk_rope_head_dim": 32},
        "kv_channels": {"kv_channels": 32},
        "attention_head_dim": {"attention_head_dim": 32},
        "scaling null": {"rope_scaling": None},
        "scaling empty": {"rope_scaling": {}},
        "linear by type": scaling("linear", LINEAR, "type"),
        "linear": scaling("linear", LINEAR),
        "linear in rope_parameters": parameters("linear", LINEAR),
        "linear by type, yarn by rope_type": {"rope_scaling": {"type": "linear", "rope_type": "yarn", **YARN}},
        "yarn": scaling("yarn", {**YARN, **WITHIN}),
        "yarn, original length at the top": {**scaling("yarn", YARN), **WITHIN},
        "yarn, both original lengths": {
            **scaling("yarn", {**YARN, **WITHIN}),
            "original_max_position_embeddings": 2 * ORIGINAL,
        },
        "yarn without original length": scaling("yarn", YARN),
        "yarn in rope_parameters": parameters("yarn", {**YARN, **WITHIN}),
        "yarn, mscale": scaling("yarn", {**YARN, **WITHIN, "mscale": 1.0, "mscale_all_dim": 0.5}),
        "yarn, attention_factor": scaling("yarn", {**YARN, **WITHIN, "attention_factor": 1.5}),
        "yarn, untruncated": scaling("yarn", {**YARN, **WITHIN, "truncate": False}),
        "llama3": scaling("llama3", {**LLAMA3, **WITHIN}),
        "llama3 by type": scaling("llama3", {**LLAMA3, **WITHIN}, "type"),
        "llama3, original length at the top": {**scaling("llama3", LLAMA3), **WITHIN},
        "llama3 in rope_parameters": parameters("llama3", {**LLAMA3, **WITHIN}),
        "dynamic": scaling("dynamic", {"factor": 4.0}),
        "dynamic, original length": scaling("dynamic", {"factor": 4.0, **WITHIN}),
        "longrope, original length at the top": {**scaling("longrope", long), **WITHIN},
        "longrope": scaling("longrope", {**long, **WITHIN}),
        "longrope with factor": scaling("longrope", {**long, **WITHIN, "factor": 4.0}),
        "longrope in rope_parameters": parameters("longrope", {**long, **WITHIN}),
        "su, original length at the top": {**scaling("su", long, "type"), **WITHIN},
        "mrope": scaling("mrope", {"mrope_section": [16, 24, 24]}, "type"),
        "ntk": scaling("ntk", {"factor": 4.0}, "type"),
    }


def config_classes():
    """Every config class by model type, those that only occur nested too."""
    found = {}
    for name in CONFIG_MAPPING:
        found[name] = CONFIG_MAPPING[name]
    for name in CONFIG_MAPPING:
        subs = getattr(found[name], "sub_configs", {})
        for sub in subs.values() if isinstance(subs, dict) else ():
            if getattr(sub, "model_type", None):
                found.setdefault(sub.model_type, sub)
    return found


def on_cpu(cls):
    """Let a rotary module compute its frequencies although its model is built without memory."""
    original = cls.__init__
    if getattr(original, "is_on_cpu", False):
        return

    def init(self, *args, **kwargs):
        with torch.device("cpu"):
            original(self, *args, **kwargs)

    init.is_on_cpu = True
    cls.__init__ = init


def prepare(cls):
    """Do so for the rotary modules of a class's modeling code."""
    folder = cls.__module__.split(".")[-2]
    for file in sorted((MODELS / folder).glob("modeling_*.py")):
        if "_tf_" in file.name or "_flax_" in file.name:
            continue
        for name, value in vars(importlib.import_module(f"transformers.models.{folder}.{file.stem}")).items():
            if inspect.isclass(value) and issubclass(value, torch.nn.Module) and "Rotary" in name:
                on_cpu(value)


def model_class(cls):
    """The model that a config class builds."""
    found = MODEL_MAPPING[cls]
    return found[0] if isinstance(found, (tuple, list)) else found


def spectra(cls, keys):
    """`{module: (inv_freq, factor)}` of the text model that these keys build; or its refusal, in words."""
    try:
        config = cls.from_dict(copy.deepcopy({**SMALL, **NEEDED.get(cls.model_type, {}), **keys}))
        with torch.device("meta"):
            model = model_class(cls)(config)
        return dict(held(model))
    except Exception as error:  # each class has errors of its own
        line = (str(error).strip().splitlines() or [""])[0]
        return f"{type(error).__name__}: {line[:160]}".removesuffix(": ")


def held(model):
    """The spectra that the rotary modules of a model hold, at the declared length."""
    for name, module in model.named_modules():
        if any(word in name for word in OTHER):
            continue
        kinds = getattr(module, "rope_type", "")
        for kind in ([None] if not isinstance(kinds, dict) else kinds):
            at_length(module, kinds if kind is None else kinds[kind], kind)
        for buffer, value in module.named_buffers(recurse=False):
            if buffer.endswith("inv_freq") and "original" not in buffer and value.device.type != "meta":
                factor = getattr(module, buffer.replace("inv_freq", "attention_scaling"), 1.0)
                parts = ("*" if part.isdigit() else part for part in f"{name}.{buffer}".split("."))
                yield ".".join(parts), (value.double().flatten().tolist(), float(factor))
        if type(module.__dict__.get("embed_positions")) is torch.Tensor or "embed_positions" in module._buffers:
            table = module.embed_positions
            if table.device.type == "meta":  # GPT-J and CodeGen keep sines
                made = sys.modules[type(module).__module__].create_sinusoidal_positions
                with torch.device("cpu"):
                    table = made(2, table.shape[-1])
            yield "embed_positions", (torch.asin(table[1, : table.shape[1] // 2]).tolist(), 1.0)


def at_length(module, rope_type, kind):
    """Let a module whose frequencies depend on the length see the declared one."""
    if rope_type not in ("dynamic", "longrope"):
        return
    with torch.no_grad():
        extra = () if kind is None else (kind,)
        module(torch.zeros(1), torch.tensor([[DECLARED - 1]]), *extra)


def fingerprint(spectrum):
    """Five numbers that tell spectra apart: pairs, fastest, slowest, mean of the logarithms, and the factor."""
    inv_freq, factor = spectrum
    rotating = [frequency for frequency in inv_freq if frequency > 0]
    mean = sum(map(math.log, rotating)) / len(rotating) if rotating else 0.0
    numbers = (max(inv_freq), min(inv_freq), mean, factor)
    return [len(inv_freq), *(float(f"{number:.6g}") for number in numbers)]


def table():
    """`{model type: {spelling: {module: fingerprint} or a refusal}}` of every class with a rotary module."""
    found = {}
    for name, cls in sorted(config_classes().items()):
        if cls not in MODEL_MAPPING:
            continue
        prepare(cls)
        plain = spectra(cls, {})
        if isinstance(plain, str):
            print(f"{name}: {plain}", file=sys.stderr)
        if isinstance(plain, str) or not plain:
            continue
        pairs = len(next(iter(plain.values()))[0])
        found[name] = {}
        for spelling, keys in spellings(pairs).items():
            made = spectra(cls, keys)
            if not isinstance(made, str):
                made = {module: fingerprint(spectrum) for module, spectrum in made.items()}
            found[name][spelling] = made
    return found


def main():
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")
    found = {"source": f"transformers {transformers.__version__}", "classes": table()}
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
