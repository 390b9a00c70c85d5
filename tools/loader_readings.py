"""Record what the installed transformers makes of configs, for `rope_lib.models.loaders` to be held to.

    python tools/loader_readings.py                           # measure every class: some twenty minutes
    python tools/loader_readings.py --classes llama,phi3      # measure some classes again
    python tools/loader_readings.py --classes llama --check   # compare, write nothing, exit 1 if they differ
    python tools/loader_readings.py --rows                    # write the rows again from the kept readings

Run it in an environment of each version: the shared one for transformers 5, and one with `transformers<5`,
torch and gguf. It builds the model of every class that holds rotary modules, with few layers and without
memory for weights, from each way to write a rotation (`loader_spellings.spellings`), and keeps in
tests/golden/loader_readings_N.json the spectra that its modules hold, or the program's own refusal; a way
that changes nothing is left out. From these it makes rope_lib/models/loaders/transformers_N.json, what the
rules need to know of each class: the keys that move each spectrum, the ways that it reads and those that it
refuses, its defaults, where its text model is nested; and the keys of a GGUF file that it translates.
"""

import argparse
import copy
import importlib
import inspect
import json
import logging
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import gguf
import torch
import transformers
from loader_spellings import (
    DECLARED,
    NEEDED,
    SMALL,
    fingerprint,
    kept_text,
    spellings,
    with_repetition,
    without_repetition,
)
from transformers import CONFIG_MAPPING, MODEL_MAPPING
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

ROOT = Path(__file__).resolve().parent.parent
MAJOR = transformers.__version__.split(".")[0]
READINGS = ROOT / "tests" / "golden" / f"loader_readings_{MAJOR}.json"
CLASSES = ROOT / "rope_lib" / "models" / "loaders" / f"transformers_{MAJOR}.json"
MODELS = Path(transformers.__file__).parent / "models"

OTHER = ("vision", "visual", "audio", "protein_encoder", "speech", "acoustic", "memory_attention")

SERVED_BY = {"internlm3": "llama", "iquestcoder": "llama"}  # classes without modeling code of their own
NOT_TEXT = re.compile(
    "vision|audio|image|speech|asr|tts|codec|vit|dino|sam[23]|vq|musicgen|mimi|moshi|csm|vocal|evolla|blt|esm"
    "|efficientloftr|moonshine|pixtral|clvp|^dia|t5gemma|edgetam|timesfm|music|voxtral|word_timestamp|qwen2_5_omni|lasr|pe_"
)
ROTARY = re.compile("[Rr]otary|create_sinusoidal_positions")


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
    has_rotary = False
    folder = cls.__module__.split(".")[-2]
    for file in sorted((MODELS / SERVED_BY.get(folder, folder)).glob("modeling_*.py")):
        if "_tf_" in file.name or "_flax_" in file.name or not ROTARY.search(file.read_text("utf-8")):
            continue
        try:
            module = importlib.import_module(f"transformers.models.{file.parent.name}.{file.stem}")
        except ImportError:  # of a package for sound or images
            continue
        has_rotary = True
        for name, value in vars(module).items():
            if inspect.isclass(value) and issubclass(value, torch.nn.Module) and "Rotary" in name:
                on_cpu(value)
    return has_rotary


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
        found = {}
        for name, spectrum in held(model):
            while found.setdefault(name, spectrum) != spectrum:  # the layers of a list that differ
                name += "'"
        return found
    except Exception as error:  # each class has errors of its own
        line = (str(error).strip().splitlines() or [""])[0]
        return f"{type(error).__name__}: {line[:160]}".removesuffix(": ")


def held(model):
    """The spectra that the rotary modules of a model hold, at the declared length."""
    for name, module in model.named_modules():
        if any(word in name for word in OTHER):
            continue
        kinds = getattr(module, "rope_type", "")
        for kind in [None] if not isinstance(kinds, dict) else kinds:
            at_length(module, kinds if kind is None else kinds[kind], kind)
        for buffer, value in module.named_buffers(recurse=False):
            if buffer.endswith("inv_freq") and "original" not in buffer and value.device.type != "meta":
                factor = getattr(module, buffer.replace("inv_freq", "attention_scaling"), 1.0)
                parts = ("*" if part.isdigit() else part for part in f"{name}.{buffer}".split("."))
                yield ".".join(parts), (value.double().flatten().tolist(), float(factor))
        if (
            type(module.__dict__.get("embed_positions")) is torch.Tensor
            or "embed_positions" in module._buffers
        ):
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


