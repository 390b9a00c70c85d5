"""Find out which methods of `rope-lib extend` each class of the installed transformers runs as it is meant.

    python tools/extendable.py            # write this version's part of rope_lib/models/extendable.json
    python tools/extendable.py --check    # exit 1 at the first model type that differs from it
    python tools/extendable.py --why      # say for each model type and method left out what was different
    python tools/extendable.py --published  # try the command on every config of the atlas

Run it once with transformers 5 and once with transformers 4, each in an environment of its own. For every
text class that rotates and every method, the fragment is written into the config of the class's defaults,
the class and its rotary module are built from the result, and the frequencies and the attention factor are
compared with those of `theory.scaling`; those of the config without the fragment must be others.
"""

import argparse
import contextlib
import importlib
import inspect
import json
import logging
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
import transformers  # noqa: E402

from rope_lib.models.atlas import atlas, atlas_config  # noqa: E402
from rope_lib.models.config import read_config  # noqa: E402
from rope_lib.models.config_parts import Parts, text_of  # noqa: E402
from rope_lib.models.extend import METHODS  # noqa: E402
from rope_lib.models.fragments import applied, composed, extension_for, written  # noqa: E402
from rope_lib.models.reading import class_defaults  # noqa: E402

TARGET = ROOT / "rope_lib" / "models" / "extendable.json"
MODELS = Path(transformers.__file__).parent / "models"
VERSION = transformers.__version__
PROGRAM = f"transformers-{VERSION.split('.')[0]}"
STRETCH = 4

# What a class needs beside its defaults before its layers rotate, or before its defaults make sense.
EXTRA = {
    "bamba": {"attn_layer_indices": [9, 18, 27]},
    "cohere_compass_text": {
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
            "full_attention": None,
        },
        "layer_types": ["sliding_attention", "full_attention"] * 20,
    },
    "deepseek_v4": {
        "layer_types": ["sliding_attention", "compressed_sparse_attention"] * 21 + ["sliding_attention"]
    },
    "dots3_note_text": {},
    "esm": {"position_embedding_type": "rotary"},
    "glm4_moe": {"head_dim": 128},
    "glm4v_moe_text": {"head_dim": 128},
    "granitemoehybrid": {
        "position_embedding_type": "rope",
        "layer_types": ["linear_attention", "full_attention"] * 16,
    },
    "laguna": {"layer_types": ["full_attention", "sliding_attention"] * 20},
    "mellum": {"layer_types": ["full_attention", "sliding_attention"] * 14},
    "qwen3_omni_moe_text": {"head_dim": 128},
    "zamba2": {"use_mem_rope": True, "attention_head_dim": 160},
}
if PROGRAM == "transformers-4":
    EXTRA["granitemoehybrid"]["layer_types"] = ["mamba", "attention"] * 16
# Tried in turn until one of them can be extended: a class may have a window on every layer by default.
WITHOUT_WINDOW = ({}, {"sliding_window": None}, {"use_sliding_window": False}, {"layer_types": "full"})

SERVED_BY = {
    "granite4_vision": "granite",
    "higgs_audio_v2": "llama",
    "internlm3": "llama",
    "iquestcoder": "llama",
}

# What the buffers of a kind are called in modules that hold several.
LABELS = {
    "full": ("full_attention", "indexed_attention", "hybrid"),
    "sliding": ("sliding_attention", "hybrid_sliding", "main"),
    "compressed_sparse": ("compress",),
    "heavily_compressed": ("compress",),
}


def config_class(model_type):
    """The config class of a model type, those that only occur nested too; None where there is none."""
    if model_type in transformers.CONFIG_MAPPING:
        return transformers.CONFIG_MAPPING[model_type]
    for file in sorted(MODELS.glob("*/configuration_*.py")):
        if f'"{model_type}"' in file.read_text(encoding="utf-8"):
            module = importlib.import_module(f"transformers.models.{file.parent.name}.{file.stem}")
            for value in vars(module).values():
                if getattr(value, "model_type", None) == model_type:
                    return value
    return None


def folder_of(cls):
    """The folder of the code that serves a config class."""
    folder = cls.__module__.split(".")[-2]
    return SERVED_BY.get(folder, folder)


def rotary_classes(cls):
    """The classes of a model's code that hold the frequencies of text."""
    folder = folder_of(cls)
    for file in sorted((MODELS / folder).glob("modeling_*.py")):
        if file.stem.startswith(("modeling_flax_", "modeling_tf_")):
            continue
        module = importlib.import_module(f"transformers.models.{folder}.{file.stem}")
        for name, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == module.__name__ and "RotaryEmbedding" in name:
                yield value


