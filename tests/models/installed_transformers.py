"""The installed transformers, which tests of parity compare the readers with."""

import importlib
from pathlib import Path

import transformers

from rope_lib.models.reading import class_defaults


def assert_table_of_this_version():
    """Every comparison fails where the table of class defaults was made from another version."""
    installed, source = f"transformers {transformers.__version__}", class_defaults()["source"]
    assert installed == source, f"class_defaults.json is of {source}: run `make tables` for {installed}"


def config_class(model_type):
    """The config class of a model type, those that only occur nested too."""
    if model_type in transformers.CONFIG_MAPPING:
        return transformers.CONFIG_MAPPING[model_type]
    models = Path(transformers.__file__).parent / "models"
    for file in sorted(models.glob("*/configuration_*.py")):
        if model_type in file.read_text(encoding="utf-8"):
            module = importlib.import_module(f"transformers.models.{file.parent.name}.{file.stem}")
            for value in vars(module).values():
                if getattr(value, "model_type", None) == model_type:
                    return value
    raise LookupError(model_type)