def measured(chosen):
    """`{model type: {spelling: {module: fingerprint} or a refusal}}` of every class with a rotary module.

    Of the `chosen` model types, or of all.
    """
    found = {}
    for name, cls in sorted(config_classes().items()):
        if chosen and name not in chosen:
            continue
        if cls not in MODEL_MAPPING or NOT_TEXT.search(name) or not prepare(cls):
            continue
        plain = spectra(cls, {})
        if isinstance(plain, str) or not plain:
            print(f"{name}: {plain or 'no rotary module'}", file=sys.stderr)
            continue
        ways = spellings(len(next(iter(plain.values()))[0]), attribute(cls(), "hidden_size"))
        found[name] = {way: short(spectra(cls, keys)) for way, keys in ways.items()}
        print(name, file=sys.stderr, flush=True)
    return found


def short(made):
    """What is kept of the spectra of a model, or of a refusal."""
    if isinstance(made, str):
        return made[:80]
    return {module: fingerprint(spectrum) for module, spectrum in made.items()}


# The keys that may move a spectrum, by what they are for, with the spelling that shows it.
BASES = {
    "rope_theta": "base", "rotary_emb_base": "rotary_emb_base", "rotary_base": "rotary_base",
    "global_rope_theta": "global_rope_theta", "local_rope_theta": "local_rope_theta",
    "rope_local_base_freq": "rope_local_base_freq",
}  # fmt: skip
SHARES = {"partial_rotary_factor": "share", "rotary_pct": "rotary_pct"}
SIZES = ("head_dim", "rotary_dim", "qk_rope_head_dim", "kv_channels", "attention_head_dim")
# Ways to write a rotation that a class reads or passes over: the spelling, and the number that it would move.
WAYS = {
    "base in rope_scaling": 2, "base in rope_parameters": 2, "bases by kind": 2, "linear": 1,
    "linear by type": 1, "linear in rope_parameters": 1, "share in rope_parameters": 0, "share, linear": 0,
    "linear beside another base in rope_parameters": 1, "yarn": 2, "llama3": 2,
    "longrope, original length at the top": 1, "su, original length at the top": 1,
}  # fmt: skip
# The types of scaling that a class may refuse, with the spelling that shows it.
TYPES = {
    "default": "base in rope_scaling", "linear": "linear", "yarn": "yarn", "llama3": "llama3",
    "dynamic": "dynamic", "longrope": "longrope, original length at the top", "mrope": "mrope",
    "su": "su, original length at the top", "ntk": "ntk",
}  # fmt: skip
OTHER_REFUSALS = {
    "linear by type": "linear by type", "llama3 by type": "llama3 by type",
    "by kind": "bases by kind", "rope_parameters": "base in rope_parameters", "head_dim": "head_dim",
    "null rope_scaling": "scaling null", "empty rope_scaling": "scaling empty",
    "null head_dim": "head_dim null", "both objects": "linear beside another base in rope_parameters",
}  # fmt: skip
DEFAULTS = (
    *BASES, *SHARES, *SIZES, "rope_scaling", "rope_parameters", "hidden_size", "num_attention_heads",
    "num_hidden_layers", "max_position_embeddings", "original_max_position_embeddings", "qk_nope_head_dim",
    "default_theta",
)  # fmt: skip


def pairs_of_block(readings, module, otherwise):
    """How many pairs rotate where the config has an object of its own that states no share."""
    made = readings["base in rope_parameters"]
    return made[module][0] if not isinstance(made, str) and module in made else otherwise


def is_rope_type_first(readings):
    """Whether a class takes `rope_type` where an object states another `type`."""
    both, linear = readings["linear by type, yarn by rope_type"], readings["linear"]
    if isinstance(both, str):
        return "NoneType" in both  # as it fails with YaRN where no head size is stated
    return not isinstance(linear, str) and any(both[name][1] != linear[name][1] for name in linear)


def attribute(config, name):
    """An attribute of a config, None where it has none or more than one."""
    try:
        return getattr(config, name, None)
    except Exception:  # of a config whose layers differ
        return None