def run_to(module, length, buffers):
    """Let a module whose frequencies depend on the length see the last position of an input."""
    labels = {name.removesuffix("_inv_freq") for name in buffers if name.endswith("_inv_freq")} - {"original"}
    labels = {label for label in labels if not label.endswith("_original")}
    for shape in ((1, 1), (3, 1, 1)):
        positions = torch.full(shape, length - 1)
        for extra in [(label,) for label in labels] or [()]:
            with contextlib.suppress(IndexError, KeyError, RuntimeError, TypeError, ValueError):
                module(torch.zeros(1, 1, 1), positions, *extra)


def module_spectra(cls, config, length):
    """`{buffer: (inv_freq, attention factor)}` of every rotary module that accepts the config."""
    spectra = {}
    for rotary in rotary_classes(cls):
        try:
            module = rotary(config)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError):
            continue  # of the vision or sound part of the same model
        run_to(module, length, [name for name, _ in module.named_buffers()])
        for name, buffer in module.named_buffers():
            if name.endswith("inv_freq") and "original" not in name:
                factor = getattr(module, name.replace("inv_freq", "attention_scaling"), None)
                factor = getattr(module, "attention_scaling", 1.0) if factor is None else factor
                spectra[f"{rotary.__name__}.{name}"] = (buffer.double().numpy(), factor)
    return spectra


def of_kind(spectra, kind):
    """The spectra that may serve layers of a kind."""
    labels = tuple(f".{label}_inv_freq" for label in LABELS.get(kind, (f"{kind}_attention",)))
    own = [one for name, one in spectra.items() if name.endswith(labels)]
    return own or [one for name, one in spectra.items() if name.endswith(".inv_freq")]


def agree(ours, theirs):
    """Whether two spectra are the same to float32, in whatever order the axes of images put them."""
    if ours[0].shape != theirs[0].shape or not np.isclose(ours[1], theirs[1], rtol=1e-6):
        return False
    return any(np.allclose(ours[0], other, rtol=1e-5, atol=0) for other in (theirs[0], -np.sort(-theirs[0])))


def plain(config):
    """A config as its file holds it."""
    return json.loads(json.dumps(config.to_dict(), default=str))


def difference(cls, file, method, head_dim):
    """What goes wrong with a method, in words, or None: the fragment is run as it is meant.

    `head_dim` is what the config is to state beside the fragment.
    """
    spec = read_config(file)
    parts = Parts(spec, file)
    original = spec.original_context or spec.declared_context or 4096
    try:
        extension = extension_for(spec, parts, STRETCH * original, method, PROGRAM, original=original)
        fragment = composed(extension, parts, PROGRAM)
    except ValueError as error:
        return f"refused: {error}"
    values = {key: value for key, value in fragment.values.items() if key != "head_dim"} | head_dim
    return misread(cls, file, applied(file, replace(fragment, values=values)), extension)


def as_written(config, method):
    """The same of the command itself, on a whole config, whose text part is loaded."""
    spec = read_config(config)
    context = STRETCH * max(spec.declared_context or 4096, spec.original_context or 0)
    try:
        extension, fragment = written(spec, config, context, method, PROGRAM)
    except ValueError as error:
        return f"refused: {error}"
    before, after = (text_of(one)[0] for one in (config, applied(config, fragment)))
    return misread(config_class(text_of(config)[2]), before, after, extension)


def misread(cls, file, written_file, extension):
    """Where the class, built from either file, does not rotate as the extension says; None if it does."""
    context = extension.context
    try:
        was, after = (
            module_spectra(cls, cls.from_dict(json.loads(json.dumps(one))), context)
            for one in (file, written_file)
        )
    except Exception as error:  # whatever a class raises, it does not run the fragment
        return f"not loaded: {str(error).splitlines()[-1]}"
    if not after:
        return "no rotary module"
    for change in extension.changes:
        if not change.is_changed and PROGRAM == "transformers-4":
            continue  # its module for sliding layers is built from a changed copy of the config
        spectrum, kind = change.after.spectrum(context), change.after.kind
        if not any(agree(spectrum, one) for one in of_kind(after, kind)):
            return f"{kind}: other frequencies than meant"
        if change.changes_numbers and any(agree(spectrum, one) for one in of_kind(was, kind)):
            return f"{kind}: the frequencies were those before"
    return None


def published():
    """`{(model of the atlas, method): what goes wrong, or None}`, where this version has a class for it."""
    configs = {model.name: atlas_config(model.name) for model in atlas()}
    known = {name: config for name, config in configs.items() if config_class(text_of(config)[2])}
    return {(name, method): as_written(known[name], method) for name in known for method in METHODS}


