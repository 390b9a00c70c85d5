"""A fragment, loaded by the real transformers, gives the frequencies that the theory says, and others than
before; for every text class with rotary, and for every published config at hand."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from rope_lib.models import read_model
from rope_lib.models.atlas import atlas, atlas_config
from rope_lib.models.config import text_part
from rope_lib.models.extend import METHODS
from rope_lib.models.extendable import extendable
from rope_lib.models.fragments import applied, written
from rope_lib.models.reading import class_defaults

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from installed_transformers import assert_table_of_this_version  # noqa: E402

ROTATING = sorted(name for name, row in class_defaults()["models"].items() if row.get("rope"))
TOOL = Path(__file__).parents[2] / "tools" / "extendable.py"


@pytest.fixture(scope="module")
def tool():
    """tools/extendable.py, which builds the rotary modules of the installed transformers."""
    assert_table_of_this_version()
    spec = importlib.util.spec_from_file_location("extendable_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_of_the_installed_version():
    assert extendable("transformers-5").version == f"transformers {transformers.__version__}"
    assert extendable("transformers-4").version.startswith("transformers 4.57")
    assert set(extendable("transformers-5").methods) == set(ROTATING)


@pytest.mark.parametrize("model_type", ROTATING)
def test_a_class_runs_the_methods_that_the_table_says(tool, model_type):
    wrong, needs_head_dim = tool.examined(model_type)
    table = extendable("transformers-5")
    assert tuple(method for method in METHODS if wrong[method] is None) == table.methods[model_type], wrong
    assert needs_head_dim == (model_type in table.needs_head_dim)


def test_the_table_holds_nearly_every_class():
    complete = [name for name, methods in extendable("transformers-5").methods.items() if len(methods) == 5]
    assert len(complete) > 0.85 * len(ROTATING)


def text_spectra(tool, config, context):
    """What the real class and its rotary module make of the text part of a config."""
    text = config.get("text_config", config)
    cls = tool.config_class(read_model_type(config))
    return tool.module_spectra(cls, cls.from_dict(json.loads(json.dumps(text))), context)


def read_model_type(config):
    return text_part(config)[2]


@pytest.mark.parametrize("method", METHODS)
def test_published_configs_rotate_as_written(tool, method):
    seen = 0
    for name in sorted(model.name for model in atlas()):
        config = atlas_config(name)
        if read_model_type(config) not in class_defaults()["models"]:
            continue
        spec = read_model(config)
        context = 4 * max(spec.declared_context or 4096, spec.original_context or 0)
        try:
            extension, fragment = written(spec, config, context, method, "transformers-5")
        except ValueError:
            continue
        before = text_spectra(tool, config, context)
        after = text_spectra(tool, applied(config, fragment), context)
        for change in extension.changes:
            spectrum = change.after.spectrum(context)
            kind = change.after.kind
            assert any(tool.agree(spectrum, one) for one in tool.of_kind(after, kind)), (name, kind, after)
            if change.changes_numbers:
                assert not any(tool.agree(spectrum, one) for one in tool.of_kind(before, kind)), (name, kind)
        seen += 1
    assert seen > 60


def llama(**keys):
    sizes = {"hidden_size": 256, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 8}
    return transformers.LlamaConfig(**sizes, vocab_size=8, max_position_embeddings=4096, **keys)


def test_a_scaling_that_is_set_after_loading_does_nothing():
    model = transformers.LlamaForCausalLM(llama())
    before = model.model.rotary_emb.inv_freq.clone()
    with pytest.warns(FutureWarning, match="rope_scaling` is deprecated"):
        model.config.rope_scaling = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10_000.0}
    model(torch.zeros(1, 4, dtype=torch.long))
    assert torch.equal(model.model.rotary_emb.inv_freq, before)
    with pytest.warns(FutureWarning):
        model.config.rope_scaling = {"rope_type": "linear", "factor": 4.0}
    assert model.config.rope_parameters["rope_theta"] is None  # a fragment has to be whole


def test_a_whole_model_with_a_fragment_rotates_by_it():
    file = json.loads(json.dumps(llama().to_dict()))
    extension, fragment = written(read_model(file), file, 16_384, "yarn", "transformers-5")
    config = transformers.LlamaConfig.from_dict(applied(file, fragment))
    rotary = transformers.LlamaForCausalLM(config).model.rotary_emb
    inv_freq, attention_factor = extension.after.rotaries[0].spectrum(16_384)
    np.testing.assert_allclose(rotary.inv_freq, inv_freq, rtol=1e-6)
    assert rotary.attention_scaling == pytest.approx(attention_factor)