def class_row(cls, readings):
    """What the rules must know of a class: its defaults, and what moves each of its spectra."""
    sizes = {key: value for key, value in NEEDED.get(cls.model_type, {}).items() if key == "head_dim"}
    config, plain = cls(**sizes), readings["nothing"]
    defaults = {key: value for key in DEFAULTS if (value := attribute(config, key)) is not None}

    def moved(spelling, module, number):
        made = readings.get(spelling, {})
        return not isinstance(made, str) and module in made and made[module][number] != plain[module][number]

    spectra = {}
    for module, (pairs, _, slowest, *_) in plain.items():
        spectra[module] = {
            "base": [key for key, spelling in BASES.items() if moved(spelling, module, 2)],
            "share": [key for key, spelling in SHARES.items() if moved(spelling, module, 0)],
            "size": [key for key in SIZES if moved(key, module, 0)],
            "is_quotient": moved("hidden_size", module, 0),
            "reads": [way for way, number in WAYS.items() if moved(way, module, number)],
            "pairs": pairs,
            "block_pairs": pairs_of_block(readings, module, pairs),
            "slowest": slowest,
        }
    refused = {name: made for name, spelling in TYPES.items() if isinstance(made := readings[spelling], str)}
    for name, spelling in OTHER_REFUSALS.items():
        if isinstance(readings[spelling], str):
            refused[name] = readings[spelling]
    row = {"defaults": defaults, "spectra": spectra, "refuses": refused}
    row["aliases"] = {
        own: name for name, own in cls.attribute_map.items() if name in DEFAULTS and own not in DEFAULTS
    }
    row["rope_type_first"] = is_rope_type_first(readings)
    return row


def classes(readings):
    """`{model type: row}` of every model type: of text with rotary modules, without, or with a text part.

    `takes_top` says of one with a text part whether keys at the top count where that part is missing.
    """
    found = {}
    for name, cls in sorted(config_classes().items()):
        found[name] = text_part(cls)
        measured = readings.get(name)
        if measured and found[name]:
            base = measured["base"]
            found[name]["takes_top"] = not isinstance(base, str) and base != measured["nothing"]
        elif measured:
            found[name] = class_row(cls, measured)
        elif not found[name] and not mentions_rotary(cls):
            found[name] = {"rope": False}
    return found


def mentions_rotary(cls):
    """Whether the modeling code of a class speaks of rotary embeddings at all."""
    folder = cls.__module__.split(".")[-2]
    files = list((MODELS / SERVED_BY.get(folder, folder)).glob("modeling_*.py"))
    return not files or any(ROTARY.search(file.read_text("utf-8")) for file in files)


# A GGUF file's keys of rotation, with values by which they are known again in the config made of it.
MARKS = {
    "block_count": 7, "context_length": 7001, "embedding_length": 704, "attention.head_count": 11,
    "attention.key_length": 96, "rope.dimension_count": 48, "rope.freq_base": 77_777.0,
    "rope.freq_base_swa": 5_555.0, "attention.sliding_window": 333, "rope.scaling.type": "yarn",
    "rope.scaling.factor": 3.0, "rope.scaling.original_context_length": 2222,
}  # fmt: skip


def gguf_rows():
    """Of each architecture of GGUF files that it loads: the model type, and config key → key of the file."""
    found = {}
    for architecture in sorted(gguf.MODEL_ARCH_NAMES.values()):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.gguf"
            writer = gguf.GGUFWriter(path, architecture)
            writer.add_name("a model")
            for key, value in MARKS.items():
                add = {int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}[type(value)]
                add(f"{architecture}.{key}", value)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            try:
                config = load_gguf_checkpoint(str(path))["config"]
            except Exception:  # an architecture that it does not know
                continue
        flat = {
            **config,
            **{f"rope_scaling.{key}": value for key, value in config.get("rope_scaling", {}).items()},
        }
        marks = {value: key for key, value in MARKS.items()}
        keys = {
            name: marks[value]
            for name, value in flat.items()
            if not isinstance(value, (dict, list)) and value in marks
        }
        found[architecture] = {"model_type": config.get("model_type"), "keys": keys}
    return found


def text_part(cls):
    """Where a class nests its text model and of which type it is; empty for others."""
    try:
        config = cls()
        inner = config.get_text_config()
    except Exception:  # each class has errors of its own
        return {}
    keys = [key for key, value in vars(config).items() if value is inner and inner is not config]
    return {"text": keys[0], "text_type": inner.model_type} if keys else {}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--classes", help="model types to measure, separated by commas; the others stay")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--rows", action="store_true", help="measure nothing")
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")
    source = f"transformers {transformers.__version__}"
    kept = json.loads(READINGS.read_text(encoding="utf-8"))["classes"] if READINGS.is_file() else {}
    chosen = set((options.classes or "").split(",")) - {""}
    if not options.rows:
        found = {name: without_repetition(made) for name, made in measured(chosen).items()}
        if options.check:
            differing = [name for name in found if found[name] != kept.get(name)]
            sys.exit(f"another reading of {', '.join(differing)}" if differing else 0)
        kept = {**kept, **found} if chosen else found
        READINGS.write_text(kept_text(source, kept), encoding="utf-8")
    rows = classes({name: with_repetition(made) for name, made in kept.items()})
    lines = [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(rows.items())]
    head = f'{{"source": {json.dumps(source)}, "gguf": {json.dumps(gguf_rows())}, "classes": {{\n'
    CLASSES.write_text(head + ",\n".join(lines) + "\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