def prepared(cls, model_type):
    """The file of a class's defaults, without what keeps every layer from being extended."""
    for extra in WITHOUT_WINDOW:
        with contextlib.suppress(Exception):  # a class may not be built without its window
            if "layer_types" in extra:
                depth = cls(**EXTRA.get(model_type, {})).num_hidden_layers
                extra = {"sliding_window": None, "layer_types": ["full_attention"] * depth}
            file = plain(cls(**EXTRA.get(model_type, {}), **extra)) | {"model_type": model_type}
            if any(rotary.window is None for rotary in read_config(file).rotaries):
                return file
    file = plain(cls(**EXTRA.get(model_type, {}))) | {"model_type": model_type}
    read_config(file)
    return file


def examined(model_type):
    """`{method: what goes wrong, or None}` of a model type, and whether it must state its head size.

    None where it has no class.
    """
    cls = config_class(model_type)
    if cls is None:
        return None
    try:
        file = prepared(cls, model_type)
    except Exception as error:
        return dict.fromkeys(METHODS, f"not read: {error}"), False
    plainly = {method: difference(cls, file, method, {}) for method in METHODS}
    if "no rotary module" not in plainly.values():
        return plainly, False
    head_dim = {"head_dim": read_config(file).rotaries[0].head_dim}
    stated = {method: difference(cls, file, method, head_dim) for method in METHODS}
    helps = [method for method in METHODS if plainly[method] and not stated[method]]
    harms = [method for method in METHODS if stated[method] and not plainly[method]]
    return (stated, True) if helps and not harms else (plainly, False)


def scales_scores(model_types):
    """The model types whose code multiplies scores by mscale_all_dim."""
    for model_type in model_types:
        files = (MODELS / folder_of(config_class(model_type))).glob("modeling_*.py")
        if any("mscale_all_dim" in file.read_text(encoding="utf-8") for file in files):
            yield model_type


def table(found):
    """The part of the table for the installed version."""
    rows = {name: row for name, row in found.items() if row is not None}
    methods = {
        name: [method for method in METHODS if wrong[method] is None] for name, (wrong, _) in rows.items()
    }
    return {
        "version": f"transformers {VERSION}",
        "methods": methods,
        "needs_head_dim": [name for name, (_, needs) in rows.items() if needs],
        "scales_scores": sorted(scales_scores(methods)),
    }


def dumps(whole):
    """The table as text, one line for each model type."""
    parts = []
    for program, part in sorted(whole.items()):
        rows = ",\n".join(
            f"      {json.dumps(name)}: {json.dumps(row)}" for name, row in part["methods"].items()
        )
        parts.append(
            f'  {json.dumps(program)}: {{\n    "version": {json.dumps(part["version"])},\n'
            f'    "methods": {{\n{rows}\n    }},\n'
            f'    "needs_head_dim": {json.dumps(part["needs_head_dim"])},\n'
            f'    "scales_scores": {json.dumps(part["scales_scores"])}\n  }}'
        )
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--why", action="store_true", help="print what is left out, and why")
    parser.add_argument("--published", action="store_true", help="try the configs of the atlas")
    parser.add_argument("models", nargs="*", help="model types; all by default")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    if options.published:
        reasons = published()
        wrong = {key: why for key, why in reasons.items() if why and not why.startswith("refused: ")}
        right = sum(why is None for why in reasons.values())
        print(f"{right} right, {len(reasons) - right - len(wrong)} refused, {len(wrong)} wrong {wrong}")
        return
    rotating = sorted(name for name, row in class_defaults()["models"].items() if row.get("rope"))
    found = {name: examined(name) for name in options.models or rotating}
    if options.why:
        for name, row in found.items():
            wrong, needs = row or ({"any": "no class"}, False)
            if needs:
                print(f"{name:28} must state head_dim")
            for method, reason in wrong.items():
                if reason:
                    print(f"{name:28} {method:8} {reason}")
        return
    whole = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {}
    new = table(found)
    if options.check:
        old = whole.get(PROGRAM, {})
        for name in sorted({*old.get("methods", {}), *new["methods"]}):
            if old["methods"].get(name) != new["methods"].get(name):
                sys.exit(f"{name}: {old['methods'].get(name)} in the table, {new['methods'].get(name)} here")
        return
    TARGET.write_text(dumps({**whole, PROGRAM: new}), encoding="utf-8")


if __name__ == "__main__":
    main()
